package resolve

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// Rule is the reason of a role: the first of these, in this order, that holds (docs/rules.md, Trace).
type Rule string

// The rules, in their order of precedence; [MostRestrictive] and [MostPermissive] are named between OnlyGrant and
// NoGrant.
const (
	RuleSuspended              Rule = "Suspended"
	RuleExpired                Rule = "Expired"
	RuleNotYetValid            Rule = "NotYetValid"
	RuleExclusiveAccess        Rule = "ExclusiveAccess"
	RuleSystemBlock            Rule = "SystemBlock"
	RuleSystemCap              Rule = "SystemCap"
	RuleSystemFloor            Rule = "SystemFloor"
	RuleSystemGrant            Rule = "SystemGrant"
	RuleProtectedAdministrator Rule = "ProtectedAdministrator"
	RuleSpecificApplication    Rule = "SpecificApplication"
	RuleOnlyGrant              Rule = "OnlyGrant"
	RuleMostRestrictive        Rule = "MostRestrictive"
	RuleMostPermissive         Rule = "MostPermissive"
	RuleNoGrant                Rule = "NoGrant"
)

// Outcome is a role with its reason. Source is the object that gives it, Kind/namespace/name, empty for NoGrant.
// NotAfter is the first instant after the decision's at which the same objects give less (zero: never).
type Outcome struct {
	Role     string
	Rule     Rule
	Source   string
	NotAfter time.Time

	rung rung
	// cut and unfinished are those of [end] (docs/documents.md, notAfter).
	cut, unfinished bool
}

// GivesAccess says whether the role is any but NoAccess.
func (o *Outcome) GivesAccess() bool { return o.rung != noAccess }

// Access is a role in an application with the rows it extends to: those that pass every filter. Filters is nil for
// every row, and for NoAccess. NotAfter regards role and filters together.
type Access struct {
	Outcome
	Filters []Filter
}

// ApplicationAccess is a user's access to one application.
type ApplicationAccess struct {
	Application string
	Access
}

// Scope says within which scope grants conflict.
type Scope string

// The scopes of conflicts (docs/rules.md R8).
const (
	ScopeApplication  Scope = "Application"
	ScopeBroad        Scope = "Broad"
	ScopeOrganization Scope = "Organization"
	ScopeSystem       Scope = "System"
)

// SourceRole is a role that a source gives; in the broad and the system scope, what its role means.
type SourceRole struct {
	Source string
	Role   string
}

// Conflict says that grants of different sources give different roles within one scope. Application is set in the
// scope of one. Grants is sorted by source, then role. Role is what wins within the scope, Rule why.
type Conflict struct {
	Scope       Scope
	Application string
	Grants      []SourceRole
	Role        string
	Rule        Rule
}

// Exclusion says that a rule of exclusive access took the user's roles in all of its applications, because the user
// held the rule's role or better in Applications (docs/rules.md R9), which are sorted.
type Exclusion struct {
	Name         string
	Source       string
	Applications []string
}

// Decision is what the rules give one user in one organization at one instant.
type Decision struct {
	// Exists says whether there is anything to decide: a grant, an active membership or a declared UserAccess.
	Exists bool
	// Held says whether the user has a grant or an active membership, a bar left aside.
	Held bool

	OrganizationRole Outcome
	// Default is the access to any application that nothing names.
	Default Access
	// Applications is sorted by name and has the applications of which something is said for this user; in every
	// other one the access is Default. See [Decision.Application]. Its elements are shared with other decisions and must
	// not be changed.
	Applications []*ApplicationAccess

	// HiddenRows lists, sorted, the applications of which the user sees no row because the filters are larger together
	// than [MaximumFilterBytes]. AnyApplication stands for all that have the default filters.
	HiddenRows []string
	Conflicts  []Conflict
	Exclusions []Exclusion

	// Enters says whether the user can enter the organization: some role is not NoAccess. EntersNotAfter is the first
	// instant at which that ends or OrganizationRole falls (zero: never).
	Enters         bool
	EntersNotAfter time.Time
	// TooManyWindows says that more than [MaximumInstants] instants bear on an entry that gives access, so that some
	// NotAfter, or EntersNotAfter, is earlier than need be.
	TooManyWindows bool
	// Next is the next instant at which a window that bears on the decision opens or closes (zero: none).
	Next time.Time

	// Unfinished says that the budget did not suffice to find the end of every entry. Some NotAfter, or EntersNotAfter, is
	// then earlier than it will be, never later. [Organization.Resume] goes on where the search stopped.
	Unfinished bool

	entersCut, entersUnfinished bool // like Outcome.cut and Outcome.unfinished, of EntersNotAfter
}

