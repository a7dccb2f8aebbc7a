package controller

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// Reconciler marks the outputs that a settlement touches and, on the leader, writes them. Make one with [New].
type Reconciler struct {
	Feed      *feed.Feed
	Publisher *publish.Publisher
	Metrics   *Metrics
	Recorder  events.EventRecorder
	// Audit, where set, tells of changed access on the leader.
	Audit *Audit
	// Notices, where set, returns why members of a group cannot be told of their access: reason and message of a condition.
	// The reason is empty where nothing stands in the way.
	Notices func(*accessv1alpha1.AccessGroup) (reason, message string)

	// marking is held while the outputs of a settlement are marked, so that no status is computed before all of them are.
	marking sync.RWMutex
	// marked is the view of the last settlement of which the outputs are marked. What is written is rendered from it.
	marked       atomic.Pointer[roster.View]
	tracker      *tracker
	effects      effects
	names        names
	expectations expectations
	precedence   precedence

	queueMu sync.Mutex
	queue   priorityqueue.PriorityQueue[Output]
}

// New returns a reconciler of what the feed shows. It subscribes to the feed, which has not started yet.
func New(fed *feed.Feed, publisher *publish.Publisher, metrics *Metrics) *Reconciler {
	r := &Reconciler{
		Feed: fed, Publisher: publisher, Metrics: metrics,
		tracker: newTracker(), effects: effects{of: map[roster.Object]*effect{}}, names: names{users: map[string]string{}},
	}
	fed.Handle(&corev1.ConfigMap{}, r.configMapHandler())
	fed.Subscribe(r.settled)
	return r
}

// settled marks the outputs that the settlement touches.
func (r *Reconciler) settled(s *feed.Settlement) {
	r.marking.Lock()
	defer r.marking.Unlock()
	r.marked.Store(s.Changes.View) // first: who sees an output marked renders it of this view, or of a later one
	r.mark(&s.Changes, s.Now)
	r.Metrics.settled(s.Changes.View)
}

// view returns the view of the last settlement of which the outputs are marked.
func (r *Reconciler) view() *roster.View {
	if v := r.marked.Load(); v != nil {
		return v
	}
	return r.Feed.Roster.View()
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
	if err := mgr.Add(manager.RunnableFunc(r.lookAgain)); err != nil {
		return fmt.Errorf("setting the output controller up: %w", err)
	}
	return c.Watch(&lead{reconciler: r})
}

// Reconcile renders one output anew and writes it where the watch does not show it so.
func (r *Reconciler) Reconcile(ctx context.Context, o Output) (reconcile.Result, error) {
	if o.Kind == ApplicationDocument {
		defer r.precedence.take()()
	} else {
		var m moment
		r.precedence.yield(&m)
		m.end()
	}
	if o.isDocument() {
		return r.reconcileDocument(ctx, o)
	}
	return r.reconcileStatus(ctx, o)
}

// lead is the source of the controller: it hands the queue to the reconciler when this replica becomes the leader.
type lead struct {
	reconciler *Reconciler
	queue      workqueue.TypedRateLimitingInterface[Output]
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
	case <-l.reconciler.Feed.Ready():
		return l.reconciler.lead(l.queue)
	}
}
