package validation

import "strings"

// nearest returns the name that is most like the given one; none where nothing is much like it.
func nearest(name string, known []string) string {
	best, least := "", 1+len(name)/3
	for _, each := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(each)); d <= least && each != name {
			if d < least || best == "" {
				best, least = each, d
			}
		}
	}
	return best
}

// distance is the number of letters to insert, remove or replace to come from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for k := range row {
		row[k] = k
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for k := range len(b) {
			cost := diagonal
			if a[i] != b[k] {
				cost++
			}
			diagonal = row[k+1]
			row[k+1] = min(cost, row[k]+1, row[k+1]+1)
		}
	}
	return row[len(b)]
}
