package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// The sizes of contention, for all turns together and for each of its two phases.
const (
	contentionTurns = 4
	smallReviews    = 1000 // reviews of edits of one member
	joins           = 100  // members who join the group for newcomers, whose publication is measured
	// Large reviews are sent by largeAtOnce loops during a phase, and at least largeReviews of them.
	largeReviews = 64
	largeAtOnce  = 8
)

// phase holds the durations of reviews and publications, with or without concurrent large reviews.
type phase struct {
	reviews, publications []time.Duration
	large                 []time.Duration
}

// contention compares reviews and publications on an idle manager with those during large reviews. It sends reviews
// directly to the manager, because dry runs would load the API server and measure that.
func (b *bench) contention(ctx context.Context) error {
	l := b.lab
	c, err := l.newContenders(ctx)
	if err != nil {
		return err
	}
	var quietly, beside phase
	for turn := range contentionTurns {
		b.say.printf("contention: turn %d of %d, quiet", turn+1, contentionTurns)
		if err := quietly.alone(ctx, l, c); err != nil {
			return err
		}
		b.say.printf("contention: turn %d of %d, with large reviews", turn+1, contentionTurns)
		if err := beside.besideLarge(ctx, l, c); err != nil {
			return err
		}
	}
	b.reportContention(&quietly, &beside, c.unanswered())
	return nil
}

func (b *bench) reportContention(quietly, beside *phase, unanswered []string) {
	members := b.lab.world.size.largest()
	reason := fmt.Sprintf("%d large reviews at the same time take processor time, and whatever a review of one member or a "+
		"publication has to wait for.", largeAtOnce)
	name := func(what string) string {
		return fmt.Sprintf("%s beside %d reviews of %d members", what, largeAtOnce, members)
	}
	b.report.add(
		newFigure(contention, "one-member review, quiet", "ms", milliseconds(quietly.reviews)...),
		newFigure(contention, name("one-member review"), "ms", milliseconds(beside.reviews)...),
		newFigure(contention, "publication, quiet", "ms", milliseconds(quietly.publications)...),
		newFigure(contention, name("publication"), "ms", milliseconds(beside.publications)...),
		newFigure(contention, fmt.Sprintf("review of %d members", members), "ms", milliseconds(beside.large)...),
		quantileRatio(contention, beside.reviews, quietly.reviews, 0.99).named(name("one-member review")+", ratio, p99").
			atMost(contentionAim, reason),
		quantileRatio(contention, beside.publications, quietly.publications, 0.99).named(name("publication")+", ratio, p99").
			atMost(contentionAim, reason),
		newFigure(contention, "reviews that were not allowed", "reviews", float64(len(unanswered))).
			never(fmt.Sprintf("The first answers: %q.", unanswered[:min(3, len(unanswered))])),
	)
}

// alone measures one turn on an otherwise idle manager: first the reviews, then the publications.
func (p *phase) alone(ctx context.Context, l *lab, c *contenders) error {
	if err := l.calm(ctx); err != nil {
		return err
	}
	if err := p.reviewOneMember(ctx, l, c); err != nil {
		return err
	}
	if err := p.publish(ctx, l); err != nil {
		return err
	}
	return l.leaveAgain(ctx)
}

// besideLarge measures one turn with everything concurrently: reviews of one member, publications, and large reviews
// until both have ended.
func (p *phase) besideLarge(ctx context.Context, l *lab, c *contenders) error {
	if err := l.calm(ctx); err != nil {
		return err
	}
	ended := make(chan struct{})
	loops, looping := errgroup.WithContext(ctx)
	taken := make([][]time.Duration, largeAtOnce)
	for i := range largeAtOnce {
		loops.Go(func() error {
			for n := 0; ; n++ {
				select {
				case <-ended:
					if n >= largeReviews/contentionTurns/largeAtOnce {
						return nil
					}
				case <-looping.Done():
					return looping.Err()
				default:
				}
				took, err := c.large[i].review(looping, c.largeBody)
				if err != nil {
					return err
				}
				taken[i] = append(taken[i], took)
			}
		})
	}
	measured, measuring := errgroup.WithContext(looping)
	measured.Go(func() error { return p.reviewOneMember(measuring, l, c) })
	measured.Go(func() error { return p.publish(measuring, l) })
	failed := measured.Wait()
	close(ended)
	if err := loops.Wait(); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	for _, each := range taken {
		p.large = append(p.large, each...)
	}
	return l.leaveAgain(ctx)
}

// reviewOneMember sends the reviews of one turn sequentially.
func (p *phase) reviewOneMember(ctx context.Context, l *lab, c *contenders) error {
	for range smallReviews / contentionTurns {
		body, err := c.oneMemberBody(l.world.users[c.next%len(l.world.users)])
		if err != nil {
			return err
		}
		c.next++
		took, err := c.small.review(ctx, body)
		if err != nil {
			return err
		}
		p.reviews = append(p.reviews, took)
	}
	return nil
}

// publish measures the publications of one turn sequentially.
func (p *phase) publish(ctx context.Context, l *lab) error {
	for _, user := range l.world.newcomers[:joins/contentionTurns] {
		took, err := l.join(ctx, user)
		if err != nil {
			return err
		}
		p.publications = append(p.publications, took)
	}
	return nil
}

// leaveAgain removes the members who joined.
func (l *lab) leaveAgain(ctx context.Context) error {
	if err := l.resetMembers(ctx, l.world.joined); err != nil {
		return err
	}
	return l.observer.settle(ctx, quiet)
}
