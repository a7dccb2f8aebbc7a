package resolve

import (
	"slices"
	"time"
)

// Restriction is the reason why a role that is declared for a user is not the user's effective role.
type Restriction string

// The restrictions.
const (
	RestrictionBar       Restriction = "Bar"       // a suspension, or the window of a UserAccess (R1)
	RestrictionPrecede   Restriction = "Precede"   // another UserAccess of the user takes precedence
	RestrictionGroup     Restriction = "Group"     // a group replaces individual grants (R3)
	RestrictionGrant     Restriction = "Grant"     // a lower grant, or one in the application (R4, R5)
	RestrictionSystem    Restriction = "System"    // a block or a cap (R5, R6)
	RestrictionExclusive Restriction = "Exclusive" // a role in another application of a rule (R9)
)

// Release is a restriction of a user's role in one entry of the decision that a change ends or weakens.
type Release struct {
	// Application names the entry: [AnyApplication] stands for every application that nothing names, the empty name
	// for the organization role.
	Application string
	// Restriction is the restriction that ends, and Source the object that restricts.
	Restriction Restriction
	Source      string
	// Role is the highest role that a grant of the user declares for the entry at the instants at which the
	// restriction ends and the user does not have the role already. Sources are the objects that declare it, sorted.
	Role    string
	Sources []string
	// At is the first of these instants.
	At time.Time
}

// Released returns the restrictions that the change from before to after ends or weakens. It judges each of them
// separately: a restriction that remains does not hide another one. It omits a lower grant that ends while a
// suspension or the end of a UserAccess bars the user both before and after the change. The check of the change
// that lifts that bar covers every role.
//
// Before and after are claims on this organization. effective returns the course of an entry of the user before
// the change, named as in [Release]. The cost grows with the user's grants and windows. It is small if no source
// and no bar of the user differs.
func (o *Organization) Released(before, after *Claims, effective func(application string) *Course, now time.Time) []Release {
	d := differenceOf(before, after)
	if !d.any() {
		return nil
	}
	r := releasing{
		o: o, difference: d, now: now, ledger: newLedger(before), effective: effective, free: stopped(before.Bars, after.Bars),
	}
	for l := range d.ended(o) {
		r.release(&l)
	}
	r.releaseExclusive()
	return r.releases
}

func (o *Organization) roleOf(application string, r rung) string {
	if application == "" {
		return o.organizationRole(r)
	}
	return o.applicationRole(r)
}

// releasing collects releases.
type releasing struct {
	*ledger
	o          *Organization
	difference *difference
	effective  func(application string) *Course
	now        time.Time
	free       spans // instants at which a remaining bar allows any grant to end
	found      map[releaseKey]struct{}
	releases   []Release
}

type releaseKey struct{ application, role, source string }

// loosened is a restriction that ends or gets weaker at some instants.
type loosened struct {
	restriction Restriction
	source      string
	tier        tier
	application string // for the specific tier
	ceiling     rung
	minimum     rung // for a rule of exclusive access
	spans       spans
}

// release adds the releases of every entry that the restriction affects.
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
		return // the usual case
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
	r.add(made)
}

// add adds a release. It keeps one for each entry, role and source.
func (r *releasing) add(made Release) {
	key := releaseKey{made.Application, made.Role, made.Source}
	if _, again := r.found[key]; again {
		return
	}
	if r.found == nil {
		r.found = map[releaseKey]struct{}{}
	}
	r.found[key] = struct{}{}
	r.releases = append(r.releases, made)
}

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
