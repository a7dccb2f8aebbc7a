package print

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/resolve"
)

// filterList contains the distinct row-level filters of a document, sorted by their bytes. Holdings refer to
// filters by their index, as published documents do, so thousands of users with the same rows share one text.
type filterList struct {
	places map[string]int // index by canonical JSON
	sorted []string
}

// newFilterList returns the list of all filters that the sequence yields.
func newFilterList(all func(yield func([]resolve.Filter) bool)) *filterList {
	l := &filterList{places: map[string]int{}}
	for filters := range all {
		for i := range filters {
			l.places[filters[i].JSON()] = 0
		}
	}
	l.sorted = slices.Sorted(maps.Keys(l.places))
	for i, text := range l.sorted {
		l.places[text] = i
	}
	return l
}

// write writes the list as a field.
func (l *filterList) write(j *jsonStream) {
	fieldOfList(j, "filters", l.sorted, func(text *string) any { return json.RawMessage(*text) })
}

// reference is a holding whose filters are indexes into the list of its document.
type reference struct {
	*query.Holding

	// Filters replaces the field Filters of the holding.
	Filters []int `json:"filters,omitempty"`
}

// reference returns the holding with the sorted indexes of its filters.
func (l *filterList) reference(h *query.Holding) *reference {
	made := &reference{Holding: h}
	for i := range h.Filters {
		made.Filters = append(made.Filters, l.places[h.Filters[i].JSON()])
	}
	slices.Sort(made.Filters)
	return made
}
