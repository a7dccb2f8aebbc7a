package validation

import (
	"testing"

	"github.com/usher-dev/usher/internal/resolve"
)

func requirement(attribute, operator string, values ...string) resolve.Requirement {
	return resolve.Requirement{Attribute: attribute, Operator: operator, Values: values}
}

func filter(alternatives ...[]resolve.Requirement) resolve.Filter {
	var anyOf []resolve.Alternative
	for _, allOf := range alternatives {
		anyOf = append(anyOf, resolve.Alternative{AllOf: allOf})
	}
	return resolve.NewFilter(anyOf)
}

func all(requirements ...resolve.Requirement) []resolve.Requirement { return requirements }

func TestWhetherFiltersLeaveAnyRow(t *testing.T) {
	france, spain := requirement("country", "In", "France"), requirement("country", "In", "Spain")
	for name, tc := range map[string]struct {
		filters []resolve.Filter
		want    bool
	}{
		"no filter":                        {nil, true},
		"one alternative":                  {[]resolve.Filter{filter(all(france))}, true},
		"no alternative":                   {[]resolve.Filter{filter(all(france)), filter()}, false},
		"two values at once":               {[]resolve.Filter{filter(all(france, spain))}, false},
		"two values of two attributes":     {[]resolve.Filter{filter(all(france, requirement("region", "In", "Spain")))}, true},
		"two filters of one value each":    {[]resolve.Filter{filter(all(france)), filter(all(spain))}, false},
		"two filters that share a value":   {[]resolve.Filter{filter(all(france), all(spain)), filter(all(spain))}, true},
		"a value excluded":                 {[]resolve.Filter{filter(all(france, requirement("country", "NotIn", "France", "Spain")))}, false},
		"another value excluded":           {[]resolve.Filter{filter(all(france, requirement("country", "NotIn", "Spain")))}, true},
		"values excluded":                  {[]resolve.Filter{filter(all(requirement("country", "NotIn", "Spain", "France")))}, true},
		"numbers written differently":      {[]resolve.Filter{filter(all(requirement("n", "In", "1"), requirement("n", "In", "1.0")))}, true},
		"above and below":                  {[]resolve.Filter{filter(all(requirement("n", "GreaterThan", "5"), requirement("n", "LessThan", "3")))}, false},
		"between":                          {[]resolve.Filter{filter(all(requirement("n", "GreaterThan", "-5"), requirement("n", "LessThan", "3")))}, true},
		"between nothing":                  {[]resolve.Filter{filter(all(requirement("n", "GreaterThan", "5"), requirement("n", "LessThan", "5.0")))}, false},
		"a bound that nothing compares to": {[]resolve.Filter{filter(all(requirement("n", "GreaterThan", "many")))}, false},
		"a value beyond the bound":         {[]resolve.Filter{filter(all(requirement("n", "In", "7"), requirement("n", "LessThan", "3")))}, false},
		"a value within the bound":         {[]resolve.Filter{filter(all(requirement("n", "In", "7", "2"), requirement("n", "LessThan", "3")))}, true},
		"a number and an instant": {[]resolve.Filter{filter(all(requirement("n", "GreaterThan", "5"),
			requirement("n", "LessThan", "2026-01-01T00:00:00Z")))}, false},
		"between instants": {[]resolve.Filter{filter(all(requirement("t", "GreaterThan", "2026-01-01T00:00:00+02:00"),
			requirement("t", "LessThan", "2026-01-01T00:00:00Z")))}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&rows{left: mostForRequest}).anyRow(tc.filters); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// Many filters with many values cost a bounded number of comparisons. In doubt there are rows.
func TestWhetherFiltersLeaveAnyRowIsBounded(t *testing.T) {
	var filters []resolve.Filter
	for f := range 12 {
		var alternatives [][]resolve.Requirement
		for a := range 20 {
			var values []string
			for v := range 100 {
				values = append(values, string(rune('a'+f))+string(rune('a'+a))+string(rune('0'+v)))
			}
			alternatives = append(alternatives, all(requirement("x", "In", values...)))
		}
		filters = append(filters, filter(alternatives...))
	}
	r := rows{left: 3 * mostComparisons}
	for range 5 {
		if !r.anyRow(filters) {
			t.Error("what was not looked at is taken for no row")
		}
	}
	if r.left != 0 {
		t.Errorf("%d comparisons left of three searches, after five", r.left)
	}
}
