package resolve_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// rows applies R7 without its bound. It returns the filters as canonical JSON, or none for every row.
func (w world) rows(t time.Time, name string) []string {
	var filters []string
	var united []string
	for _, h := range w.held {
		if h.source.Origin != resolve.OrganizationGroup || !h.active(t) {
			continue
		}
		entry := func(of string) bool {
			for _, r := range h.source.Rows {
				if r.Application != of {
					continue
				}
				alternatives := w.alternativesOf(r.Filter)
				united = append(united, alternatives...)
				filters = append(filters, `{"anyOf":[`+strings.Join(alternatives, ",")+`]}`)
				return true
			}
			return false
		}
		if name == unnamed || !entry(name) {
			entry("*")
		}
	}
	switch {
	case len(filters) == 0 && slices.Contains(w.rules.HideUnmatched, name):
		return []string{noRow}
	case len(filters) > 0 && w.rules.Strategy == resolve.MostPermissive:
		return []string{`{"anyOf":[` + strings.Join(canonical(united, func(s string) string { return s }), ",") + `]}`}
	}
	return canonical(filters, func(s string) string { return s })
}

const noRow = `{"anyOf":[]}`

// alternativesOf renders the alternatives of the filter with the user's values instead of the names of attributes.
func (w world) alternativesOf(f resolve.Filter) []string {
	var possible []resolve.Alternative
	for _, a := range f.AnyOf {
		stays := true
		var all []resolve.Requirement
		for _, r := range a.AllOf {
			if name := r.UserAttribute; name != "" {
				if r.Values = w.own[name]; len(r.Values) == 0 {
					r.Values = w.atSystem[name]
				}
				compares := r.Operator == "GreaterThan" || r.Operator == "LessThan"
				stays = stays && len(r.Values) > 0 && (len(r.Values) == 1 || !compares)
			}
			all = append(all, r)
		}
		if stays {
			possible = append(possible, resolve.Alternative{AllOf: all})
		}
	}
	return canonical(possible, func(a resolve.Alternative) string {
		return `{"allOf":[` + strings.Join(canonical(a.AllOf, func(r resolve.Requirement) string {
			return `{"attribute":` + quoted(r.Attribute) + `,"operator":` + quoted(r.Operator) +
				`,"values":[` + strings.Join(canonical(r.Values, quoted), ",") + `]}`
		}), ",") + `]}`
	})
}

// bound applies the bound of R7. It sets the filters of each application that the user has access to, and records
// the applications that show no row because of the bound. "*" stands for the default filters.
func (w world) bound(t time.Time, d *snapshot) {
	type taken struct {
		name    string
		filters []string
		bytes   int
	}
	size := func(filters []string) int {
		sum := 0
		for _, f := range filters {
			if f != noRow {
				sum += len(f)
			}
		}
		return sum
	}
	var order []taken
	for name, v := range d.applications {
		if v.Role != resolve.NoAccess {
			filters := w.rows(t, name)
			order = append(order, taken{name, filters, size(filters)})
		}
	}
	slices.SortFunc(order, func(a, b taken) int {
		return cmp.Or(a.bytes-b.bytes, strings.Compare(a.name, b.name))
	})
	if filters := w.rows(t, unnamed); d.fallback.Role != resolve.NoAccess && len(filters) > 0 {
		order = append(order, taken{"*", filters, size(filters)})
	}
	counted, total := map[string]bool{noRow: true}, 0
	for i, each := range order {
		for _, f := range each.filters {
			if !counted[f] {
				counted[f] = true
				total += len(f)
			}
		}
		if total > w.filterBytes() {
			for _, hidden := range order[i:] {
				d.hidden = append(d.hidden, hidden.name)
			}
			break
		}
	}
	slices.Sort(d.hidden)
	show := func(v verdict, name string) verdict {
		filters := w.rows(t, name)
		if slices.Contains(d.hidden, cmp.Or(name, "*")) {
			filters = []string{noRow}
		}
		if v.Role != resolve.NoAccess {
			v.Filters = strings.Join(filters, ",")
		}
		return v
	}
	d.fallback = show(d.fallback, unnamed)
	for name, v := range d.applications {
		d.applications[name] = show(v, name)
	}
}

// canonical renders the elements, sorts them by bytes and removes duplicates.
func canonical[T any](list []T, render func(T) string) []string {
	rendered := []string{}
	for _, v := range list {
		rendered = append(rendered, render(v))
	}
	slices.Sort(rendered)
	return slices.Compact(rendered)
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`).Replace(s) + `"`
}
