package resolve

import (
	"cmp"
	"slices"
	"time"
)

// future evaluates single entries of one user's decision at later instants. It is made for one user and used by one
// goroutine.
//
// Time is cut into segments: within one of them only grants in single applications open or close. What the entries
// have in common is computed once for a segment, when it is first needed.
type future struct {
	o   *Organization
	u   *User
	now time.Time

	// Instants after now, sorted and at most MaximumInstants+1: atTop are those that bear on the organization role,
	// common those that bear on every application.
	atTop, common []time.Time
	segments      []segment // the first one begins now, each other one at one of common
	lines         []line    // sorted by application
	scratch       []*grant
}

// segment is what the entries have in common from an instant of future.common on.
type segment struct {
	known        bool
	bar          Outcome
	barred       bool
	active       []bool // by holding
	grants       grants // those in single applications left out
	broad        choice
	system       choice
	guard        rung // that of the highest protected grant in the broad and the system tier; noAccess without one
	organization Outcome
	fallback     Access
}

// line is what bears on one application beside what all applications have in common.
type line struct {
	application string
	grants      []heldGrant
	exclusive   []*exclusiveRule
	own         []time.Time // instants of grants, sorted
	merged      []time.Time // own and future.common
	roles       []roleAt    // by place in merged, kept where rules of exclusive access ask for them again and again
}

// heldGrant is a grant in one application with the place of its source among the holdings.
type heldGrant struct {
	*grant
	holding int
}

// roleAt is the outcome of docs/rules.md R5 at an instant. guard is the rung of the highest protected grant of any
// tier, noAccess without one.
type roleAt struct {
	Outcome
	guard rung
	known bool
}

// newFuture gathers what bears on the user after the instant now. The cost grows with the user's grants and windows.
func newFuture(o *Organization, u *User, now time.Time) *future {
	f := &future{o: o, u: u, now: now}
	f.atTop = topInstants(u, now)
	f.common = f.atTop
	var broad []time.Time
	eachTimed(u, func(b *Bound) { broad = b.broad.appendInstants(broad, now) })
	if len(broad) > 0 {
		f.common = earliest(append(broad, f.atTop...))
	}
	f.segments = make([]segment, len(f.common)+1)
	f.gatherLines()
	return f
}

// topInstants returns the instants after now that bear on the organization role: those of bars and memberships.
func topInstants(u *User, now time.Time) []time.Time {
	var instants []time.Time
	for i := range u.Bars {
		instants = u.Bars[i].Window.appendInstants(instants, now)
	}
	for i := range u.Holdings {
		if u.Holdings[i].Source == nil {
			continue
		}
		for _, w := range u.Holdings[i].Windows {
			instants = w.appendInstants(instants, now)
		}
	}
	return earliest(instants)
}

// eachTimed calls yield for the sources of which a grant has a window.
func eachTimed(u *User, yield func(*Bound)) {
	for i := range u.Holdings {
		if b := u.Holdings[i].Source; b != nil && b.timed {
			yield(b)
		}
	}
}

func (l grantList) appendInstants(to []time.Time, now time.Time) []time.Time {
	for i := range l {
		to = l[i].window.appendInstants(to, now)
	}
	return to
}

// appendInstants adds the bounds of the window that lie after now.
func (w Window) appendInstants(to []time.Time, now time.Time) []time.Time {
	if w.NotBefore.After(now) {
		to = append(to, w.NotBefore)
	}
	if w.NotAfter.After(now) {
		to = append(to, w.NotAfter)
	}
	return to
}

// earliest sorts the instants, drops duplicates, and keeps as many as are ever looked at.
func earliest(instants []time.Time) []time.Time {
	slices.SortFunc(instants, time.Time.Compare)
	instants = slices.CompactFunc(instants, time.Time.Equal)
	return instants[:min(len(instants), MaximumInstants+1)]
}

