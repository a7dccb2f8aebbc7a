package roster

import (
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// Ending is a user of an organization from whom time alone takes something.
type Ending struct {
	User string
	// Rules and Holder are what the decision was made of.
	Rules    *resolve.Organization
	Holder   resolve.User
	Decision *resolve.Decision
}

// Ending returns the users of the organization whose access to any application falls, or whose rows change, by the instant
// while the objects stay as they are. It returns them in no order. The cost grows with the users for whom a window opens or
// closes by the instant.
func (r *Roster) Ending(organization string, by time.Time) []Ending {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return nil
	}
	var ending []Ending
	r.eachTimed(0, by, func(t *timedUser) {
		if t.namespace != n {
			return
		}
		d := n.records[t.user].decision
		if at := firstLoss(d); at.IsZero() || at.After(by) {
			return
		}
		var g gatherer // of its own: what it gathers is returned
		ending = append(ending, Ending{User: t.user, Rules: n.compiled, Holder: r.gather(n, t.user, &g), Decision: d})
	})
	return ending
}
