package main

import (
	"context"
	"time"
)

const (
	// still is how long nothing may be written after the last write.
	still = time.Minute
	// idleFrom is the time after which the manager is certainly idle.
	idleFrom = 20 * time.Second
	// idleMargin is how much of a processor two idle periods may differ by.
	idleMargin = 0.02
)

// fanOutAndQuiet makes the manager and the bare client fan out alternately. It observes the manager for a minute after
// the last write of its last run.
func (b *bench) fanOutAndQuiet(ctx context.Context, c *costs) error {
	runs := fanOuts
	if !b.wants(fanOut) {
		runs = growthFanOuts
	}
	f, err := b.lab.fanOut(ctx, runs, b.wants(fanOut), func(f *aFanOut, last bool) error {
		if !last || !b.wants(quietAfter) {
			return nil
		}
		b.say.printf("quiet: a minute after the last write")
		return b.reportQuiet(ctx, f)
	})
	if err != nil {
		return err
	}
	b.reportFanOut(f, c)
	return nil
}

func (b *bench) reportQuiet(ctx context.Context, f *aFanOut) error {
	if err := pause(ctx, time.Until(f.last.Add(still))); err != nil {
		return err
	}
	after, err := b.lab.readRequests(ctx)
	if err != nil {
		return err
	}
	first, err := f.usage.between(f.last.Add(time.Second), f.last.Add(6*time.Second))
	if err != nil {
		return err
	}
	idle, err := f.usage.between(f.last.Add(idleFrom), f.last.Add(still))
	if err != nil {
		return err
	}
	b.report.add(
		newFigure(quietAfter, "CPU, second 1 to 6 after the last write", "%", 100*first).atMost(100*(idle+idleMargin),
			"The manager still works a second after its last write."),
		newFigure(quietAfter, "CPU, idle", "%", 100*idle),
		newFigure(quietAfter, "writes in the minute after the last", "writes", float64(after.minus(f.requested).writes())).never(
			"Something is written although nothing has changed."),
	)
	return nil
}
