package resolve

import (
	"math"
	"slices"
	"strings"
)

// NoAccess is the role below every ladder. It can be granted like any role. A user without a grant has it.
const NoAccess = "NoAccess"

// AnyApplication stands for all applications, or all organizations, in a grant.
const AnyApplication = "*"

// Strategy determines which of several roles wins within one scope (docs/rules.md R4).
type Strategy uint8

// The strategies.
const (
	MostRestrictive Strategy = iota
	MostPermissive
)

// ApplicationRole is one rung of the application ladder. Every rung also has the permissions of the rungs below
// it.
type ApplicationRole struct {
	Name        string
	Permissions []string
}

// OrganizationRole is one rung of the organization ladder. ApplicationRole is its meaning in every application. If
// it is empty, the role has no meaning there.
type OrganizationRole struct {
	Name            string
	ApplicationRole string
}

// SystemRole is one rung of the system ladder, with its meaning in every organization that it is granted for. An
// empty field means no role.
type SystemRole struct {
	Name             string
	OrganizationRole string
	ApplicationRole  string
}

// ExclusiveAccess is one rule of separation of duty (docs/rules.md R9). A user must not hold MinimumRole or a
// higher role in more than one of Applications. Source is the policy that contains the rule (Kind/namespace/name).
type ExclusiveAccess struct {
	Name         string
	Source       string
	Applications []string
	MinimumRole  string
}

// Rules are the rules for every user of one organization: the organization's policy, the additions of the system
// namespace's policy, and the applications that hide rows from users without a data permission. Ladders are
// ordered from the most to the least permissive role. [BuiltInApplicationRoles], [BuiltInOrganizationRoles] and
// [BuiltInSystemRoles] return the ladders of the built-in policy.
type Rules struct {
	Organization      string
	ApplicationRoles  []ApplicationRole
	OrganizationRoles []OrganizationRole
	SystemRoles       []SystemRole

	// Strategy is set by the organization's policy, SystemStrategy by the system namespace's policy.
	Strategy, SystemStrategy Strategy
	// Combined lets individual grants count together with the grants of groups. Otherwise they are only the fallback
	// (R3).
	Combined bool
	// Protected and SystemProtected let users with an individual administrator grant keep that privilege (R3).
	Protected, SystemProtected bool
	// ExclusiveAccess lists the organization's own rules first, then those of the system namespace.
	ExclusiveAccess []ExclusiveAccess
	// HideUnmatched names the applications that hide all rows from users without a matching data permission (R7).
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

// rung is the position of a role on a ladder, counted from the most permissive role. A higher number means less
// access.
type rung int16

const (
	noAccess rung = math.MaxInt16 // below every ladder
	noRung   rung = -1            // no such role, or no meaning
)

// Organization is [Rules] prepared for resolving many users. Its rules do not change. It is safe for concurrent
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

	// instants and filterBytes are the limits of instants and of filter bytes. free is the number of evaluations per
	// entry that a decision has in addition to the budget. Tests lower them.
	instants, filterBytes, free int
}

// meaning is the meaning of a system role on a ladder of the organization.
type meaning struct {
	rung     rung
	unmapped bool // declared, but not on the organization's ladder
}

type exclusiveRule struct {
	ExclusiveAccess
	minimum rung
}

// NewOrganization returns an Organization with the rules. The cost grows with the ladders and rules, not with the
// number of users.
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
			// A role that cannot be held must not disable the rule. Any role counts instead.
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

// systemMeaning returns the meaning of a system role (docs/rules.md R5). A meaning that is not on the
// organization's ladder becomes NoAccess under MostRestrictive, except for the top system role. An undeclared
// meaning is not a role.
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

// Permissions returns all permissions of the application role, sorted: its own and those of the rungs below it. It
// returns nil for a role that is not on the ladder. The result must not be changed.
func (o *Organization) Permissions(role string) []string {
	if r := o.applicationRung(role); r >= 0 && int(r) < len(o.permissions) {
		return o.permissions[r]
	}
	return nil
}

// Rules returns the rules that the organization was built from. They must not be changed.
func (o *Organization) Rules() *Rules { return &o.rules }

// HasApplicationRole reports whether the role can be granted in an application: it is on the application ladder,
// or NoAccess.
func (o *Organization) HasApplicationRole(role string) bool { return o.applicationRung(role) != noRung }

// HasOrganizationRole reports whether the role is on the organization ladder, or NoAccess.
func (o *Organization) HasOrganizationRole(role string) bool {
	return o.organizationRung(role) != noRung
}

// HasSystemRole reports whether the role is on the system ladder, or NoAccess.
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
