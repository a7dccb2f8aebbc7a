package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/tools/benchmark/parse"

	"github.com/usher-dev/usher/test/cluster"
)

// repeats is the number of runs of a Go benchmark.
const repeats = 5

// goBenchmark compares two Go benchmarks in one package: Usher's and a reference.
type goBenchmark struct {
	scenario, module, pkg, name string
	ours, other                 string // names of the sub-benchmarks
}

// inProcess runs the comparisons that need no control plane, as Go benchmarks, so that this program does not depend on
// the references.
func (b *bench) inProcess(ctx context.Context) error {
	if b.wants(resolving) {
		g := goBenchmark{resolving, ".", "./internal/resolve", "BenchmarkTenThousandUsers", "engine", "loop"}
		ours, other, err := b.goBench(ctx, g)
		if err != nil {
			return err
		}
		b.report.add(
			newFigure(g.scenario, "Usher: 10,000 users with traces", "ms", scaledBy(ours.nanoseconds, 1e-6)...),
			newFigure(g.scenario, "hand-written loop: 10,000 users", "ms", scaledBy(other.nanoseconds, 1e-6)...),
			newFigure(g.scenario, "ratio", "x", pairRatios(ours.nanoseconds, other.nanoseconds)...).atMost(resolveAim,
				"The loop finds the highest role and nothing else. Usher also returns the rule, the source, the end, "+
					"the rows and the conflicts."),
			newFigure(g.scenario, "Usher: allocations for a user", "allocations", scaledBy(ours.allocations, 1e-4)...).atMost(24, "Each "+
				"decision keeps its applications, its filters and its conflicts in slices of their own."),
		)
	}
	if b.wants(reading) {
		g := goBenchmark{reading, "test/formats", "./read", "BenchmarkCan", "document", "casbin"}
		ours, other, err := b.goBench(ctx, g)
		if err != nil {
			return err
		}
		b.report.add(
			newFigure(g.scenario, "api/document: one answer of 10,000 users", "ns", ours.nanoseconds...),
			newFigure(g.scenario, "casbin: one answer of 10,000 users", "ns", other.nanoseconds...),
			newFigure(g.scenario, "ratio", "x", pairRatios(other.nanoseconds, ours.nanoseconds)...).atLeast(50,
				"Both look the user up in a map; casbin evaluates its matcher for the policies of the model besides."),
			newFigure(g.scenario, "api/document: allocations", "allocations", ours.allocations...).never("An answer allocates."),
		)
	}
	return nil
}

// benchmarked holds the results of one benchmark by run.
type benchmarked struct{ nanoseconds, allocations []float64 }

// goBench runs both benchmarks alternately.
func (b *bench) goBench(ctx context.Context, g goBenchmark) (ours, other benchmarked, err error) {
	root, err := cluster.Root()
	if err != nil {
		return ours, other, err
	}
	var stdout, stderr bytes.Buffer
	for run := range repeats {
		b.say.printf("%s: run %d of %d, go test -bench=%s %s", g.scenario, run+1, repeats, g.name, g.pkg)
		// With -count=5, the go command would run each of the two five times in a row.
		cmd := exec.CommandContext(ctx, "go", "test", "-C", filepath.Join(root, g.module), "-run=^$", "-bench=^"+g.name+"$",
			"-benchmem", "-count=1", g.pkg)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			return ours, other, fmt.Errorf("run %s: %w\n%s%s", g.name, err, stdout.String(), stderr.String())
		}
	}
	set, err := parse.ParseSet(&stdout)
	if err != nil {
		return ours, other, fmt.Errorf("read what %s says: %w", g.name, err)
	}
	ours, other = benchmarkedIn(set, g.name+"/"+g.ours), benchmarkedIn(set, g.name+"/"+g.other)
	if len(ours.nanoseconds) != repeats || len(other.nanoseconds) != repeats {
		return ours, other, fmt.Errorf("%s has %d results for %s and %d for %s; it must have %d for each",
			g.name, len(ours.nanoseconds), g.ours, len(other.nanoseconds), g.other, repeats)
	}
	return ours, other, nil
}

// processors matches the suffix that Go appends to the name of a benchmark if there is more than one processor.
var processors = regexp.MustCompile(`^(-[0-9]+)?$`)

// benchmarkedIn returns the results of a benchmark.
func benchmarkedIn(set parse.Set, name string) benchmarked {
	var all benchmarked
	for key, results := range set {
		rest, found := strings.CutPrefix(key, name)
		if !found || !processors.MatchString(rest) {
			continue
		}
		for _, r := range results {
			all.nanoseconds = append(all.nanoseconds, r.NsPerOp)
			all.allocations = append(all.allocations, float64(r.AllocsPerOp))
		}
	}
	return all
}

func scaledBy(values []float64, by float64) []float64 {
	all := make([]float64, len(values))
	for i := range values {
		all[i] = values[i] * by
	}
	return all
}

// pairRatios returns the ratio of each value to the other value of the same turn.
func pairRatios(values, others []float64) []float64 {
	all := make([]float64, len(values))
	for i := range values {
		all[i] = values[i] / others[i]
	}
	return all
}
