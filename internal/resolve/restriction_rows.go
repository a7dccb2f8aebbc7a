package resolve

import (
	"maps"
	"slices"
	"time"
)

// RowRelease says that a change ends or widens a row-level filter of a user who has access.
type RowRelease struct {
	// Application is AnyApplication for every application of which nothing is said.
	Application string
	// Source is the group whose filter it is, At the first instant at which more rows may show.
	Source string
	At     time.Time
	// Gone is set where the user has no access any more at those instants. Role is the role that the user had, and
	// RoleSource what gave it.
	Gone             bool
	Role, RoleSource string
}

// ReleasedRows returns the row-level filters that the change from before to after ends or widens, each judged by itself.
// Bars are left aside, but a membership that ends while one bars the user, before and after, is left out. Where filters
// are united, only all of them together restrict, and nothing is returned: there the rows that show are compared.
//
// Effective and later return how an entry would stand before and after the change if nothing barred the user.
func (o *Organization) ReleasedRows(
	before, after *Claims, effective, later func(application string) *Course, filters *Containment, now time.Time,
) []RowRelease {
	if o.rules.Strategy == MostPermissive {
		return nil
	}
	d := differenceOf(before, after)
	var found []RowRelease
	var names []string
	for _, p := range d.pairs {
		if p.before == nil || !p.before.Source.hasRows() {
			continue
		}
		if names == nil {
			names = applicationsOfRows(before, after)
		}
		for _, application := range names {
			when := p.widened(application, filters, stopped(before.Bars, after.Bars)).and(from(now))
			if len(when) == 0 {
				continue
			}
			if r, ends := rowsReleased(application, when, effective, later); ends {
				r.Source = p.before.Source.name
				found = append(found, r)
			}
		}
	}
	return found
}

// filterFor returns what the group shows of the application: its own entry, or the one for all. Nil stands for every row.
func (b *Bound) filterFor(application string) *Filter {
	if own := b.rowsOf(application); own != nil {
		return own
	}
	return b.anyRows
}

func applicationsOfRows(both ...*Claims) []string {
	names := map[string]struct{}{AnyApplication: {}}
	for _, c := range both {
		for i := range c.Holdings {
			b := c.Holdings[i].Source
			if b == nil {
				continue
			}
			for j := range b.specific {
				names[b.specific[j].application] = struct{}{}
			}
			for j := range b.rows {
				names[b.rows[j].Application] = struct{}{}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// widened returns the instants at which the filter of the source before the change is not kept up after it. A membership
// that ends is none at the instants of free.
func (p *pair) widened(application string, filters *Containment, free spans) spans {
	was := p.before.Source.filterFor(application)
	if was == nil {
		return nil
	}
	when := spansOf(p.before.Windows)
	var held spans
	if p.after != nil {
		held = spansOf(p.after.Windows)
	}
	when, left := when.and(held), when.without(held).without(free)
	if p.after != nil {
		if is := p.after.Source.filterFor(application); is != nil && filters.Within(*is, *was) && p.writtenWithin(application, filters) {
			when = nil
		}
	}
	return united(slices.Concat(when, left))
}

// writtenWithin reports whether the filter of the source lies within the one before the change whatever attributes the user
// has: they may change at the same time.
func (p *pair) writtenWithin(application string, filters *Containment) bool {
	was, is := p.before.Source.writtenFor(application), p.after.Source.writtenFor(application)
	return was == nil || is != nil && filters.Within(*is, *was)
}

// writtenFor is [Bound.filterFor] with the names of the user's attributes in place of their values.
func (b *Bound) writtenFor(application string) *Filter {
	if b.templates == nil {
		return b.filterFor(application)
	}
	var all *Filter
	for i := range b.templates.rows {
		switch r := &b.templates.rows[i]; r.Application {
		case application:
			return &r.Filter
		case AnyApplication:
			all = &r.Filter
		}
	}
	return all
}

func rowsReleased(application string, when spans, effective, later func(string) *Course) (RowRelease, bool) {
	was := effective(application)
	when = when.and(was.where((*Access).gives))
	if len(when) == 0 {
		return RowRelease{}, false
	}
	r := RowRelease{Application: application, At: when[0].NotBefore}
	if rest := when.and(later(application).where((*Access).gives)); len(rest) > 0 {
		r.At = rest[0].NotBefore
		return r, true
	}
	r.Gone = true
	if a := was.At(r.At); a != nil {
		r.Role, r.RoleSource = a.Role, a.Source
	} else {
		r.Gone = false // in doubt
	}
	return r, true
}

func (a *Access) gives() bool { return a.GivesAccess() }

// Within reports whether every row that passes f passes g, as far as can be told alternative by alternative. In doubt it
// returns false.
func (f Filter) Within(g Filter) bool {
	return f.Equal(g) || !slices.ContainsFunc(f.AnyOf, func(a Alternative) bool {
		return !slices.ContainsFunc(g.AnyOf, a.implies)
	})
}

// implies reports whether a row that meets all requirements of a meets those of b.
func (a Alternative) implies(b Alternative) bool {
	return !slices.ContainsFunc(b.AllOf, func(wanted Requirement) bool {
		return !slices.ContainsFunc(a.AllOf, func(has Requirement) bool { return has.implies(wanted) })
	})
}

func (r Requirement) implies(wanted Requirement) bool {
	if r.Attribute != wanted.Attribute || r.Operator != wanted.Operator || r.UserAttribute != wanted.UserAttribute {
		return false
	}
	switch r.Operator {
	case "In":
		return containsAll(wanted.Values, r.Values)
	case "NotIn":
		return containsAll(r.Values, wanted.Values)
	default:
		return slices.Equal(r.Values, wanted.Values)
	}
}

// containsAll reports whether the list has every value that is wanted. Both are in the order of canonical filters, without
// duplicates.
func containsAll(list, wanted []string) bool {
	if len(wanted) > len(list) {
		return false
	}
	for _, value := range wanted {
		at := slices.Index(list, value)
		if at < 0 {
			return false
		}
		list = list[at+1:]
	}
	return true
}

// Containment remembers which filters lie within which others: the users of a change mostly have the same ones.
type Containment struct{ known map[[2]string]bool }

// Within is [Filter.Within].
func (c *Containment) Within(f, g Filter) bool {
	key := [2]string{f.canonical, g.canonical}
	within, known := c.known[key]
	if !known {
		within = f.Within(g)
		if c.known == nil {
			c.known = map[[2]string]bool{}
		}
		c.known[key] = within
	}
	return within
}
