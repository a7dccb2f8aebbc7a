package resolve_test

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// resolve is the whole answer: the instant now, and every instant after it at which any window opens or closes.
func (w world) resolve(now time.Time, applications []string) answer {
	d := w.at(now, applications)
	a := answer{
		Exists: d.held || w.declared, Held: d.held,
		OrganizationRole: d.organization, Default: d.fallback, Applications: d.applications,
		Conflicts: d.conflicts, Exclusions: d.exclusions, Enters: d.enters(), Next: w.next(now),
	}
	ladder, organizationLadder, _ := names(w)
	for _, t := range w.instants(now) {
		future := w.at(t, applications)
		fallen := height(organizationLadder, future.organization.Role) < height(organizationLadder, d.organization.Role)
		if fallen && a.OrganizationRole.NotAfter.IsZero() {
			a.OrganizationRole.NotAfter = t
		}
		if a.Enters && a.EntersNotAfter.IsZero() && (fallen || !future.enters()) {
			a.EntersNotAfter = t
		}
		a.Default.fall(ladder, future.fallback, t)
		for _, name := range applications {
			v := a.Applications[name]
			v.fall(ladder, future.applications[name], t)
			a.Applications[name] = v
		}
	}
	return a
}

// fall notes the first instant that gives less, or other rows.
func (v *verdict) fall(ladder []string, future verdict, t time.Time) {
	lower := height(ladder, future.Role) < height(ladder, v.Role)
	if v.NotAfter.IsZero() && (lower || (v.Role != resolve.NoAccess && future.Filters != v.Filters)) {
		v.NotAfter = t
	}
}

func (d snapshot) enters() bool {
	for _, v := range d.applications {
		if v.Role != resolve.NoAccess {
			return true
		}
	}
	return d.organization.Role != resolve.NoAccess || d.fallback.Role != resolve.NoAccess
}

// instants are all at which anything in the world could change after now, whether it matters or not.
func (w world) instants(now time.Time) []time.Time {
	var all []time.Time
	add := func(windows ...resolve.Window) {
		for _, window := range windows {
			all = append(all, window.NotBefore, window.NotAfter)
		}
	}
	for _, b := range w.bars {
		add(b.Window)
	}
	for _, h := range w.held {
		add(h.windows...)
		for _, g := range h.source.Applications {
			add(g.Window)
		}
		for _, e := range h.source.System {
			for _, g := range e.Applications {
				add(g.Window)
			}
		}
	}
	all = slices.DeleteFunc(all, func(t time.Time) bool { return !t.After(now) })
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// next is the first instant after now at which a window opens or closes that bears on the user: of a bar, of a
// membership that says something about the organization, or of a grant that its source may give.
func (w world) next(now time.Time) time.Time {
	application, _, _ := names(w)
	bearing := world{rules: w.rules, bars: w.bars}
	for _, h := range w.held {
		source := h.source
		entries := source.Applications
		if source.Origin == resolve.SystemGroup || source.Origin == resolve.IndividualAtSystem {
			e := w.entry(source)
			if e.Organization == "" {
				continue
			}
			entries = e.Applications
		}
		bears := held{windows: h.windows}
		for _, e := range entries {
			gives := !source.WithoutPrivileges && (!source.BeingDeleted || e.Role == resolve.NoAccess)
			if gives && height(application, e.Role) >= 0 {
				bears.source.Applications = append(bears.source.Applications, e)
			}
		}
		bearing.held = append(bearing.held, bears)
	}
	if all := bearing.instants(now); len(all) > 0 {
		return all[0]
	}
	return time.Time{}
}