// gatherLines makes a line for every application of which something is said for this user at any instant, and for
// those of rules of exclusive access. All others follow the default.
func (f *future) gatherLines() {
	var names []string
	var all []heldGrant
	for i := range f.u.Holdings {
		b := f.u.Holdings[i].Source
		if b == nil {
			continue
		}
		for j := range b.specific {
			all = append(all, heldGrant{&b.specific[j], i})
		}
		for j := range b.rows {
			names = append(names, b.rows[j].Application)
		}
	}
	slices.SortFunc(all, func(a, b heldGrant) int {
		return cmp.Or(compareStrings(a.application, b.application), cmp.Compare(a.holding, b.holding))
	})
	for i := range all {
		if i == 0 || all[i].application != all[i-1].application {
			names = append(names, all[i].application)
		}
	}
	names = append(names, f.o.hideUnmatched...)
	for i := range f.o.exclusive {
		names = append(names, f.o.exclusive[i].Applications...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	f.lines = make([]line, len(names))
	for i, name := range names {
		l := &f.lines[i]
		l.application, l.exclusive = name, f.o.exclusiveOf[name]
		own := 0
		for own < len(all) && all[own].application == name {
			own++
		}
		l.grants, all = all[:own], all[own:]
		l.findInstants(f)
	}
}

// findInstants looks for the instants of the line's own grants.
func (l *line) findInstants(f *future) {
	for i := range l.grants {
		l.own = l.grants[i].window.appendInstants(l.own, f.now)
	}
	l.own = earliest(l.own)
	l.merged = f.common
	if len(l.own) > 0 {
		l.merged = earliest(slices.Concat(l.own, f.common))
	}
}

func (f *future) line(application string) *line {
	i, _ := slices.BinarySearchFunc(f.lines, application, func(l line, name string) int {
		return compareStrings(l.application, name)
	})
	return &f.lines[i]
}

// instants returns the instants that bear on the application: its own, what all applications have in common, and those
// of the applications that rules of exclusive access tie to it. Nil stands for an application without a line.
func (f *future) instants(l *line) []time.Time {
	if l == nil {
		return f.common
	}
	if len(l.exclusive) == 0 {
		return l.merged
	}
	instants := slices.Clone(l.merged)
	for _, rule := range l.exclusive {
		for _, name := range rule.Applications {
			instants = append(instants, f.line(name).own...)
		}
	}
	return earliest(instants)
}

// place returns the place of the segment, or of the role, that holds at t.
func place(instants []time.Time, t time.Time) int {
	i, found := slices.BinarySearchFunc(instants, t, time.Time.Compare)
	if found {
		i++
	}
	return i
}

// segment returns what the entries have in common at t.
func (f *future) segment(t time.Time) *segment {
	i := place(f.common, t)
	s := &f.segments[i]
	if s.known {
		return s
	}
	begin := f.now
	if i > 0 {
		begin = f.common[i-1]
	}
	s.known = true
	if s.bar, s.barred = bar(f.u.Bars, begin); s.barred {
		return s
	}
	s.active = make([]bool, len(f.u.Holdings))
	for h := range f.u.Holdings {
		s.active[h] = contains(f.u.Holdings[h].Windows, begin)
	}
	s.grants.collect(f.o, f.u, begin, nil)
	s.broad = choose(s.grants.broad, f.o.rules.Strategy)
	s.system = choose(s.grants.systemApplication, f.o.rules.SystemStrategy)
	s.guard = noAccess
	for _, c := range []*choice{&s.broad, &s.system} {
		if c.guard != nil {
			s.guard = min(s.guard, c.guard.rung)
		}
	}
	s.organization = f.o.organizationOutcome(&s.grants)
	s.fallback.Outcome = f.o.applicationOutcome(choice{}, s.broad, s.system)
	if s.fallback.GivesAccess() {
		s.fallback.Filters = f.o.filters(&s.grants, "")
	}
	return s
}

// organizationAt returns the organization role at t.
func (f *future) organizationAt(t time.Time) Outcome {
	s := f.segment(t)
	if s.barred {
		return s.bar
	}
	return s.organization
}

// accessAt returns the access to the application at t. Nil stands for an application without a line.
func (f *future) accessAt(l *line, t time.Time) Access {
	s := f.segment(t)
	switch {
	case s.barred:
		return Access{Outcome: s.bar}
	case l == nil:
		return s.fallback
	}
	a := Access{Outcome: f.roleAt(l, t).Outcome}
	if source, excluded := f.excluded(l, t); excluded {
		a.Outcome = Outcome{Role: NoAccess, Rule: RuleExclusiveAccess, Source: source, rung: noAccess}
	}
	if a.GivesAccess() {
		a.Filters = f.o.filters(&s.grants, l.application)
	}
	return a
}

// roleAt returns the role in the application at t, bar and exclusive access aside.
func (f *future) roleAt(l *line, t time.Time) roleAt {
	if len(l.exclusive) == 0 {
		return f.decideRole(l, t)
	}
	if l.roles == nil {
		l.roles = make([]roleAt, len(l.merged)+1)
	}
	kept := &l.roles[place(l.merged, t)]
	if !kept.known {
		*kept = f.decideRole(l, t)
		kept.known = true
	}
	return *kept
}

func (f *future) decideRole(l *line, t time.Time) roleAt {
	s := f.segment(t)
	r := roleAt{guard: s.guard}
	f.scratch = f.scratch[:0]
	for i := range l.grants {
		g := &l.grants[i]
		onlyProtected := g.source.origin == Individual && s.grants.inGroup && !f.o.rules.Combined
		if s.active[g.holding] && g.counts(t, onlyProtected) {
			f.scratch = append(f.scratch, g.grant)
		}
	}
	own := choose(f.scratch, f.o.rules.Strategy)
	if own.guard != nil {
		r.guard = min(r.guard, own.guard.rung)
	}
	r.Outcome = f.o.applicationOutcome(own, s.broad, s.system)
	return r
}

// excluded is docs/rules.md R9 for one application: it returns the source of the first rule that takes the role.
func (f *future) excluded(l *line, t time.Time) (source string, taken bool) {
	for _, rule := range l.exclusive {
		if f.roleAt(l, t).guard <= rule.minimum {
			continue
		}
		held := 0
		for _, name := range rule.Applications {
			if r := f.roleAt(f.line(name), t); r.guard > rule.minimum && r.rung <= rule.minimum {
				held++
			}
		}
		if held > 1 {
			return rule.Source, true
		}
	}
	return "", false
}

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
