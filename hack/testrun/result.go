package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	reportEvery = 30 * time.Second
	// shownRunning is the number of packages that a progress line names.
	shownRunning = 3
)

// event is a line of "go test -json": see "go doc test2json" and "go help buildjson".
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// result is the state of a suite. It is safe for concurrent use.
type result struct {
	name    string
	out     io.Writer
	now     func() time.Time
	verbose bool // write all output immediately

	mu       sync.Mutex
	began    time.Time
	building time.Duration
	took     time.Duration
	spoke    time.Time
	running  map[string]time.Time
	output   map[string]map[string]*strings.Builder // by package and test, until it has passed
	builds   map[string]*strings.Builder            // by package that is being compiled
	packages int
	counts   map[string]int // by pass, fail and skip
	err      error
}

func newResult(name string, out io.Writer, now func() time.Time) *result {
	return &result{
		name: name, out: out, now: now, began: now(), spoke: now(),
		running: map[string]time.Time{}, output: map[string]map[string]*strings.Builder{},
		builds: map[string]*strings.Builder{}, counts: map[string]int{},
	}
}

// read reads events until the end of the input.
func (r *result) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.take(e)
			} else {
				_, _ = r.Write(line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the output of go test: %w", err)
		}
	}
}

// Write copies lines that are not test events to the output.
func (r *result) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(string(text))
	return len(text), nil
}

// write requires that the caller holds mu.
func (r *result) write(text string) {
	_, _ = io.WriteString(r.out, text)
	r.spoke = r.now()
}

func (r *result) take(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Action {
	case "start":
		r.running[e.Package] = r.now()
	case "build-output":
		keep(r.builds, e.ImportPath, e.Output)
	case "build-fail":
		if said := r.builds[e.ImportPath]; said != nil {
			r.write(said.String())
		}
	case "output":
		r.takeOutput(e)
	case "pass", "fail", "skip":
		r.takeEnd(e)
	}
}

// ginkgoRan matches the number of specs in the output of ginkgo. go test counts a suite as one test.
var ginkgoRan = regexp.MustCompile(`^Ran (\d+) of \d+ Specs in `)

func (r *result) takeOutput(e event) {
	if r.verbose || e.Test == "" && strings.HasPrefix(e.Output, "ok  \t") {
		r.write(e.Output)
	}
	if ran := ginkgoRan.FindStringSubmatch(e.Output); ran != nil {
		specs, _ := strconv.Atoi(ran[1])
		r.counts["pass"] += max(0, specs-1)
	}
	if r.verbose {
		return
	}
	of := r.output[e.Package]
	if of == nil {
		of = map[string]*strings.Builder{}
		r.output[e.Package] = of
	}
	keep(of, e.Test, e.Output)
}

func (r *result) takeEnd(e event) {
	if e.Test != "" {
		r.counts[e.Action]++
		if e.Action != "fail" {
			delete(r.output[e.Package], e.Test)
		}
		return
	}
	delete(r.running, e.Package)
	switch e.Action {
	case "pass":
		r.packages++
	case "fail":
		r.packages++
		r.counts["failed packages"]++
		r.writeFailed(e.Package)
	}
	delete(r.output, e.Package)
}

// writeFailed writes the output of a package: first of its tests, then its own, such as the line "FAIL".
func (r *result) writeFailed(path string) {
	said := r.output[path]
	if said == nil {
		r.write("FAIL\t" + path + "\n")
	}
	for _, test := range slices.Sorted(maps.Keys(said)) {
		if test != "" {
			r.write(said[test].String())
		}
	}
	if last := said[""]; last != nil {
		r.write(last.String())
	}
}

func keep(builders map[string]*strings.Builder, key, text string) {
	if builders[key] == nil {
		builders[key] = &strings.Builder{}
	}
	builders[key].WriteString(text)
}

// reportWhile writes a line about what is running whenever nothing has been written for some time.
func (r *result) reportWhile(every time.Duration) func() {
	ticker := time.NewTicker(every)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ticker.C:
				r.report(every)
			case <-stop:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(stop)
		<-stopped
	}
}

func (r *result) report(every time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.spoke) < every {
		return
	}
	elapsed := r.now().Sub(r.began).Round(time.Second)
	if len(r.running) == 0 {
		r.write(fmt.Sprintf("    %s: compiling, %s\n", r.name, elapsed))
		return
	}
	var running []string
	for _, path := range slices.Sorted(maps.Keys(r.running)) {
		_, short, _ := strings.Cut(path, "usher-dev/usher/")
		running = append(running, fmt.Sprintf("%s (%s)", short, r.now().Sub(r.running[path]).Round(time.Second)))
	}
	if more := len(running) - shownRunning; more > 0 {
		running = append(running[:shownRunning], fmt.Sprintf("%d more", more))
	}
	r.write(fmt.Sprintf("    %s, %s: testing %s\n", r.name, elapsed, strings.Join(running, ", ")))
}

// compiled records that the tests begin.
func (r *result) compiled() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.building = r.now().Sub(r.began)
}

func (r *result) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took, r.err = r.now().Sub(r.began), err
	if err != nil {
		r.write(fmt.Sprintf("FAIL\t%s: %v\n", r.name, err))
	}
}

func (r *result) failed() bool {
	return r.err != nil || r.counts["fail"] > 0 || r.counts["failed packages"] > 0
}

// writeTable writes a line for each suite.
func writeTable(out io.Writer, results []*result) error {
	const row = "%-32s %8v %6v %8v %7v %10v %8v\n"
	text := fmt.Sprintf("\n"+row, "SUITE", "PACKAGES", "TESTS", "SKIPPED", "FAILED", "COMPILING", "ALL")
	for _, r := range results {
		verdict := ""
		if r.failed() {
			verdict = "FAILED: "
		}
		text += fmt.Sprintf(row, verdict+r.name, r.packages, r.counts["pass"]+r.counts["fail"]+r.counts["skip"],
			r.counts["skip"], r.counts["fail"], r.building.Round(time.Second), r.took.Round(time.Second))
	}
	_, err := io.WriteString(out, text)
	return err
}
