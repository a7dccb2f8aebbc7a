package resolve

import (
	"slices"
	"time"
)

// future evaluates single entries of one user's decision at later instants. It belongs to one user and is used by
// one goroutine.
//
// Time is divided into segments. Within a segment, only grants in single applications open or close. The state
// that all entries share is computed once per segment, when it is first needed.
type future struct {
	o   *Organization
	u   *User
	now time.Time
	purse

	// The instants after now, sorted, at most MaximumInstants+1. atTop has the instants that affect the organization
	// role, common those that affect every application, and cuts both.
	atTop, common, cuts []time.Time

	segments   []segment                    // the first one begins now, each later one at an element of cuts
	lines      []line                       // sorted by application
	gathered   bool                         // gatherLines has run
	ruleFirsts map[*exclusiveRule]time.Time // see future.firstOfRule

	// bounded reports whether the bound of docs/rules.md R7 may hide rows from the user. If so, everything that affects
	// one application affects all. fitting has the filters that fit, by place in all.
	bounded bool
	all     []time.Time // instants that affect the user; see future.allInstants
	fitting []*shown

	views   []*view
	scratch []*grant
	witness int // the line that gave access in the last call of entersAt
}

// view holds the row filters of a set of groups. Segments with the same set of groups share it.
type view struct {
	speaking []*Bound
	filters  map[string][]Filter // by application
	measured *measurement        // nil until it is needed
}

// segment is the state that all entries share from an element of future.cuts on.
type segment struct {
	known        bool
	bar          Outcome
	barred       bool
	active       []bool // by holding
	grants       grants // without those in single applications
	view         *view
	broad        choice
	system       choice
	guard        rung // of the highest protected grant in the broad and the system tier; noAccess without one
	organization Outcome
	fallback     Outcome
}

// roleAt is the outcome of docs/rules.md R5 at an instant. guard is the rung of the highest protected grant of any
// tier, or noAccess if there is none.
type roleAt struct {
	Outcome
	guard rung
	known bool
}

// newFuture returns the future of the user after the instant now, with all lines. The cost grows with the user's
// grants and windows.
func newFuture(o *Organization, u *User, now time.Time) *future {
	f := newFutureWithoutLines(o, u, now)
	f.gatherLines(everything)
	return f
}

// newFutureWithoutLines is newFuture for callers that need no lines, or only some of them.
func newFutureWithoutLines(o *Organization, u *User, now time.Time) *future {
	f := &future{o: o, u: u, now: now}
	var speaking []*Bound
	for i := range u.Holdings {
		if b := u.Holdings[i].Source; b != nil && b.hasRows() {
			speaking = append(speaking, b)
		}
	}
	f.bounded = len(speaking) > 0 && o.mayExceed(speaking)
	f.atTop = f.gatherInstants(windowsAtTop, windowsOrganization)
	f.common = f.gatherInstants(windowsAtTop, windowsBroad)
	f.cuts = sortedInstants(slices.Concat(f.atTop, f.common))
	f.segments = make([]segment, len(f.cuts)+1)
	return f
}

// gatherInstants returns the instants after now at which a window of these kinds opens or closes.
func (f *future) gatherInstants(kinds ...func(*User, func(Window))) []time.Time {
	var instants []time.Time
	for _, each := range kinds {
		each(f.u, func(w Window) { instants = w.appendInstants(instants, f.now) })
	}
	return f.earliest(instants)
}

// allInstants returns the instants that affect the user.
func (f *future) allInstants() []time.Time {
	if f.all == nil {
		f.all = f.gatherInstants(windowsAtTop, windowsOrganization, windowsBroad, windowsSpecific)
		f.spend(len(f.all))
	}
	return f.all
}

// earliest sorts the instants, drops duplicates, and keeps only those that may be evaluated.
func (f *future) earliest(instants []time.Time) []time.Time {
	instants = sortedInstants(instants)
	return instants[:min(len(instants), f.o.instants+1)]
}

// firstOf returns the first of the instants, or zero if there is none.
func firstOf(instants []time.Time) time.Time {
	if len(instants) == 0 {
		return time.Time{}
	}
	return instants[0]
}

// place returns the index of the segment, or of the role, that holds at t.
func place(instants []time.Time, t time.Time) int {
	i, found := slices.BinarySearchFunc(instants, t, time.Time.Compare)
	if found {
		i++
	}
	return i
}

