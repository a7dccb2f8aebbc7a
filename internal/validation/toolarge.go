package validation

import (
	"slices"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
)

// warnOfFilters names the users whose row-level filters the change makes larger together than docs/rules.md R7
// allows, and the applications in which these users would see no row.
func (j *judge) warnOfFilters(trial *preview.Preview) {
	for _, organization := range sortedKeys(trial.Organizations) {
		var users, applications []string
		for _, u := range touchedIn(trial, organization) {
			if hidden := newlyHidden(u); len(hidden) > 0 {
				users, applications = append(users, u.User), append(applications, hidden...)
			}
		}
		if len(users) == 0 {
			continue
		}
		slices.Sort(applications)
		applications = slices.Compact(applications)
		if applications[0] == resolve.AnyApplication {
			applications = append(applications[1:], "any that nothing names")
		}
		j.warning("the row-level filters of %s would be larger together than %d KiB in organization %s (docs/rules.md R7), and "+
			"every row would be hidden in applications: %s. Use fewer or shorter values in spec.dataPermissions, or fewer groups "+
			"that have it", shortList(users), resolve.MaximumFilterBytes>>10, organization, shortList(applications))
	}
}

// shortList joins the first names, and counts the others.
func shortList(names []string) string { return someOf(names[:min(len(names), mostShown)], len(names)) }

// newlyHidden returns the applications in which the size limit hides all rows from the user after the change, but
// not before it.
func newlyHidden(u *preview.Affected) []string {
	if u.After.Decision == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(u.After.Decision.HiddenRows), func(name string) bool {
		return u.Before.Decision != nil && slices.Contains(u.Before.Decision.HiddenRows, name)
	})
}
