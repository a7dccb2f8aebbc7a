package cli

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// differences are the effects of a change. The JSON is a contract.
type differences struct {
	Changes []userChange `json:"changes"`
	// Conflicts are the conflicts that the change introduces. Settled are the conflicts that it resolves.
	Conflicts []conflict `json:"conflicts"`
	Settled   []conflict `json:"settledConflicts"`
	// Exclusions are the roles that exclusive access takes away because of the change.
	Exclusions []exclusion `json:"exclusions"`
	// Revocations are losses of access that exceed a revocationLimit.
	Revocations []revocation `json:"revocations,omitempty"`
	// Refusals are the refusals of admission that do not depend on the requesting user. Warnings are its warnings.
	Refusals []remark `json:"refusals"`
	Warnings []remark `json:"warnings"`
	Summary  summary  `json:"summary"`
}

// The kinds of changes to a user's access.
const (
	gains   = "gains"   // from no access
	loses   = "loses"   // all of it
	raised  = "raised"  // to a higher role
	lowered = "lowered" // to a lower role
	changed = "changed" // to a role that cannot be compared
	rows    = "rows"    // the same role, for other rows
	ends    = "ends"    // the same role, until another instant
)

// userChange is the change for one user in one place.
type userChange struct {
	Change       string  `json:"change"`
	Organization string  `json:"organization"`
	User         string  `json:"user"`
	Scope        string  `json:"scope"`
	Application  string  `json:"application,omitempty"`
	Before       holding `json:"before"`
	After        holding `json:"after"`
}

type conflict struct {
	Organization string               `json:"organization"`
	User         string               `json:"user"`
	Scope        string               `json:"scope"`
	Application  string               `json:"application,omitempty"`
	Grants       []resolve.SourceRole `json:"grants"`
	Role         string               `json:"role"`
	Rule         string               `json:"rule"`
}

type exclusion struct {
	Organization string   `json:"organization"`
	User         string   `json:"user"`
	Name         string   `json:"name"`
	Source       string   `json:"source"`
	Applications []string `json:"applications"`
}

