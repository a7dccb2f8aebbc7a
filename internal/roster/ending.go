package roster

import (
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// Ending is a user of an organization who loses access or rows by the passage of time alone.
type Ending struct {
	User string
	// Rules and Holder are the inputs of the decision.
	Rules    *resolve.Organization
	Holder   resolve.User
	Decision *resolve.Decision
}

// Ending returns the users of the organization whose access to any application decreases, or whose rows change,
// by the given instant if no object changes. The order is undefined. The cost grows with the number of users with
// a window that opens or closes by that instant.
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
		g := Gatherer{Sources: sources} // a new Gatherer for each user, because the result is retained
		ending = append(ending, Ending{User: t.user, Rules: o.rules, Holder: g.Gather(t.user), Decision: d})
	})
	return ending
}
