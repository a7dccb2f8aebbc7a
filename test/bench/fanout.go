package main

import (
	"context"
	"fmt"
	"time"
)

// aFanOut holds the results of changing the role that the largest group gives.
type aFanOut struct {
	documents, all turns           // until the last document and until the last write
	cpu            []time.Duration // of the manager
	usage          *usage          // of the manager, since the start of the last run
	changes        []change        // of the last run
	last           time.Time       // its last write
	requested      requests        // all requests until then
	amplified      []amplified
	missing        []float64 // users who were missing in the document although they keep access
	states         int       // number of states of the document that were checked
}

// amplified compares what was written with what differs.
type amplified struct {
	differ, writes, reads int
}

// The numbers of runs are even, so that the last run restores the declared state.
const (
	fanOuts       = 4
	growthFanOuts = 2
)

// fanOutTurns is the number of times that the bare client makes the writes of a run: to the previous state and back.
const fanOutTurns = 2

// fanOut changes the role back and forth. After each run it calls then, if set, with whether that was the last run. If
// bare is set, the bare client then makes the same writes.
func (l *lab) fanOut(ctx context.Context, runs int, bare bool, then func(f *aFanOut, last bool) error) (*aFanOut, error) {
	f := &aFanOut{}
	for run := range runs {
		l.say.printf("fan-out: run %d of %d, the role that %d members get", run+1, runs, l.world.largest().members)
		sampling, stop := context.WithCancel(ctx)
		f.usage = sampleUsage(sampling, l.manager.PID())
		err := f.run(ctx, l, []string{"Editor", "Viewer"}[run%2])
		if err == nil && then != nil {
			err = then(f, run == runs-1)
		}
		stop()
		if err != nil {
			return nil, err
		}
		if !bare {
			continue
		}
		l.say.printf("fan-out: the bare client")
		if err := l.bareTurn(ctx, func(ctx context.Context) error { return f.bareTurns(ctx, l) }); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// bareTurns makes the bare client repeat the manager's writes of the last run.
func (f *aFanOut) bareTurns(ctx context.Context, l *lab) error {
	r, err := l.newReplay(ctx, f.changes, workers)
	if err != nil {
		return err
	}
	var documents, all []time.Duration
	for range fanOutTurns {
		if err := l.calm(ctx); err != nil {
			return err
		}
		d, a, err := r.turn(ctx)
		if err != nil {
			return err
		}
		documents, all = append(documents, d), append(all, a)
	}
	f.documents.bare, f.all.bare = append(f.documents.bare, documents), append(f.all.bare, all)
	return r.finish(ctx)
}

// run changes the role once.
func (f *aFanOut) run(ctx context.Context, l *lab, role string) error {
	v := l.world.largest()
	before, err := l.snapshot(ctx)
	if err != nil {
		return err
	}
	gap, err := l.watchGap(ctx, v.application)
	if err != nil {
		return err
	}
	requested, err := l.readRequests(ctx)
	if err != nil {
		return err
	}
	if err := l.calm(ctx); err != nil {
		return err
	}
	idle, err := cpuTime(l.manager.PID())
	if err != nil {
		return err
	}
	at, err := l.setRole(ctx, v, role)
	if err != nil {
		return err
	}
	if err := l.settle(ctx, "fan-out", at); err != nil {
		return err
	}
	busy, err := cpuTime(l.manager.PID())
	if err != nil {
		return err
	}
	events := l.observer.since(at)
	documents, _ := lastOf(events, isDocument)
	end, _ := lastOf(events, isAny)
	f.documents.ours, f.all.ours = append(f.documents.ours, documents.Sub(at)), append(f.all.ours, end.Sub(at))
	f.cpu = append(f.cpu, busy-idle)
	missing, states := gap.close()
	f.missing, f.states = append(f.missing, float64(missing)), f.states+states
	if f.requested, err = l.readRequests(ctx); err != nil {
		return err
	}
	after, err := l.snapshot(ctx)
	if err != nil {
		return err
	}
	sent, err := f.requested.since(requested)
	if err != nil {
		return err
	}
	f.amplified = append(f.amplified, amplifiedBy(sent, before, after))
	f.changes, f.last = difference(before, after), end
	return nil
}

// settle waits until nothing is written any more, and reports progress.
func (l *lab) settle(ctx context.Context, what string, since time.Time) error {
	stop := l.say.every(func() string { return fmt.Sprintf("%s: %d writes seen", what, l.observer.count(since)) })
	defer stop()
	return l.observer.settle(ctx, quiet)
}

// requestsSince returns the manager's requests since then.
func (l *lab) requestsSince(ctx context.Context, then requests) (requests, error) {
	now, err := l.readRequests(ctx)
	if err != nil {
		return nil, err
	}
	return now.since(then)
}

// amplifiedBy compares the requests with the differences.
func amplifiedBy(sent requests, before, after snapshot) amplified {
	return amplified{len(difference(before, after)), sent.writes(), sent.reads()}
}

func (b *bench) reportFanOut(f *aFanOut, c *costs) {
	if b.wants(noGap) {
		b.report.add(newFigure(noGap, "users missing who keep access", "users", f.missing...).
			never("Somebody was missing from the document while it was written."),
			newFigure(noGap, "states of the document looked at", "states", float64(f.states)))
	}
	if b.wants(amplification) {
		b.reportAmplified("role change", f.amplified)
	}
	if !b.wants(fanOut) {
		return
	}
	c.fanOut, c.fanOutRatios = seconds(f.all.ours), f.all.ratios()
	documents, all := f.documents.allBare(), f.all.allBare()
	b.report.add(
		newFigure(fanOut, "Usher: last document", "s", seconds(f.documents.ours)...),
		newFigure(fanOut, "Usher: last write", "s", seconds(f.all.ours)...),
		newFigure(fanOut, "Usher: processor time", "s", seconds(f.cpu)...),
		newFigure(fanOut, "bare client: last document", "s", seconds(documents)...),
		newFigure(fanOut, "bare client: last write", "s", seconds(all)...),
		newFigure(fanOut, "ratio, last document", "x", f.documents.ratios()...),
		newFigure(fanOut, "ratio, last write", "x", f.all.ratios()...).atMost(fanOutAim, fmt.Sprintf(
			"%d writes each. The manager reads every write back from its watch on the processors that the API server needs: "+
				"to the last document %s s against %s s, from there to the last status %s s against %s s.", len(updates(f.changes)),
			medianOf(f.documents.ours), medianOf(documents), medianRest(f.all.ours, f.documents.ours), medianRest(all, documents))),
	)
}

func (b *bench) reportAmplified(what string, all []amplified) {
	var more, differ, writes, reads []float64
	for _, a := range all {
		differ = append(differ, float64(a.differ))
		writes = append(writes, float64(a.writes))
		reads = append(reads, float64(a.reads))
		more = append(more, 100*float64(a.writes-a.differ)/float64(max(1, a.differ)))
	}
	b.report.add(
		newFigure(amplification, what+": objects that differ", "objects", differ...),
		newFigure(amplification, what+": writes", "writes", writes...),
		newFigure(amplification, what+": writes too many", "%", more...).atMost(1,
			"Some objects were written more than once, or without a difference."),
		newFigure(amplification, what+": GET and LIST", "reads", reads...).never("Something is read that the watch should show."),
	)
}

func medianOf(all []time.Duration) string { return number(quantile(seconds(all), 0.5)) }

func medianRest(all, part []time.Duration) string {
	rest := make([]time.Duration, len(all))
	for i := range all {
		rest[i] = all[i] - part[i]
	}
	return medianOf(rest)
}
