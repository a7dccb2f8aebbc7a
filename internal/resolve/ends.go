package resolve

import (
	"slices"
	"time"
)

// end is the first instant at which an entry gives less. It is zero if there is none.
type end struct {
	at time.Time
	// cut is set if at is the last instant that is evaluated and more instants follow. unfinished is set if the
	// budget was spent and at is the first instant that still has to be evaluated.
	cut, unfinished bool
}

// withEnds returns the decision with the ends of its entries (docs/documents.md, notAfter). The previous decision
// is nil, or the decision for the same user and the same objects at an earlier instant. withEnds does not search
// again for ends that it already contains.
func (o *Organization) withEnds(d Decision, previous *Decision, u *User, now time.Time, b *Budget) Decision {
	d.Next = nextTransition(u, now)
	if d.Next.IsZero() {
		return d
	}
	ending := d // most users have no windows, and their decisions do not escape to the heap
	o.findEnds(&ending, previous, u, now, b)
	return ending
}

func (o *Organization) findEnds(d, previous *Decision, u *User, now time.Time, b *Budget) {
	f := newFutureWithoutLines(o, u, now)
	f.purse = purse{budget: b, left: o.free * (len(d.Applications) + 8)}
	defer f.close()
	f.endOrganization(d, previous)
	if previous != nil && (!d.Default.GivesAccess() || f.isKnown(&d.Default, &previous.Default)) {
		f.endChanged(d, previous)
	} else {
		f.endApplications(d, previous)
	}
	f.endEntering(d, previous)
}

func (f *future) endOrganization(d, previous *Decision) {
	var before *Access
	if previous != nil {
		before = &Access{Outcome: previous.OrganizationRole}
	}
	is := &Access{Outcome: d.OrganizationRole}
	d.OrganizationRole.endAt(d, f.endOf(is, before, firstOf(f.atTop), func() []time.Time { return f.atTop },
		func(t time.Time) bool { return f.organizationAt(t).rung > is.rung }))
}

// endApplications finds the end of every access to an application.
func (f *future) endApplications(d, previous *Decision) {
	f.gatherLines(onlyChanging)
	var before *Access
	if previous != nil {
		before = &previous.Default
	}
	byDefault := d.Default // the default access without its end
	defaultEnd := f.endOfApplication(nil, &byDefault, before)
	d.Default.endAt(d, defaultEnd)

	var more []*ApplicationAccess
	listed := d.Applications
	for i := range f.lines {
		l := &f.lines[i]
		for len(listed) > 0 && listed[0].Application < l.application {
			listed = listed[1:]
		}
		if previous != nil {
			before = previous.Application(l.application)
		}
		if len(listed) > 0 && listed[0].Application == l.application {
			listed[0] = listed[0].ending(d, f.endOfApplication(l, &listed[0].Access, before))
			continue
		}
		// An application that is decided separately later may have an earlier end.
		if e := f.endOfApplication(l, &byDefault, before); e != defaultEnd {
			more = append(more, (&ApplicationAccess{l.application, byDefault}).ending(d, e))
		}
	}
	d.add(more)
}

// endChanged finds the end of every access to an application that differs from the previous decision. The caller
// guarantees that the default access is unchanged or gives no access.
func (f *future) endChanged(d, previous *Decision) {
	byDefault := d.Default
	d.Default.endAt(d, f.endOfApplication(nil, &byDefault, &previous.Default))

	type changed struct {
		application string
		is, before  *Access
	}
	var all []changed
	var unknown []string
	EachApplication(previous, d, func(name string, before, is *Access) {
		if is == &d.Default {
			is = &byDefault
		}
		all = append(all, changed{name, is, before})
		if is.GivesAccess() && !f.isKnown(is, before) {
			unknown = append(unknown, name)
		}
	})
	switch {
	case len(unknown) == 0:
	case f.bounded:
		f.gatherLines(everything)
	default:
		f.makeLines(f.tiedTo(unknown))
	}
	var more []*ApplicationAccess
	listed := d.Applications
	for _, c := range all {
		e := end{}
		if c.is.GivesAccess() {
			e = f.endOfApplication(f.line(c.application), c.is, c.before)
		}
		if len(listed) > 0 && listed[0].Application == c.application {
			listed[0] = listed[0].ending(d, e)
			listed = listed[1:]
		} else if e != d.Default.end() {
			more = append(more, (&ApplicationAccess{c.application, byDefault}).ending(d, e))
		}
	}
	d.add(more)
}

// ending returns the access with the end e: the shared access itself if e is zero, otherwise a copy.
func (a *ApplicationAccess) ending(d *Decision, e end) *ApplicationAccess {
	if e == (end{}) {
		return a
	}
	made := *a
	made.endAt(d, e)
	return &made
}

