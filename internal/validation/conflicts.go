package validation

import (
	"fmt"
	"slices"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// checks returns what the organization's policy says about what takes two objects to be wrong.
func checks(o *roster.TriedOrganization) accessv1alpha1.CrossObjectChecks {
	policy := o.PolicyAfter
	if o.After == nil {
		policy = o.PolicyBefore
	}
	if policy == nil || policy.Spec.CrossObjectChecks == "" {
		return accessv1alpha1.CrossObjectChecksWarn
	}
	return policy.Spec.CrossObjectChecks
}

// checkConflicts looks for role conflicts and broken rules of exclusive access that the change brings (docs/rules.md R8,
// R9).
func (j *judge) checkConflicts(trial *roster.Trial, u *roster.Tried, m *moment) {
	o := trial.Organizations[u.Namespace]
	if o == nil || o.After == nil {
		return
	}
	if mode := checks(o); mode != accessv1alpha1.CrossObjectChecksIgnore {
		deny := mode == accessv1alpha1.CrossObjectChecksDeny
		j.conflictsAt(trial, u, m, deny)
		j.exclusionsAt(trial, u, m, deny)
	}
}

func (j *judge) conflictsAt(trial *roster.Trial, u *roster.Tried, m *moment, deny bool) {
	for i := range m.after.Conflicts {
		c := &m.after.Conflicts[i]
		if slices.ContainsFunc(m.before.Conflicts, func(was resolve.Conflict) bool { return holds(&was, c) }) {
			continue
		}
		j.shown.note(subject{"conflict", u.Namespace, u.User, string(c.Scope), c.Application}, deny, j.changed.path(u.User), func() string {
			return fmt.Sprintf("role conflict of %s in %s of organization %s%s: %s; the result is %s (%s). "+
				"Give both the same role, or take one grant away", u.User, scopeOf(c), u.Namespace,
				since(m.at, trial.Now), listed(c.Grants), c.Role, c.Rule)
		})
	}
}

// holds says whether every side of the conflict was one before, in the same scope.
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

// mostSources bounds how many sides of one conflict a message names.
const mostSources = 3

func listed(grants []resolve.SourceRole) string {
	var sides []string
	for i, g := range grants {
		if i == mostSources {
			sides = append(sides, fmt.Sprintf("%d more", len(grants)-i))
			break
		}
		sides = append(sides, g.Source+" gives "+g.Role)
	}
	return strings.Join(sides, ", ")
}

func (j *judge) exclusionsAt(trial *roster.Trial, u *roster.Tried, m *moment, deny bool) {
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
