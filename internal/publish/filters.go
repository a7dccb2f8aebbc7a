package publish

import (
	"iter"
	"slices"
	"strings"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/resolve"
)

// nothing is the filter that matches no row.
var nothing = resolve.NewFilter(nil)

// filterList collects the distinct filters of a document. After [filterList.rank], the number of a filter is its rank
// in the order of the JSON bytes.
type filterList struct {
	texts   []string
	filters []*resolve.Filter
	numbers map[string]int
	sets    map[*resolve.Filter]*filterSet
	// nothing is the set with only the filter that matches no row.
	nothing *filterSet
	all     []*filterSet
}

// filterSet is a set of filters, shared by all users who have these filters.
type filterSet struct {
	numbers []int // ascending after the list has been ranked
	bytes   int   // size of the JSON of the filters
}

// ranks returns the ranks of the filters of a ranked list, or none if s is nil, which means every row.
func (s *filterSet) ranks() []int {
	if s == nil {
		return nil
	}
	return s.numbers
}

// at returns the places of the filters, or nil if s is nil, which means every row.
func (s *filterSet) at(places []int) []int {
	if s == nil {
		return nil
	}
	selected := make([]int, len(s.numbers))
	for i, rank := range s.numbers {
		selected[i] = places[rank]
	}
	return selected
}

func newFilterList() *filterList {
	l := &filterList{numbers: map[string]int{}, sets: map[*resolve.Filter]*filterSet{}}
	l.nothing = &filterSet{numbers: []int{l.number(&nothing)}, bytes: len(nothing.JSON())}
	l.all = append(l.all, l.nothing)
	return l
}

// add returns the set of the filters, or nil for every row. Users who share an access share its filters, so most
// lookups succeed without comparing texts.
func (l *filterList) add(filters []resolve.Filter) *filterSet {
	if len(filters) == 0 {
		return nil
	}
	first := &filters[0]
	if known := l.sets[first]; known != nil && len(known.numbers) == len(filters) {
		return known
	}
	set := &filterSet{numbers: make([]int, len(filters))}
	for i := range filters {
		set.numbers[i] = l.number(&filters[i])
		set.bytes += len(filters[i].JSON())
	}
	l.sets[first] = set
	l.all = append(l.all, set)
	return set
}

func (l *filterList) number(filter *resolve.Filter) int {
	text := filter.JSON()
	n, known := l.numbers[text]
	if !known {
		n = len(l.texts)
		l.numbers[text] = n
		l.texts, l.filters = append(l.texts, text), append(l.filters, filter)
	}
	return n
}

// rank numbers the filters in the order of their JSON. No filters may be added afterwards.
func (l *filterList) rank() {
	order := make([]int, len(l.texts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(l.texts[a], l.texts[b]) })
	ranks := make([]int, len(order))
	texts, filters := make([]string, len(order)), make([]*resolve.Filter, len(order))
	for rank, n := range order {
		ranks[n], texts[rank], filters[rank] = rank, l.texts[n], l.filters[n]
	}
	for _, set := range l.all {
		for i, n := range set.numbers {
			set.numbers[i] = ranks[n]
		}
		slices.Sort(set.numbers)
		set.numbers = slices.Compact(set.numbers)
	}
	l.texts, l.filters, l.numbers = texts, filters, nil
}

// places returns the ranks of the filters in the sets, ascending, and for each rank the place of the filter among them.
// Ranks of other filters have no place. The places are stored in the buffer.
func (l *filterList) places(sets iter.Seq[*filterSet], buffer []int) (used, places []int) {
	const absent, present = -1, 0
	places = slices.Grow(buffer[:0], len(l.texts))[:len(l.texts)]
	for rank := range places {
		places[rank] = absent
	}
	for set := range sets {
		for _, rank := range set.ranks() {
			places[rank] = present
		}
	}
	for rank := range places {
		if places[rank] == present {
			places[rank] = len(used)
			used = append(used, rank)
		}
	}
	return used, places
}

// documentFilter converts a filter. It keeps the canonical order of package resolve.
func documentFilter(from *resolve.Filter) document.Filter {
	filter := document.Filter{AnyOf: make([]document.Alternative, len(from.AnyOf))}
	for j := range from.AnyOf {
		allOf := from.AnyOf[j].AllOf
		filter.AnyOf[j].AllOf = make([]document.Requirement, len(allOf))
		for k := range allOf {
			r := &allOf[k]
			filter.AnyOf[j].AllOf[k] = document.Requirement{Attribute: r.Attribute, Operator: r.Operator, Values: r.Values}
		}
	}
	return filter
}
