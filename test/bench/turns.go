package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// turns holds the times of the manager and of the bare client, which alternate: bare[i] was measured directly after
// ours[i]. A temporary slowdown of the machine therefore affects both.
type turns struct {
	ours []time.Duration
	bare [][]time.Duration
}

func (t *turns) add(ours time.Duration, bare ...time.Duration) {
	t.ours, t.bare = append(t.ours, ours), append(t.bare, bare)
}

// allBare returns the times of the bare client from all turns.
func (t *turns) allBare() []time.Duration { return slices.Concat(t.bare...) }

// ratios returns, for each turn, the ratio of the manager's time to the median of the bare client's.
func (t *turns) ratios() []float64 {
	all := make([]float64, len(t.ours))
	for i := range t.ours {
		all[i] = seconds(t.ours[i : i+1])[0] / quantile(seconds(t.bare[i]), 0.5)
	}
	return all
}

// bareTurn stops the manager, makes the bare client write, and starts the manager again. The bare client must restore
// the objects as the manager left them.
func (l *lab) bareTurn(ctx context.Context, write func(ctx context.Context) error) error {
	if err := l.stop(); err != nil {
		return err
	}
	if err := write(ctx); err != nil {
		return err
	}
	if err := l.start(ctx); err != nil {
		return err
	}
	return l.warmUp(ctx)
}

// warmUp adds a member and removes it again without measuring, because the first change after a start opens connections
// and grows the heap.
func (l *lab) warmUp(ctx context.Context) error {
	if err := l.rest(ctx); err != nil {
		return err
	}
	if _, err := l.join(ctx, l.world.newcomers[len(l.world.newcomers)-1]); err != nil {
		return err
	}
	if err := l.resetMembers(ctx, l.world.joined); err != nil {
		return err
	}
	return l.observer.settle(ctx, quiet)
}

// join adds a member to the group for newcomers when nothing is being written. It returns the time from the answer of
// the API server until the document with the member was seen.
func (l *lab) join(ctx context.Context, user string) (time.Duration, error) {
	if err := l.observer.settle(ctx, breath); err != nil {
		return 0, err
	}
	l.observer.forget()
	began := time.Now()
	at, err := l.patchGroup(ctx, l.world.joined, types.JSONPatchType, addMember(user))
	if err != nil {
		return 0, err
	}
	seen, err := l.observer.await(ctx, began, func(e *event) bool { return e.application() == l.world.joinedApplication })
	if err != nil {
		return 0, err
	}
	return max(0, seen.Sub(at)), nil
}

// addMember returns the JSON patch that adds a member to a group.
func addMember(user string) string {
	return fmt.Sprintf(`[{"op":"add","path":"/spec/members/-","value":{"user":%q}}]`, user)
}
