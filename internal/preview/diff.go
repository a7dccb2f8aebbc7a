package preview

import (
	"maps"
	"slices"

	"github.com/usher-dev/usher/internal/roster"
)

// Diff lists the users whose decisions differ between the two views, sorted by organization and user. Both views
// must be of the same instant.
func Diff(before, after *roster.View) []roster.Difference {
	organizations := map[string]struct{}{}
	for _, v := range []*roster.View{before, after} {
		for _, name := range v.Organizations() {
			organizations[name] = struct{}{}
		}
	}
	var differences []roster.Difference
	for _, name := range slices.Sorted(maps.Keys(organizations)) {
		users := map[string]struct{}{}
		for _, v := range []*roster.View{before, after} {
			for user := range v.Decisions(name) {
				users[user] = struct{}{}
			}
		}
		for _, user := range slices.Sorted(maps.Keys(users)) {
			d := roster.Difference{
				Organization: name, User: user, Before: before.Decision(name, user), After: after.Decision(name, user),
			}
			if !d.IsEmpty() {
				differences = append(differences, d)
			}
		}
	}
	return differences
}
