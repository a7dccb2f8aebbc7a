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

// filterList collects the distinct filters of a document. After [filterList.rank] the number of a filter is its rank by
// the bytes of its JSON.
type filterList struct {
	texts   []string
	filters []*resolve.Filter
	numbers map[string]int
	sets    map[*resolve.Filter]*filterSet
	// nothing is the set of the one filter that matches no row.
	nothing *filterSet
	all     []*filterSet
}

// filterSet is the set of the filters that some users have in common.
type filterSet struct {
	numbers []int // ascending, once the list is ranked
	bytes   int   // of the JSON of the filters
}

// ranks returns the ranks of the filters of a ranked list; none for every row.
func (s *filterSet) ranks() []int {
	if s == nil {
		return nil
	}
	return s.numbers
}

// at returns the places of the filters; nil for every row.
func (s *filterSet) at(places []int) []int {
	if s == nil {
		return nil
	}
	made := make([]int, len(s.numbers))
	for i, rank := range s.numbers {
		made[i] = places[rank]
	}
	return made
}

func newFilterList() *filterList {
	l := &filterList{numbers: map[string]int{}, sets: map[*resolve.Filter]*filterSet{}}
	l.nothing = &filterSet{numbers: []int{l.number(&nothing)}, bytes: len(nothing.JSON())}
	l.all = append(l.all, l.nothing)
	return l
}

// add returns the set of the filters; nil for every row. Accesses that are shared between users share their filters, so
// the same filters are mostly found without reading their texts.
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

// rank numbers the filters in the order of their JSON. No other filters are added after that.
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

// places returns the ranks of the filters that the sets have, which ascend, and by rank the place of each among them.
// Other ranks have no place. The buffer is used for the places.
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

// documentFilter keeps the canonical order that package resolve gives.
func documentFilter(from *resolve.Filter) document.Filter {
	made := document.Filter{AnyOf: make([]document.Alternative, len(from.AnyOf))}
	for j := range from.AnyOf {
		allOf := from.AnyOf[j].AllOf
		made.AnyOf[j].AllOf = make([]document.Requirement, len(allOf))
		for k := range allOf {
			r := &allOf[k]
			made.AnyOf[j].AllOf[k] = document.Requirement{Attribute: r.Attribute, Operator: r.Operator, Values: r.Values}
		}
	}
	return made
}
