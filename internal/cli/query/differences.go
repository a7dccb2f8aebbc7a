package query

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Differences are the effects of a change. The JSON is a contract.
type Differences struct {
	Changes []UserChange `json:"changes"`
	// Conflicts are the conflicts that the change introduces. Settled are the conflicts that it resolves.
	Conflicts []Conflict `json:"conflicts"`
	Settled   []Conflict `json:"settledConflicts"`
	// Exclusions are the roles that exclusive access removes because of the change.
	Exclusions []Exclusion `json:"exclusions"`
	// Revocations are losses of access that exceed a revocationLimit.
	Revocations []Revocation `json:"revocations,omitempty"`
	// Refusals are the refusals of admission that do not depend on the requesting user. Warnings are its warnings.
	Refusals []Remark `json:"refusals"`
	Warnings []Remark `json:"warnings"`
	Summary  Summary  `json:"summary"`
	// Notes say what is not known.
	Notes []string `json:"-"`
}

// The kinds of changes to a user's access.
const (
	ChangeGains   = "gains"   // from no access
	ChangeLoses   = "loses"   // all of it
	ChangeRaised  = "raised"  // to a higher role
	ChangeLowered = "lowered" // to a lower role
	ChangeChanged = "changed" // to a role that cannot be compared
	ChangeRows    = "rows"    // the same role, for other rows
	ChangeEnds    = "ends"    // the same role, until another instant
)

// UserChange is the change for one user in one place.
type UserChange struct {
	Change       string  `json:"change"`
	Organization string  `json:"organization"`
	User         string  `json:"user"`
	Scope        string  `json:"scope"`
	Application  string  `json:"application,omitempty"`
	Before       Holding `json:"before"`
	After        Holding `json:"after"`
}

// Conflict is a conflict between grants of a user, and the role that results from it.
type Conflict struct {
	Organization string               `json:"organization"`
	User         string               `json:"user"`
	Scope        string               `json:"scope"`
	Application  string               `json:"application,omitempty"`
	Grants       []resolve.SourceRole `json:"grants"`
	Role         string               `json:"role"`
	Rule         string               `json:"rule"`
}

// Exclusion is a rule of exclusive access that takes roles from a user.
type Exclusion struct {
	Organization string   `json:"organization"`
	User         string   `json:"user"`
	Name         string   `json:"name"`
	Source       string   `json:"source"`
	Applications []string `json:"applications"`
}

