package resolve

import (
	"iter"
	"slices"
	"time"
)

// difference is the difference between two claims of one user.
type difference struct {
	before, after *Claims
	pairs         []pair // holdings that differ
	hidden        []pair // hidden holdings that differ
	bars          []barPair
	preceding     []Precedence // precedences that end or get weaker
	begun         []Precedence // precedences that begin or get stronger
}

// pair is the holding of one source before and after a change. Either may be nil.
type pair struct{ before, after *Holding }

// ends reports whether the pair ends the holding of the source completely.
func (p pair) ends(h *Holding) bool { return p.after == nil && p.before.Source == h.Source }

type barPair struct{ before, after *Bar }

func (d *difference) any() bool {
	return len(d.pairs)+len(d.hidden)+len(d.bars)+len(d.preceding)+len(d.begun) > 0
}

func differenceOf(before, after *Claims) *difference {
	d := &difference{before: before, after: after}
	d.pairs = pairsOf(before.Holdings, after.Holdings)
	for i := range before.Ended {
		if e := &before.Ended[i]; !slices.ContainsFunc(d.pairs, func(p pair) bool { return p.ends(e) }) {
			d.pairs = append(d.pairs, pair{before: e})
		}
	}
	d.hidden = pairsOf(before.Hidden, after.Hidden)
	for _, p := range barsOf(before.Bars, after.Bars) {
		if p.before == nil || p.after == nil || *p.before != *p.after {
			d.bars = append(d.bars, p)
		}
	}
	d.preceding = weaker(before.Preceding, after.Preceding)
	d.begun = weaker(after.Preceding, before.Preceding)
	return d
}

// pairsOf returns the sources that differ or that are held at other instants. It first skips equal holdings at the
// same position, because a change mostly affects one of many.
func pairsOf(before, after []Holding) []pair {
	var pairs []pair
	seen := 0 // an index of after; all earlier elements have a counterpart
	for i := range before {
		if b := &before[i]; seen < len(after) && b.same(&after[seen]) {
			seen++
		} else if b.Source != nil {
			pairs = append(pairs, pair{before: b})
		}
	}
	if seen == len(after) {
		return pairs
	}
	return pairsByName(before, after)
}

func pairsByName(before, after []Holding) []pair {
	was := make(map[string]*Holding, len(before))
	for i := range before {
		if b := &before[i]; b.Source != nil {
			was[b.Source.name] = b
		}
	}
	var pairs []pair
	for i := range after {
		a := &after[i]
		if a.Source == nil {
			continue
		}
		b := was[a.Source.name]
		delete(was, a.Source.name)
		if b == nil || !b.same(a) {
			pairs = append(pairs, pair{b, a})
		}
	}
	for i := range before {
		if b := &before[i]; b.Source != nil && was[b.Source.name] == b {
			pairs = append(pairs, pair{before: b})
		}
	}
	return pairs
}

// same reports whether the two holdings have the same source and the same windows.
func (h *Holding) same(other *Holding) bool {
	return h.Source == other.Source && slices.EqualFunc(h.Windows, other.Windows, Window.equal)
}

func (w Window) equal(v Window) bool {
	return w.NotBefore.Equal(v.NotBefore) && w.NotAfter.Equal(v.NotAfter)
}

func barsOf(before, after []Bar) []barPair {
	var pairs []barPair
	for i := range before {
		b := &before[i]
		p := barPair{before: b}
		if at := slices.IndexFunc(after, func(a Bar) bool { return a.Source == b.Source }); at >= 0 {
			p.after = &after[at]
		}
		pairs = append(pairs, p)
	}
	for i := range after {
		a := &after[i]
		if !slices.ContainsFunc(before, func(b Bar) bool { return b.Source == a.Source }) {
			pairs = append(pairs, barPair{after: a})
		}
	}
	return pairs
}

// weaker returns the precedences of before that are missing in after, or that precede fewer other objects there.
func weaker(before, after []Precedence) []Precedence {
	var found []Precedence
	for _, p := range before {
		if !slices.ContainsFunc(after, func(q Precedence) bool {
			return q.Source == p.Source && (p.BeingDeleted || !q.BeingDeleted)
		}) {
			found = append(found, p)
		}
	}
	return found
}

// barred returns the instants at which the UserAccess bars its user.
func (b *Bar) barred() spans {
	switch {
	case b == nil:
		return nil
	case b.Suspended:
		return forever
	default:
		return spansOf([]Window{b.Window}).complement()
	}
}

// stopped returns the instants at which the UserAccess suspends its user or has ended.
func (b *Bar) stopped() spans {
	switch {
	case b == nil:
		return nil
	case b.Suspended:
		return forever
	case b.Window.NotAfter.IsZero():
		return nil
	default:
		return from(b.Window.NotAfter)
	}
}

// stopped returns the instants at which one UserAccess, both before and after the change, suspends the user or has
// ended.
func stopped(before, after []Bar) spans {
	var all []Window
	for _, p := range barsOf(before, after) {
		all = append(all, p.before.stopped().and(p.after.stopped())...)
	}
	return united(all)
}

// IsStopped reports whether, at every instant from now on, one of the bars suspends the user or has ended both
// before and after the change.
func IsStopped(before, after []Bar, now time.Time) bool {
	return len(from(now).without(stopped(before, after))) == 0
}

// ended yields the restrictions that end or get weaker, except for exclusive access.
func (d *difference) ended(o *Organization) iter.Seq[loosened] {
	return func(yield func(loosened) bool) {
		for _, p := range d.bars {
			when := p.before.barred().without(p.after.barred())
			if len(when) == 0 {
				continue
			}
			if !yield(loosened{restriction: RestrictionBar, source: p.before.Source, ceiling: noAccess, spans: when}) {
				return
			}
		}
		for _, p := range d.preceding {
			if !yield(loosened{restriction: RestrictionPrecede, source: p.Source, ceiling: noAccess, spans: forever}) {
				return
			}
		}
		for _, p := range d.pairs {
			if p.before != nil && !p.before.loosened(p.after, o, yield) {
				return
			}
		}
	}
}

