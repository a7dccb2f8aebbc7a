package resolve_test

import (
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// resolve returns the complete answer from the instant now and the later instants that affect each entry.
func (w world) resolve(now time.Time, applications []string) answer {
	d := w.at(now, applications)
	a := answer{
		Exists: d.held || w.declared, Held: d.held,
		OrganizationRole: d.organization, Default: d.fallback, Applications: d.applications,
		Conflicts: d.conflicts, Exclusions: d.exclusions, Enters: d.enters(), HiddenRows: d.hidden,
	}
	later := map[time.Time]snapshot{}
	at := func(t time.Time) snapshot {
		if _, known := later[t]; !known {
			later[t] = w.at(t, applications)
		}
		return later[t]
	}
	// end returns the first of the instants at which the entry has fallen, or the last instant that is evaluated.
	end := func(instants []time.Time, fallen func(snapshot) bool) time.Time {
		for i, t := range instants {
			switch last := i+1 == w.instantLimit() && len(instants) > w.instantLimit(); {
			case last:
				a.TooManyWindows = true
				return t
			case fallen(at(t)):
				return t
			}
		}
		return time.Time{}
	}
	ladder, organizationLadder, _ := names(w)
	everything := w.instants(now, func(bearing) bool { return true })
	if len(everything) > 0 {
		a.Next = everything[0]
	}
	fallen := func(before, after verdict) bool {
		return height(ladder, after.Role) < height(ladder, before.Role) || after.Filters != before.Filters
	}
	bounded, forGood := w.mayBeBounded(), false
	if d.fallback.Role != resolve.NoAccess {
		instants := w.instants(now, func(b bearing) bool {
			return bounded || b.application == "" || b.application == "*"
		})
		a.Default.NotAfter = end(instants, func(s snapshot) bool { return fallen(d.fallback, s.fallback) })
		forGood = len(instants) == 0
	}
	for _, name := range applications {
		v := a.Applications[name]
		if v.Role == resolve.NoAccess {
			continue
		}
		instants := w.instants(now, func(b bearing) bool {
			return bounded || b.application == "" || b.application == "*" || w.tied(b.application, name)
		})
		v.NotAfter = end(instants, func(s snapshot) bool { return fallen(d.applications[name], s.applications[name]) })
		a.Applications[name] = v
		forGood = forGood || len(instants) == 0
	}
	if d.organization.Role != resolve.NoAccess {
		instants := w.instants(now, func(b bearing) bool { return b.application == "" || b.application == atTop })
		a.OrganizationRole.NotAfter = end(instants, func(s snapshot) bool {
			return height(organizationLadder, s.organization.Role) < height(organizationLadder, d.organization.Role)
		})
		a.EntersNotAfter = a.OrganizationRole.NotAfter
	} else if a.Enters && !forGood {
		a.EntersNotAfter = end(everything, func(s snapshot) bool { return !s.enters() })
	}
	return a
}

func (d snapshot) enters() bool {
	for _, v := range d.applications {
		if v.Role != resolve.NoAccess {
			return true
		}
	}
	return d.organization.Role != resolve.NoAccess || d.fallback.Role != resolve.NoAccess
}

// bearing is a window that affects the user. A bar or a membership has no application. A grant has one
// application, all applications, or atTop.
type bearing struct {
	application string
	window      resolve.Window
}

// atTop stands for the organization role and the system role.
const atTop = "^"

// bearings returns the windows that affect the user: of bars, of memberships that apply to the organization, and
// of grants that their sources may give.
func (w world) bearings() []bearing {
	application, organization, system := names(w)
	var all []bearing
	for _, b := range w.bars {
		all = append(all, bearing{"", b.Window})
	}
	for _, h := range w.held {
		source := h.source
		entries := w.entries(source)
		if len(entries) == 0 {
			continue
		}
		for _, window := range h.windows {
			all = append(all, bearing{"", window})
		}
		if source.WithoutPrivileges {
			continue
		}
		for _, e := range entries {
			for _, a := range e.Applications {
				names := []string{a.Application}
				if a.Selector != nil {
					names = w.chosen(a)
				}
				for _, name := range names {
					all = append(all, given(source, application, a.Role, name, a.Window)...)
				}
			}
			if height(organization, e.OrganizationRole) >= 0 {
				means := meaning(e.OrganizationRole, w.rules.OrganizationRoles, organizationMeaning)
				all = append(all, given(source, organization, e.OrganizationRole, atTop, resolve.Window{})...)
				all = append(all, given(source, application, means, "*", resolve.Window{})...)
			}
			if height(system, e.Role) < 0 {
				continue
			}
			blocks := false
			for _, tier := range w.meanings(e.Role) {
				all = append(all, given(source, tier.ladder, tier.role, tier.at, resolve.Window{})...)
				blocks = blocks || tier.role == resolve.NoAccess
			}
			if !blocks { // otherwise the role is held without end
				all = append(all, given(source, system, e.Role, atTop, resolve.Window{})...)
			}
		}
	}
	return all
}

func organizationMeaning(r resolve.OrganizationRole) (name, means string) {
	return r.Name, r.ApplicationRole
}

// systemMeaning is the meaning of a system role on a ladder, and the place where it applies.
type systemMeaning struct {
	ladder   []string
	role, at string
}

func (w world) meanings(role string) []systemMeaning {
	application, organization, _ := names(w)
	var found []systemMeaning
	add := func(ladder []string, at string, of func(resolve.SystemRole) (string, string)) {
		for _, g := range w.system(scopes{system: []grant{{role: role}}}, ladder, of) {
			found = append(found, systemMeaning{ladder, g.role, at})
		}
	}
	add(application, "*", func(r resolve.SystemRole) (string, string) { return r.Name, r.ApplicationRole })
	add(organization, atTop, func(r resolve.SystemRole) (string, string) { return r.Name, r.OrganizationRole })
	return found
}

// given returns the windows in which the source gives the role and no review is missed. NoAccess is given always.
func given(source resolve.Source, ladder []string, role, application string, window resolve.Window) []bearing {
	switch {
	case height(ladder, role) < 0 || (source.BeingDeleted && role != resolve.NoAccess):
		return nil
	case source.Live == nil || role == resolve.NoAccess:
		return []bearing{{application, window}}
	}
	var all []bearing
	for _, live := range source.Live {
		both := window
		if live.NotBefore.After(both.NotBefore) {
			both.NotBefore = live.NotBefore
		}
		if both.NotAfter.IsZero() || (!live.NotAfter.IsZero() && live.NotAfter.Before(both.NotAfter)) {
			both.NotAfter = live.NotAfter
		}
		if both.NotAfter.IsZero() || both.NotBefore.Before(both.NotAfter) {
			all = append(all, bearing{application, both})
		}
	}
	return all
}

// instants returns the instants after now at which a window of the kind opens or closes, each once.
func (w world) instants(now time.Time, kind func(bearing) bool) []time.Time {
	var all []time.Time
	for _, b := range w.bearings() {
		for _, t := range []time.Time{b.window.NotBefore, b.window.NotAfter} {
			if kind(b) && t.After(now) && !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// tied reports whether the applications are the same, or in the same rule of exclusive access.
func (w world) tied(a, b string) bool {
	return a == b || slices.ContainsFunc(w.rules.ExclusiveAccess, func(r resolve.ExclusiveAccess) bool {
		return slices.Contains(r.Applications, a) && slices.Contains(r.Applications, b)
	})
}

// mayBeBounded reports whether the bound of R7 may hide rows from the user at any instant.
func (w world) mayBeBounded() bool {
	named, own, anyone := map[string]bool{}, 0, 0
	for _, h := range w.held {
		if h.source.Origin != resolve.OrganizationGroup {
			continue
		}
		for _, r := range h.source.Rows {
			size := len(`{"anyOf":[` + strings.Join(w.alternativesOf(r.Filter), ",") + `]}`)
			if r.Application == "*" {
				anyone += size
			} else {
				own, named[r.Application] = own+size, true
			}
		}
	}
	return own+anyone*(len(named)+1) > w.filterBytes()
}
