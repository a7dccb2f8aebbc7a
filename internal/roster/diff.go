package roster

import (
	"slices"

	"github.com/usher-dev/usher/internal/resolve"
)

// Difference is a change of one user's decision in one organization. Before or After is nil if there is nothing
// to decide for the user.
type Difference struct {
	Organization string
	User         string
	Before       *resolve.Decision
	After        *resolve.Decision
}

// IsEmpty reports whether Before and After are the same.
func (d *Difference) IsEmpty() bool { return same(d.Before, d.After) }

// ChangedApplications lists the applications to which the user's access differs. It considers only the given
// applications, which must be sorted, and keeps their order. A nil decision grants no access. The cost grows
// with the size of the decisions. It grows with the number of applications only if the default access differs.
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
