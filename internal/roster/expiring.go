package roster

import (
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// Expiring counts, for each of the durations, the users of organizations who lose something by a date within it: a role
// falls, or rows change. It is as true as the last settling. The cost grows with the users for whom a window opens or
// closes within the longest of the durations.
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

// eachTimed calls yield for the users for whom to decide again by the instant.
func (v *View) eachTimed(by time.Time, yield func(timedUser)) {
	for t := range v.timed.All() {
		if t.at.After(by) {
			return
		}
		yield(t)
	}
}

// firstLoss returns the first instant at which the decision gives less; zero: never.
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
