package resolve

import (
	"slices"
	"time"
)

// Origin is the kind and the location of a source.
type Origin uint8

// The origins.
const (
	OrganizationGroup  Origin = iota // an Organization group of the organization
	SystemGroup                      // a System group of the system namespace
	Individual                       // the UserAccess that counts in the organization
	IndividualAtSystem               // the UserAccess that counts in the system namespace
)

// ApplicationGrant gives a role in one application, in all applications for [AnyApplication], or in the
// applications that the selector selects.
type ApplicationGrant struct {
	Application string
	Selector    Selector // nil: Application names the target
	Role        string
	Window      Window
}

// SystemGrant is what a source of the system namespace gives in one organization, in all organizations for
// [AnyApplication], or in the organizations that the selector selects.
type SystemGrant struct {
	Organization     string
	Selector         Selector // nil: Organization names the target
	Role             string   // on the system ladder; empty: none
	OrganizationRole string   // on the organization's ladder; empty: none
	Applications     []ApplicationGrant
}

// Rows limits the rows that members of a group see in one application, or in all applications for
// [AnyApplication]. Its filter may refer to attributes of the user.
type Rows struct {
	Application string
	Filter      Filter
}

// Source is the part of an AccessGroup or a UserAccess that decides access.
type Source struct {
	Name   string // Kind/namespace/name
	Origin Origin
	// WithoutPrivileges is set if the group gives no roles. Its members and rows still count (R2, R3, R7).
	WithoutPrivileges bool
	// BeingDeleted is set if the object is being deleted. The source then gives only NoAccess and its rows (R1).
	BeingDeleted bool
	// Live lists the windows in which the source gives its roles. Nil means always. At all other instants a review is
	// missed, and the source gives only what it gives while it is being deleted (R1).
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
	// group is set for a group of the organization with privileges. Such a group replaces individual grants.
	group bool

	organization grantList // scope organization
	broad        grantList // scope all applications, and the meaning of the organization-scope role
	specific     grantList // scope application, sorted by application

	system             []Window  // windows in which the source gives a system-scope role; nil: never
	systemApplication  grantList // the meaning of that role in applications
	systemOrganization grantList // and its meaning for the organization
	unmapped           []Window  // windows in which a declared meaning is not on the organization's ladders; nil: never

	rows    []Rows // entries for single applications, sorted by application
	anyRows *Filter
	// ownRowBytes is the size of rows, anyRowBytes the size of anyRows, in bytes.
	ownRowBytes, anyRowBytes int

	timed bool // at least one grant has a window of its own

	templates *templates // nil: no row refers to an attribute of the user
}

// grant is one role that a source gives, or the meaning of such a role.
type grant struct {
	source      *Bound
	application string // set for a grant in a single application
	rung        rung
	protected   bool
	window      Window
	entry       entry
	// alone is the access that results if nothing else affects the application. Most of tens of thousands of users
	// with a hundred applications each have only that, and share it.
	alone *ApplicationAccess
}

type grantList []grant

// isAtSystem reports whether the source is in the system namespace.
func (s *Source) isAtSystem() bool { return s.Origin == SystemGroup || s.Origin == IndividualAtSystem }

// Bind returns the source with its roles looked up on the organization's ladders. A role that is on no ladder
// gives nothing. Bind returns nil for a source of the system namespace that has no entry for the organization. A
// nil place stands for an organization without labels and without ApplicationAccess objects.
//
// If rows refer to user attributes, the result has the rows that a user without attributes sees. See [Bound.For].
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

// appendGrant appends the grant once for each window in which the source gives it.
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

// always is one window without bounds.
var always = []Window{{}}

// windowsOf returns the windows in which the source gives a role whose rung is r. A source that is being deleted
// or whose review is missed gives only NoAccess. A role that means NoAccess keeps that meaning, so that nothing is
// loosened before the object is gone.
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

// isOpen reports whether one of the windows is open at t. It returns false for an empty list.
func isOpen(windows []Window, t time.Time) bool { return len(windows) > 0 && contains(windows, t) }

// bindRows sets the rows of the source as a user without attributes sees them.
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

// hasRows reports whether the source limits rows.
func (b *Bound) hasRows() bool { return len(b.rows) > 0 || b.anyRows != nil }

// Unmapped reports whether, at the instant t, the source grants a system role in the organization whose declared
// meaning is not on the organization's ladders (docs/rules.md R5, condition SystemRoleUnmapped).
func (b *Bound) Unmapped(t time.Time) bool { return b != nil && isOpen(b.unmapped, t) }
