package cli

import (
	"slices"
	"strings"
)

// maximumNear is how many names are offered.
const maximumNear = 3

// nearest returns the names that the given one may be a slip of: the nearest first.
func nearest(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	bound := slips(name)
	lower := strings.ToLower(name)
	var near []candidate
	for _, each := range names {
		folded := strings.ToLower(each)
		d := distance([]rune(lower), []rune(folded), bound)
		if d > bound && len(lower) >= 3 && strings.Contains(folded, lower) {
			d = bound
		}
		if d <= bound {
			near = append(near, candidate{each, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.distance - b.distance })
	var found []string
	for _, c := range near[:min(len(near), maximumNear)] {
		found = append(found, c.name)
	}
	return found
}

// slips is how many slips are likely in the name. What follows an @ is mostly the same for all.
func slips(name string) int {
	own, _, _ := strings.Cut(name, "@")
	switch n := len([]rune(own)); {
	case n <= 3:
		return 1
	case n < 12:
		return 2
	default:
		return 3
	}
}

// distance is how many letters have to be put in, taken out, replaced or swapped with their neighbour to make b of a;
// anything past the bound counts as one more than it.
func distance(a, b []rune, bound int) int {
	if len(a)-len(b) > bound || len(b)-len(a) > bound {
		return bound + 1
	}
	var before []int
	last, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := row[0]
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if before != nil && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > bound {
			return bound + 1
		}
		spare := before
		if spare == nil {
			spare = make([]int, len(b)+1)
		}
		before, last, row = last, row, spare
	}
	return last[len(b)]
}
