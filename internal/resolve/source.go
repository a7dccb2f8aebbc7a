package resolve

import (
	"iter"
	"slices"
)

// Origin says what kind of object a source is, and where.
type Origin uint8

// The origins.
const (
	OrganizationGroup  Origin = iota // an Organization group of the organization
	SystemGroup                      // a System group of the system namespace
	Individual                       // the counting UserAccess of the organization
	IndividualAtSystem               // the counting UserAccess of the system namespace
)

// ApplicationGrant gives a role in one application, or in all for [AnyApplication].
type ApplicationGrant struct {
	Application string
	Role        string
	Window      Window
}

// SystemGrant is what a source of the system namespace gives in one organization, or in all for [AnyApplication].
type SystemGrant struct {
	Organization     string
	Role             string // on the system ladder; empty: none
	OrganizationRole string // on the organization's ladder; empty: none
	Applications     []ApplicationGrant
}

// Rows is what a group lets its members see of one application, or of all for [AnyApplication].
type Rows struct {
	Application string
	Filter      Filter
}

// Source is an AccessGroup or a UserAccess as far as it gives something.
type Source struct {
	Name   string // Kind/namespace/name
	Origin Origin
	// WithoutPrivileges: the group gives no roles; its members and rows still count (R2, R3, R7).
	WithoutPrivileges bool
	// BeingDeleted: of what the source gives only NoAccess is left, and its rows (R1).
	BeingDeleted bool

	OrganizationRole string             // in an organization
	Applications     []ApplicationGrant // in an organization
	System           []SystemGrant      // in the system namespace
	Rows             []Rows             // Organization groups
}

// Bound is a source with its roles looked up on the ladders of one organization. It is immutable and shared by all
// users who hold it.
type Bound struct {
	name   string
	origin Origin
	// group: the source is a group of the organization with privileges, which takes the place of individual grants.
	group bool

	organization grantList // at most one: scope organization
	broad        grantList // scope all applications, and what the role at scope organization means
	specific     grantList // scope application, sorted by application

	system             bool      // the source gives a role at scope system
	systemApplication  grantList // at most one: what that role means in applications
	systemOrganization grantList // and what it means for the organization
	unmapped           bool      // the organization's ladders do not have a meaning that is declared

	rows    []Rows // specific ones, sorted by application
	anyRows *Filter
	// The bytes of all specific ones, and of the one for all.
	ownRowBytes, anyRowBytes int

	timed bool // some grant has a window of its own
}

// grant is one role that a source gives, or what that means.
type grant struct {
	source      *Bound
	application string // in the scope of one
	rung        rung
	protected   bool
	window      Window
	// alone is the access that the grant comes to where nothing else is said of the application: of tens of thousands of
	// users with a hundred applications each, most have nothing else, and share it.
	alone *ApplicationAccess
}

type grantList []grant

// Entry returns what the System group or individual grants of the system namespace give in the organization: the
// entry that names it, or where there is none the one for all (docs/rules.md R2). Nil means nothing.
func (s *Source) Entry(organization string) *SystemGrant {
	var all *SystemGrant
	for i := range s.System {
		switch s.System[i].Organization {
		case organization:
			return &s.System[i]
		case AnyApplication:
			all = &s.System[i]
		}
	}
	return all
}

// Given is one role that a source gives in an organization, as it is written: known to a ladder or not.
type Given struct {
	// Scope is that of the grant. In the system and the organization scope the role is never empty.
	Scope Scope
	// Application is the one in whose scope the role is given, AnyApplication in the broad scope, and else empty.
	Application string
	Role        string
	Window      Window // always open in the system and the organization scope
}

// Grants yields what the source gives in the organization: the system role, the organization role, then the entries for
// applications in the order in which they are written. A source of the system namespace gives what its entry for the
// organization says, any other source what it says itself. Whether the grants count is left aside: privileges, deletion,
// windows and ladders.
func (s *Source) Grants(organization string) iter.Seq[Given] {
	return func(yield func(Given) bool) {
		systemRole, organizationRole, applications := "", s.OrganizationRole, s.Applications
		if s.isAtSystem() {
			entry := s.Entry(organization)
			if entry == nil {
				return
			}
			systemRole, organizationRole, applications = entry.Role, entry.OrganizationRole, entry.Applications
		}
		if systemRole != "" && !yield(Given{Scope: ScopeSystem, Role: systemRole}) {
			return
		}
		if organizationRole != "" && !yield(Given{Scope: ScopeOrganization, Role: organizationRole}) {
			return
		}
		for i := range applications {
			a := &applications[i]
			g := Given{ScopeApplication, a.Application, a.Role, a.Window}
			if a.Application == AnyApplication {
				g.Scope = ScopeBroad
			}
			if !yield(g) {
				return
			}
		}
	}
}

