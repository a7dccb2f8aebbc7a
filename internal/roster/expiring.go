package roster

import (
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// Expiring counts, for each duration, the users of organizations whose access decreases within it: a role gets
// lower, or rows change. The counts reflect the last settling. The cost grows with the number of users with a
// window that opens or closes within the longest duration.
func (v *View) Expiring(within ...time.Duration) []int {
	var longest time.Duration
	for _, each := range within {
		longest = max(longest, each)
	}
	counts := make([]int, len(within))
	v.eachTimed(v.now.Add(longest), func(t timedUser) {
		d := v.at(t.namespace).records.Get(t.user).decision
		if d == nil {
			return
		}
		at := firstLoss(d)
		for i, each := range within {
			if !at.IsZero() && !at.After(v.now.Add(each)) {
				counts[i]++
			}
		}
	})
	return counts
}

// eachTimed calls yield for each user who needs a new decision by the given instant.
func (v *View) eachTimed(by time.Time, yield func(timedUser)) {
	for t := range v.timed.All() {
		if t.at.After(by) {
			return
		}
		yield(t)
	}
}

// firstLoss returns the first instant at which the decision grants less, or the zero time if there is none.
func firstLoss(d *resolve.Decision) time.Time {
	at := d.OrganizationRole.NotAfter
	note := func(other time.Time) {
		if at.IsZero() || (!other.IsZero() && other.Before(at)) {
			at = other
		}
	}
	note(d.Default.NotAfter)
	for _, a := range d.Applications {
		note(a.NotAfter)
	}
	return at
}
