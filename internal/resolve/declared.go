package resolve

import (
	"slices"
	"time"
)

// Declared holds the grants that are declared for a user before and after a change, by entry.
type Declared struct{ ledger *ledger }

// DeclaredBy returns the grants that the claims declare. It gathers an entry on first use.
func DeclaredBy(before, after *Claims) *Declared { return &Declared{newLedger(before, after)} }

// Highest returns the highest role that is declared for the entry at or after the instant since, and the sources
// that declare it. It returns NoAccess if none is declared.
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

// BearsOn reports whether anything that affects the entry differs between the claims.
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

// saysTheSame reports whether the two sources give the same for the entry.
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

// bearsOn reports whether the source affects the entry.
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
