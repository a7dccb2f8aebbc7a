package resolve

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"weak"
)

// Attributes are the user attributes that one UserAccess declares, by name. The values are sorted and have no
// duplicates.
type Attributes map[string][]string

// ValuesOf returns the values of the attribute: those of the organization if they exist, otherwise those of the
// system namespace. It returns nil if the user has no such attribute.
func ValuesOf(own, atSystem Attributes, name string) []string {
	if values := own[name]; len(values) > 0 {
		return values
	}
	return atSystem[name]
}

// refers reports whether the filter refers to attributes of the user.
func (f Filter) refers() bool {
	return slices.ContainsFunc(f.AnyOf, func(a Alternative) bool {
		return slices.ContainsFunc(a.AllOf, func(r Requirement) bool { return r.UserAttribute != "" })
	})
}

// substitute returns the filter with the values of the user's attributes (docs/rules.md R7). It omits alternatives
// with a requirement that no row can meet.
func (f Filter) substitute(own, atSystem Attributes) Filter {
	alternatives := make([]Alternative, 0, len(f.AnyOf))
	for _, a := range f.AnyOf {
		all := slices.Clone(a.AllOf)
		met := true
		for i := range all {
			met = met && all[i].substitute(own, atSystem)
		}
		if met {
			alternatives = append(alternatives, Alternative{AllOf: all})
		}
	}
	return NewFilter(alternatives)
}

// substitute replaces the name of the user's attribute with its values. It reports whether any row can meet the
// requirement.
func (r *Requirement) substitute(own, atSystem Attributes) bool {
	if r.UserAttribute == "" {
		return true
	}
	r.Values = ValuesOf(own, atSystem, r.UserAttribute)
	r.UserAttribute = ""
	switch r.Operator {
	case "In", "NotIn":
		return len(r.Values) > 0
	default: // GreaterThan and LessThan compare with one value
		return len(r.Values) == 1
	}
}

// templates holds the rows of a source that refer to attributes, and the results for users. It is safe for
// concurrent use.
type templates struct {
	rows       []Rows   // all rows of the source, as written
	attributes []string // the attributes that the rows refer to, sorted
	shared     *sharedFilters

	mu    sync.Mutex
	known map[string]weak.Pointer[Bound] // by the values of attributes
	sweep int                            // the size of known at which collected entries are dropped
}

// bindTemplates keeps the rows if at least one of them refers to attributes.
func (b *Bound) bindTemplates(o *Organization, rows []Rows) {
	var names []string
	for _, r := range rows {
		for _, a := range r.Filter.AnyOf {
			for _, requirement := range a.AllOf {
				if requirement.UserAttribute != "" {
					names = append(names, requirement.UserAttribute)
				}
			}
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	b.templates = &templates{
		rows: rows, attributes: slices.Compact(names), shared: o.shared, known: map[string]weak.Pointer[Bound]{}, sweep: fewShared,
	}
}

// For returns the source for a user with these attributes: its rows have the values of the attributes instead of
// their names. Users with the same values share the result and its filters.
func (b *Bound) For(own, atSystem Attributes) *Bound {
	if b == nil || b.templates == nil {
		return b
	}
	t := b.templates
	key, has := t.key(own, atSystem)
	if !has {
		return b
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.known[key].Value(); known != nil {
		return known
	}
	made := *b
	made.rows, made.anyRows, made.ownRowBytes, made.anyRowBytes = nil, nil, 0, 0
	rows := slices.Clone(t.rows)
	for i := range rows {
		if rows[i].Filter.refers() {
			rows[i].Filter = t.shared.share(rows[i].Filter.substitute(own, atSystem))[0]
		}
	}
	made.bindRows(rows)
	t.known[key] = weak.Make(&made)
	if len(t.known) > t.sweep {
		t.dropGone()
	}
	return &made
}

// key returns a text that is equal for equal values of the attributes to which the rows refer, and whether the
// user has any of these attributes.
func (t *templates) key(own, atSystem Attributes) (key string, has bool) {
	var text strings.Builder
	for _, name := range t.attributes {
		values := ValuesOf(own, atSystem, name)
		has = has || len(values) > 0
		text.WriteString(strconv.Itoa(len(values)))
		for _, v := range values {
			text.WriteByte(':')
			text.WriteString(strconv.Itoa(len(v)))
			text.WriteByte(':')
			text.WriteString(v)
		}
		text.WriteByte(';')
	}
	return text.String(), has
}

func (t *templates) dropGone() {
	for key, pointer := range t.known {
		if pointer.Value() == nil {
			delete(t.known, key)
		}
	}
	t.sweep = 2*len(t.known) + fewShared
}

// written returns the declared filter of the rows for the application, with the names of attributes.
func (b *Bound) written(application string, substituted *Filter) Filter {
	if b.templates != nil {
		for _, r := range b.templates.rows {
			if r.Application == application {
				return r.Filter
			}
		}
	}
	return *substituted
}
