package resolve

import (
	"maps"
	"slices"
	"time"
)

// Claims is a user with what the objects declare for the user, whether it counts or not.
type Claims struct {
	User
	// Hidden are the sources that the user has only by UserAccess objects that do not count, because another one of the
	// user in the same namespace does.
	Hidden []Holding
	// Preceding are the UserAccess objects that keep such sources from counting.
	Preceding []Precedence
	// Ended are, before a change, the groups to which a path of the user ends by it, at the instants of that path. Other paths
	// may remain.
	Ended []Holding
}

// Precedence is a UserAccess that counts before another one of its user. BeingDeleted is set where it counts only before
// others that are being deleted.
type Precedence struct {
	Source       string
	BeingDeleted bool
}

// Restriction is why a role that is declared for a user is not the user's effective role.
type Restriction string

// The restrictions.
const (
	RestrictionBar       Restriction = "Bar"       // a suspension, or the window of a UserAccess (R1)
	RestrictionPrecede   Restriction = "Precede"   // another UserAccess of the user counts
	RestrictionGroup     Restriction = "Group"     // a group takes the place of individual grants (R3)
	RestrictionGrant     Restriction = "Grant"     // a lower grant, or one in the application (R4, R5)
	RestrictionSystem    Restriction = "System"    // a block or a cap (R5, R6)
	RestrictionExclusive Restriction = "Exclusive" // a role in another application of a rule (R9)
)

// Release says that a change ends or weakens a restriction of a user's role in one entry of the decision.
type Release struct {
	// Application names the entry: AnyApplication stands for every application of which nothing is said, the empty name
	// for the organization role.
	Application string
	// Restriction is what ends, and Source the object that restricts.
	Restriction Restriction
	Source      string
	// Role is the highest role that a grant of the user declares for the entry at those instants at which the restriction
	// ends and the user does not have the role already. Sources are the objects that declare it, sorted.
	Role    string
	Sources []string
	// At is the first of these instants.
	At time.Time
}

// Released returns the restrictions that the change from before to after ends or weakens. Each is judged by itself: a
// restriction that remains is no reason to leave another one out. A lower grant that ends while a suspension or the end
// of a UserAccess bars the user, before and after, is left out: who lifts that bar is asked for every role.
//
// Before and after are claims on this organization, and effective returns how an entry of the user
// stands before the change, named as in [Release]. The cost
// grows with the user's grants and windows. It is small where no source and no bar of the user differs.
func (o *Organization) Released(before, after *Claims, effective func(application string) *Course, now time.Time) []Release {
	d := differenceOf(before, after)
	if !d.any() {
		return nil
	}
	ended := d.ended(o)
	if len(ended)+len(o.exclusive) == 0 {
		return nil
	}
	r := releasing{
		o: o, difference: d, now: now, ledger: newLedger(before), effective: effective, free: stopped(before.Bars, after.Bars),
		found: map[releaseKey]struct{}{},
	}
	for i := range ended {
		r.release(&ended[i])
	}
	r.releaseExclusive()
	return r.releases
}

// Declared is what is declared for a user before and after a change, by entry.
type Declared struct{ ledger *ledger }

// DeclaredBy returns what the claims declare. An entry is gathered when it is first asked for.
func DeclaredBy(before, after *Claims) *Declared { return &Declared{newLedger(before, after)} }

// Highest returns the highest role that is declared for the entry at the instant since or later, and the sources that
// declare it. It returns NoAccess where none is declared.
func (o *Organization) Highest(declared *Declared, application string, since time.Time) (role string, sources []string) {
	stakes := declared.ledger.of(application)
	r := noAccess
	for i := range stakes {
		if s := &stakes[i]; s.rung < r && len(s.spans.and(from(since))) > 0 {
			r = s.rung
		}
	}
	for i := range stakes {
		if s := &stakes[i]; s.rung == r && r != noAccess {
			sources = append(sources, s.source.name)
		}
	}
	slices.Sort(sources)
	return o.roleOf(application, r), slices.Compact(sources)
}

// BearsOn reports whether anything that bears on the entry differs between the claims.
func BearsOn(before, after *Claims, application string) bool {
	d := differenceOf(before, after)
	if len(d.bars)+len(d.preceding)+len(d.hidden) > 0 {
		return true
	}
	return slices.ContainsFunc(d.pairs, func(p pair) bool {
		if p.before != nil && p.after != nil && slices.EqualFunc(p.before.Windows, p.after.Windows, Window.equal) {
			return !p.before.Source.saysTheSame(p.after.Source, application)
		}
		return p.before.bearsOn(application) || p.after.bearsOn(application)
	})
}

// saysTheSame reports whether the two say the same about the entry.
func (b *Bound) saysTheSame(c *Bound, application string) bool {
	if b.group != c.group {
		return false
	}
	if application == "" {
		return b.organization.equal(c.organization) && b.systemOrganization.equal(c.systemOrganization)
	}
	was, is := b.filterFor(application), c.filterFor(application)
	return b.broad.equal(c.broad) && b.systemApplication.equal(c.systemApplication) &&
		b.in(application).equal(c.in(application)) && (was == nil) == (is == nil) && (was == nil || was.Equal(*is))
}

