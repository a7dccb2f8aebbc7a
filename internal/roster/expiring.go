package roster

import (
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// Expiring counts, for each of the durations, the users of organizations who lose something by a date within it: a role
// falls, or rows change. It is as true as the last settling. The cost grows with the users for whom a window opens or
// closes within the longest of the durations.
func (r *Roster) Expiring(within ...time.Duration) []int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var longest time.Duration
	for _, each := range within {
		longest = max(longest, each)
	}
	counts := make([]int, len(within))
	r.eachTimed(0, r.now.Add(longest), func(t *timedUser) {
		rec := t.namespace.records[t.user]
		if rec.decision == nil {
			return
		}
		at := firstLoss(rec.decision)
		for i, each := range within {
			if !at.IsZero() && !at.After(r.now.Add(each)) {
				counts[i]++
			}
		}
	})
	return counts
}

// eachTimed calls yield for the users below the place in the heap for whom to decide again by the instant. Nothing below
// one that is later is earlier.
func (r *Roster) eachTimed(place int, by time.Time, yield func(*timedUser)) {
	if place >= len(r.windows) || r.windows[place].at.After(by) {
		return
	}
	if t := &r.windows[place]; t.stands() {
		yield(t)
	}
	r.eachTimed(2*place+1, by, yield)
	r.eachTimed(2*place+2, by, yield)
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