// add adds applications that are not listed yet, and sorts the list.
func (d *Decision) add(more []*ApplicationAccess) {
	if len(more) == 0 {
		return
	}
	d.Applications = append(d.Applications, more...)
	slices.SortFunc(d.Applications, func(a, b *ApplicationAccess) int {
		return compareStrings(a.Application, b.Application)
	})
}

// endOfApplication returns the end of the access to the application. A nil line stands for an application without
// a line.
func (f *future) endOfApplication(l *line, is, before *Access) end {
	if !is.GivesAccess() {
		return end{}
	}
	if f.isKnown(is, before) {
		return end{at: before.NotAfter}
	}
	return f.endOf(is, before, f.firstInstant(l), func() []time.Time { return f.instants(l) }, func(t time.Time) bool {
		later := f.accessAt(l, t)
		return later.rung > is.rung || !sameFilters(later.Filters, is.Filters)
	})
}

// endEntering finds the end of d.Enters. An organization role lets the user enter until it falls.
func (f *future) endEntering(d, previous *Decision) {
	if d.OrganizationRole.GivesAccess() || !d.Enters {
		d.entersUntil(d.OrganizationRole.end())
		return
	}
	entering := func(of *Decision) *Access {
		enters := &Access{Outcome: Outcome{NotAfter: of.EntersNotAfter, cut: of.entersCut, unfinished: of.entersUnfinished}}
		if !of.Enters || of.OrganizationRole.GivesAccess() {
			enters.rung = noAccess
		}
		return enters
	}
	var before *Access
	if previous != nil {
		before = entering(previous)
	}
	if f.isKnown(entering(d), before) {
		d.EntersNotAfter = previous.EntersNotAfter
		return
	}
	f.gatherLines(onlyChanging)
	if f.entersForGood(d) {
		return
	}
	d.entersUntil(f.endOf(entering(d), before, d.Next, f.allInstants, func(t time.Time) bool { return !f.entersAt(t) }))
}

func (d *Decision) entersUntil(e end) {
	d.EntersNotAfter, d.entersCut, d.entersUnfinished = e.at, e.cut, e.unfinished
	d.note(e)
}

// entersForGood reports whether the user has access to an application on which no instant bears.
func (f *future) entersForGood(d *Decision) bool {
	if len(f.instants(nil)) > 0 {
		return false // these instants affect all applications
	}
	if d.Default.GivesAccess() {
		return true
	}
	lines := f.lines
	return slices.ContainsFunc(d.Applications, func(a *ApplicationAccess) bool { // both lists are sorted
		for len(lines) > 0 && lines[0].application < a.Application {
			lines = lines[1:]
		}
		changes := len(lines) > 0 && lines[0].application == a.Application && len(f.instants(&lines[0])) > 0
		return a.GivesAccess() && !changes
	})
}

// endOf returns the end of the entry: the first of the instants at which it has fallen. An entry without access
// has no end. If the budget is spent, the end is unfinished at the first instant that was not evaluated. first is
// the first element of instants. instants returns a sorted list and is called only while the budget lasts.
func (f *future) endOf(
	is, before *Access, first time.Time, instants func() []time.Time, fallen func(time.Time) bool,
) end {
	if !is.GivesAccess() || first.IsZero() {
		return end{}
	}
	from := first
	if f.stands(is, before) {
		if !before.isOpen() {
			return end{at: before.NotAfter}
		}
		from = before.NotAfter
	}
	if !f.affords() {
		return end{at: from, unfinished: true}
	}
	all, most := instants(), f.o.instants
	cut := len(all) > most
	for i, t := range all[:min(len(all), most)] {
		switch {
		case t.Before(from):
			continue
		case cut && i == most-1:
			return end{at: t, cut: true}
		case t.After(from) && !f.affords():
			return end{at: t, unfinished: true}
		}
		f.begun = true
		if fallen(t) {
			return end{at: t}
		}
	}
	return end{}
}

// stands reports whether the entry is the same as before and its previous end has not passed. before may be nil.
func (f *future) stands(is, before *Access) bool {
	return before != nil && before.rung == is.rung && sameFilters(before.Filters, is.Filters) &&
		(before.NotAfter.IsZero() || before.NotAfter.After(f.now))
}

// isKnown reports whether the entry has the same end as before.
func (f *future) isKnown(is, before *Access) bool { return f.stands(is, before) && !before.isOpen() }

// isOpen reports whether instants from NotAfter on still have to be evaluated.
func (o *Outcome) isOpen() bool { return o.cut || o.unfinished }

func (o *Outcome) end() end { return end{o.NotAfter, o.cut, o.unfinished} }

func (o *Outcome) endAt(d *Decision, e end) {
	o.NotAfter, o.cut, o.unfinished = e.at, e.cut, e.unfinished
	d.note(e)
}

// note updates the flags of the decision with the end of an entry.
func (d *Decision) note(e end) {
	d.TooManyWindows = d.TooManyWindows || e.cut
	d.Unfinished = d.Unfinished || e.unfinished
}
