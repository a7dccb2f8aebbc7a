package main

import (
	"context"
	"time"
)

const (
	// still is for how long nothing may be written after the last write.
	still = time.Minute
	// idleFrom is when the manager is surely idle.
	idleFrom = 20 * time.Second
	// idleMargin is how much of a processor two times of doing nothing may differ by.
	idleMargin = 0.02
)

// backAgain changes the role of the largest group back to what was declared, and follows the manager after the last
// write of that where it is asked for.
func (b *bench) backAgain(ctx context.Context) error {
	l := b.lab
	if !b.wants(quietAfter) {
		at, err := l.setRole(ctx, l.world.largest(), "Viewer")
		if err != nil {
			return err
		}
		return l.settle(ctx, "back again", at)
	}
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	cpu := sampleUsage(sampling, l.manager.PID())
	b.say.printf("quiet: one more change, and a minute after it")
	at, err := l.setRole(ctx, l.world.largest(), "Viewer")
	if err != nil {
		return err
	}
	if err := l.settle(ctx, "quiet", at); err != nil {
		return err
	}
	last, _ := lastOf(l.observer.since(at), isAny)
	before, err := l.readRequests(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Until(last.Add(still))); err != nil {
		return err
	}
	after, err := l.readRequests(ctx)
	if err != nil {
		return err
	}
	first, err := cpu.between(last.Add(time.Second), last.Add(6*time.Second))
	if err != nil {
		return err
	}
	idle, err := cpu.between(last.Add(idleFrom), last.Add(still))
	if err != nil {
		return err
	}
	b.report.add(
		newFigure(quietAfter, "CPU, second 1 to 6 after the last write", "%", 100*first).atMost(100*(idle+idleMargin),
			"The manager still works a second after its last write."),
		newFigure(quietAfter, "CPU, idle", "%", 100*idle),
		newFigure(quietAfter, "writes in the minute after the last", "writes", float64(after.minus(before).writes())).never(
			"Something is written although nothing has changed."),
	)
	return nil
}