// Remark is a message about an object.
type Remark struct {
	Object  string `json:"object"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Summary counts users. Each line counts a user at most once.
type Summary struct {
	Users   int `json:"users"`
	Gaining int `json:"gaining"`
	Losing  int `json:"losing"`
	Other   int `json:"other"`
}

// NewDifferences compares the access of the users in the organizations of the scope. Both worlds must be of the same
// instant.
func NewDifferences(before, after *source.World) *Differences {
	found := &Differences{
		Changes: []UserChange{}, Conflicts: []Conflict{}, Settled: []Conflict{}, Exclusions: []Exclusion{},
		Refusals: []Remark{}, Warnings: []Remark{},
	}
	for _, d := range preview.Diff(before.View, after.View) {
		if after.Scope != "" && d.Organization != after.Scope {
			continue
		}
		found.addChanges(before, after, &d)
		found.addReports(&d)
	}
	found.sum()
	found.addRevocations(before, after)
	return found
}

// IsEmpty reports whether nothing changes for users, and nothing would be refused.
func (f *Differences) IsEmpty() bool {
	return len(f.Changes)+len(f.Conflicts)+len(f.Settled)+len(f.Exclusions)+len(f.Refusals) == 0
}

// none is the decision for a user without any declared access.
var none = resolve.NewOrganization(resolve.Rules{}).Resolve(&resolve.User{}, time.Time{})

func (f *Differences) addChanges(before, after *source.World, d *roster.Difference) {
	was, is := cmp.Or(d.Before, &none), cmp.Or(d.After, &none)
	wasIn, isIn := before.Organization(d.Organization), after.Organization(d.Organization)
	note := func(scope, application string, a, b *resolve.Access) {
		one := UserChange{Organization: d.Organization, User: d.User, Scope: scope, Application: application}
		one.Before = sideOf(wasIn, d, scope, application, a)
		one.After = sideOf(isIn, d, scope, application, b)
		if application != "" {
			one.After.title = Title(after, d.Organization, application)
		}
		if one.Change = kindOfChange(scope, wasIn, isIn, a, b); one.Change != "" {
			f.Changes = append(f.Changes, one)
		}
	}
	note(ScopeOrganization, "", &resolve.Access{Outcome: was.OrganizationRole}, &resolve.Access{Outcome: is.OrganizationRole})
	applications := slices.Concat(before.Applications(d.Organization), after.Applications(d.Organization))
	slices.Sort(applications)
	for _, application := range slices.Compact(applications) {
		note(ScopeApplication, application, was.Application(application), is.Application(application))
	}
	note(ScopeDefault, "", &was.Default, &is.Default)
}

func sideOf(o *resolve.Organization, d *roster.Difference, scope, application string, a *resolve.Access) Holding {
	h := outcomeHolding(d.Organization, d.User, scope, &a.Outcome)
	h.Application, h.Filters = application, a.Filters
	if o != nil && scope != ScopeOrganization {
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
		return ChangeGains
	case !is.GivesAccess():
		return ChangeLoses
	case was.Role != is.Role:
		return compareRoles(scope, wasIn, isIn, was.Role, is.Role)
	case !slices.EqualFunc(was.Filters, is.Filters, resolve.Filter.Equal):
		return ChangeRows
	case !was.NotAfter.Equal(is.NotAfter):
		return ChangeEnds
	default:
		return ""
	}
}

// compareRoles compares two roles on the ladder after the change if it has both, or else on the ladder before the
// change.
func compareRoles(scope string, wasIn, isIn *resolve.Organization, was, is string) string {
	place, has := Rung, (*resolve.Organization).HasApplicationRole
	if scope == ScopeOrganization {
		place, has = OrganizationRung, (*resolve.Organization).HasOrganizationRole
	}
	for _, o := range []*resolve.Organization{isIn, wasIn} {
		if o == nil || !has(o, was) || !has(o, is) {
			continue
		}
		if place(o, is) < place(o, was) {
			return ChangeRaised
		}
		return ChangeLowered
	}
	return ChangeChanged
}

func (f *Differences) addReports(d *roster.Difference) {
	was, is := cmp.Or(d.Before, &none), cmp.Or(d.After, &none)
	for _, c := range is.Conflicts {
		if !slices.ContainsFunc(was.Conflicts, c.Equal) {
			f.Conflicts = append(f.Conflicts, NewConflict(d.Organization, d.User, c))
		}
	}
	for _, c := range was.Conflicts {
		if !slices.ContainsFunc(is.Conflicts, func(other resolve.Conflict) bool {
			return other.Scope == c.Scope && other.Application == c.Application
		}) {
			f.Settled = append(f.Settled, NewConflict(d.Organization, d.User, c))
		}
	}
	for _, e := range is.Exclusions {
		if !slices.ContainsFunc(was.Exclusions, func(other resolve.Exclusion) bool {
			return other.Name == e.Name && other.Source == e.Source && slices.Equal(other.Applications, e.Applications)
		}) {
			f.Exclusions = append(f.Exclusions, NewExclusion(d.Organization, d.User, e))
		}
	}
}

// NewConflict returns the conflict of the user.
func NewConflict(organization, user string, c resolve.Conflict) Conflict {
	return Conflict{organization, user, string(c.Scope), c.Application, c.Grants, c.Role, string(c.Rule)}
}

// NewExclusion returns the exclusion of the user.
func NewExclusion(organization, user string, e resolve.Exclusion) Exclusion {
	return Exclusion{organization, user, e.Name, e.Source, e.Applications}
}

func (f *Differences) sum() {
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
		up, down := of[ChangeGains] || of[ChangeRaised], of[ChangeLoses] || of[ChangeLowered]
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

// Groups merges equal changes of a user in several places into one entry.
func (f *Differences) Groups() []ChangeGroup {
	var groups []ChangeGroup
	at := map[string]int{}
	for i := range f.Changes {
		c := &f.Changes[i]
		key := strings.Join([]string{
			c.Organization, c.User, c.Change, c.Before.State(), c.After.State(), c.After.Rule, c.After.Source, c.Before.Source,
		}, "\n")
		if n, again := at[key]; again {
			groups[n].Places = append(groups[n].Places, c.After.Shown())
			continue
		}
		at[key] = len(groups)
		groups = append(groups, ChangeGroup{c, []string{c.After.Shown()}})
	}
	return groups
}

// ChangeGroup is a change with all the places in which it is the same.
type ChangeGroup struct {
	*UserChange
	// Places are the names of these places.
	Places []string
}

// State describes the access of a user on one side of a change.
func (h *Holding) State() string {
	text := h.Role
	if h.Scope != ScopeOrganization && h.Gives() && len(h.Filters) > 0 {
		text += ", rows: " + h.Rows()
	}
	if h.NotAfter != nil {
		text += ", until " + h.Until()
	}
	return text
}
