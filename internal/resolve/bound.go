package resolve

import (
	"cmp"
	"slices"
	"strings"
)

// MaximumFilterBytes is the maximum total size of the distinct filters of one user in one organization, in bytes
// of canonical JSON (docs/rules.md R7).
const MaximumFilterBytes = 64 << 10

// noRow is the filter list of an access that shows no row.
var noRow = []Filter{nothing}

// mayExceed reports whether the filters of the sources may exceed the bound together. It sums the sizes of their
// entries and counts an entry for all applications once for each application that an entry names, and once more.
// It renders nothing.
func (o *Organization) mayExceed(speaking []*Bound) bool {
	own, anyone, entries := 0, 0, 0
	for _, b := range speaking {
		own, anyone, entries = own+b.ownRowBytes, anyone+b.anyRowBytes, entries+len(b.rows)
	}
	// There are at most as many named applications as entries. For most users this estimate is sufficient.
	return own+anyone*(entries+1) > o.filterBytes && own+anyone*(len(ownApplications(speaking))+1) > o.filterBytes
}

// ownApplications returns the applications that the row entries of the sources name, sorted.
func ownApplications(speaking []*Bound) []string {
	var names []string
	for _, b := range speaking {
		for i := range b.rows {
			names = append(names, b.rows[i].Application)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// measurement holds the row filters of a set of sources with their sizes. It is built only if the bound may be
// exceeded, and renders no more than the bound allows.
type measurement struct {
	limit    int
	named    []measured // the applications, in the order in which take admits them
	fallback measured   // the default filters
	places   map[string]int
	parts    []Filter // the distinct filters; united filters have no text
	known    map[string]int
	united   map[int][]Filter // the united filters rendered so far, by place in parts
	work     int              // the number of alternatives and filters examined
}

// measured are the filters of one application.
type measured struct {
	application string
	bytes       int   // without the filter that matches no row; inexact above the limit
	parts       []int // places in measurement.parts
	speaks      bool  // at least one entry contributes
}

// shown describes which filters fit: those of the first named applications, and possibly the default filters.
type shown struct {
	named    int
	fallback bool
}

// measure measures the filters of the applications that are named in the organization and of those that an entry
// of the sources names. Applications without an entry of their own share the measure of the default filters.
func (o *Organization) measure(speaking []*Bound, named []string) *measurement {
	m := &measurement{limit: o.filterBytes, places: map[string]int{}, known: map[string]int{}, united: map[int][]Filter{}}
	m.fallback = m.measure(o, speaking, "")
	own := ownApplications(speaking)
	names := slices.Concat(own, named)
	slices.Sort(names)
	names = slices.Compact(names)
	m.named = make([]measured, len(names))
	for i, name := range names {
		if _, is := slices.BinarySearch(own, name); is {
			m.named[i] = m.measure(o, speaking, name)
			continue
		}
		m.named[i] = m.fallback
		m.named[i].application = name
	}
	slices.SortFunc(m.named, func(a, b measured) int {
		return cmp.Or(cmp.Compare(a.bytes, b.bytes), compareStrings(a.application, b.application))
	})
	for i := range m.named {
		m.places[m.named[i].application] = i
	}
	m.knowUnited(o)
	return m
}

// measure sums the lengths of the application's filters, and stops at the limit.
func (m *measurement) measure(o *Organization, speaking []*Bound, application string) measured {
	contributed := contributions(speaking, application)
	m.work += 1 + len(contributed)
	made := measured{application: application, speaks: len(contributed) > 0}
	if !made.speaks {
		return made
	}
	if o.rules.Strategy == MostPermissive {
		united, size := unitedWithin(contributed, m.limit)
		m.work += len(united.AnyOf) * len(contributed)
		made.bytes, made.parts = size, []int{len(m.parts)}
		m.parts = append(m.parts, united)
		return made
	}
	for _, f := range contributed {
		if f.bytes() > m.limit {
			made.bytes = m.limit + 1
			return made
		}
		id, known := m.known[f.canonical]
		if !known {
			id = len(m.parts)
			m.known[f.canonical] = id
			m.parts = append(m.parts, f)
		}
		if !slices.Contains(made.parts, id) {
			made.parts = append(made.parts, id)
			made.bytes += f.bytes()
		}
		if made.bytes > m.limit {
			return made
		}
	}
	return made
}

// knowUnited finds united filters that are equal. It compares only filters of the same size.
func (m *measurement) knowUnited(o *Organization) {
	if o.rules.Strategy != MostPermissive {
		return
	}
	all := make([]*measured, 0, len(m.named)+1)
	for i := range m.named {
		all = append(all, &m.named[i])
	}
	all = append(all, &m.fallback)
	slices.SortStableFunc(all, func(a, b *measured) int { return cmp.Compare(a.bytes, b.bytes) })
	for i, a := range all {
		for j := i - 1; j >= 0 && all[j].bytes == a.bytes && a.bytes <= m.limit; j-- {
			b := all[j]
			if len(a.parts) > 0 && len(b.parts) > 0 && sameAlternatives(m.parts[a.parts[0]].AnyOf, m.parts[b.parts[0]].AnyOf) {
				a.parts = b.parts
				break
			}
		}
	}
}

// take returns the filters that fit, among the applications to which the user has access.
func (m *measurement) take(givesAccess func(application string) bool) shown {
	counted, total := make([]bool, len(m.parts)), 0
	fits := func(each *measured) bool {
		if each.bytes > m.limit {
			return false
		}
		for _, id := range each.parts {
			if !counted[id] {
				counted[id] = true
				total += m.sizeOf(id)
			}
		}
		return total <= m.limit
	}
	for i := range m.named {
		if givesAccess(m.named[i].application) && !fits(&m.named[i]) {
			return shown{named: i}
		}
	}
	return shown{len(m.named), fits(&m.fallback)}
}

// sizeOf returns the size of a part that is within the limit.
func (m *measurement) sizeOf(id int) int {
	f := &m.parts[id]
	if f.canonical == "" {
		return unitedBytes(f.AnyOf)
	}
	return f.bytes()
}

// filters returns the filters of the application, and whether the bound hides its rows. The empty name, and every
// name that was not measured, stand for an application that nothing names.
func (m *measurement) filters(o *Organization, application string, fitting shown) (filters []Filter, hidden bool) {
	each, fits := &m.fallback, fitting.fallback
	if place, named := m.places[application]; named {
		each, fits = &m.named[place], place < fitting.named
	}
	_, hides := slices.BinarySearch(o.hideUnmatched, application)
	switch {
	case !each.speaks && hides:
		return noRow, false
	case !each.speaks:
		return nil, false
	case !fits:
		return noRow, true
	}
	filters = make([]Filter, len(each.parts))
	for i, id := range each.parts {
		if filters[i] = m.parts[id]; filters[i].canonical == "" {
			return m.render(o, id), false // the only one
		}
	}
	return intersect(filters), false
}

// render returns a united filter with its text, as a list of one.
func (m *measurement) render(o *Organization, id int) []Filter {
	if m.united[id] == nil {
		m.united[id] = o.shared.share(rendered(m.parts[id].AnyOf))
	}
	return m.united[id]
}

// bytes returns the size of the filter that counts towards the bound.
func (f *Filter) bytes() int {
	if len(f.AnyOf) == 0 {
		return 0
	}
	return len(f.canonical)
}

func unitedBytes(anyOf []Alternative) int {
	if len(anyOf) == 0 {
		return 0
	}
	size := len(`{"anyOf":[]}`) + len(anyOf) - 1
	for i := range anyOf {
		size += len(anyOf[i].canonical)
	}
	return size
}

// unitedWithin unites the filters without rendering the result. It stops if the result exceeds the limit.
func unitedWithin(filters []Filter, limit int) (Filter, int) {
	if len(filters) == 1 && filters[0].bytes() <= limit {
		return filters[0], filters[0].bytes()
	}
	var united []Alternative
	size := 0
	for _, f := range filters {
		united = mergeAlternatives(united, f.AnyOf)
		if size = unitedBytes(united); size > limit {
			return Filter{}, limit + 1
		}
	}
	return Filter{AnyOf: united}, size
}

// mergeAlternatives merges two sorted lists without duplicates into one.
func mergeAlternatives(a, b []Alternative) []Alternative {
	if len(a) == 0 {
		return b
	}
	merged := make([]Alternative, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		order := strings.Compare(a[0].canonical, b[0].canonical)
		if order <= 0 {
			merged = append(merged, a[0])
			a = a[1:]
		} else {
			merged = append(merged, b[0])
		}
		if order >= 0 {
			b = b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

func sameAlternatives(a, b []Alternative) bool {
	return slices.EqualFunc(a, b, func(a, b Alternative) bool { return a.canonical == b.canonical })
}

// boundRows sets the filters of every access when the filters may exceed the bound together. Only the filters that
// fit are shown.
//
// The default filters are considered last and may not fit. A named application that follows the default access may
// then show rows that the default access does not. Such an application gets an entry of its own.
func (o *Organization) boundRows(at *instant, g *grants) {
	m := o.measure(g.speaking, g.named)
	fitting := m.take(func(name string) bool { return at.application(name).GivesAccess() })
	byDefault := at.fallback
	if byDefault.GivesAccess() {
		at.fallback.Filters = m.show(o, at, "", fitting)
	}
	for i, a := range at.applications {
		if a.GivesAccess() {
			made := &ApplicationAccess{a.Application, a.Access}
			made.Filters = m.show(o, at, a.Application, fitting)
			at.applications[i] = made
		}
	}
	for i := 0; i < len(m.named) && byDefault.GivesAccess(); i++ {
		name := m.named[i].application
		if _, listed := slices.BinarySearchFunc(at.applications, name, compareApplication); listed {
			continue
		}
		if filters := m.show(o, at, name, fitting); !sameFilters(filters, at.fallback.Filters) {
			at.set(name, Access{Outcome: byDefault.Outcome, Filters: filters})
		}
	}
	slices.Sort(at.hiddenRows) // AnyApplication sorts before every name
}

// show returns the filters of the application, and records the application if the bound hides its rows.
func (m *measurement) show(o *Organization, at *instant, application string, fitting shown) []Filter {
	filters, hidden := m.filters(o, application, fitting)
	if hidden {
		at.hiddenRows = append(at.hiddenRows, cmp.Or(application, AnyApplication))
	}
	return filters
}