func (l grantList) equal(m grantList) bool {
	return slices.EqualFunc(l, m, func(a, b grant) bool {
		return a.rung == b.rung && a.protected == b.protected && a.application == b.application && a.window.equal(b.window)
	})
}

// bearsOn reports whether the source says something about the entry.
func (h *Holding) bearsOn(application string) bool {
	if h == nil || h.Source == nil {
		return false
	}
	b := h.Source
	switch {
	case b.group || b.hasRows():
		return true
	case application == "":
		return len(b.organization)+len(b.systemOrganization) > 0
	default:
		return len(b.broad)+len(b.systemApplication) > 0 || len(b.in(application)) > 0
	}
}

func (o *Organization) roleOf(application string, r rung) string {
	if application == "" {
		return o.organizationRole(r)
	}
	return o.applicationRole(r)
}

// in returns the grants of the source in the application.
func (b *Bound) in(application string) grantList {
	at, found := slices.BinarySearchFunc(b.specific, application, func(g grant, name string) int {
		return compareStrings(g.application, name)
	})
	if !found {
		return nil
	}
	end := at
	for end < len(b.specific) && b.specific[end].application == application {
		end++
	}
	return b.specific[at:end]
}

// tier is where a grant stands in docs/rules.md R5 and R6.
type tier uint8

const (
	tierOrganization tier = iota
	tierSystemOrganization
	tierSpecific
	tierBroad
	tierSystem
)

func (t tier) atSystem() bool { return t == tierSystemOrganization || t == tierSystem }

// stake is a grant that is declared for a user, with the instants at which it is.
type stake struct {
	*grant
	tier   tier
	spans  spans
	hidden bool // by the precedence of another UserAccess
}

// ledger finds what is declared for a user before and after a change.
type ledger struct {
	both []*Claims
	kept map[string][]stake // by entry
}

func newLedger(both ...*Claims) *ledger { return &ledger{both: both, kept: map[string][]stake{}} }

// each calls yield for every source that the user has, in force or hidden.
func (l *ledger) each(yield func(h *Holding, hidden bool)) {
	for _, c := range l.both {
		for i := range c.Holdings {
			if h := &c.Holdings[i]; h.Source != nil {
				yield(h, false)
			}
		}
		for i := range c.Hidden {
			if h := &c.Hidden[i]; h.Source != nil {
				yield(h, true)
			}
		}
	}
}

// of returns what is declared for the entry.
func (l *ledger) of(application string) []stake {
	if kept, known := l.kept[application]; known {
		return kept
	}
	var all []stake
	l.each(func(h *Holding, hidden bool) {
		var held spans
		add := func(list grantList, t tier) {
			for i := range list {
				if held == nil {
					held = spansOf(h.Windows)
				}
				all = append(all, stake{&list[i], t, held.and(list[i].spans()), hidden})
			}
		}
		b := h.Source
		if application == "" {
			add(b.organization, tierOrganization)
			add(b.systemOrganization, tierSystemOrganization)
			return
		}
		add(b.in(application), tierSpecific)
		add(b.broad, tierBroad)
		add(b.systemApplication, tierSystem)
	})
	l.kept[application] = all
	return all
}

// declaresAbove reports whether a grant for the entry is above what the restriction lets pass, whenever it counts.
func (l *ledger) declaresAbove(application string, of *loosened) bool {
	above := func(list grantList) bool {
		for i := range list {
			if r := list[i].rung; r < of.ceiling || (of.restriction == RestrictionExclusive && r != noAccess) {
				return true
			}
		}
		return false
	}
	found := false
	l.each(func(h *Holding, _ bool) {
		b := h.Source
		switch {
		case found:
		case application == "":
			found = above(b.organization) || above(b.systemOrganization)
		default:
			found = above(b.broad) || above(b.systemApplication) || above(b.in(application))
		}
	})
	return found
}

// hasIndividual reports whether there is an individual grant whose place a group may take.
func (l *ledger) hasIndividual() bool {
	found := false
	l.each(func(h *Holding, _ bool) { found = found || h.Source.origin == Individual })
	return found
}

// hasHidden reports whether precedence hides a source.
func (l *ledger) hasHidden() bool {
	found := false
	l.each(func(_ *Holding, hidden bool) { found = found || hidden })
	return found
}

// applications returns, sorted, the applications that a grant names, and AnyApplication.
func (l *ledger) applications() []string {
	names := map[string]struct{}{}
	l.each(func(h *Holding, _ bool) {
		for i := range h.Source.specific {
			names[h.Source.specific[i].application] = struct{}{}
		}
	})
	return append([]string{AnyApplication}, slices.Sorted(maps.Keys(names))...)
}

func (g *grant) spans() spans {
	if g.window.always() {
		return forever
	}
	return united([]Window{g.window})
}

// releasing collects releases.
type releasing struct {
	*ledger
	o          *Organization
	difference *difference
	effective  func(application string) *Course
	now        time.Time
	free       spans // a bar that remains makes it free to end a grant
	found      map[releaseKey]struct{}
	releases   []Release
}

