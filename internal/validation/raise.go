package validation

import (
	"fmt"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// raise requires the rights to the roles that become effective and are higher than before (docs/admission.md, the
// right to grant).
func (j *judge) raise(u *preview.Affected, m *moment, now time.Time) {
	r := raised{u, m.at, now}
	if m.after.OrganizationRole.Above(&m.before.OrganizationRole) {
		j.requireRaised(r, ResourceOrganizationRoles, "", &m.before.OrganizationRole, &m.after.OrganizationRole)
	}
	fallback := &m.after.Default
	falls := fallback.Above(&m.before.Default.Outcome)
	if falls {
		j.requireRaised(r, ResourceApplicationRoles, resolve.AnyApplication, &m.before.Default.Outcome, &fallback.Outcome)
	}
	resolve.EachApplication(m.before, m.after, func(name string, before, after *resolve.Access) {
		// The right to the role in every application includes this one.
		if !after.Above(&before.Outcome) || (falls && after.Role == fallback.Role && after.Source == fallback.Source) {
			return
		}
		j.requireRaised(r, ResourceApplicationRoles, name, &before.Outcome, &after.Outcome)
	})
}

// raised is a user who gets a higher role, and when.
type raised struct {
	*preview.Affected

	at, now time.Time
}

func (j *judge) requireRaised(r raised, resource, application string, before, after *resolve.Outcome) {
	rules := r.After.Rules
	organization := rules.Rules().Organization
	n := need{resource, organization, application, after.Role, after.Source}
	j.requireEffective(r.Affected, n, func() string {
		return fmt.Sprintf("%s would get %s instead of %s%s (%s, by %s)", r.User, n.describe(), before.Role, since(r.at, r.now),
			after.Rule, after.Source)
	})
}

// requireEffective requires the right to a role that the source of the need may make effective for the user. The
// right to the role that the source declares is enough, too.
func (j *judge) requireEffective(u *preview.Affected, n need, reason func() string) {
	if _, again := j.needed[n]; again {
		return
	}
	var more []Attributes
	if s := sourceOf(u, n.source); s != nil {
		more = j.asWritten(s, rulesOf(u), n.resource, n.role)
	}
	if len(more) == 0 {
		n.source = "" // every source requires the same right
	}
	j.require(n, j.changed.path(u.User), more, reason)
}

func sourceOf(u *preview.Affected, name string) *resolve.Source {
	for _, of := range [][]*resolve.Source{u.After.Sources, u.Before.Sources} {
		if i := slices.IndexFunc(of, func(s *resolve.Source) bool { return s.Name == name }); i >= 0 {
			return of[i]
		}
	}
	return nil
}

// rulesOf returns the rules after the change, or those before it if there are none after it.
func rulesOf(u *preview.Affected) *resolve.Organization {
	if u.After.Rules != nil {
		return u.After.Rules
	}
	return u.Before.Rules
}
