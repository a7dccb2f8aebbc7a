package roster

import (
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// HasAdministrator says whether anybody but those excepted holds the top organization role in the organization at the
// instant, now or later. The cost grows with the users of the organization; it is small where one of the first that are
// looked at holds it without an end.
func (r *Roster) HasAdministrator(organization string, at time.Time, except func(user string) bool) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return false
	}
	for user, rec := range n.records {
		if !except(user) && r.administers(n, user, rec, at) {
			return true
		}
	}
	return false
}

func (r *Roster) administers(n *namespace, user string, rec *record, at time.Time) bool {
	role := &rec.decision.OrganizationRole
	if role.IsTop() && (role.NotAfter.IsZero() || role.NotAfter.After(at)) {
		return true
	}
	if rec.next.IsZero() || rec.next.After(at) {
		return false // nothing changes until then
	}
	u := r.user(n, user, r.holdings(n, user, nil))
	later := n.compiled.At(&u, at)
	return later.OrganizationRole.IsTop()
}

// Holders counts the users who have access to the application in the organization. The cost grows with its users.
func (r *Roster) Holders(organization, application string) int {
	count := 0
	r.EachDecision(organization, func(_ string, d *resolve.Decision) {
		if d.Application(application).GivesAccess() {
			count++
		}
	})
	return count
}

// TopSystemRole returns the highest role of the system ladder.
func (r *Roster) TopSystemRole() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return rules("", nil, r.system.policy).SystemRoles[0].Name
}
