package resolve

import "iter"

// Selector selects objects by their labels.
type Selector interface {
	Selects(labels map[string]string) bool
	// String returns the selector as people write it.
	String() string
}

// Place is an organization as selectors see it.
type Place struct {
	Organization string
	// Labels are those of the organization's namespace.
	Labels map[string]string
	// Applications yields the name and the labels of every ApplicationAccess. Nil yields none.
	Applications iter.Seq2[string, map[string]string]
}

// selected yields the names of the applications that the selector selects.
func (p *Place) selected(s Selector) iter.Seq[string] {
	return func(yield func(string) bool) {
		if p.Applications == nil {
			return
		}
		for name, labels := range p.Applications {
			if s.Selects(labels) && !yield(name) {
				return
			}
		}
	}
}

// HasSelectors reports whether the grants of the source depend on labels.
func (s *Source) HasSelectors() bool {
	for i := range s.System {
		if e := &s.System[i]; e.Selector != nil || selectsApplications(e.Applications) {
			return true
		}
	}
	return selectsApplications(s.Applications)
}

func selectsApplications(grants []ApplicationGrant) bool {
	for i := range grants {
		if grants[i].Selector != nil {
			return true
		}
	}
	return false
}

// SelectsDifferently reports whether the source selects an application of the organization with one of the two
// sets of labels only. A nil pointer stands for an application without an ApplicationAccess, which is never
// selected.
func (s *Source) SelectsDifferently(at *Place, before, after *map[string]string) bool {
	selects := func(g *ApplicationGrant, labels *map[string]string) bool {
		return labels != nil && g.Selector.Selects(*labels)
	}
	differ := func(grants []ApplicationGrant) bool {
		for i := range grants {
			if g := &grants[i]; g.Selector != nil && selects(g, before) != selects(g, after) {
				return true
			}
		}
		return false
	}
	if !s.isAtSystem() {
		return differ(s.Applications)
	}
	for _, e := range s.Entries(at) {
		if differ(e.Applications) {
			return true
		}
	}
	return false
}

// Entries returns the entries of a system namespace source that apply to the organization (docs/rules.md R2): the
// entry that names it, otherwise every entry that selects it, otherwise the entry for all organizations.
func (s *Source) Entries(at *Place) []*SystemGrant {
	var selected, all []*SystemGrant
	for i := range s.System {
		switch e := &s.System[i]; {
		case e.Selector != nil:
			if e.Selector.Selects(at.Labels) {
				selected = append(selected, e)
			}
		case e.Organization == at.Organization:
			return []*SystemGrant{e}
		case e.Organization == AnyApplication:
			all = []*SystemGrant{e}
		}
	}
	if len(selected) > 0 {
		return selected
	}
	return all
}

// SpeaksOf reports whether a source of the system namespace has an entry that applies to the organization.
func (s *Source) SpeaksOf(at *Place) bool {
	for i := range s.System {
		e := &s.System[i]
		if e.Selector == nil && (e.Organization == at.Organization || e.Organization == AnyApplication) ||
			e.Selector != nil && e.Selector.Selects(at.Labels) {
			return true
		}
	}
	return false
}

// Given is one role that a source gives in an organization, in its written form. The role may be unknown to the
// ladders.
type Given struct {
	// Scope is the scope of the grant. In the system and the organization scope, Role is never empty.
	Scope Scope
	// Application is the application in whose scope the role is given, [AnyApplication] in the broad scope, and empty
	// otherwise.
	Application string
	Role        string
	// Window is when the source gives the role: while the window of the entry is open and no review of the source is
	// missed.
	Window Window
	// Selector is the selector that chose the application. From [Source.WrittenIn] and [Source.WrittenForMany], it is
	// the selector that will choose it. ByOrganization is the selector that chose the organization. Nil means that a
	// name or [AnyApplication] chose it.
	Selector, ByOrganization Selector

	entry entry
}

// entry identifies the entry of a source that gives a role. In a source of the system namespace, outer is the
// number of the entry, counted from 1. inner is the number of the entry for applications, counted from 1, or 0 for
// the other roles.
type entry struct{ outer, inner int }

// differs reports whether two roles of one source come from different entries. An organization or system role and
// the application entries next to it belong to the same entry.
func (e entry) differs(f entry) bool {
	return e.outer != f.outer || (e.inner != f.inner && e.inner != 0 && f.inner != 0)
}

// Grants yields the roles that the source gives in the organization: the system role, the organization role, then
// the application entries in their written order, each selector with all applications that it selects. For a
// source of the system namespace, these are the roles of its entries for the organization. Grants does not check
// whether they count: it ignores privileges, deletion and ladders.
func (s *Source) Grants(at *Place) iter.Seq[Given] {
	return s.living(func(yield func(Given) bool) { s.grants(at, at.selected, yield) })
}

// EachNamed calls yield with every application that the source names in the organization (docs/rules.md, named
// applications). It ignores windows, reviews, privileges and roles. Selectors and data permissions name no
// application.
func (s *Source) EachNamed(at *Place, yield func(application string)) {
	none := func(Selector) iter.Seq[string] { return func(func(string) bool) {} }
	s.grants(at, none, func(g Given) bool {
		if g.Scope == ScopeApplication {
			yield(g.Application)
		}
		return true
	})
}

// living yields the roles, limited to the windows in which the source gives them. See [Source.Live].
func (s *Source) living(roles iter.Seq[Given]) iter.Seq[Given] {
	if s.Live == nil {
		return roles
	}
	return func(yield func(Given) bool) {
		for g := range roles {
			if g.Role == NoAccess {
				if !yield(g) {
					return
				}
				continue
			}
			for _, live := range s.Live {
				part := g
				var open bool
				if part.Window, open = g.Window.intersect(live); open && !yield(part) {
					return
				}
			}
		}
	}
}

// grants yields the roles and ignores [Source.Live].
func (s *Source) grants(at *Place, selected func(Selector) iter.Seq[string], yield func(Given) bool) {
	if !s.isAtSystem() {
		own := SystemGrant{OrganizationRole: s.OrganizationRole, Applications: s.Applications}
		own.grants(0, selected, yield)
		return
	}
	for i, e := range s.Entries(at) {
		if !e.grants(i+1, selected, yield) {
			return
		}
	}
}

// given returns the role of the i-th application grant of the entry for one application.
func (e *SystemGrant) given(outer, i int, application string) Given {
	a := &e.Applications[i]
	scope := ScopeApplication
	if application == AnyApplication {
		scope = ScopeBroad
	}
	return Given{scope, application, a.Role, a.Window, a.Selector, e.Selector, entry{outer, i + 1}}
}

// grants yields the roles of one entry. It returns false if yield returned false.
func (e *SystemGrant) grants(outer int, selected func(Selector) iter.Seq[string], yield func(Given) bool) bool {
	g := Given{Scope: ScopeSystem, Role: e.Role, ByOrganization: e.Selector, entry: entry{outer, 0}}
	if e.Role != "" && !yield(g) {
		return false
	}
	g.Scope, g.Role = ScopeOrganization, e.OrganizationRole
	if e.OrganizationRole != "" && !yield(g) {
		return false
	}
	for i := range e.Applications {
		a := &e.Applications[i]
		if a.Selector == nil {
			if !yield(e.given(outer, i, a.Application)) {
				return false
			}
			continue
		}
		for application := range selected(a.Selector) {
			if !yield(e.given(outer, i, application)) {
				return false
			}
		}
	}
	return true
}
