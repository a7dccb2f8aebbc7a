package resolve

import (
	"math"
	"slices"
	"strings"
)

// NoAccess is the role below every ladder. It may be granted like any role, and it is what a user has without a grant.
const NoAccess = "NoAccess"

// AnyApplication is the name that stands for all applications, or all organizations, in a grant.
const AnyApplication = "*"

// Strategy says which of several roles wins within one scope (docs/rules.md R4).
type Strategy uint8

// The strategies.
const (
	MostRestrictive Strategy = iota
	MostPermissive
)

// ApplicationRole is one rung of the application ladder. A permission of a lower rung belongs to every rung above it.
type ApplicationRole struct {
	Name        string
	Permissions []string
}

// OrganizationRole is one rung of the organization ladder. ApplicationRole is what it means in every application;
// empty, it means nothing there.
type OrganizationRole struct {
	Name            string
	ApplicationRole string
}

// SystemRole is one rung of the system ladder, with what it means in every organization it is granted for; an empty
// meaning is none.
type SystemRole struct {
	Name             string
	OrganizationRole string
	ApplicationRole  string
}

// ExclusiveAccess is one rule of separation of duty (docs/rules.md R9): nobody holds MinimumRole or better in more
// than one of Applications. Source is the policy that has the rule, Kind/namespace/name.
type ExclusiveAccess struct {
	Name         string
	Source       string
	Applications []string
	MinimumRole  string
}

// Rules is what holds for every user of one organization: its policy, what the system namespace's policy adds, and
// the applications that hide rows for whom no data permission speaks. Ladders run from the most to the least
// permissive role; those of the built-in policy are [BuiltInApplicationRoles] and its neighbours.
type Rules struct {
	Organization      string
	ApplicationRoles  []ApplicationRole
	OrganizationRoles []OrganizationRole
	SystemRoles       []SystemRole

	// Strategy and SystemStrategy are those of the organization's and of the system namespace's policy.
	Strategy, SystemStrategy Strategy
	// Combined lets individual grants stand beside the groups'; otherwise they are the fallback (R3).
	Combined bool
	// Protected and SystemProtected let administrators in their own right keep their privilege (R3).
	Protected, SystemProtected bool
	// ExclusiveAccess has the organization's own rules first, then the system namespace's.
	ExclusiveAccess []ExclusiveAccess
	// HideUnmatched names the applications whose rows are hidden from those for whom no data permission speaks (R7).
	HideUnmatched []string
}

// BuiltInApplicationRoles returns the application ladder of a policy that declares none.
func BuiltInApplicationRoles() []ApplicationRole {
	return []ApplicationRole{
		{Name: "Administrator", Permissions: []string{"administer"}},
		{Name: "RulesAdmin", Permissions: []string{"manage-rules"}},
		{Name: "Editor", Permissions: []string{"edit"}},
		{Name: "Viewer", Permissions: []string{"view"}},
	}
}

// BuiltInOrganizationRoles returns the organization ladder of a policy that declares none.
func BuiltInOrganizationRoles() []OrganizationRole {
	return []OrganizationRole{
		{Name: "Administrator", ApplicationRole: "Administrator"},
		{Name: "RulesAdmin", ApplicationRole: "RulesAdmin"},
		{Name: "Editor", ApplicationRole: "Editor"},
		{Name: "Viewer", ApplicationRole: "Viewer"},
	}
}

// BuiltInSystemRoles returns the system ladder of a system namespace whose policy declares none.
func BuiltInSystemRoles() []SystemRole {
	return []SystemRole{
		{Name: "SystemAdministrator", OrganizationRole: "Administrator", ApplicationRole: "Administrator"},
		{Name: "Observer", OrganizationRole: "Viewer", ApplicationRole: "Viewer"},
	}
}

// rung is a role's place on a ladder, counted from the most permissive; a higher number is less access.
type rung int16

const (
	noAccess rung = math.MaxInt16 // below every ladder
	noRung   rung = -1            // no such role, or no meaning
)

// Organization is [Rules] made ready for resolving many users. Its rules do not change, and it is safe for concurrent
// use.
type Organization struct {
	rules       Rules
	permissions [][]string // by rung of the application ladder, inherited and sorted

	organizationMeaning []rung // by rung of the organization ladder, on the application ladder
	systemApplication   []meaning
	systemOrganization  []meaning
	exclusive           []exclusiveRule
	exclusiveOf         map[string][]*exclusiveRule // by application, in the order of exclusive
	hideUnmatched       []string
	shared              *sharedFilters

	// The limits of instants and of bytes of filters, and how many evaluations for each of its entries a decision has
	// beside the budget. Tests lower them.
	instants, filterBytes, free int
}

// meaning is what a system role means on a ladder of the organization.
type meaning struct {
	rung     rung
	unmapped bool // declared, but not on the organization's ladder
}

type exclusiveRule struct {
	ExclusiveAccess
	minimum rung
}

