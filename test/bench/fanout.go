package main

import (
	"context"
	"fmt"
	"time"
)

// aFanOut is what came of changing the role that the largest group gives.
type aFanOut struct {
	documents, all []time.Duration // until the last document, and the last write at all
	cpu            []time.Duration // of the manager
	changes        []change        // of the last run
	last           time.Time       // its last write
	requested      requests        // all that there were by then
	amplified      []amplified
	missing        []float64 // users who were not in the document although they keep access
	states         int       // of the document, that were looked at
}

// amplified sets what was written against what differs.
type amplified struct {
	differ, writes, reads int
}

// fanOuts is even: the last one brings back what was declared.
const fanOuts = 2

// bareFanOuts are how often the bare client makes the same writes, which differs little from one time to the next.
const bareFanOuts = 2

// fanOut changes the role to and fro.
func (l *lab) fanOut(ctx context.Context) (*aFanOut, error) {
	f := &aFanOut{}
	before, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	for run := range fanOuts {
		l.say.printf("fan-out: run %d of %d, the role that %d members get", run+1, fanOuts, l.world.largest().members)
		if before, err = f.run(ctx, l, before, []string{"Editor", "Viewer"}[run%2]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// run changes the role once, and returns what stands there then.
func (f *aFanOut) run(ctx context.Context, l *lab, before snapshot, role string) (snapshot, error) {
	v := l.world.largest()
	gap, err := l.watchGap(ctx, v.application)
	if err != nil {
		return nil, err
	}
	requested, err := l.readRequests(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.calm(ctx); err != nil {
		return nil, err
	}
	idle, err := cpuTime(l.manager.PID())
	if err != nil {
		return nil, err
	}
	at, err := l.setRole(ctx, v, role)
	if err != nil {
		return nil, err
	}
	if err := l.settle(ctx, "fan-out", at); err != nil {
		return nil, err
	}
	busy, err := cpuTime(l.manager.PID())
	if err != nil {
		return nil, err
	}
	events := l.observer.since(at)
	documents, _ := lastOf(events, isDocument)
	end, _ := lastOf(events, isAny)
	f.documents, f.all = append(f.documents, documents.Sub(at)), append(f.all, end.Sub(at))
	f.cpu = append(f.cpu, busy-idle)
	missing, states := gap.close()
	f.missing, f.states = append(f.missing, float64(missing)), f.states+states
	if f.requested, err = l.readRequests(ctx); err != nil {
		return nil, err
	}
	after, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	made, err := f.requested.since(requested)
	if err != nil {
		return nil, err
	}
	f.amplified = append(f.amplified, amplifiedBy(made, before, after))
	f.changes, f.last = difference(before, after), end
	return after, nil
}

// settle waits until nothing is written any more, and says how far it is.
func (l *lab) settle(ctx context.Context, what string, since time.Time) error {
	stop := l.say.every(func() string { return fmt.Sprintf("%s: %d writes seen", what, l.observer.count(since)) })
	defer stop()
	return l.observer.settle(ctx, quiet)
}

// requestsSince returns what the manager has requested since then.
func (l *lab) requestsSince(ctx context.Context, then requests) (requests, error) {
	now, err := l.readRequests(ctx)
	if err != nil {
		return nil, err
	}
	return now.since(then)
}

// amplifiedBy compares what was requested with what differs.
func amplifiedBy(made requests, before, after snapshot) amplified {
	return amplified{len(difference(before, after)), made.writes(), made.reads()}
}

// reportFanOut has the bare client make the same writes, and reports.
func (b *bench) reportFanOut(ctx context.Context, f *aFanOut, c *costs) error {
	if b.wants(noGap) {
		b.report.add(newFigure(noGap, "users missing who keep access", "users", f.missing...).
			never("Somebody was missing from the document while it was written."),
			newFigure(noGap, "states of the document looked at", "states", float64(f.states)))
	}
	if b.wants(amplification) {
		b.reportAmplified("role change", f.amplified)
	}
	if !b.wants(fanOut) {
		return nil
	}
	b.say.printf("fan-out: the bare client")
	documents, all, err := b.lab.bareFanOut(ctx, f.changes)
	if err != nil {
		return err
	}
	c.fanOut, c.fanOutBare = seconds(f.all), seconds(all)
	b.report.add(
		newFigure(fanOut, "Usher: last document", "s", seconds(f.documents)...),
		newFigure(fanOut, "Usher: last write", "s", seconds(f.all)...),
		newFigure(fanOut, "Usher: processor time", "s", seconds(f.cpu)...),
		newFigure(fanOut, "bare client: last document", "s", seconds(documents)...),
		newFigure(fanOut, "bare client: last write", "s", seconds(all)...),
		newFigure(fanOut, "ratio, last document", "x", ratios(seconds(f.documents), seconds(documents))...),
		newFigure(fanOut, "ratio, last write", "x", ratios(seconds(f.all), seconds(all))...).atMost(1.10, fmt.Sprintf(
			"%d writes each. The manager reads every write back from its watch on the processors that the API server needs: "+
				"to the last document %s s against %s s, from there to the last status %s s against %s s.", len(updates(f.changes)),
			medianOf(f.documents), medianOf(documents), medianRest(f.all, f.documents), medianRest(all, documents))),
	)
	return nil
}

// bareFanOut has the bare client make the manager's writes, and leaves everything as the manager left it.
func (l *lab) bareFanOut(ctx context.Context, changes []change) (documents, all []time.Duration, err error) {
	r, err := l.newReplay(ctx, changes, workers)
	if err != nil {
		return nil, nil, err
	}
	for range bareFanOuts {
		d, a, err := r.turn(ctx)
		if err != nil {
			return nil, nil, err
		}
		documents, all = append(documents, d), append(all, a)
	}
	return documents, all, r.finish(ctx)
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
