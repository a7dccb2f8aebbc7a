package roster

import (
	"maps"
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

// Diff says what makes two rosters differ: every user whose decision is not the same, by organization and user. Both
// must be settled, at the same instant.
func Diff(before, after *Roster) []Difference {
	organizations := set[string]{}
	for _, r := range []*Roster{before, after} {
		for _, name := range r.Organizations() {
			organizations[name] = struct{}{}
		}
	}
	var differences []Difference
	for _, name := range slices.Sorted(maps.Keys(organizations)) {
		users := set[string]{}
		for _, r := range []*Roster{before, after} {
			r.EachDecision(name, func(user string, _ *resolve.Decision) { users[user] = struct{}{} })
		}
		for _, user := range slices.Sorted(maps.Keys(users)) {
			was, is := before.Decision(name, user), after.Decision(name, user)
			if !same(was, is) {
				differences = append(differences, Difference{name, user, was, is})
			}
		}
	}
	return differences
}

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
