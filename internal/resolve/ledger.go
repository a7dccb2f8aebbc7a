package resolve

import (
	"iter"
	"maps"
	"slices"
)

// tier is the tier of a grant in docs/rules.md R5 and R6.
type tier uint8

const (
	tierOrganization tier = iota
	tierSystemOrganization
	tierSpecific
	tierBroad
	tierSystem
)

func (t tier) atSystem() bool { return t == tierSystemOrganization || t == tierSystem }

// isOrganization reports whether the tier decides the organization role.
func (t tier) isOrganization() bool { return t == tierOrganization || t == tierSystemOrganization }

// stake is a grant that is declared for a user, with the instants at which it is declared.
type stake struct {
	*grant
	tier   tier
	spans  spans
	hidden bool // by the precedence of another UserAccess
}

// ledger finds the grants that are declared for a user before and after a change.
type ledger struct {
	both []*Claims
	kept map[string][]stake // by entry
	// atTop and inAny are the highest declared rungs for the organization role and for any application. They are
	// valid if known is set.
	atTop, inAny rung
	known        bool
}

func newLedger(both ...*Claims) *ledger { return &ledger{both: both} }

// sources yields every holding of the user, and whether precedence hides it.
func (l *ledger) sources() iter.Seq2[*Holding, bool] {
	return func(yield func(h *Holding, hidden bool) bool) {
		for _, c := range l.both {
			for i := range c.Holdings {
				if h := &c.Holdings[i]; h.Source != nil && !yield(h, false) {
					return
				}
			}
			for i := range c.Hidden {
				if h := &c.Hidden[i]; h.Source != nil && !yield(h, true) {
					return
				}
			}
		}
	}
}

// of returns the stakes of the entry: of the application, or of the organization role for the empty name.
func (l *ledger) of(application string) []stake {
	if kept, known := l.kept[application]; known {
		return kept
	}
	var all []stake
	for h, hidden := range l.sources() {
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
			continue
		}
		add(b.in(application), tierSpecific)
		add(b.broad, tierBroad)
		add(b.systemApplication, tierSystem)
	}
	if l.kept == nil {
		l.kept = map[string][]stake{}
	}
	l.kept[application] = all
	return all
}

// declaresAbove reports whether a grant for the entry is higher than the restriction allows, at any time.
func (l *ledger) declaresAbove(application string, of *loosened) bool {
	passes := func(r rung) bool { return r < of.ceiling || (of.restriction == RestrictionExclusive && r != noAccess) }
	if atTop, inAny := l.highest(); application == "" && !passes(atTop) || application != "" && !passes(inAny) {
		return false // the usual case, decided without the grants of each application
	}
	above := func(list grantList) bool {
		for i := range list {
			if passes(list[i].rung) {
				return true
			}
		}
		return false
	}
	for h := range l.sources() {
		b := h.Source
		switch {
		case application == "":
			if above(b.organization) || above(b.systemOrganization) {
				return true
			}
		case above(b.broad) || above(b.systemApplication) || above(b.in(application)):
			return true
		}
	}
	return false
}

// highest returns the highest declared rungs for the organization role and for any application.
func (l *ledger) highest() (atTop, inAny rung) {
	if !l.known {
		l.known, l.atTop, l.inAny = true, noAccess, noAccess
		for h := range l.sources() {
			b := h.Source
			l.atTop = min(l.atTop, b.organization.highest(), b.systemOrganization.highest())
			l.inAny = min(l.inAny, b.broad.highest(), b.systemApplication.highest(), b.specific.highest())
		}
	}
	return l.atTop, l.inAny
}

// highest returns the highest rung of the grants, or noAccess for an empty list.
func (l grantList) highest() rung {
	r := noAccess
	for i := range l {
		r = min(r, l[i].rung)
	}
	return r
}

// hasIndividual reports whether there is an individual grant that a group may replace.
func (l *ledger) hasIndividual() bool {
	for h := range l.sources() {
		if h.Source.origin == Individual {
			return true
		}
	}
	return false
}

// hasHidden reports whether precedence hides a source.
func (l *ledger) hasHidden() bool {
	for _, hidden := range l.sources() {
		if hidden {
			return true
		}
	}
	return false
}

// applications returns AnyApplication followed by the applications that a grant names, sorted.
func (l *ledger) applications() []string {
	names := map[string]struct{}{}
	for h := range l.sources() {
		for i := range h.Source.specific {
			names[h.Source.specific[i].application] = struct{}{}
		}
	}
	return append([]string{AnyApplication}, slices.Sorted(maps.Keys(names))...)
}

func (g *grant) spans() spans {
	if g.window.always() {
		return forever
	}
	return united([]Window{g.window})
}
