package validation

import (
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// Limits on the search for a row that passes the filters: mostComparisons bounds the values that one search
// compares, mostForRequest those of all searches for one request, and mostForSettling those of all searches after
// one settling. A search that reaches its limit assumes that there are rows.
const (
	mostComparisons = 10_000
	mostForRequest  = 1_000_000
	mostForSettling = 100_000
)

// rows decides whether accesses extend to any row, as far as the filters show. Usher does not know the rows of
// applications: a filter for a value that no row has still counts as leaving rows.
type rows struct {
	left int // values that may still be compared
}

// seesAny reports whether the access gives a role and leaves any row.
func (r *rows) seesAny(a *resolve.Access) bool { return a.GivesAccess() && r.anyRow(a.Filters) }

// losesAll reports whether the first access extends to any row and the second to none.
func (r *rows) losesAll(was, is *resolve.Access) bool {
	switch {
	case !was.GivesAccess():
		return false
	case !is.GivesAccess():
		return r.anyRow(was.Filters)
	case slices.EqualFunc(was.Filters, is.Filters, resolve.Filter.Equal):
		return false
	default:
		return !r.anyRow(is.Filters) && r.anyRow(was.Filters)
	}
}

// anyRow reports whether a row can pass all of the filters: whether one alternative of each filter can be chosen
// so that they do not contradict each other.
func (r *rows) anyRow(filters []resolve.Filter) bool {
	if resolve.ShowNoRow(filters) {
		return false
	}
	begin := min(r.left, mostComparisons)
	c := contradictions{left: begin}
	found := c.anyRow(filters, nil)
	r.left -= begin - max(c.left, 0)
	return found
}

// contradictions finds requirements on one row that cannot hold together. A row has one value for an attribute. A
// row without the attribute meets no requirement (docs/documents.md).
type contradictions struct {
	left int // values that may still be compared; at 0, nothing contradicts
}

func (c *contradictions) anyRow(filters []resolve.Filter, chosen []resolve.Requirement) bool {
	if len(filters) == 0 || c.left <= 0 {
		return true
	}
	return slices.ContainsFunc(filters[0].AnyOf, func(a resolve.Alternative) bool {
		all := slices.Concat(chosen, a.AllOf)
		return c.possible(all, a.AllOf) && c.anyRow(filters[1:], all)
	})
}

// possible reports whether, for each attribute that the newest requirements name, a value can meet all
// requirements on it.
func (c *contradictions) possible(all, newest []resolve.Requirement) bool {
	for i := range newest {
		var same []resolve.Requirement
		for _, r := range all {
			if r.Attribute == newest[i].Attribute {
				same = append(same, r)
			}
		}
		if !c.anyValue(same) {
			return false
		}
	}
	return true
}

// anyValue reports whether a value of the attribute can meet all requirements, which are on the same attribute.
func (c *contradictions) anyValue(all []resolve.Requirement) bool {
	if len(all) == 1 && all[0].Operator == "In" {
		return len(all[0].Values) > 0
	}
	listed := slices.IndexFunc(all, func(r resolve.Requirement) bool { return r.Operator == "In" })
	if listed < 0 {
		return c.anyBetween(all)
	}
	return slices.ContainsFunc(all[listed].Values, func(value string) bool {
		return !slices.ContainsFunc(all, func(r resolve.Requirement) bool { return !c.mayMeet(value, &r) })
	})
}

// mayMeet reports whether a row with the value may meet the requirement. A value may be text, a number or an instant.
func (c *contradictions) mayMeet(value string, r *resolve.Requirement) bool {
	if c.left -= len(r.Values); c.left < 0 {
		return true
	}
	switch r.Operator {
	case "In":
		return slices.Contains(r.Values, value) || slices.ContainsFunc(r.Values, func(other string) bool {
			order, ok := compareValues(value, other)
			return ok && order == 0
		})
	case "NotIn":
		return !slices.Contains(r.Values, value)
	default:
		order, ok := compareValues(value, r.Values[0])
		return ok && ((r.Operator == "GreaterThan" && order > 0) || (r.Operator == "LessThan" && order < 0))
	}
}

// anyBetween reports whether any value lies between the bounds. It ignores NotIn, which leaves infinitely many
// other values.
func (c *contradictions) anyBetween(all []resolve.Requirement) bool {
	var low, high []string
	for i := range all {
		switch all[i].Operator {
		case "GreaterThan":
			low = append(low, all[i].Values[0])
		case "LessThan":
			high = append(high, all[i].Values[0])
		}
	}
	for _, bound := range slices.Concat(low, high) {
		if _, ok := compareValues(bound, bound); !ok {
			return false // no value compares with it
		}
	}
	return !slices.ContainsFunc(low, func(l string) bool {
		return slices.ContainsFunc(high, func(h string) bool {
			c.left--
			order, ok := compareValues(l, h)
			return c.left > 0 && (!ok || order >= 0)
		})
	})
}

var decimal = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$`)

// beginsLikeNumber reports whether the value may be a number or an instant.
func beginsLikeNumber(value string) bool {
	return value != "" && strings.ContainsRune("+-.0123456789", rune(value[0]))
}

// compareValues compares two decimal numbers, or two instants. Other values do not compare.
func compareValues(a, b string) (order int, ok bool) {
	if !beginsLikeNumber(a) || !beginsLikeNumber(b) {
		return 0, false
	}
	if decimal.MatchString(a) && decimal.MatchString(b) {
		x, read := new(big.Rat).SetString(a)
		y, readToo := new(big.Rat).SetString(b)
		if read && readToo {
			return x.Cmp(y), true
		}
		return 0, false
	}
	x, err := time.Parse(time.RFC3339, a)
	y, errToo := time.Parse(time.RFC3339, b)
	if err != nil || errToo != nil {
		return 0, false
	}
	return x.Compare(y), true
}