// loosened yields the restrictions by the source that the other holding of it does not keep. other may be nil. It
// returns false if yield returned false.
func (h *Holding) loosened(other *Holding, o *Organization, yield func(loosened) bool) bool {
	if h.Source.group && !o.rules.Combined {
		when := spansOf(h.Windows)
		if other != nil && other.Source.group {
			when = when.without(spansOf(other.Windows))
		}
		l := loosened{restriction: RestrictionGroup, source: h.Source.name, ceiling: noAccess, spans: when}
		if len(when) > 0 && !yield(l) {
			return false
		}
	}
	for g, c := range h.grantsBeside(other) {
		if g.rung == 0 {
			continue // nothing is above the top rung
		}
		when := h.uncovered(g, other, c.grants, func(c *grant) bool { return c.rung >= g.rung })
		if len(when) == 0 {
			continue
		}
		l := loosened{
			restriction: RestrictionGrant, source: h.Source.name, tier: c.tier, application: g.application, ceiling: g.rung, spans: when,
		}
		if c.tier.atSystem() {
			l.restriction = RestrictionSystem
		}
		if !yield(l) {
			return false
		}
	}
	return true
}

// counterparts holds the grants of another holding in the same tier and application.
type counterparts struct {
	tier   tier
	grants grantList
}

// grantsBeside yields every grant of the source together with the corresponding grants of the other holding, which
// may be nil.
func (h *Holding) grantsBeside(other *Holding) iter.Seq2[*grant, counterparts] {
	return func(yield func(*grant, counterparts) bool) {
		b, c := h.Source, &Bound{}
		if other != nil {
			c = other.Source
		}
		each := func(l grantList, of counterparts) bool {
			for i := range l {
				if !yield(&l[i], of) {
					return false
				}
			}
			return true
		}
		all := each(b.organization, counterparts{tierOrganization, c.organization}) &&
			each(b.systemOrganization, counterparts{tierSystemOrganization, c.systemOrganization}) &&
			each(b.broad, counterparts{tierBroad, c.broad}) &&
			each(b.systemApplication, counterparts{tierSystem, c.systemApplication})
		for i := 0; all && i < len(b.specific); i++ {
			all = yield(&b.specific[i], counterparts{tierSpecific, c.in(b.specific[i].application)})
		}
	}
}

// uncovered returns the instants at which the grant counts and no counterpart that satisfies keeps counts.
func (h *Holding) uncovered(g *grant, other *Holding, counterparts grantList, keeps func(*grant) bool) spans {
	if other != nil && slices.EqualFunc(h.Windows, other.Windows, Window.equal) {
		for i := range counterparts {
			if c := &counterparts[i]; keeps(c) && c.window.Covers(g.window) {
				return nil // the usual case
			}
		}
	}
	when := spansOf(h.Windows).and(g.spans())
	if other == nil {
		return when
	}
	var kept []Window
	held := spansOf(other.Windows)
	for i := range counterparts {
		if c := &counterparts[i]; keeps(c) {
			kept = append(kept, held.and(c.spans())...)
		}
	}
	return when.without(united(kept))
}

// unheld returns the cases in which the user may no longer hold the rung or a higher one: grants of such a rung
// that end, and restrictions to lower roles that begin.
func (d *difference) unheld(minimum rung, o *Organization) []loosened {
	var all []loosened
	for _, p := range d.pairs {
		if p.before == nil {
			continue
		}
		for g, c := range p.before.grantsBeside(p.after) {
			if g.rung > minimum || c.tier.isOrganization() {
				continue
			}
			when := p.before.uncovered(g, p.after, c.grants, func(c *grant) bool { return c.rung <= minimum })
			if len(when) > 0 {
				all = append(all, loosened{source: p.before.Source.name, tier: c.tier, application: g.application, spans: when})
			}
		}
	}
	for l := range d.swapped().ended(o) {
		switch l.restriction {
		case RestrictionBar: // a bar affects all applications alike
		case RestrictionGroup, RestrictionPrecede:
			l.tier = tierBroad // it affects all applications
			all = append(all, l)
		default:
			if l.ceiling > minimum && !l.tier.isOrganization() {
				all = append(all, l)
			}
		}
	}
	return all
}

// swapped returns the difference of the reverse change.
func (d *difference) swapped() *difference {
	back := &difference{before: d.after, after: d.before, preceding: d.begun, begun: d.preceding}
	for _, p := range d.pairs {
		back.pairs = append(back.pairs, pair{p.after, p.before})
	}
	for _, p := range d.bars {
		back.bars = append(back.bars, barPair{p.after, p.before})
	}
	return back
}

// IsTimed reports whether a window that affects the user opens or closes after now.
func (u *User) IsTimed(now time.Time) bool {
	later := func(w Window) bool { return w.NotBefore.After(now) || w.NotAfter.After(now) }
	for i := range u.Bars {
		if later(u.Bars[i].Window) {
			return true
		}
	}
	for i := range u.Holdings {
		h := &u.Holdings[i]
		if h.Source == nil {
			continue
		}
		if slices.ContainsFunc(h.Windows, later) {
			return true
		}
		opens := func(g grant) bool { return later(g.window) }
		if !h.Source.timed {
			continue
		}
		b := h.Source
		for _, l := range []grantList{b.organization, b.broad, b.specific, b.systemApplication, b.systemOrganization} {
			if slices.ContainsFunc(l, opens) {
				return true
			}
		}
	}
	return false
}
