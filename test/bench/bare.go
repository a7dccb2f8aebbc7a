package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// replay repeats the manager's writes without its computations: the same bytes to the same objects over the same kind
// of connection, in the same order.
//
// It alternates between two states of the objects. Both were written by the manager, and the last one is the one that
// the manager left, so that the manager finds nothing to do when it starts again.
type replay struct {
	lab     *lab
	changes []change
	// atOnce is the number of concurrent writes; 0 means as many as the manager has workers.
	atOnce int
	// versions are the objects' resourceVersions, which a write must contain.
	versions []string
	// away is true if the current state is not the one that the manager left.
	away bool
}

// newReplay reads the version of every object. The manager must not run until the replays are over. It leaves out a
// group that was deleted and created again, because that is a different object with the same name.
func (l *lab) newReplay(ctx context.Context, changes []change, atOnce int) (*replay, error) {
	changes = updates(changes)
	found := make([]*metav1.PartialObjectMetadata, len(changes))
	err := inParallel(ctx, len(changes), func(ctx context.Context, i int) (err error) {
		found[i], err = l.editor.Resource(resourceOf(changes[i].resource)).Namespace(organization).
			Get(ctx, changes[i].name, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find what to write once more: %w", err)
	}
	r := &replay{lab: l, atOnce: atOnce}
	for i := range changes {
		if found[i].UID == changes[i].after.GetUID() {
			r.changes, r.versions = append(r.changes, changes[i]), append(r.versions, found[i].ResourceVersion)
		}
	}
	return r, nil
}

// turn writes the other state. It returns the times from the start until a watcher saw the last document and the last
// write.
func (r *replay) turn(ctx context.Context) (documents, all time.Duration, err error) {
	var done atomic.Int64
	stop := func() {}
	if len(r.changes) > 1000 {
		stop = r.lab.say.every(func() string {
			return fmt.Sprintf("the bare client writes: %d of %d", done.Load(), len(r.changes))
		})
	}
	began := time.Now()
	write := func(ctx context.Context, i int) error {
		defer done.Add(1)
		return r.write(ctx, i)
	}
	if r.atOnce == 1 {
		for i := range r.changes {
			if err := write(ctx, i); err != nil {
				stop()
				return 0, 0, err
			}
		}
	} else if err := inParallel(ctx, len(r.changes), write); err != nil {
		stop()
		return 0, 0, err
	}
	stop()
	r.away = !r.away
	if err := r.seen(ctx, began); err != nil {
		return 0, 0, err
	}
	events := r.lab.observer.since(began)
	last, _ := lastOf(events, isDocument)
	end, _ := lastOf(events, isAny)
	if last.IsZero() {
		last = began
	}
	return last.Sub(began), end.Sub(began), nil
}

// seen waits until as many writes have been seen as were made.
func (r *replay) seen(ctx context.Context, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for r.lab.observer.count(began) < len(r.changes) {
		if err := pause(ctx, pollInterval); err != nil {
			return fmt.Errorf("%d writes were made, %d seen: %w", len(r.changes), r.lab.observer.count(began), err)
		}
	}
	return nil
}

func (r *replay) write(ctx context.Context, i int) error {
	c := &r.changes[i]
	object := c.before
	if r.away {
		object = c.after
	}
	// The answer is decoded into the copy.
	object = object.DeepCopyObject().(client.Object)
	object.SetResourceVersion(r.versions[i])
	var err error
	if c.resource == configMaps {
		err = r.lab.bare.Update(ctx, object)
	} else {
		err = r.lab.bare.Status().Update(ctx, object)
	}
	if err != nil {
		return fmt.Errorf("write %s %s once more: %w", c.resource, c.name, err)
	}
	r.versions[i] = object.GetResourceVersion()
	return nil
}

// finish restores the objects as the manager left them.
func (r *replay) finish(ctx context.Context) error {
	if !r.away {
		return nil
	}
	_, _, err := r.turn(ctx)
	return err
}
