package validation

import (
	"fmt"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// raise requires the rights to the roles that become effective where they were lower before (docs/admission.md, the right
// to grant).
func (j *judge) raise(u *roster.Tried, m *moment, now time.Time) {
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
		// Who may give the role everywhere may give it here.
		if !after.Above(&before.Outcome) || (falls && after.Role == fallback.Role && after.Source == fallback.Source) {
			return
		}
		j.requireRaised(r, ResourceApplicationRoles, name, &before.Outcome, &after.Outcome)
	})
}

// raised is who gets a role, and when.
type raised struct {
	*roster.Tried

	at, now time.Time
}

func (j *judge) requireRaised(r raised, resource, application string, before, after *resolve.Outcome) {
	rules := r.After.Rules
	organization := rules.Rules().Organization
	n := need{resource, organization, application, after.Role, after.Source}
	if _, again := j.needed[n]; again {
		return
	}
	var more []Attributes
	if i := slices.IndexFunc(r.After.Sources, func(s *resolve.Source) bool { return s.Name == after.Source }); i >= 0 {
		more = j.asWritten(r.After.Sources[i], rules, resource, after.Role)
	}
	j.require(n, j.changed.path(r.User), more, func() string {
		return fmt.Sprintf("%s would get %s instead of %s%s (%s, by %s)", r.User,
			describe(grant{organization, resource, application, after.Role}), before.Role, since(r.at, r.now),
			after.Rule, after.Source)
	})
}
