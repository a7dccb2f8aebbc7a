package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// singles are how many members are added one by one.
const singles = 100

// aSingle is what came of adding one member.
type aSingle struct {
	took    []time.Duration
	changes []change // of the document
}

// single adds one member after the other, each when the one before has been dealt with.
func (l *lab) single(ctx context.Context, n int) (*aSingle, error) {
	s := &aSingle{}
	l.say.printf("single: %d members join, one by one", n)
	for _, user := range l.world.newcomers[:n] {
		if err := l.observer.settle(ctx, breath); err != nil {
			return nil, err
		}
		l.observer.forget()
		began := time.Now()
		at, err := l.patchGroup(ctx, l.world.joined, types.JSONPatchType,
			fmt.Sprintf(`[{"op":"add","path":"/spec/members/-","value":{"user":%q}}]`, user))
		if err != nil {
			return nil, err
		}
		seen, err := l.observer.await(ctx, began, func(e *event) bool { return e.application() == l.world.joinedApplication })
		if err != nil {
			return nil, err
		}
		s.took = append(s.took, max(0, seen.Sub(at)))
	}
	if err := l.observer.settle(ctx, quiet); err != nil {
		return nil, err
	}
	before, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.resetMembers(ctx, l.world.joined); err != nil {
		return nil, err
	}
	if err := l.observer.settle(ctx, quiet); err != nil {
		return nil, err
	}
	after, err := l.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	s.changes = of(difference(before, after), l.world.joinedApplication)
	return s, nil
}

// resetMembers makes those members of the group who are declared.
func (l *lab) resetMembers(ctx context.Context, group string) error {
	members, err := json.Marshal(l.world.group(group).Spec.Members)
	if err != nil {
		return err
	}
	_, err = l.patchGroup(ctx, group, types.MergePatchType, fmt.Sprintf(`{"spec":{"members":%s}}`, members))
	return err
}

// reportSingle has the bare client write the document as often, and reports.
func (b *bench) reportSingle(ctx context.Context, s *aSingle, c *costs) error {
	b.say.printf("single: the bare client")
	changes := updates(s.changes)
	if len(changes) == 0 {
		return fmt.Errorf("no document of %s has changed", b.lab.world.joinedApplication)
	}
	// A user is in one shard.
	bare, size, err := b.lab.bareDocuments(ctx, changes[:1], len(s.took)/2)
	if err != nil {
		return err
	}
	c.single = milliseconds(s.took)
	c.singleRatio = quantile(milliseconds(s.took), 0.5) / quantile(milliseconds(bare), 0.5)
	reason := fmt.Sprintf("One ConfigMap of %d KiB. Before it is written the change has to arrive, and the document is "+
		"rendered from the decisions for all users of the organization.", size>>10)
	b.report.add(
		newFigure(single, "Usher", "ms", milliseconds(s.took)...),
		newFigure(single, "bare client", "ms", milliseconds(bare)...),
		quantileRatio(single, s.took, bare, 0.5).atMost(3, reason),
		quantileRatio(single, s.took, bare, 0.99).atMost(6, reason),
	)
	return nil
}

// quantileRatio sets quantiles against each other.
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
