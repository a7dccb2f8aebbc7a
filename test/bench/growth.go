package main

import "context"

// costs are what grows, at one size.
type costs struct {
	size        size
	fanOut      []float64 // seconds until the last write
	fanOutBare  []float64 // the same of the bare client
	single      []float64 // milliseconds
	singleRatio float64
	ready       []float64 // seconds
	memory      []float64 // MiB
}

func (c *costs) complete() bool {
	return c != nil && len(c.fanOut) > 0 && len(c.single) > 0 && len(c.ready) > 0
}

// growthSizes: the largest takes as long as all else together, and is left to who asks for it.
func (b *bench) growthSizes() []string {
	if b.only == growth {
		return []string{"S", "M", "L"}
	}
	return []string{"S", b.size.Name}
}

// growth measures at several sizes what should grow with what is touched.
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
	l, err := openLab(ctx, s, b.say)
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
	f, err := l.fanOut(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.stop(); err != nil {
		return nil, err
	}
	_, bareAll, err := l.bareFanOut(ctx, f.changes)
	if err != nil {
		return nil, err
	}
	changes := updates(one.changes)
	bare, _, err := l.bareDocuments(ctx, changes[:min(1, len(changes))], bareTurns)
	if err != nil {
		return nil, err
	}
	r, err := l.restart(ctx, 2)
	if err != nil {
		return nil, err
	}
	return &costs{
		size: s, fanOut: seconds(f.all), fanOutBare: seconds(bareAll), single: milliseconds(one.took), ready: seconds(r.ready), memory: r.memory,
		singleRatio: quantile(milliseconds(one.took), 0.5) / quantile(milliseconds(bare), 0.5),
	}, nil
}

func (b *bench) reportGrowth(all []*costs) {
	var touched, against []float64
	for _, c := range all {
		perUser := make([]float64, len(c.fanOut))
		for i := range perUser {
			perUser[i] = 1000 * c.fanOut[i] / float64(c.size.largest())
		}
		touched = append(touched, quantile(perUser, 0.5))
		against = append(against, quantile(c.fanOut, 0.5)/quantile(c.fanOutBare, 0.5))
		b.report.add(
			newFigure(growth, c.size.Name+": fan-out for each touched user", "ms", perUser...),
			newFigure(growth, c.size.Name+": fan-out against the bare client", "x", against[len(against)-1]),
			newFigure(growth, c.size.Name+": single", "ms", c.single...),
			newFigure(growth, c.size.Name+": single against the bare client, p50", "x", c.singleRatio),
			newFigure(growth, c.size.Name+": ready", "s", c.ready...),
			newFigure(growth, c.size.Name+": peak resident memory", "MiB", c.memory...),
		)
	}
	last := len(all) - 1
	b.report.add(
		newFigure(growth, "fan-out for each touched user, largest against smallest size", "x", touched[last]/touched[0]),
		// In a larger world a user has more applications, and so more bytes to write.
		newFigure(growth, "the same against the bare client's writes", "x", against[last]/against[0]).atMost(1.2,
			"What the manager does for one user grows with something else than what it writes."),
	)
	if len(all) < 3 {
		return
	}
	// From one size to the next, what each further thousand users take.
	slope := func(from, to *costs) float64 {
		return 1000 * (quantile(to.memory, 0.5) - quantile(from.memory, 0.5)) / float64(to.size.Users-from.size.Users)
	}
	b.report.add(
		newFigure(growth, "memory for 1,000 users, S to M", "MiB", slope(all[0], all[1])),
		newFigure(growth, "memory for 1,000 users, M to L", "MiB", slope(all[1], all[2])),
		newFigure(growth, "memory, M to L against S to M", "x", slope(all[1], all[2])/slope(all[0], all[1])).atMost(1.2,
			"The first lists are in memory while they are read, and the garbage collector lets the heap double."),
	)
}
