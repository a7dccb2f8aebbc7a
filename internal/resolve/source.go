package resolve

import (
	"slices"
	"time"
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

// ApplicationGrant gives a role in one application, in all for [AnyApplication], or in those that the selector selects.
type ApplicationGrant struct {
	Application string
	Selector    Selector // nil: Application says where
	Role        string
	Window      Window
}

// SystemGrant is what a source of the system namespace gives in one organization, in all for [AnyApplication], or in those
// that the selector selects.
type SystemGrant struct {
	Organization     string
	Selector         Selector // nil: Organization says where
	Role             string   // on the system ladder; empty: none
	OrganizationRole string   // on the organization's ladder; empty: none
	Applications     []ApplicationGrant
}

// Rows is what a group lets its members see of one application, or of all for [AnyApplication]. Its filter may refer to
// attributes of the user.
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
	// Live says when the source gives what it says; nil: always. At all other instants a review is missed, and it gives what
	// it would while being deleted (R1).
	Live []Window

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

	organization grantList // scope organization
	broad        grantList // scope all applications, and what the role at scope organization means
	specific     grantList // scope application, sorted by application

	system             []Window  // when the source gives a role at scope system; nil: never
	systemApplication  grantList // what that role means in applications
	systemOrganization grantList // and what it means for the organization
	unmapped           []Window  // when the organization's ladders do not have a meaning that is declared; nil: never

	rows    []Rows // specific ones, sorted by application
	anyRows *Filter
	// The bytes of all specific ones, and of the one for all.
	ownRowBytes, anyRowBytes int

	timed bool // some grant has a window of its own

	templates *templates // nil: no row refers to an attribute of the user
}

// grant is one role that a source gives, or what that means.
type grant struct {
	source      *Bound
	application string // in the scope of one
	rung        rung
	protected   bool
	window      Window
	entry       entry
	// alone is the access that the grant comes to where nothing else is said of the application: of tens of thousands of
	// users with a hundred applications each, most have nothing else, and share it.
	alone *ApplicationAccess
}

type grantList []grant

// isAtSystem reports whether the source is of the system namespace.
func (s *Source) isAtSystem() bool { return s.Origin == SystemGroup || s.Origin == IndividualAtSystem }

// Bind looks the roles of the source up on the organization's ladders. A role that is on none gives nothing. Nil is
// returned for a source of the system namespace that says nothing about the organization. The place is the organization; nil
// stands for one without labels and ApplicationAccess objects.
//
// Of rows that refer to attributes the result has what a user without attributes sees: see [Bound.For].
func (o *Organization) Bind(s *Source, at *Place) *Bound {
	if at == nil {
		at = &Place{Organization: o.rules.Organization}
	}
	if s.isAtSystem() && !s.SpeaksOf(at) {
		return nil
	}
	b := &Bound{name: s.Name, origin: s.Origin}
	b.group = s.Origin == OrganizationGroup && !s.WithoutPrivileges
	if s.Origin == OrganizationGroup {
		b.bindRows(s.Rows)
		b.bindTemplates(o, s.Rows)
	}
	if s.WithoutPrivileges {
		return b
	}
	s.grants(at, at.selected, func(g Given) bool {
		switch g.Scope {
		case ScopeSystem:
			b.bindSystemRole(o, s, &g)
		case ScopeOrganization:
			b.bindOrganizationRole(o, s, &g)
		default:
			b.bindApplication(o, s, &g)
		}
		return true
	})
	slices.SortStableFunc(b.specific, byApplication)
	return b
}

func (b *Bound) bindOrganizationRole(o *Organization, s *Source, g *Given) {
	r := o.organizationRung(g.Role)
	if r == noRung {
		return
	}
	made := grant{source: b, rung: r, entry: g.entry}
	made.protected = s.Origin == Individual && o.rules.Protected && r == 0 && !s.BeingDeleted
	b.organization = b.appendGrant(b.organization, s, made)
	made.rung = o.meaning(r)
	b.broad = b.appendGrant(b.broad, s, made)
}

func (b *Bound) bindApplication(o *Organization, s *Source, g *Given) {
	r := o.applicationRung(g.Role)
	if r == noRung {
		return
	}
	made := grant{
		source: b, application: g.Application, rung: r, window: g.Window, entry: g.entry,
		protected: s.Origin == Individual && o.rules.Protected && r == 0,
	}
	if g.Scope == ScopeBroad {
		b.broad = b.appendGrant(b.broad, s, made)
		return
	}
	made.alone = &ApplicationAccess{g.Application, Access{Outcome: Outcome{
		Role: o.applicationRole(r), Rule: RuleOnlyGrant, Source: s.Name, rung: r,
	}}}
	b.specific = b.appendGrant(b.specific, s, made)
}

func (b *Bound) bindSystemRole(o *Organization, s *Source, g *Given) {
	r := o.systemRung(g.Role)
	if r == noRung {
		return
	}
	application, organization := meaning{rung: noAccess}, meaning{rung: noAccess}
	if r != noAccess {
		application, organization = o.systemApplication[r], o.systemOrganization[r]
	}
	made := grant{source: b, entry: g.entry}
	made.protected = s.Origin == IndividualAtSystem && o.rules.SystemProtected && r == 0 && !s.BeingDeleted
	made.rung = application.rung
	b.systemApplication = b.appendGrant(b.systemApplication, s, made)
	made.rung = organization.rung
	b.systemOrganization = b.appendGrant(b.systemOrganization, s, made)
	given := s.windowsOf(r)
	for _, m := range []meaning{application, organization} {
		when := s.windowsOf(r)
		if m.rung == noAccess {
			when = s.windowsOf(noAccess)
			given = when
		}
		if m.unmapped {
			b.unmapped = append(b.unmapped, when...)
		}
	}
	b.system = append(b.system, given...)
	b.timed = b.timed || slices.ContainsFunc(given, func(w Window) bool { return !w.always() })
}

// appendGrant adds the grant in the windows in which the source gives it.
func (b *Bound) appendGrant(to grantList, s *Source, g grant) grantList {
	own := g.window
	for _, when := range s.windowsOf(g.rung) {
		if both, open := own.intersect(when); open || when.always() {
			g.window = both
			b.timed = b.timed || !both.always()
			to = append(to, g)
		}
	}
	return to
}

// always holds every instant.
var always = []Window{{}}

// windowsOf returns when the source gives a role that is found at r. What is being deleted, or was not reviewed in time,
// gives only NoAccess. A role that means NoAccess goes on meaning it: nothing is loosened before the object is gone.
func (s *Source) windowsOf(r rung) []Window {
	switch {
	case r == noRung:
		return nil
	case r == noAccess:
		return always
	case s.BeingDeleted:
		return nil
	case s.Live == nil:
		return always
	default:
		return s.Live
	}
}

// isOpen reports whether one of the windows is open at t. Of none it is never.
func isOpen(windows []Window, t time.Time) bool { return len(windows) > 0 && contains(windows, t) }

// bindRows takes in what the source says of rows, as a user without attributes sees them.
func (b *Bound) bindRows(rows []Rows) {
	for _, r := range rows {
		if r.Filter.refers() {
			r.Filter = r.Filter.substitute(nil, nil)
		}
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

// Unmapped reports whether the source grants at the instant t, in the organization, a system role whose declared meaning the
// organization's ladders do not have (docs/rules.md R5, condition SystemRoleUnmapped).
func (b *Bound) Unmapped(t time.Time) bool { return b != nil && isOpen(b.unmapped, t) }