// remark is a message about an object.
type remark struct {
	Object  string `json:"object"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// summary counts users. Each line counts a user at most once.
type summary struct {
	Users   int `json:"users"`
	Gaining int `json:"gaining"`
	Losing  int `json:"losing"`
	Other   int `json:"other"`
}

// newDifferences compares the access of the users in the organizations that the command asks about.
func newDifferences(before, after *world) *differences {
	found := &differences{
		Changes: []userChange{}, Conflicts: []conflict{}, Settled: []conflict{}, Exclusions: []exclusion{},
		Refusals: []remark{}, Warnings: []remark{},
	}
	for _, d := range preview.Diff(before.View, after.View) {
		if after.scope != "" && d.Organization != after.scope {
			continue
		}
		found.addChanges(before, after, &d)
		found.addReports(&d)
	}
	found.sum()
	found.addRevocations(before, after)
	return found
}

func (f *differences) isEmpty() bool {
	return len(f.Changes)+len(f.Conflicts)+len(f.Settled)+len(f.Exclusions)+len(f.Refusals) == 0
}

// none is the decision for a user without any declared access.
var none = resolve.NewOrganization(resolve.Rules{}).Resolve(&resolve.User{}, time.Time{})

func (f *differences) addChanges(before, after *world, d *roster.Difference) {
	was, is := cmp.Or(d.Before, &none), cmp.Or(d.After, &none)
	wasIn, isIn := before.Organization(d.Organization), after.Organization(d.Organization)
	note := func(scope, application string, a, b *resolve.Access) {
		one := userChange{Organization: d.Organization, User: d.User, Scope: scope, Application: application}
		one.Before = sideOf(wasIn, d, scope, application, a)
		one.After = sideOf(isIn, d, scope, application, b)
		if application != "" {
			one.After.title = after.title(d.Organization, application)
		}
		if one.Change = kindOfChange(scope, wasIn, isIn, a, b); one.Change != "" {
			f.Changes = append(f.Changes, one)
		}
	}
	note(scopeOrganization, "", &resolve.Access{Outcome: was.OrganizationRole}, &resolve.Access{Outcome: is.OrganizationRole})
	applications := slices.Concat(before.Applications(d.Organization), after.Applications(d.Organization))
	slices.Sort(applications)
	for _, application := range slices.Compact(applications) {
		note(scopeApplication, application, was.Application(application), is.Application(application))
	}
	note(scopeDefault, "", &was.Default, &is.Default)
}

func sideOf(o *resolve.Organization, d *roster.Difference, scope, application string, a *resolve.Access) holding {
	h := outcomeHolding(d.Organization, d.User, scope, &a.Outcome)
	h.Application, h.Filters = application, a.Filters
	if o != nil && scope != scopeOrganization {
		h.Permissions = o.Permissions(a.Role)
	}
	return h
}

// kindOfChange returns the kind of the change in one word. It returns the empty string if a user would not notice
// the change.
func kindOfChange(scope string, wasIn, isIn *resolve.Organization, was, is *resolve.Access) string {
	switch {
	case !was.GivesAccess() && !is.GivesAccess():
		return ""
	case !was.GivesAccess():
		return gains
	case !is.GivesAccess():
		return loses
	case was.Role != is.Role:
		return compareRoles(scope, wasIn, isIn, was.Role, is.Role)
	case !slices.EqualFunc(was.Filters, is.Filters, resolve.Filter.Equal):
		return rows
	case !was.NotAfter.Equal(is.NotAfter):
		return ends
	default:
		return ""
	}
}

// compareRoles compares two roles on the ladder after the change if it has both, or else on the ladder before the
// change.
func compareRoles(scope string, wasIn, isIn *resolve.Organization, was, is string) string {
	place, has := rungOf, (*resolve.Organization).HasApplicationRole
	if scope == scopeOrganization {
		place, has = organizationRung, (*resolve.Organization).HasOrganizationRole
	}
	for _, o := range []*resolve.Organization{isIn, wasIn} {
		if o == nil || !has(o, was) || !has(o, is) {
			continue
		}
		if place(o, is) < place(o, was) {
			return raised
		}
		return lowered
	}
	return changed
}

func (f *differences) addReports(d *roster.Difference) {
	was, is := cmp.Or(d.Before, &none), cmp.Or(d.After, &none)
	for _, c := range is.Conflicts {
		if !slices.ContainsFunc(was.Conflicts, c.Equal) {
			f.Conflicts = append(f.Conflicts, newConflict(d.Organization, d.User, c))
		}
	}
	for _, c := range was.Conflicts {
		if !slices.ContainsFunc(is.Conflicts, func(other resolve.Conflict) bool {
			return other.Scope == c.Scope && other.Application == c.Application
		}) {
			f.Settled = append(f.Settled, newConflict(d.Organization, d.User, c))
		}
	}
	for _, e := range is.Exclusions {
		if !slices.ContainsFunc(was.Exclusions, func(other resolve.Exclusion) bool {
			return other.Name == e.Name && other.Source == e.Source && slices.Equal(other.Applications, e.Applications)
		}) {
			f.Exclusions = append(f.Exclusions, exclusion{d.Organization, d.User, e.Name, e.Source, e.Applications})
		}
	}
}

func newConflict(organization, user string, c resolve.Conflict) conflict {
	return conflict{organization, user, string(c.Scope), c.Application, c.Grants, c.Role, string(c.Rule)}
}

func (f *differences) sum() {
	type identity struct{ organization, user string }
	kinds := map[identity]map[string]bool{}
	for i := range f.Changes {
		c := &f.Changes[i]
		key := identity{c.Organization, c.User}
		if kinds[key] == nil {
			kinds[key] = map[string]bool{}
		}
		kinds[key][c.Change] = true
	}
	f.Summary.Users = len(kinds)
	for _, of := range kinds {
		up, down := of[gains] || of[raised], of[loses] || of[lowered]
		if up {
			f.Summary.Gaining++
		}
		if down {
			f.Summary.Losing++
		}
		if !up && !down {
			f.Summary.Other++
		}
	}
}

// group merges equal changes of a user in several places into one entry.
func (f *differences) group() []changeGroup {
	var groups []changeGroup
	at := map[string]int{}
	for i := range f.Changes {
		c := &f.Changes[i]
		key := strings.Join([]string{
			c.Organization, c.User, c.Change, c.Before.state(), c.After.state(), c.After.Rule, c.After.Source, c.Before.Source,
		}, "\n")
		if n, again := at[key]; again {
			groups[n].where = append(groups[n].where, c.After.shown())
			continue
		}
		at[key] = len(groups)
		groups = append(groups, changeGroup{c, []string{c.After.shown()}})
	}
	return groups
}

// changeGroup is a change with all the places in which it is the same.
type changeGroup struct {
	*userChange
	where []string
}

// state describes the access of a user on one side of a change.
func (h *holding) state() string {
	text := h.Role
	if h.Scope != scopeOrganization && h.gives() && len(h.Filters) > 0 {
		text += ", rows: " + h.rows()
	}
	if h.NotAfter != nil {
		text += ", until " + h.until()
	}
	return text
}
