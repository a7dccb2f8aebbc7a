package roster

import (
	"slices"

	"github.com/usher-dev/usher/internal/resolve"
)

// Difference is what differs for one user in one organization. Before and After are nil where there is nothing to
// decide.
type Difference struct {
	Organization string
	User         string
	Before       *resolve.Decision
	After        *resolve.Decision
}

// IsEmpty reports whether nothing differs.
func (d *Difference) IsEmpty() bool { return same(d.Before, d.After) }

// ChangedApplications lists the applications to which the access differs, among those given, which are sorted, in their
// order. A nil decision gives no access. The cost grows with what the decisions say, and with the applications only where
// the access to those of which they say nothing differs.
func ChangedApplications(before, after *resolve.Decision, applications []string) []string {
	var changed []string
	if before == nil || after == nil || !before.Default.Equal(&after.Default) {
		for _, name := range applications {
			if !sameAccess(before, after, name) {
				changed = append(changed, name)
			}
		}
		return changed
	}
	resolve.EachApplication(before, after, func(name string, was, is *resolve.Access) {
		if was.Equal(is) {
			return
		}
		if _, given := slices.BinarySearch(applications, name); given {
			changed = append(changed, name)
		}
	})
	return changed
}

func sameAccess(before, after *resolve.Decision, application string) bool {
	var was, is *resolve.Access
	if before != nil {
		was = before.Application(application)
	}
	if after != nil {
		is = after.Application(application)
	}
	switch {
	case was != nil && is != nil:
		return was.Equal(is)
	case was != nil:
		return !was.GivesAccess()
	case is != nil:
		return !is.GivesAccess()
	default:
		return true
	}
}
