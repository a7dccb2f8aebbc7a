package resolve

import (
	"slices"
	"time"
)

// transitions returns, sorted, the instants after now at which a window that bears on the user opens or closes.
func transitions(u *User, now time.Time) []time.Time {
	var instants []time.Time
	add := func(w Window) {
		if w.NotBefore.After(now) {
			instants = append(instants, w.NotBefore)
		}
		if w.NotAfter.After(now) {
			instants = append(instants, w.NotAfter)
		}
	}
	for i := range u.Bars {
		add(u.Bars[i].Window)
	}
	for i := range u.Holdings {
		b := u.Holdings[i].Source
		if b == nil {
			continue
		}
		for _, w := range u.Holdings[i].Windows {
			add(w)
		}
		if !b.timed {
			continue
		}
		for j := range b.broad {
			add(b.broad[j].window)
		}
		for j := range b.specific {
			add(b.specific[j].window)
		}
	}
	slices.SortFunc(instants, time.Time.Compare)
	return slices.CompactFunc(instants, time.Time.Equal)
}

// mayFall says whether anything is left whose end is not known.
func (d *Decision) mayFall() bool {
	return (d.Enters && d.EntersNotAfter.IsZero()) || d.OrganizationRole.mayFall() || d.Default.mayFall() ||
		slices.ContainsFunc(d.Applications, func(a *ApplicationAccess) bool { return a.mayFall() })
}

func (o *Outcome) mayFall() bool { return o.GivesAccess() && o.NotAfter.IsZero() }

// fallAt notes what has fallen at t, the earliest instant not yet looked at (docs/documents.md, notAfter).
func (d *Decision) fallAt(t time.Time, future *instant) {
	// An application of which something will be said has an end of its own from here on.
	for i := range future.applications {
		name := future.applications[i].Application
		if at, found := slices.BinarySearchFunc(d.Applications, name, compareApplication); !found {
			d.Applications = slices.Insert(d.Applications, at, &ApplicationAccess{name, d.Default})
		}
	}
	for i, a := range d.Applications {
		if a.fallsTo(future.application(a.Application)) {
			fallen := *a
			fallen.NotAfter = t
			d.Applications[i] = &fallen
		}
	}
	if d.Default.fallsTo(&future.fallback) {
		d.Default.NotAfter = t
	}
	if d.OrganizationRole.mayFall() && future.organization.rung > d.OrganizationRole.rung {
		d.OrganizationRole.NotAfter = t
	}
	if d.Enters && d.EntersNotAfter.IsZero() {
		if future.organization.rung > d.OrganizationRole.rung || !future.enters() {
			d.EntersNotAfter = t
		}
	}
}

func (a *Access) fallsTo(future *Access) bool {
	return a != future && a.mayFall() && (future.rung > a.rung || !sameFilters(a.Filters, future.Filters))
}
