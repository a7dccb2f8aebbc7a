package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// singles is the number of members that are added one by one, in singleTurns turns.
const (
	singles     = 100
	singleTurns = 4
)

// aSingle holds the results of adding one member.
type aSingle struct {
	took, bare []time.Duration
	bytes      int // of the written ConfigMap
}

// single adds members one by one, each when the previous one is published. After each turn the bare client writes a
// ConfigMap of the same document, half as often.
func (l *lab) single(ctx context.Context, n int) (*aSingle, error) {
	s := &aSingle{}
	for turn := range singleTurns {
		l.say.printf("single: turn %d of %d, %d members join, one by one", turn+1, singleTurns, n/singleTurns)
		for _, user := range l.world.newcomers[:n/singleTurns] {
			took, err := l.join(ctx, user)
			if err != nil {
				return nil, err
			}
			s.took = append(s.took, took)
		}
		changes, err := l.leave(ctx)
		if err != nil {
			return nil, err
		}
		l.say.printf("single: the bare client")
		if err := l.bareTurn(ctx, func(ctx context.Context) error {
			// A user is in one shard.
			bare, size, err := l.bareDocuments(ctx, changes[:1], n/singleTurns/2)
			s.bare, s.bytes = append(s.bare, bare...), size
			return err
		}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// leave removes the members who joined, and returns the resulting changes of the document.
func (l *lab) leave(ctx context.Context) ([]change, error) {
	if err := l.observer.settle(ctx, quiet); err != nil {
		return nil, err
	}
	before, err := l.documentsOf(ctx, l.world.joinedApplication)
	if err != nil {
		return nil, err
	}
	if err := l.resetMembers(ctx, l.world.joined); err != nil {
		return nil, err
	}
	if err := l.observer.settle(ctx, quiet); err != nil {
		return nil, err
	}
	after, err := l.documentsOf(ctx, l.world.joinedApplication)
	if err != nil {
		return nil, err
	}
	changes := updates(difference(before, after))
	if len(changes) == 0 {
		return nil, fmt.Errorf("no document of %s has changed", l.world.joinedApplication)
	}
	return changes, nil
}

// resetMembers restores the declared members of the group.
func (l *lab) resetMembers(ctx context.Context, group string) error {
	members, err := json.Marshal(l.world.group(group).Spec.Members)
	if err != nil {
		return err
	}
	_, err = l.patchGroup(ctx, group, types.MergePatchType, fmt.Sprintf(`{"spec":{"members":%s}}`, members))
	return err
}

func (b *bench) single(ctx context.Context, c *costs) error {
	s, err := b.lab.single(ctx, singles)
	if err != nil {
		return err
	}
	c.take(s)
	reason := fmt.Sprintf("One ConfigMap of %d KiB. Before it is written the change has to arrive and the shard is rendered.",
		s.bytes>>10)
	b.report.add(
		newFigure(single, "Usher", "ms", milliseconds(s.took)...),
		newFigure(single, "bare client", "ms", milliseconds(s.bare)...),
		quantileRatio(single, s.took, s.bare, 0.5).atMost(singleAimOf(b.size), reason),
		quantileRatio(single, s.took, s.bare, 0.99).atMost(singleTailAim, reason),
	)
	return nil
}

// quantileRatio returns the ratio of two quantiles.
func quantileRatio(scenario string, values, others []time.Duration, part float64) figure {
	return newFigure(scenario, fmt.Sprintf("ratio, p%.0f", 100*part), "x",
		quantile(milliseconds(values), part)/quantile(milliseconds(others), part))
}

func dataBytes(changes []change) int {
	bytes := 0
	for i := range changes {
		if cm, ok := changes[i].after.(*corev1.ConfigMap); ok {
			for _, value := range cm.Data {
				bytes += len(value)
			}
		}
	}
	return bytes
}
