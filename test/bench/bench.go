package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// The scenarios in docs/scale.md.
const (
	fanOut        = "fan-out"
	revoke        = "revoke"
	amplification = "amplification"
	noGap         = "no-gap"
	quietAfter    = "quiet"
	restart       = "restart"
	single        = "single"
	admission     = "admission"
	contention    = "contention"
	decisions     = "pdp"
	resolving     = "resolve"
	reading       = "read"
	growth        = "growth"
	attributes    = "attributes"
)

var scenarios = []string{
	fanOut, revoke, amplification, noGap, quietAfter, restart, single, admission, contention, decisions, resolving,
	reading, growth, attributes,
}

// bench is one run of the program.
type bench struct {
	size   size
	only   string // a scenario; empty for all of them
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

// run runs the selected scenarios. The report includes everything that was measured before an error.
func (b *bench) run(ctx context.Context) error {
	if err := b.inProcess(ctx); err != nil {
		return err
	}
	var main *costs
	if b.wants(fanOut, revoke, amplification, noGap, quietAfter, restart, single, admission, contention, decisions) {
		var err error
		if main, err = b.inLab(ctx); err != nil {
			return err
		}
	}
	if b.wants(growth) {
		if err := b.growth(ctx, main); err != nil {
			return err
		}
	}
	if b.wants(attributes) {
		return b.attributes(ctx)
	}
	return nil
}

// inLab runs the scenarios that need a control plane. The manager and the bare client alternate.
func (b *bench) inLab(ctx context.Context) (_ *costs, err error) {
	if b.lab, err = openLab(ctx, newWorld(b.size), b.say); err != nil {
		return nil, err
	}
	defer func() {
		if closed := b.lab.close(); err == nil {
			err = closed
		}
	}()
	costs := &costs{size: b.size}
	if b.wants(fanOut, amplification, noGap, quietAfter) {
		if err := b.fanOutAndQuiet(ctx, costs); err != nil {
			return nil, err
		}
	}
	if b.wants(revoke, amplification) {
		for _, v := range b.lab.world.waves {
			if b.only == amplification && v != b.lab.world.largest() {
				continue
			}
			if err := b.revoke(ctx, v); err != nil {
				return nil, err
			}
		}
	}
	for _, each := range []struct {
		scenario string
		run      func() error
	}{
		{single, func() error { return b.single(ctx, costs) }},
		{restart, func() error { return b.restart(ctx, costs) }},
		{decisions, func() error { return b.decisions(ctx) }},
	} {
		if b.wants(each.scenario) {
			if err := each.run(); err != nil {
				return nil, err
			}
		}
	}
	if b.wants(admission, contention) {
		return costs, b.withWebhooks(ctx)
	}
	return costs, nil
}
