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
func (v *View) Ending(organization string, by time.Time) []Ending {
	o := v.at(organization)
	if o.rules == nil {
		return nil
	}
	var ending []Ending
	sources := v.Sources(organization)
	v.eachTimed(by, func(t timedUser) {
		if t.namespace != organization {
			return
		}
		d := o.records.Get(t.user).decision
		if at := firstLoss(d); at.IsZero() || at.After(by) {
			return
		}
		g := Gatherer{Sources: sources} // of its own: what it gathers is returned
		ending = append(ending, Ending{User: t.user, Rules: o.rules, Holder: g.Gather(t.user), Decision: d})
	})
	return ending
}
