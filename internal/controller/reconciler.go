package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
)

// Reconciler writes outputs.
type Reconciler struct {
	Feed      *Feed
	Publisher *publish.Publisher
	Recorder  events.EventRecorder
	// Notices, where set, says why members of a group cannot be told of their access: reason and message of a condition.
	// The reason is empty where nothing stands in the way.
	Notices func(*accessv1alpha1.AccessGroup) (reason, message string)
}

// workers write side by side. The API server is the bound: more of them only queue there.
const workers = 8

// Retries after an error start at once and end at half a minute.
const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// SetupWithManager adds the controller, which runs on the leader.
func (r *Reconciler) SetupWithManager(mgr manager.Manager) error {
	c, err := controller.NewTyped("output", mgr, controller.TypedOptions[Output]{
		MaxConcurrentReconciles: workers,
		Reconciler:              r,
		LogConstructor: func(o *Output) logr.Logger {
			log := mgr.GetLogger().WithName("output")
			if o == nil {
				return log
			}
			return log.WithValues("output", o.Kind, "namespace", o.Namespace, "name", o.Name)
		},
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[Output](firstRetry, lastRetry),
		NewQueue: func(
			name string, limiter workqueue.TypedRateLimiter[Output],
		) workqueue.TypedRateLimitingInterface[Output] {
			return priorityqueue.New(name, func(o *priorityqueue.Opts[Output]) {
				o.RateLimiter = limiter
				o.Log = mgr.GetLogger().WithName("queue")
			})
		},
	})
	if err != nil {
		return fmt.Errorf("setting the output controller up: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(r.Feed.lookAgain)); err != nil {
		return fmt.Errorf("setting the output controller up: %w", err)
	}
	return c.Watch(&lead{feed: r.Feed})
}

// Reconcile renders one output anew and writes it where the watch does not show it so.
func (r *Reconciler) Reconcile(ctx context.Context, o Output) (reconcile.Result, error) {
	if o.Kind == ApplicationDocument {
		defer r.Feed.precedence.take()()
	} else {
		var m moment
		r.Feed.precedence.yield(&m)
		m.end()
	}
	if o.isDocument() {
		return r.reconcileDocument(ctx, o)
	}
	return r.reconcileStatus(ctx, o)
}

// lead is the source of the controller: it hands the queue to the feed when this replica becomes the leader.
type lead struct {
	feed  *Feed
	queue workqueue.TypedRateLimitingInterface[Output]
}

// Start keeps the queue until the roster is complete.
func (l *lead) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[Output]) error {
	l.queue = queue
	return nil
}

// WaitForSync waits for the roster: before it is complete, nothing is published or removed.
func (l *lead) WaitForSync(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting for the roster to be complete: %w", ctx.Err())
	case <-l.feed.Feed.Ready():
		return l.feed.lead(l.queue)
	}
}
