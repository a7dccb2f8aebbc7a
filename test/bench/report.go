package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// report is everything that one run of the program measured.
type report struct {
	Version string    `json:"version"`
	Size    size      `json:"size"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Machine machine   `json:"machine"`
	Figures []figure  `json:"figures"`
}

// machine describes the machine of the run. If the machine was also doing other work, the times are worthless but the
// counts are valid.
type machine struct {
	Processors int     `json:"processors"`
	Go         string  `json:"go"`
	LoadBefore float64 `json:"loadBefore"`
}

func newReport(s size) *report {
	return &report{
		Version: "v1", Size: s, Began: time.Now().UTC(),
		Machine: machine{Processors: runtime.NumCPU(), Go: runtime.Version(), LoadBefore: loadAverage()},
	}
}

func (r *report) add(figures ...figure) { r.Figures = append(r.Figures, figures...) }

// write writes all figures to a file.
func (r *report) write(path string) error {
	r.Seconds = time.Since(r.Began).Seconds()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// table writes all figures for people, followed by the reasons why aims were missed.
func (r *report) table(to io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s; %d processors, load %.2f before the run\n\n", r.Size, r.Machine.Processors, r.Machine.LoadBefore)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) }
	row("SCENARIO", "FIGURE", "RUNS", "MEDIAN", "MIN", "MAX", "UNIT", "AIM", "")
	for i := range r.Figures {
		f := &r.Figures[i]
		text, met := "", ""
		if f.Aim != nil {
			text, met = f.Aim.Text, "met"
			if !f.Aim.Met {
				met = "MISSED"
			}
		}
		row(f.Scenario, f.Name, fmt.Sprint(len(f.Runs)), number(f.Median), number(f.Min), number(f.Max), f.Unit, text, met)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i := range r.Figures {
		if f := &r.Figures[i]; f.Aim != nil && !f.Aim.Met {
			fmt.Fprintf(&text, "\nmissed: %s, %s: %s, not %s. %s\n", f.Scenario, f.Name, number(f.Median), f.Aim.Text, f.Aim.Reason)
		}
	}
	_, err := io.WriteString(to, text.String())
	return err
}
