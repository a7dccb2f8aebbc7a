package validation

import (
	"math/bits"
	"slices"
	"strings"
)

// mostNear is the maximum number of suggested names.
const mostNear = 3

// Nearest returns up to three of the names that the given name is probably a misspelling of, the nearest first. It
// ignores case. It does not return the given name itself.
func Nearest(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	q := newQuery(name)
	var near []candidate
	for _, each := range names {
		if each == name {
			continue
		}
		d := q.distance(each)
		if d > q.bound && len(q.folded) >= 3 && strings.Contains(strings.ToLower(each), q.folded) {
			d = q.bound
		}
		if d <= q.bound {
			near = append(near, candidate{each, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.distance - b.distance })
	var found []string
	for _, c := range near[:min(len(near), mostNear)] {
		found = append(found, c.name)
	}
	return found
}

// query is a name that is compared with many others, one after the other.
type query struct {
	folded string
	runes  []rune
	mask   uint64
	bound  int

	other []rune
	rows  [3][]int
}

func newQuery(name string) *query {
	folded := strings.ToLower(name)
	return &query{folded: folded, runes: []rune(folded), mask: maskOf(folded), bound: slips(name)}
}

// distance returns the edit distance to the other name, or bound+1 if that exceeds the bound. It rules out most
// names by their sets of letters, before it computes the distance.
func (q *query) distance(other string) int {
	folded := strings.ToLower(other)
	if !q.mayBeNear(maskOf(folded)) {
		return q.bound + 1
	}
	q.other = q.other[:0]
	for _, r := range folded {
		q.other = append(q.other, r)
	}
	return q.edits(withoutCommonEnds(q.runes, q.other))
}

// mayBeNear reports whether a name with these letters can be within the bound.
func (q *query) mayBeNear(mask uint64) bool { return bits.OnesCount64(q.mask^mask) <= 2*q.bound }

// withoutCommonEnds removes the common prefix and the common suffix, such as the domain of an address.
func withoutCommonEnds(a, b []rune) ([]rune, []rune) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// maskOf returns one bit for each letter of the text, modulo 64. An edit changes at most two of them.
func maskOf(text string) uint64 {
	mask := uint64(0)
	for _, r := range text {
		mask |= 1 << (uint32(r) % 64)
	}
	return mask
}

// slips returns how many edits a misspelling of the name probably has. It ignores what follows an @, which is
// mostly the same for all users.
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

// edits returns how many letters have to be inserted, removed, replaced or swapped with their neighbor to turn a
// into b, or bound+1 if that exceeds the bound.
func (q *query) edits(a, b []rune) int {
	if len(a)-len(b) > q.bound || len(b)-len(a) > q.bound {
		return q.bound + 1
	}
	for i := range q.rows {
		if cap(q.rows[i]) <= len(b) {
			q.rows[i] = make([]int, len(b)+1)
		}
		q.rows[i] = q.rows[i][:len(b)+1]
	}
	before, last, row := q.rows[0], q.rows[1], q.rows[2]
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
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > q.bound {
			return q.bound + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// isSlipOf reports whether the name of an application is probably a misspelling of the other one. Teams name
// applications by a pattern, so many names differ only in a short part or in a number. For example, finanse is a
// slip of finance, but team-b is not a slip of team-a, shop-eu not of shop-us, and node-2 not of node-1.
func isSlipOf(name, other string) bool {
	if name == other {
		return false
	}
	if strings.ReplaceAll(name, "-", "") == strings.ReplaceAll(other, "-", "") {
		return true
	}
	a, b := strings.Split(name, "-"), strings.Split(other, "-")
	if len(a) != len(b) {
		return false
	}
	different := 0
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		different++
		if !isSlipOfWord(a[i], b[i]) {
			return false
		}
	}
	return different == 1
}

func isSlipOfWord(a, b string) bool {
	const shortest, long = 4, 8
	if min(len(a), len(b)) < shortest || lettersOf(a) == lettersOf(b) {
		return false
	}
	q := newQuery(a)
	if q.bound = 1; min(len(a), len(b)) >= long {
		q.bound = 2
	}
	return q.distance(b) <= q.bound
}

// lettersOf returns the text without its digits.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}
