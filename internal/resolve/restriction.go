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
// Before and after are claims on this organization, and effective is how the user stands before the change. The cost
// grows with the user's grants and windows. It is small where no source and no bar of the user differs.
func (o *Organization) Released(before, after *Claims, effective *Courses, now time.Time) []Release {
	d := differenceOf(before, after)
	if !d.any() {
		return nil
	}
	ended := d.ended(o)
	if len(ended)+len(o.exclusive) == 0 {
		return nil
	}
	r := releasing{
		o: o, difference: d, now: now, ledger: newLedger(before, after), effective: effective, free: stopped(before.Bars, after.Bars),
		found: map[releaseKey]struct{}{},
	}
	for i := range ended {
		r.release(&ended[i])
	}
	r.releaseExclusive()
	return r.releases
}

// Highest returns the highest role that the claims declare for the entry at the instant from or later, and the sources
// that declare it. It returns NoAccess where they declare none.
func (o *Organization) Highest(before, after *Claims, application string, since time.Time) (role string, sources []string) {
	stakes := newLedger(before, after).of(application)
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

// ledger lists what is declared for a user before and after a change.
type ledger struct {
	top, everywhere []stake
	specific        map[string][]stake
	individual      bool // there is an individual grant that a group may take the place of
	hidden          bool // there is a grant that precedence hides
}

func newLedger(both ...*Claims) *ledger {
	l := &ledger{specific: map[string][]stake{}}
	for _, c := range both {
		for i := range c.Holdings {
			l.add(&c.Holdings[i], false)
		}
		for i := range c.Hidden {
			l.add(&c.Hidden[i], true)
		}
	}
	return l
}

func (l *ledger) add(h *Holding, hidden bool) {
	b := h.Source
	if b == nil {
		return
	}
	held := spansOf(h.Windows)
	of := func(g *grant, t tier) stake {
		l.individual = l.individual || (b.origin == Individual && !g.protected && g.rung != noAccess)
		l.hidden = l.hidden || (hidden && g.rung != noAccess)
		return stake{g, t, held.and(g.spans()), hidden}
	}
	for i := range b.organization {
		l.top = append(l.top, of(&b.organization[i], tierOrganization))
	}
	for i := range b.systemOrganization {
		l.top = append(l.top, of(&b.systemOrganization[i], tierSystemOrganization))
	}
	for i := range b.broad {
		l.everywhere = append(l.everywhere, of(&b.broad[i], tierBroad))
	}
	for i := range b.systemApplication {
		l.everywhere = append(l.everywhere, of(&b.systemApplication[i], tierSystem))
	}
	for i := range b.specific {
		g := &b.specific[i]
		l.specific[g.application] = append(l.specific[g.application], of(g, tierSpecific))
	}
}

func (g *grant) spans() spans {
	if g.window.always() {
		return forever
	}
	return united([]Window{g.window})
}

// of returns what is declared for the entry.
func (l *ledger) of(application string) []stake {
	switch application {
	case "":
		return l.top
	case AnyApplication:
		return l.everywhere
	default:
		return slices.Concat(l.specific[application], l.everywhere)
	}
}

// applications returns, sorted, the applications that a grant names, and AnyApplication.
func (l *ledger) applications() []string {
	return append([]string{AnyApplication}, slices.Sorted(maps.Keys(l.specific))...)
}

// releasing collects releases.
type releasing struct {
	*ledger
	o          *Organization
	difference *difference
	effective  *Courses
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
	if l.restriction == RestrictionGroup && !r.individual || l.restriction == RestrictionPrecede && !r.hidden {
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
	when := l.spans.and(from(r.now))
	if l.restriction != RestrictionBar {
		when = when.without(r.free)
	}
	if len(when) == 0 {
		return
	}
	stakes := r.of(application)
	course := &r.effective.Organization
	if application != "" {
		course = r.effective.Application(application)
	}
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
			if l.restriction == RestrictionGroup && !r.individual || l.restriction == RestrictionPrecede && !r.hidden {
				continue
			}
			l.restriction, l.minimum = RestrictionExclusive, rule.minimum
			for _, other := range rule.Applications {
				if l.tier == tierSpecific && l.application != other || !r.holds(other, rule.minimum, l.spans) {
					continue
				}
				for _, application := range rule.Applications {
					if application != other {
						r.releaseIn(application, &l)
					}
				}
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