type releaseKey struct{ application, source string }

// loosened is a restriction that ends or gets weaker at some instants.
type loosened struct {
	restriction Restriction
	source      string
	tier        tier
	application string // of the specific tier
	ceiling     rung
	minimum     rung // of the rule of exclusive access
	spans       spans
}

// release looks at every entry that the restriction bears on.
func (r *releasing) release(l *loosened) {
	if l.restriction == RestrictionGroup && !r.hasIndividual() || l.restriction == RestrictionPrecede && !r.hasHidden() {
		return
	}
	switch {
	case l.restriction != RestrictionGrant && l.restriction != RestrictionSystem:
		r.releaseIn("", l)
	case l.tier == tierOrganization || l.tier == tierSystemOrganization:
		r.releaseIn("", l)
		return
	case l.tier == tierSpecific:
		r.releaseIn(l.application, l)
		return
	}
	for _, application := range r.applications() {
		r.releaseIn(application, l)
	}
}

func (r *releasing) releaseIn(application string, l *loosened) {
	if !r.declaresAbove(application, l) {
		return // as for most
	}
	when := l.spans.and(from(r.now))
	if l.restriction != RestrictionBar {
		when = when.without(r.free)
	}
	if len(when) == 0 {
		return
	}
	stakes := r.of(application)
	course := r.effective(application)
	at := func(s *stake) spans {
		if s.rung == noAccess {
			return nil
		}
		below := course.where(func(a *Access) bool { return a.rung > s.rung })
		return when.and(s.spans).and(below)
	}
	restricts := func(s stake) bool { return l.restricts(r.o, &s) && len(at(&s)) > 0 }
	if !slices.ContainsFunc(stakes, restricts) {
		return
	}
	highest, made := noAccess, Release{Application: application, Restriction: l.restriction, Source: l.source}
	for i := range stakes {
		s := &stakes[i]
		if s.rung > highest {
			continue
		}
		open := at(s)
		if len(open) == 0 {
			continue
		}
		if s.rung < highest {
			highest, made.Sources, made.At = s.rung, nil, open[0].NotBefore
		}
		made.Sources = append(made.Sources, s.source.name)
		made.At = earlier(made.At, open[0].NotBefore)
	}
	slices.Sort(made.Sources)
	made.Sources = slices.Compact(made.Sources)
	made.Role = r.o.roleOf(application, highest)
	if key := (releaseKey{application, made.Role + " " + l.source}); !has(r.found, key) {
		r.found[key] = struct{}{}
		r.releases = append(r.releases, made)
	}
}

func has[K comparable](set map[K]struct{}, key K) bool { _, is := set[key]; return is }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// restricts reports whether the restriction may keep the grant from being effective.
func (l *loosened) restricts(o *Organization, s *stake) bool {
	restrictive, caps := o.rules.Strategy == MostRestrictive, o.rules.SystemStrategy == MostRestrictive
	switch l.restriction {
	case RestrictionBar:
		return true
	case RestrictionPrecede:
		return s.hidden
	case RestrictionGroup:
		return s.source.origin == Individual && !s.protected
	case RestrictionExclusive:
		return s.rung <= l.minimum
	case RestrictionSystem:
		return s.rung < l.ceiling && (caps || (l.ceiling == noAccess && !s.tier.atSystem()))
	default:
		switch {
		case s.rung >= l.ceiling:
			return false
		case s.tier.atSystem():
			return caps // the lower of the two roles
		case l.tier == tierSpecific && s.tier == tierBroad:
			return true // the specific tier hides the broad one
		default:
			return restrictive && l.tier == s.tier
		}
	}
}

// releaseExclusive looks for rules of exclusive access that may take a role no more: a grant in another application of the
// rule ends, or something restricts the role there.
func (r *releasing) releaseExclusive() {
	for i := range r.o.exclusive {
		rule := &r.o.exclusive[i]
		for _, l := range r.difference.unheld(rule.minimum, r.o) {
			if l.restriction == RestrictionGroup && !r.hasIndividual() || l.restriction == RestrictionPrecede && !r.hasHidden() {
				continue
			}
			l.restriction, l.minimum = RestrictionExclusive, rule.minimum
			r.releaseOthers(rule, &l)
		}
	}
}

// releaseOthers looks at the other applications of the rule than those in which the user may hold the role no more.
func (r *releasing) releaseOthers(rule *exclusiveRule, l *loosened) {
	for _, other := range rule.Applications {
		if l.tier == tierSpecific && l.application != other || !r.holds(other, rule.minimum, l.spans) {
			continue
		}
		for _, application := range rule.Applications {
			if application != other {
				r.releaseIn(application, l)
			}
		}
	}
}

// holds reports whether a grant declares the rung or a better one in the application at one of the instants.
func (r *releasing) holds(application string, minimum rung, when spans) bool {
	return slices.ContainsFunc(r.of(application), func(s stake) bool {
		return s.rung <= minimum && len(s.spans.and(when)) > 0
	})
}
