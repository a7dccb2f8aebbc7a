package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		part   float64
		want   float64
	}{
		"median of one":           {[]float64{7}, 0.5, 7},
		"median of an odd number": {[]float64{3, 1, 2}, 0.5, 2},
		"median between two":      {[]float64{4, 1, 2, 3}, 0.5, 2.5},
		"p99 of few":              {[]float64{1, 2, 9}, 0.99, 9},
		"p99 of a hundred":        {hundred(), 0.99, 99},
		"p0":                      {[]float64{3, 1}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quantile(tc.values, tc.part); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func hundred() []float64 {
	var all []float64
	for i := 100; i > 0; i-- {
		all = append(all, float64(i))
	}
	return all
}

func TestFiguresAndAims(t *testing.T) {
	for name, tc := range map[string]struct {
		got  figure
		want figure
	}{
		"without an aim": {
			newFigure("s", "n", "ms", 3, 1, 2),
			figure{Scenario: "s", Name: "n", Unit: "ms", Runs: []float64{3, 1, 2}, Median: 2, Min: 1, Max: 3},
		},
		"met by the median": {
			newFigure("s", "n", "x", 1, 1, 9).atMost(1.1, "why"),
			figure{Scenario: "s", Name: "n", Unit: "x", Runs: []float64{1, 1, 9}, Median: 1, Min: 1, Max: 9, Aim: &aim{Text: "<= 1.10", Met: true}},
		},
		"missed": {
			newFigure("s", "n", "x", 19).atLeast(20, "why"),
			figure{Scenario: "s", Name: "n", Unit: "x", Runs: []float64{19}, Median: 19, Min: 19, Max: 19, Aim: &aim{Text: ">= 20", Reason: "why"}},
		},
		"a count must not be missed once": {
			newFigure("s", "n", "writes", 0, 0, 1).never("why"),
			figure{Scenario: "s", Name: "n", Unit: "writes", Runs: []float64{0, 0, 1}, Max: 1, Aim: &aim{Text: "0", Reason: "why"}},
		},
		"nothing measured meets nothing": {
			newFigure("s", "n", "writes").never("why"),
			figure{Scenario: "s", Name: "n", Unit: "writes", Aim: &aim{Text: "0", Reason: "Nothing was measured."}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRatiosAreAgainstTheMedian(t *testing.T) {
	got := ratios(milliseconds([]time.Duration{20 * time.Millisecond, 5 * time.Millisecond}), []float64{10, 1, 100})
	if diff := cmp.Diff([]float64{2, 0.5}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestThePrintedTable(t *testing.T) {
	r := &report{Size: sizes[0], Machine: machine{Processors: 2, LoadBefore: 0.5}}
	r.add(
		newFigure(single, "Usher", "ms", 12.345, 1000),
		newFigure(single, "ratio, p50", "x", 2.5).atMost(3, "why"),
		newFigure(fanOut, "ratio", "x", 1.25).atMost(1.1, "It is slow."),
	)
	var got strings.Builder
	if err := r.table(&got); err != nil {
		t.Fatal(err)
	}
	const want = `S: 1000 users, 100 groups, 20 applications; 2 processors, load 0.50 before the run

SCENARIO  FIGURE      RUNS  MEDIAN  MIN   MAX   UNIT  AIM      
single    Usher       2     506     12.3  1000  ms             
single    ratio, p50  1     2.50    2.50  2.50  x     <= 3     met
fan-out   ratio       1     1.25    1.25  1.25  x     <= 1.10  MISSED

missed: fan-out, ratio: 1.25, not <= 1.10. It is slow.
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