// Application returns the user's access to the application.
func (d *Decision) Application(name string) *Access {
	if i, found := slices.BinarySearchFunc(d.Applications, name, compareApplication); found {
		return &d.Applications[i].Access
	}
	return &d.Default
}

// Each yields the user's access to each of the applications, which are sorted. It walks both lists once.
func (d *Decision) Each(applications []string) iter.Seq2[string, *Access] {
	return func(yield func(string, *Access) bool) {
		said := d.Applications
		for _, name := range applications {
			for len(said) > 0 && said[0].Application < name {
				said = said[1:]
			}
			access := &d.Default
			if len(said) > 0 && said[0].Application == name {
				access = &said[0].Access
			}
			if !yield(name, access) {
				return
			}
		}
	}
}

// Equal says whether the two accesses are the same to a reader and for the same reason.
func (a *Access) Equal(b *Access) bool {
	return a == b || (a.Outcome.equal(&b.Outcome) && sameFilters(a.Filters, b.Filters))
}

// Equal says whether two decisions are the same, reasons and reports included.
func (d *Decision) Equal(e *Decision) bool {
	return d.Exists == e.Exists && d.Held == e.Held &&
		d.OrganizationRole.equal(&e.OrganizationRole) &&
		d.Default.Equal(&e.Default) &&
		d.Enters == e.Enters && d.EntersNotAfter.Equal(e.EntersNotAfter) && d.Next.Equal(e.Next) &&
		d.TooManyWindows == e.TooManyWindows && d.Unfinished == e.Unfinished && slices.Equal(d.HiddenRows, e.HiddenRows) &&
		slices.EqualFunc(d.Applications, e.Applications, func(a, b *ApplicationAccess) bool {
			return a == b || (a.Application == b.Application && a.Equal(&b.Access))
		}) &&
		slices.EqualFunc(d.Conflicts, e.Conflicts, Conflict.Equal) &&
		slices.EqualFunc(d.Exclusions, e.Exclusions, func(a, b Exclusion) bool {
			return a.Name == b.Name && a.Source == b.Source && slices.Equal(a.Applications, b.Applications)
		})
}

// Sides returns the grants in the order in which to show them: the first one that gives the role that wins, the first of
// each other role, then the rest, each part sorted by source. roles counts those of the first two parts.
func (c *Conflict) Sides() (sides []SourceRole, roles int) {
	sides = make([]SourceRole, 0, len(c.Grants))
	var rest []SourceRole
	shown := make(map[string]struct{}, len(c.Grants))
	for _, g := range c.Grants {
		_, again := shown[g.Role]
		shown[g.Role] = struct{}{}
		switch {
		case again:
			rest = append(rest, g)
		case g.Role == c.Role:
			sides = slices.Insert(sides, 0, g)
		default:
			sides = append(sides, g)
		}
	}
	return append(sides, rest...), len(shown)
}

// Equal says whether the two conflicts are the same.
func (c Conflict) Equal(d Conflict) bool {
	return c.Scope == d.Scope && c.Application == d.Application && c.Role == d.Role && c.Rule == d.Rule &&
		slices.Equal(c.Grants, d.Grants)
}

func (o *Outcome) equal(p *Outcome) bool {
	return o.Role == p.Role && o.Rule == p.Rule && o.Source == p.Source && o.NotAfter.Equal(p.NotAfter)
}

func compareApplication(a *ApplicationAccess, name string) int {
	return strings.Compare(a.Application, name)
}

func compareStrings(a, b string) int { return strings.Compare(a, b) }