// segment returns the state that all entries share at t.
func (f *future) segment(t time.Time) *segment {
	i := place(f.cuts, t)
	s := &f.segments[i]
	if s.known {
		return s
	}
	begin := f.now
	if i > 0 {
		begin = f.cuts[i-1]
	}
	s.known = true
	f.spend(1 + len(f.u.Holdings)/8)
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
	s.fallback = f.o.applicationOutcome(choice{}, s.broad, s.system)
	s.view = f.viewOf(s.grants.speaking)
	return s
}

func (f *future) viewOf(speaking []*Bound) *view {
	for _, v := range f.views {
		if slices.Equal(v.speaking, speaking) {
			return v
		}
	}
	v := &view{speaking: speaking}
	f.views = append(f.views, v)
	return v
}

// organizationAt returns the organization role at t.
func (f *future) organizationAt(t time.Time) Outcome {
	s := f.segment(t)
	if s.barred {
		return s.bar
	}
	return s.organization
}

// accessAt returns the access to the application at t. A nil line stands for an application without a line.
func (f *future) accessAt(l *line, t time.Time) Access {
	a := Access{Outcome: f.outcomeAt(l, t)}
	if a.GivesAccess() {
		a.Filters = f.filtersAt(l, t)
	}
	return a
}

// outcomeAt returns the role in the application at t. A nil line stands for an application without a line.
func (f *future) outcomeAt(l *line, t time.Time) Outcome {
	s := f.segment(t)
	switch {
	case s.barred:
		return s.bar
	case l == nil:
		return s.fallback
	}
	if source, excluded := f.excluded(l, t); excluded {
		return Outcome{Role: NoAccess, Rule: RuleExclusiveAccess, Source: source, rung: noAccess}
	}
	return f.roleAt(l, t).Outcome
}

// filtersAt returns the filters of the application at t. The user must have access to it.
func (f *future) filtersAt(l *line, t time.Time) []Filter {
	s, application := f.segment(t), ""
	if l != nil {
		application = l.application
	}
	v := s.view
	if len(v.speaking) == 0 {
		return f.o.filters(&s.grants, application)
	}
	if s.grants.mayExceed {
		if v.measured == nil {
			v.measured = f.o.measure(v.speaking, f.u.Named)
			f.spend(v.measured.work / 8)
		}
		filters, _ := v.measured.filters(f.o, application, f.fittingAt(t, v.measured))
		return filters
	}
	filters, known := v.filters[application]
	if !known {
		filters = f.o.filters(&s.grants, application)
		f.spend(1 + len(v.speaking)/4 + sizeOf(filters)/256)
		if v.filters == nil {
			v.filters = map[string][]Filter{}
		}
		v.filters[application] = filters
	}
	return filters
}

// fittingAt returns the filters that fit the bound of R7 at t.
func (f *future) fittingAt(t time.Time, m *measurement) shown {
	if f.fitting == nil {
		f.fitting = make([]*shown, len(f.allInstants())+1)
	}
	kept := &f.fitting[place(f.all, t)]
	if *kept == nil {
		fitting := m.take(func(name string) bool {
			o := f.outcomeAt(f.line(name), t)
			return o.GivesAccess()
		})
		*kept = &fitting
	}
	return **kept
}

// entersAt reports whether the user can enter the organization at t.
func (f *future) entersAt(t time.Time) bool {
	s := f.segment(t)
	switch {
	case s.barred:
		return false
	case s.organization.GivesAccess(), s.fallback.GivesAccess():
		return true
	}
	for range f.lines {
		if o := f.outcomeAt(&f.lines[f.witness], t); o.GivesAccess() {
			return true
		}
		f.witness = (f.witness + 1) % len(f.lines)
	}
	return false
}

// roleAt returns the role in the application at t. It ignores bars and exclusive access.
func (f *future) roleAt(l *line, t time.Time) roleAt {
	if len(l.exclusive) == 0 && !f.bounded {
		return f.decideRole(l, t)
	}
	instants := f.merged(l)
	if l.roles == nil {
		l.roles = make([]roleAt, len(instants)+1)
	}
	kept := &l.roles[place(instants, t)]
	if !kept.known {
		*kept = f.decideRole(l, t)
		kept.known = true
	}
	return *kept
}

func (f *future) decideRole(l *line, t time.Time) roleAt {
	s := f.segment(t)
	f.spend(1 + len(l.grants)/8)
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

// excluded applies docs/rules.md R9 to one application. It returns the source of the first rule that takes the
// role.
func (f *future) excluded(l *line, t time.Time) (source string, taken bool) {
	for _, rule := range l.exclusive {
		if f.roleAt(l, t).guard <= rule.minimum {
			continue
		}
		held := 0
		f.spend(len(rule.Applications) / 4)
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
