package resolve

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Requirement is one comparison of a row's attribute with values (docs/documents.md, filters). UserAttribute
// stands for the values of that attribute of the user. It is empty in decisions.
type Requirement struct {
	Attribute     string   `json:"attribute"`
	Operator      string   `json:"operator"`
	UserAttribute string   `json:"userAttribute,omitempty"`
	Values        []string `json:"values"`
}

// Alternative is a conjunction of requirements. It holds for a row if all of its requirements hold.
type Alternative struct {
	AllOf []Requirement `json:"allOf"`

	canonical string
}

// Filter lets a row pass if any of its alternatives holds. Without alternatives no row passes.
//
// A Filter that [NewFilter] returns is canonical: values, requirements and alternatives are sorted by the bytes of
// their JSON and have no duplicates. Filters are shared between decisions and must not be changed.
type Filter struct {
	AnyOf []Alternative `json:"anyOf"`

	canonical string
	shared    *[1]Filter // keeps the list alive to which [sharedFilters] has a weak pointer
}

// nothing is the filter that no row passes.
var nothing = NewFilter(nil)

// NewFilter returns the canonical filter of the alternatives. It does not keep the argument.
func NewFilter(alternatives []Alternative) Filter {
	anyOf := make([]Alternative, 0, len(alternatives))
	for _, a := range alternatives {
		anyOf = append(anyOf, newAlternative(a.AllOf))
	}
	return canonicalFilter(anyOf)
}

// Equal reports whether the two canonical filters have the same alternatives.
func (f Filter) Equal(g Filter) bool { return f.canonical == g.canonical }

// JSON returns the canonical JSON of the filter, as documents carry it.
func (f Filter) JSON() string { return f.canonical }

func newAlternative(requirements []Requirement) Alternative {
	all := make([]Requirement, 0, len(requirements))
	for _, r := range requirements {
		r.Values = sortedByJSON(r.Values)
		all = append(all, r)
	}
	alternative := Alternative{AllOf: sortedByJSON(all)}
	alternative.canonical = canonicalJSON(alternative)
	return alternative
}

// sortedByJSON returns a sorted copy of the list without duplicates. Each element is encoded once: a group may have
// thousands of requirements of a hundred values.
func sortedByJSON[T any](list []T) []T {
	type keyed struct {
		key   string
		value T
	}
	all := make([]keyed, 0, len(list))
	for _, v := range list {
		all = append(all, keyed{canonicalJSON(v), v})
	}
	slices.SortFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	sorted := make([]T, 0, len(list))
	for i := range all {
		if i == 0 || all[i].key != all[i-1].key {
			sorted = append(sorted, all[i].value)
		}
	}
	return sorted
}

// canonicalFilter sorts the canonical alternatives in place and drops duplicates.
func canonicalFilter(anyOf []Alternative) Filter {
	slices.SortFunc(anyOf, func(a, b Alternative) int { return strings.Compare(a.canonical, b.canonical) })
	anyOf = slices.CompactFunc(anyOf, func(a, b Alternative) bool { return a.canonical == b.canonical })
	return rendered(anyOf)
}

// rendered returns the filter of canonical alternatives, which must be sorted and without duplicates.
func rendered(anyOf []Alternative) Filter {
	if anyOf == nil {
		anyOf = []Alternative{} // as NewFilter returns it
	}
	keys := make([]string, len(anyOf))
	for i := range anyOf {
		keys[i] = anyOf[i].canonical
	}
	return Filter{AnyOf: anyOf, canonical: `{"anyOf":[` + strings.Join(keys, ",") + `]}`}
}

// unite returns one filter that passes every row that any of the filters passes.
func (s *sharedFilters) unite(filters []Filter) []Filter {
	if len(filters) < 2 {
		return filters
	}
	var anyOf []Alternative
	for _, f := range filters {
		anyOf = append(anyOf, f.AnyOf...)
	}
	return s.share(canonicalFilter(anyOf))
}

// intersect returns filters that together pass the rows that every one of the filters passes, in canonical order.
func intersect(filters []Filter) []Filter {
	if len(filters) < 2 {
		return filters
	}
	slices.SortFunc(filters, func(a, b Filter) int { return strings.Compare(a.canonical, b.canonical) })
	return slices.CompactFunc(filters, Filter.Equal)
}

// sizeOf returns the total size of the filters in bytes.
func sizeOf(filters []Filter) int {
	size := 0
	for i := range filters {
		size += len(filters[i].canonical)
	}
	return size
}

func sameFilters(a, b []Filter) bool { return slices.EqualFunc(a, b, Filter.Equal) }

// canonicalJSON returns JSON in the form of the documents, with only the necessary escapes. The types of this
// package declare their fields in the order of their JSON names.
func canonicalJSON(v any) string {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		// Strings and slices of strings always encode. A failure here is a bug of this package.
		panic("resolve: canonical JSON: " + err.Error())
	}
	return strings.TrimSuffix(buffer.String(), "\n")
}
