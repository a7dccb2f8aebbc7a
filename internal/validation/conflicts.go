package validation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// checks returns the crossObjectChecks of the organization's policy. They decide whether a problem between two
// objects is denied, warned of or ignored. The default is Warn.
func checks(o *preview.Organization) accessv1alpha1.CrossObjectChecks {
	policy := o.PolicyAfter
	if o.After == nil {
		policy = o.PolicyBefore
	}
	if policy == nil || policy.Spec.CrossObjectChecks == "" {
		return accessv1alpha1.CrossObjectChecksWarn
	}
	return policy.Spec.CrossObjectChecks
}

// checkConflicts notes the role conflicts and the violations of exclusive access that the change introduces
// (docs/rules.md R8, R9).
func (j *judge) checkConflicts(trial *preview.Preview, u *preview.Affected, c *courses) {
	o := trial.Organizations[u.Namespace]
	if o == nil || o.After == nil {
		return
	}
	mode := checks(o)
	if mode == accessv1alpha1.CrossObjectChecksIgnore {
		return
	}
	deny := mode == accessv1alpha1.CrossObjectChecksDeny
	if !c.timed || c.brief {
		m := &c.moments[0]
		for i := range m.after.Conflicts {
			is := &m.after.Conflicts[i]
			j.conflictAt(trial, u, m.at, is, m.before.Conflicts, deny)
		}
		j.exclusionsAt(trial, u, m, deny)
		return
	}
	j.conflictsOverTime(trial, u, deny)
	if c.excludes() {
		j.exclusionsOverTime(trial, u, deny)
	}
}

// conflictsOverTime compares each scope at every instant at which its conflict changes, on either side of the
// change.
func (j *judge) conflictsOverTime(trial *preview.Preview, u *preview.Affected, deny bool) {
	after := conflictCourses(&u.After, trial.Now)
	if len(after) == 0 {
		return
	}
	before := conflictCourses(&u.Before, trial.Now)
	for i := range after {
		is := &after[i]
		was := &resolve.ConflictCourse{}
		if at := slices.IndexFunc(before, func(c resolve.ConflictCourse) bool {
			return c.Scope == is.Scope && c.Application == is.Application
		}); at >= 0 {
			was = &before[at]
		}
		steps := append(slices.Clone(is.Steps), was.Steps...)
		slices.SortStableFunc(steps, func(a, b resolve.ConflictStep) int { return a.At.Compare(b.At) })
		for _, step := range steps {
			if now := is.At(step.At); now != nil {
				var sides []resolve.Conflict
				if c := was.At(step.At); c != nil {
					sides = append(sides, *c)
				}
				j.conflictAt(trial, u, step.At, now, sides, deny)
			}
		}
	}
}

func conflictCourses(s *preview.State, now time.Time) []resolve.ConflictCourse {
	if s.Rules == nil {
		return nil
	}
	return s.Rules.ConflictCourses(&s.User, now)
}

func (j *judge) conflictAt(
	trial *preview.Preview, u *preview.Affected, at time.Time, c *resolve.Conflict, before []resolve.Conflict, deny bool,
) {
	if slices.ContainsFunc(before, func(was resolve.Conflict) bool { return holds(&was, c) }) {
		return
	}
	j.shown.note(subject{"conflict", u.Namespace, u.User, string(c.Scope), c.Application}, deny, j.changed.path(u.User), func() string {
		return fmt.Sprintf("role conflict of %s in %s of organization %s%s: %s; the result is %s (%s). "+
			"Give both the same role, or remove one grant", u.User, scopeOf(c), u.Namespace,
			since(at, trial.Now), listed(c), c.Role, c.Rule)
	})
}

// holds reports whether the conflict existed before, in the same scope and with all of its sides.
func holds(was, is *resolve.Conflict) bool {
	return was.Scope == is.Scope && was.Application == is.Application &&
		!slices.ContainsFunc(is.Grants, func(g resolve.SourceRole) bool { return !slices.Contains(was.Grants, g) })
}

func scopeOf(c *resolve.Conflict) string {
	switch c.Scope {
	case resolve.ScopeApplication:
		return "application " + c.Application
	case resolve.ScopeBroad:
		return "all applications"
	case resolve.ScopeOrganization:
		return "the organization role"
	default:
		return "the system roles"
	}
}

// mostSources bounds how many sides of one conflict a message names. A message always names one grant of each
// role.
const mostSources = 3

// listed joins the sides of the conflict. It starts with the grant that wins and one grant of each other role.
func listed(c *resolve.Conflict) string {
	grants, roles := c.Sides()
	most := max(mostSources, roles)
	var sides []string
	for i, g := range grants {
		if i == most {
			sides = append(sides, fmt.Sprintf("%d more", len(grants)-i))
			break
		}
		sides = append(sides, g.Source+" gives "+g.Role)
	}
	return strings.Join(sides, ", ")
}

// excludes reports whether a rule of exclusive access removes a role after the change, now or later.
func (c *courses) excludes() bool {
	return slices.ContainsFunc(c.after.Applications, func(a resolve.ApplicationCourse) bool {
		return slices.ContainsFunc(a.Steps, func(s resolve.Step) bool { return s.Rule == resolve.RuleExclusiveAccess })
	})
}

// exclusionsOverTime resolves the user again at the first instants at which a window of the user opens or closes.
func (j *judge) exclusionsOverTime(trial *preview.Preview, u *preview.Affected, deny bool) {
	instants := append(resolve.Transitions(&u.Before.User, trial.Now), resolve.Transitions(&u.After.User, trial.Now)...)
	slices.SortFunc(instants, time.Time.Compare)
	instants = slices.CompactFunc(append([]time.Time{trial.Now}, instants...), time.Time.Equal)
	for _, t := range instants[:min(len(instants), resolve.MaximumInstants)] {
		if j.ctx.Err() != nil {
			return
		}
		j.exclusionsAt(trial, u, &moment{t, decidedAt(&u.Before, &u.After, t), decidedAt(&u.After, &u.Before, t)}, deny)
	}
}

func decidedAt(s, other *preview.State, t time.Time) *resolve.Decision {
	if s.Rules == nil {
		return decided(s, other)
	}
	d := s.Rules.At(&s.User, t)
	return &d
}

func (j *judge) exclusionsAt(trial *preview.Preview, u *preview.Affected, m *moment, deny bool) {
	for _, e := range m.after.Exclusions {
		if slices.ContainsFunc(m.before.Exclusions, func(was resolve.Exclusion) bool {
			return was.Name == e.Name && was.Source == e.Source && containsAll(was.Applications, e.Applications)
		}) {
			continue
		}
		j.shown.note(subject{"exclusion", u.Namespace, u.User, e.Source, e.Name}, deny, j.changed.path(u.User), func() string {
			return fmt.Sprintf("exclusive access: %s would hold %s in organization %s%s, which rule %s of %s excludes, "+
				"and so gets NoAccess in all of the rule's applications. Leave at most one of the roles",
				u.User, strings.Join(e.Applications, " and "), u.Namespace, since(m.at, trial.Now), e.Name, e.Source)
		})
	}
}

func containsAll(list, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(s string) bool { return !slices.Contains(list, s) })
}
