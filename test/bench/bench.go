package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Scenarios, as docs/scale.md describes them.
const (
	fanOut        = "fan-out"
	revoke        = "revoke"
	amplification = "amplification"
	noGap         = "no-gap"
	quietAfter    = "quiet"
	restart       = "restart"
	single        = "single"
	admission     = "admission"
	resolving     = "resolve"
	reading       = "read"
	growth        = "growth"
)

var scenarios = []string{
	fanOut, revoke, amplification, noGap, quietAfter, restart, single, admission, resolving, reading, growth,
}

// bench is one run of the program.
type bench struct {
	size   size
	only   string // a scenario; empty: all of them
	say    *progress
	report *report
	lab    *lab
}

func newBench(sizeName, only string, say *progress) (*bench, error) {
	s, err := sizeNamed(sizeName)
	if err != nil {
		return nil, err
	}
	if only != "" && !slices.Contains(scenarios, only) {
		return nil, fmt.Errorf("there is no scenario %q: take one of %s", only, strings.Join(scenarios, ", "))
	}
	return &bench{size: s, only: only, say: say, report: newReport(s)}, nil
}

func (b *bench) wants(names ...string) bool {
	return b.only == "" || slices.Contains(names, b.only)
}

// run measures what is wanted. What was measured before an error is in the report.
func (b *bench) run(ctx context.Context) error {
	if err := b.inProcess(ctx); err != nil {
		return err
	}
	var main *costs
	if b.wants(fanOut, revoke, amplification, noGap, quietAfter, restart, single, admission) {
		var err error
		if main, err = b.inLab(ctx); err != nil {
			return err
		}
	}
	if b.wants(growth) {
		return b.growth(ctx, main)
	}
	return nil
}

// inLab measures all that takes a control plane. The manager works first; then it is ended, and the bare client makes
// the same writes; then it is started again.
func (b *bench) inLab(ctx context.Context) (_ *costs, err error) {
	if b.lab, err = openLab(ctx, b.size, b.say); err != nil {
		return nil, err
	}
	defer func() {
		if closed := b.lab.close(); err == nil {
			err = closed
		}
	}()
	costs := &costs{size: b.size}
	bare, err := b.withManager(ctx, costs)
	if err != nil {
		return nil, err
	}
	if err := b.withoutManager(ctx, bare); err != nil {
		return nil, err
	}
	if b.wants(restart) {
		if err := b.restart(ctx, costs); err != nil {
			return nil, err
		}
	}
	if b.wants(admission) {
		return costs, b.admission(ctx)
	}
	return costs, nil
}

// comparison has the bare client do what the manager did, and reports both.
type comparison func(ctx context.Context) error

func (b *bench) withManager(ctx context.Context, costs *costs) ([]comparison, error) {
	var bare []comparison
	if b.wants(fanOut, amplification, noGap, quietAfter) {
		f, err := b.fanOutAndQuiet(ctx)
		if err != nil {
			return nil, err
		}
		if b.wants(fanOut, amplification, noGap) {
			bare = append(bare, func(ctx context.Context) error { return b.reportFanOut(ctx, f, costs) })
		}
	}
	if b.wants(revoke, amplification) {
		for _, v := range b.lab.world.waves {
			if b.only == amplification && v != b.lab.world.largest() {
				continue
			}
			r, err := b.lab.revoke(ctx, v)
			if err != nil {
				return nil, err
			}
			bare = append(bare, func(ctx context.Context) error { return b.reportRevocation(ctx, r) })
		}
	}
	if b.wants(single) {
		s, err := b.lab.single(ctx, singles)
		if err != nil {
			return nil, err
		}
		bare = append(bare, func(ctx context.Context) error { return b.reportSingle(ctx, s, costs) })
	}
	return bare, nil
}

func (b *bench) withoutManager(ctx context.Context, bare []comparison) error {
	if len(bare) == 0 {
		return nil
	}
	if err := b.lab.stop(); err != nil {
		return err
	}
	for _, measure := range bare {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	b.say.printf("starting the manager again")
	if err := b.lab.start(ctx); err != nil {
		return err
	}
	return b.lab.rest(ctx)
}