// isAtSystem reports whether the source is of the system namespace.
func (s *Source) isAtSystem() bool { return s.Origin == SystemGroup || s.Origin == IndividualAtSystem }

// Bind looks the roles of the source up on the organization's ladders. A role that is on none gives nothing. Nil is
// returned for a source of the system namespace that says nothing about the organization.
func (o *Organization) Bind(s *Source) *Bound {
	if s.isAtSystem() && s.Entry(o.rules.Organization) == nil {
		return nil
	}
	b := &Bound{name: s.Name, origin: s.Origin}
	b.group = s.Origin == OrganizationGroup && !s.WithoutPrivileges
	if s.Origin == OrganizationGroup {
		b.bindRows(s.Rows)
	}
	if s.WithoutPrivileges {
		return b
	}
	protects := s.Origin == Individual && o.rules.Protected
	for g := range s.Grants(o.rules.Organization) {
		switch g.Scope {
		case ScopeSystem:
			b.bindSystemRole(o, s, g.Role)
		case ScopeOrganization:
			b.bindOrganizationRole(o, s, g.Role, protects)
		default:
			b.bindApplication(o, s, &g, protects)
		}
	}
	slices.SortStableFunc(b.specific, byApplication)
	return b
}

func (b *Bound) bindOrganizationRole(o *Organization, s *Source, role string, protects bool) {
	switch r := o.organizationRung(role); {
	case s.gives(r):
		own := grant{source: b, rung: r, protected: protects && r == 0}
		b.organization = grantList{own}
		if own.rung = o.meaning(r); own.rung != noRung {
			b.broad = grantList{own}
		}
	case r != noRung && o.meaning(r) == noAccess:
		b.broad = grantList{{source: b, rung: noAccess}}
	}
}

func (b *Bound) bindApplication(o *Organization, s *Source, g *Given, protects bool) {
	r := o.applicationRung(g.Role)
	if !s.gives(r) {
		return
	}
	made := grant{source: b, application: g.Application, rung: r, protected: protects && r == 0, window: g.Window}
	b.timed = b.timed || !g.Window.always()
	if g.Scope == ScopeBroad {
		b.broad = append(b.broad, made)
		return
	}
	made.alone = &ApplicationAccess{g.Application, Access{Outcome: Outcome{
		Role: o.applicationRole(r), Rule: RuleOnlyGrant, Source: s.Name, rung: r,
	}}}
	b.specific = append(b.specific, made)
}

// gives says whether a role found at r is a grant: what is being deleted gives only NoAccess. A role that means
// NoAccess goes on meaning it, since a deletion loosens nothing before the object is gone.
func (s *Source) gives(r rung) bool {
	return r == noAccess || (r != noRung && !s.BeingDeleted)
}

func (b *Bound) bindSystemRole(o *Organization, s *Source, role string) {
	r := o.systemRung(role)
	if r == noRung {
		return
	}
	if r == noAccess {
		b.system = true
		b.systemApplication = grantList{{source: b, rung: noAccess}}
		b.systemOrganization = grantList{{source: b, rung: noAccess}}
		return
	}
	application, organization := o.systemApplication[r], o.systemOrganization[r]
	if s.BeingDeleted {
		application, organization = application.onlyNoAccess(), organization.onlyNoAccess()
		if application.rung == noRung && organization.rung == noRung {
			return
		}
	}
	b.system, b.unmapped = true, application.unmapped || organization.unmapped
	protected := s.Origin == IndividualAtSystem && o.rules.SystemProtected && r == 0 && !s.BeingDeleted
	if application.rung != noRung {
		b.systemApplication = grantList{{source: b, rung: application.rung, protected: protected}}
	}
	if organization.rung != noRung {
		b.systemOrganization = grantList{{source: b, rung: organization.rung, protected: protected}}
	}
}

func (b *Bound) bindRows(rows []Rows) {
	for _, r := range rows {
		if r.Application == AnyApplication {
			b.anyRows, b.anyRowBytes = &r.Filter, len(r.Filter.canonical)
		} else {
			b.rows = append(b.rows, r)
			b.ownRowBytes += len(r.Filter.canonical)
		}
	}
	slices.SortStableFunc(b.rows, func(a, b Rows) int { return compareStrings(a.Application, b.Application) })
}

// hasRows reports whether the source says something about rows.
func (b *Bound) hasRows() bool { return len(b.rows) > 0 || b.anyRows != nil }

// Unmapped says whether the source grants, in the organization, a system role whose declared meaning the
// organization's ladders do not have (docs/rules.md R5, condition SystemRoleUnmapped).
func (b *Bound) Unmapped() bool { return b != nil && b.unmapped }
