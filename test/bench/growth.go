package main

import (
	"context"
	"fmt"
)

// costs are the costs that grow with the size, at one size.
type costs struct {
	size         size
	fanOut       []float64 // seconds until the last write
	fanOutRatios []float64 // ratio to the bare client
	single       []float64 // milliseconds
	singleRatio  float64   // ratio of the medians to the bare client
	ready        []float64 // seconds
	memory       []float64 // MiB
}

// take records the costs of one member.
func (c *costs) take(s *aSingle) {
	c.single = milliseconds(s.took)
	c.singleRatio = quantile(milliseconds(s.took), 0.5) / quantile(milliseconds(s.bare), 0.5)
}

func (c *costs) complete() bool {
	return c != nil && len(c.fanOut) > 0 && len(c.single) > 0 && len(c.ready) > 0
}

// growthSizes returns the sizes. The largest takes as long as all others together, so it must be requested.
func (b *bench) growthSizes() []string {
	if b.only == growth {
		return []string{"S", "M", "L"}
	}
	return []string{"S", b.size.Name}
}

// growth measures at several sizes the costs that should grow with what is touched.
func (b *bench) growth(ctx context.Context, measured *costs) error {
	var all []*costs
	for _, name := range b.growthSizes() {
		if len(all) > 0 && all[0].size.Name == name {
			continue
		}
		if measured.complete() && measured.size.Name == name {
			all = append(all, measured)
			continue
		}
		s, err := sizeNamed(name)
		if err != nil {
			return err
		}
		c, err := b.costsOf(ctx, s)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	b.reportGrowth(all)
	return nil
}

func (b *bench) costsOf(ctx context.Context, s size) (_ *costs, err error) {
	b.say.printf("growth: %s", s)
	l, err := openLab(ctx, newWorld(s), b.say)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := l.close(); err == nil {
			err = closed
		}
	}()
	one, err := l.single(ctx, singles/2)
	if err != nil {
		return nil, err
	}
	f, err := l.fanOut(ctx, growthFanOuts, true, nil)
	if err != nil {
		return nil, err
	}
	r, err := l.restart(ctx, 2)
	if err != nil {
		return nil, err
	}
	c := &costs{
		size: s, fanOut: seconds(f.all.ours), fanOutRatios: f.all.ratios(), ready: seconds(r.ready.ours), memory: r.memory,
	}
	c.take(one)
	return c, nil
}

func (b *bench) reportGrowth(all []*costs) {
	var touched, against []float64
	for _, c := range all {
		perUser := make([]float64, len(c.fanOut))
		for i := range perUser {
			perUser[i] = 1000 * c.fanOut[i] / float64(c.size.largest())
		}
		touched = append(touched, quantile(perUser, 0.5))
		against = append(against, quantile(c.fanOutRatios, 0.5))
		b.report.add(
			newFigure(growth, c.size.Name+": fan-out for each touched user", "ms", perUser...),
			newFigure(growth, c.size.Name+": fan-out against the bare client", "x", c.fanOutRatios...),
			newFigure(growth, c.size.Name+": single", "ms", c.single...),
			newFigure(growth, c.size.Name+": single against the bare client, p50", "x", c.singleRatio).atMost(
				singleAimOf(c.size), "What one member costs grows with how many there are."),
			newFigure(growth, c.size.Name+": ready", "s", c.ready...),
			newFigure(growth, c.size.Name+": peak resident memory", "MiB", c.memory...),
		)
	}
	last := len(all) - 1
	b.report.add(
		newFigure(growth, "fan-out for each touched user, largest against smallest size", "x", touched[last]/touched[0]),
		// In a larger world, a user has more applications and so more bytes to write.
		newFigure(growth, "the same against the bare client's writes", "x", against[last]/against[0]).atMost(1.2,
			"What the manager does for one user grows with something else than what it writes."),
	)
	b.reportMemory(all)
}

// reportMemory reports the memory of each additional thousand users, from one size to the next.
func (b *bench) reportMemory(all []*costs) {
	const reason = "The first lists are in memory while they are read, and the garbage collector lets the heap grow by half."
	var slopes []float64
	for i, to := range all[1:] {
		from := all[i]
		slope := 1000 * (quantile(to.memory, 0.5) - quantile(from.memory, 0.5)) / float64(to.size.Users-from.size.Users)
		slopes = append(slopes, slope)
		name := fmt.Sprintf("memory for 1,000 users, %s to %s", from.size.Name, to.size.Name)
		b.report.add(newFigure(growth, name, "MiB", slope).atMost(memoryAim, reason))
	}
	if len(slopes) > 1 {
		b.report.add(newFigure(growth, "memory, M to L against S to M", "x", slopes[1]/slopes[0]).atMost(1.2, reason))
	}
}