// NewOrganization makes the rules ready. Its cost grows with the ladders and rules, not with users.
func NewOrganization(rules Rules) *Organization {
	o := &Organization{
		rules: rules, shared: newSharedFilters(), instants: MaximumInstants, filterBytes: MaximumFilterBytes,
		free: freePerEntry,
	}
	o.permissions = inheritedPermissions(rules.ApplicationRoles)
	for _, r := range rules.OrganizationRoles {
		o.organizationMeaning = append(o.organizationMeaning, o.applicationRung(r.ApplicationRole))
	}
	for i, r := range rules.SystemRoles {
		top := i == 0
		o.systemApplication = append(o.systemApplication,
			o.systemMeaning(r.ApplicationRole, o.applicationRung(r.ApplicationRole), top))
		o.systemOrganization = append(o.systemOrganization,
			o.systemMeaning(r.OrganizationRole, o.organizationRung(r.OrganizationRole), top))
	}
	for _, r := range rules.ExclusiveAccess {
		minimum := o.applicationRung(r.MinimumRole)
		if minimum == noRung || minimum == noAccess {
			// A role that cannot be held must not make the rule toothless: any role counts.
			minimum = rung(len(rules.ApplicationRoles)) - 1
		}
		r.Applications = slices.Compact(slices.Sorted(slices.Values(r.Applications)))
		o.exclusive = append(o.exclusive, exclusiveRule{r, minimum})
	}
	o.exclusiveOf = map[string][]*exclusiveRule{}
	for i := range o.exclusive {
		for _, name := range o.exclusive[i].Applications {
			o.exclusiveOf[name] = append(o.exclusiveOf[name], &o.exclusive[i])
		}
	}
	o.hideUnmatched = slices.Compact(slices.Sorted(slices.Values(rules.HideUnmatched)))
	return o
}

// systemMeaning applies docs/rules.md R5: a meaning that the organization's ladder does not have is NoAccess under
// MostRestrictive, unless the top system role has it; one that is not declared is none.
func (o *Organization) systemMeaning(role string, at rung, top bool) meaning {
	switch {
	case role == "":
		return meaning{rung: noRung}
	case at != noRung:
		return meaning{rung: at}
	case o.rules.SystemStrategy == MostRestrictive && !top:
		return meaning{rung: noAccess, unmapped: true}
	default:
		return meaning{rung: noRung, unmapped: true}
	}
}

// Permissions returns the whole permission set of the application role, sorted: its own and those of the rungs
// below. It is nil for a role that is not on the ladder, and must not be changed.
func (o *Organization) Permissions(role string) []string {
	if r := o.applicationRung(role); r >= 0 && int(r) < len(o.permissions) {
		return o.permissions[r]
	}
	return nil
}

// Rules returns the rules that the organization was made of; they must not be changed.
func (o *Organization) Rules() *Rules { return &o.rules }

// HasApplicationRole says whether the role may be granted in an application: it is on the ladder, or NoAccess.
func (o *Organization) HasApplicationRole(role string) bool { return o.applicationRung(role) != noRung }

// HasOrganizationRole says the same of the organization ladder.
func (o *Organization) HasOrganizationRole(role string) bool {
	return o.organizationRung(role) != noRung
}

// HasSystemRole says the same of the system ladder.
func (o *Organization) HasSystemRole(role string) bool { return o.systemRung(role) != noRung }

func (o *Organization) applicationRung(role string) rung {
	return rungOf(role, slices.IndexFunc(o.rules.ApplicationRoles, func(r ApplicationRole) bool { return r.Name == role }))
}

func (o *Organization) organizationRung(role string) rung {
	return rungOf(role, slices.IndexFunc(o.rules.OrganizationRoles, func(r OrganizationRole) bool { return r.Name == role }))
}

func (o *Organization) systemRung(role string) rung {
	return rungOf(role, slices.IndexFunc(o.rules.SystemRoles, func(r SystemRole) bool { return r.Name == role }))
}

func rungOf(role string, index int) rung {
	if role == NoAccess {
		return noAccess
	}
	return rung(index)
}

func (o *Organization) applicationRole(r rung) string {
	if r == noAccess {
		return NoAccess
	}
	return o.rules.ApplicationRoles[r].Name
}

func (o *Organization) organizationRole(r rung) string {
	if r == noAccess {
		return NoAccess
	}
	return o.rules.OrganizationRoles[r].Name
}

func inheritedPermissions(ladder []ApplicationRole) [][]string {
	sets := make([][]string, len(ladder))
	inherited := []string{}
	for i := len(ladder) - 1; i >= 0; i-- {
		inherited = append(slices.Clone(inherited), ladder[i].Permissions...)
		slices.SortFunc(inherited, strings.Compare)
		inherited = slices.Compact(inherited)
		sets[i] = slices.Clip(inherited)
	}
	return sets
}
