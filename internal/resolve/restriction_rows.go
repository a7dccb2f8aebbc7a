package resolve

import (
	"maps"
	"slices"
	"time"
)

// RowRelease is a row-level filter of a user with access that a change ends or widens.
type RowRelease struct {
	// Application is the application, or AnyApplication for every application that nothing names.
	Application string
	// Source is the group that has the filter. At is the first instant at which more rows may be visible.
	Source string
	At     time.Time
	// Gone is set if the user no longer has access at those instants. Role is the role that the user had, and
	// RoleSource its source.
	Gone             bool
	Role, RoleSource string
}

// ReleasedRows returns the row-level filters that the change from before to after ends or widens, each judged
// separately. It ignores bars, but omits a membership that ends while a bar stops the user both before and after
// the change. Under MostPermissive it returns nothing: united filters restrict only together, so the caller
// compares the visible rows instead.
//
// effective and later return the course of an entry before and after the change, without bars.
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

// filterFor returns the filter of the group for the application: its own entry, otherwise the entry for all
// applications. Nil stands for every row.
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

// widened returns the instants at which the change does not keep the source's previous filter. If the membership
// ends, it omits the instants in free.
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

// writtenWithin reports whether the filter of the source lies within the previous one for all attribute values,
// because the attributes of the user may change at the same time.
func (p *pair) writtenWithin(application string, filters *Containment) bool {
	was, is := p.before.Source.writtenFor(application), p.after.Source.writtenFor(application)
	return was == nil || is != nil && filters.Within(*is, *was)
}

// writtenFor is like [Bound.filterFor], but returns the filter with the names of the user's attributes instead of
// their values.
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

// Within reports whether every row that passes f also passes g, as far as a comparison of single alternatives
// shows. In doubt it returns false.
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

// containsAll reports whether the list contains every wanted value. Both lists are in the order of canonical
// filters and have no duplicates.
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

// Containment caches which filters lie within which others, because the users of a change mostly have the same
// filters.
type Containment struct{ known map[[2]string]bool }

// Within returns the result of [Filter.Within].
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
