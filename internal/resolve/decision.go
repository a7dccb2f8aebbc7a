package resolve

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// Rule is the reason of a role: the first rule in the order below that holds (docs/rules.md, Trace).
type Rule string

// The rules, in their order of precedence. [MostRestrictive] and [MostPermissive] come between OnlyGrant and
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

// Outcome is a role with its reason. Source is the object that gives the role (Kind/namespace/name). It is empty
// for NoGrant. NotAfter is the first instant after that of the decision at which the same objects give less. It is
// zero if there is no such instant.
type Outcome struct {
	Role     string
	Rule     Rule
	Source   string
	NotAfter time.Time

	rung rung
	// cut and unfinished have the meaning that they have in [end] (docs/documents.md, notAfter).
	cut, unfinished bool
}

// GivesAccess reports whether the role is any role but NoAccess.
func (o *Outcome) GivesAccess() bool { return o.rung != noAccess }

// Access is a role in an application, with filters for the rows that the role covers: the rows that pass every
// filter. Filters is nil for all rows, and for NoAccess. NotAfter covers role and filters together.
type Access struct {
	Outcome
	Filters []Filter
}

// ApplicationAccess is a user's access to one application.
type ApplicationAccess struct {
	Application string
	Access
}

// Scope is the scope within which grants conflict.
type Scope string

// The scopes of conflicts (docs/rules.md R8).
const (
	ScopeApplication  Scope = "Application"
	ScopeBroad        Scope = "Broad"
	ScopeOrganization Scope = "Organization"
	ScopeSystem       Scope = "System"
)

// SourceRole is a role that a source gives. In the broad and the system scope, Role is what the source's role
// means there.
type SourceRole struct {
	Source string
	Role   string
}

// Conflict is a disagreement between grants that give different roles within one scope. Application is set for
// ScopeApplication. Grants is sorted by source, then by role. Role is the role that wins within the scope, and
// Rule is the reason.
type Conflict struct {
	Scope       Scope
	Application string
	Grants      []SourceRole
	Role        string
	Rule        Rule
}

// Exclusion records that a rule of exclusive access took the user's roles in all applications of the rule, because
// the user held the rule's minimum role or a higher one in Applications (docs/rules.md R9). Applications is
// sorted.
type Exclusion struct {
	Name         string
	Source       string
	Applications []string
}

// Decision is the result of the rules for one user in one organization at one instant.
type Decision struct {
	// Exists reports whether there is anything to decide: a grant, an active membership or a declared UserAccess.
	Exists bool
	// Held reports whether the user has a grant or an active membership. It ignores bars.
	Held bool

	OrganizationRole Outcome
	// Default is the access to every application that nothing names.
	Default Access
	// Applications lists the applications whose access is decided separately for this user, sorted by name. Every
	// other application has the access Default. See [Decision.Application]. The elements are shared with other
	// decisions and must not be changed.
	Applications []*ApplicationAccess

	// HiddenRows lists the applications in which the user sees no row because the user's filters together exceed
	// [MaximumFilterBytes]. It is sorted. AnyApplication stands for all applications that have the default filters.
	HiddenRows []string
	Conflicts  []Conflict
	Exclusions []Exclusion

	// Enters reports whether the user can enter the organization: at least one role is not NoAccess. EntersNotAfter
	// is the first instant at which Enters becomes false or OrganizationRole falls. It is zero if there is no such
	// instant.
	Enters         bool
	EntersNotAfter time.Time
	// TooManyWindows reports whether more than [MaximumInstants] instants affect an entry that gives access. Some
	// NotAfter, or EntersNotAfter, is then earlier than necessary.
	TooManyWindows bool
	// Next is the next instant at which a window that affects the decision opens or closes. It is zero if there is
	// none.
	Next time.Time

	// Unfinished reports whether the budget did not suffice to find the end of every entry. Some NotAfter, or
	// EntersNotAfter, is then earlier than its final value, never later. [Organization.Resume] continues where the
	// search stopped.
	Unfinished bool

	entersCut, entersUnfinished bool // like Outcome.cut and Outcome.unfinished, for EntersNotAfter
}

// Application returns the user's access to the application.
func (d *Decision) Application(name string) *Access {
	if i, found := slices.BinarySearchFunc(d.Applications, name, compareApplication); found {
		return &d.Applications[i].Access
	}
	return &d.Default
}

// Each yields the user's access to each of the applications. The argument must be sorted. Each walks both lists
// once.
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

// Equal reports whether a reader sees the same access for the same reason.
func (a *Access) Equal(b *Access) bool {
	return a == b || (a.Outcome.equal(&b.Outcome) && sameFilters(a.Filters, b.Filters))
}

// Equal reports whether the two decisions are the same, including reasons and reports.
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

// Sides returns the grants in display order: the first grant that gives the winning role, then the first grant of
// each other role, then the rest. Each part is sorted by source. roles is the number of grants in the first two
// parts.
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

// Equal reports whether the two conflicts are the same.
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
