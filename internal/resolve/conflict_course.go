package resolve

import (
	"slices"
	"time"
)

// ConflictStep is the conflict of a scope from the instant At on. Conflict is nil if there is none.
type ConflictStep struct {
	At       time.Time
	Conflict *Conflict
}

// ConflictCourse describes how the conflict of one scope changes over time while the objects stay the same.
type ConflictCourse struct {
	Scope       Scope
	Application string
	// Steps is sorted by time and begins at the requested instant.
	Steps []ConflictStep
}

// At returns the conflict of the scope at the instant t, or nil if there is none.
func (c *ConflictCourse) At(t time.Time) *Conflict {
	after := slices.IndexFunc(c.Steps, func(s ConflictStep) bool { return s.At.After(t) })
	if after < 0 {
		after = len(c.Steps)
	}
	if after == 0 {
		return nil
	}
	return c.Steps[after-1].Conflict
}

// ConflictCourses returns the scopes in which grants of the user conflict now or later. It evaluates a scope when
// something that affects it opens or closes, and at most [MaximumInstants] times.
func (o *Organization) ConflictCourses(u *User, now time.Time) []ConflictCourse {
	f := newFuture(o, u, now)
	var found []ConflictCourse
	for _, scope := range []Scope{ScopeBroad, ScopeOrganization, ScopeSystem} {
		found = appendConflicts(found, ConflictCourse{Scope: scope}, now, f.cuts, func(t time.Time) []Conflict {
			s := f.segment(t)
			if s.barred {
				return nil
			}
			return o.conflicts(&s.grants, s.broad, s.system)
		})
	}
	for i := range f.lines {
		l := &f.lines[i]
		if len(l.grants) < 2 {
			continue
		}
		course := ConflictCourse{Scope: ScopeApplication, Application: l.application}
		found = appendConflicts(found, course, now, f.merged(l), func(t time.Time) []Conflict {
			if f.segment(t).barred {
				return nil
			}
			f.decideRole(l, t) // leaves the grants that count in scratch
			own := specificTier{l.application, f.scratch, choose(f.scratch, o.rules.Strategy)}
			return o.conflicts(&grants{specific: []specificTier{own}}, choice{}, choice{})
		})
	}
	return found
}

func appendConflicts(
	to []ConflictCourse, c ConflictCourse, now time.Time, instants []time.Time, at func(time.Time) []Conflict,
) []ConflictCourse {
	ever := false
	note := func(t time.Time) {
		var is *Conflict
		conflicts := at(t)
		if i := slices.IndexFunc(conflicts, func(each Conflict) bool { return each.Scope == c.Scope }); i >= 0 {
			is, ever = &conflicts[i], true
		}
		if n := len(c.Steps); n > 0 {
			was := c.Steps[n-1].Conflict
			if (was == nil) == (is == nil) && (is == nil || was.Equal(*is)) {
				return
			}
		}
		c.Steps = append(c.Steps, ConflictStep{t, is})
	}
	note(now)
	for _, t := range instants[:min(len(instants), MaximumInstants)] {
		note(t)
	}
	if !ever {
		return to
	}
	return append(to, c)
}
