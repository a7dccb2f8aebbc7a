package resolve

import (
	"slices"
	"time"
)

// line holds what affects one application in addition to what all applications share.
type line struct {
	application string
	grants      []heldGrant
	exclusive   []*exclusiveRule
	own         []time.Time // the instants of grants, sorted
	merged      []time.Time // own and future.common, set by future.merged
	roles       []roleAt    // by place in merged, kept if other applications need them too
}

// heldGrant is a grant in one application, with the index of its source in the holdings.
type heldGrant struct {
	*grant
	holding int
}

// extent selects the applications for which lines are made.
type extent int

const (
	// everything selects the applications that a grant, a row entry or a rule names for the user at any instant, and
	// those of rules of exclusive access. All others follow the default.
	everything extent = iota
	// onlyChanging omits applications on which no instant bears, if that can be determined cheaply.
	onlyChanging
)

// gatherLines makes the lines. Only the first call has an effect.
func (f *future) gatherLines(of extent) {
	if f.gathered {
		return
	}
	f.gathered = true
	if of == onlyChanging && len(f.common) == 0 && !f.bounded {
		f.makeLines(f.tiedTo(f.changing()))
		return
	}
	names := slices.Clone(f.o.hideUnmatched)
	if f.bounded {
		names = append(names, f.u.Named...)
	}
	for i := range f.u.Holdings {
		b := f.u.Holdings[i].Source
		if b == nil {
			continue
		}
		for j := range b.specific {
			names = append(names, b.specific[j].application)
		}
		for j := range b.rows {
			names = append(names, b.rows[j].Application)
		}
	}
	for i := range f.o.exclusive {
		names = append(names, f.o.exclusive[i].Applications...)
	}
	f.makeLines(names)
}

// changing returns the applications whose own grants open or close after now.
func (f *future) changing() []string {
	var names []string
	for i := range f.u.Holdings {
		b := f.u.Holdings[i].Source
		if b == nil || !b.timed {
			continue
		}
		for j := range b.specific {
			if g := &b.specific[j]; !g.window.next(f.now, time.Time{}).IsZero() {
				names = append(names, g.application)
			}
		}
	}
	return names
}

// tiedTo returns the applications together with all applications that rules of exclusive access tie to them,
// directly or indirectly.
func (f *future) tiedTo(names []string) []string {
	if len(f.o.exclusive) == 0 {
		return names
	}
	tied := map[string]bool{}
	for i := 0; i < len(names); i++ { // names grows
		if tied[names[i]] {
			continue
		}
		tied[names[i]] = true
		for _, rule := range f.o.exclusiveOf[names[i]] {
			names = append(names, rule.Applications...)
		}
	}
	return names
}

// makeLines makes a line for each of the applications. The list must be closed under the ties of exclusive access.
func (f *future) makeLines(names []string) {
	f.witness, f.ruleFirsts = 0, nil
	slices.Sort(names)
	names = slices.Compact(names)
	f.lines = make([]line, len(names))
	for i, name := range names {
		f.lines[i].application, f.lines[i].exclusive = name, f.o.exclusiveOf[name]
	}
	for i := range f.u.Holdings {
		b := f.u.Holdings[i].Source
		if b == nil {
			continue
		}
		rest := f.lines // both lists are sorted
		for j := range b.specific {
			g := &b.specific[j]
			for len(rest) > 0 && rest[0].application < g.application {
				rest = rest[1:]
			}
			if len(rest) > 0 && rest[0].application == g.application {
				rest[0].grants = append(rest[0].grants, heldGrant{g, i})
			}
		}
	}
	for i := range f.lines {
		f.lines[i].findInstants(f)
	}
}

// findInstants sets the instants of the line's own grants.
func (l *line) findInstants(f *future) {
	for i := range l.grants {
		l.own = l.grants[i].window.appendInstants(l.own, f.now)
	}
	l.own = f.earliest(l.own)
}

// merged returns the instants of the line's own grants together with those that all applications share.
func (f *future) merged(l *line) []time.Time {
	switch {
	case len(l.own) == 0:
		return f.common
	case l.merged == nil:
		l.merged = f.earliest(slices.Concat(l.own, f.common))
		f.spend(len(l.merged) / 4)
	}
	return l.merged
}

// line returns the line of the application, or nil if it has none.
func (f *future) line(application string) *line {
	i, found := slices.BinarySearchFunc(f.lines, application, func(l line, name string) int {
		return compareStrings(l.application, name)
	})
	if !found {
		return nil
	}
	return &f.lines[i]
}

// instants returns the instants that affect the application: its own, those that all applications share, and
// those of the applications that rules of exclusive access tie to it. A nil line stands for an application without
// a line.
func (f *future) instants(l *line) []time.Time {
	switch {
	case f.bounded:
		return f.allInstants()
	case l == nil:
		return f.common
	case len(l.exclusive) == 0:
		return f.merged(l)
	}
	instants := slices.Clone(f.merged(l))
	for _, rule := range l.exclusive {
		for _, name := range rule.Applications {
			instants = append(instants, f.line(name).own...)
		}
	}
	f.spend(len(instants) / 4)
	return f.earliest(instants)
}

// firstInstant returns the first of [future.instants], or zero if there is none. It sorts nothing.
func (f *future) firstInstant(l *line) time.Time {
	if f.bounded {
		return firstOf(f.allInstants())
	}
	first := firstOf(f.common)
	if l == nil {
		return first
	}
	first = earliest(first, firstOf(l.own))
	for _, rule := range l.exclusive {
		first = earliest(first, f.firstOfRule(rule))
	}
	return first
}

// firstOfRule returns the first instant of the rule's applications.
func (f *future) firstOfRule(rule *exclusiveRule) time.Time {
	first, known := f.ruleFirsts[rule]
	if !known {
		for _, name := range rule.Applications {
			first = earliest(first, firstOf(f.line(name).own))
		}
		if f.ruleFirsts == nil {
			f.ruleFirsts = map[*exclusiveRule]time.Time{}
		}
		f.ruleFirsts[rule] = first
	}
	return first
}

// earliest returns the earlier of the instants. A zero instant counts as later than any other.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
