package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// figure is a measured value with one sample for each run.
type figure struct {
	Scenario string    `json:"scenario"`
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Runs     []float64 `json:"runs"`
	Median   float64   `json:"median"`
	Min      float64   `json:"min"`
	Max      float64   `json:"max"`
	Aim      *aim      `json:"aim,omitempty"`
}

// aim is the target of a figure.
type aim struct {
	Text string `json:"text"`
	Met  bool   `json:"met"`
	// Reason explains a figure that misses its aim.
	Reason string `json:"reason,omitempty"`
}

func newFigure(scenario, name, unit string, runs ...float64) figure {
	f := figure{Scenario: scenario, Name: name, Unit: unit, Runs: runs}
	if len(runs) > 0 {
		f.Median, f.Min, f.Max = quantile(runs, 0.5), slices.Min(runs), slices.Max(runs)
	}
	return f
}

// atMost sets the aim that the median is at most the limit.
func (f figure) atMost(limit float64, reason string) figure {
	return f.aimed(f.Median <= limit, fmt.Sprintf("<= %s", number(limit)), reason)
}

// atLeast sets the aim that the median is at least the limit.
func (f figure) atLeast(limit float64, reason string) figure {
	return f.aimed(f.Median >= limit, fmt.Sprintf(">= %s", number(limit)), reason)
}

// never sets the aim that the count is zero in every run.
func (f figure) never(reason string) figure {
	return f.aimed(f.Max == 0, "0", reason)
}

func (f figure) aimed(met bool, text, reason string) figure {
	f.Aim = &aim{Text: text, Met: met && len(f.Runs) > 0}
	if len(f.Runs) == 0 {
		reason = "Nothing was measured."
	}
	if !f.Aim.Met {
		f.Aim.Reason = reason
	}
	return f
}

// quantile returns the smallest value such that the given part of the values is not above it.
func quantile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	if part == 0.5 && len(sorted)%2 == 0 {
		return (sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2
	}
	return sorted[max(0, int(math.Ceil(part*float64(len(sorted))))-1)]
}

// ratios returns the ratio of every value to the median of the others.
func ratios(values, others []float64) []float64 {
	all := make([]float64, len(values))
	for i := range values {
		all[i] = values[i] / quantile(others, 0.5)
	}
	return all
}

func seconds(all []time.Duration) []float64 { return scaled(all, time.Second) }

func milliseconds(all []time.Duration) []float64 { return scaled(all, time.Millisecond) }

func scaled(all []time.Duration, unit time.Duration) []float64 {
	values := make([]float64, len(all))
	for i, d := range all {
		values[i] = float64(d) / float64(unit)
	}
	return values
}

// number formats a value with three significant digits.
func number(value float64) string {
	switch size := math.Abs(value); {
	case value == math.Trunc(value):
		return fmt.Sprintf("%.0f", value)
	case size >= 100:
		return fmt.Sprintf("%.0f", value)
	case size >= 10:
		return fmt.Sprintf("%.1f", value)
	case size >= 0.1:
		return fmt.Sprintf("%.2f", value)
	default:
		return fmt.Sprintf("%.3f", value)
	}
}
