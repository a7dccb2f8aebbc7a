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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// Reconciler marks the outputs that a settlement touches and, on the leader, writes them. Use [New] to create one.
type Reconciler struct {
	Feed      *feed.Feed
	Publisher *publish.Publisher
	Metrics   *Metrics
	Recorder  events.EventRecorder
	// Audit logs changed access on the leader. It may be nil.
	Audit *Audit
	// LastLed returns when another replica last renewed the lease before this one took it, or zero if that is not known. It
	// may be nil.
	LastLed func() time.Time
	// Notices returns the reason and message of a condition if members of a group cannot be notified of changes of
	// their access. Both are empty if notices work. Notices may be nil.
	Notices func(*accessv1alpha1.AccessGroup) (reason, message string)

	// marking is held while the outputs of a settlement are marked, so that no status is computed before all are
	// marked.
	marking sync.RWMutex
	// marked is the view of the last settlement whose outputs are marked. Outputs are rendered from it.
	marked       atomic.Pointer[roster.View]
	tracker      *tracker
	effects      effects
	names        names
	expectations expectations
	precedence   precedence
	takeover     takeover

	queueMu sync.Mutex
	queue   priorityqueue.PriorityQueue[Output]
}

// New returns a reconciler for the feed, which must not have been started. It subscribes to the feed.
func New(fed *feed.Feed, publisher *publish.Publisher, metrics *Metrics) *Reconciler {
	r := &Reconciler{
		Feed: fed, Publisher: publisher, Metrics: metrics,
		tracker: newTracker(), effects: effects{byCause: map[roster.Object]*effect{}}, names: names{users: map[string]string{}},
	}
	fed.Handle(&corev1.ConfigMap{}, r.configMapHandler())
	fed.Subscribe(r.settled)
	fed.Wanted = r.wants
	return r
}

// wants reports whether the watch shows an object whose status must be computed again although no decision depends on the
// update. Only the leader computes statuses.
func (r *Reconciler) wants(updated client.Object) bool {
	return r.isLeader() && !r.expectations.showsOwn(statusOf(roster.ObjectOf(updated)), updated.GetResourceVersion())
}

// settled marks the outputs that the settlement touches.
func (r *Reconciler) settled(s *feed.Settlement) {
	r.marking.Lock()
	defer r.marking.Unlock()
	r.marked.Store(s.Changes.View) // first, so that whoever sees a marked output renders it from this view or a later one
	r.mark(&s.Changes, s.Now)
	r.Metrics.settled(s.Changes.View)
}

// view returns the view of the last settlement whose outputs are marked.
func (r *Reconciler) view() *roster.View {
	if v := r.marked.Load(); v != nil {
		return v
	}
	return r.Feed.Roster.View()
}

// workers is the number of concurrent reconciles. More would only wait for the API server.
const workers = 8

// Retries after an error start almost immediately and back off to half a minute.
const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// SetupWithManager adds the controller to the manager. The controller runs on the leader.
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
	if err := mgr.Add(manager.RunnableFunc(r.recheck)); err != nil {
		return fmt.Errorf("setting the output controller up: %w", err)
	}
	return c.Watch(&leaderSource{reconciler: r})
}

// Reconcile renders one output and writes it if the watch cache does not hold it as rendered.
func (r *Reconciler) Reconcile(ctx context.Context, o Output) (reconcile.Result, error) {
	if o.Kind == ApplicationDocument {
		defer r.precedence.take()()
	} else {
		var limit yieldLimit
		r.precedence.yield(&limit)
		limit.end()
	}
	if o.isDocument() {
		return r.reconcileDocument(ctx, o)
	}
	return r.reconcileStatus(ctx, o)
}

// leaderSource is the source of the controller. It hands the queue to the reconciler when this replica becomes the
// leader.
type leaderSource struct {
	reconciler *Reconciler
	queue      workqueue.TypedRateLimitingInterface[Output]
}

// Start keeps the queue for WaitForSync.
func (l *leaderSource) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[Output]) error {
	l.queue = queue
	return nil
}

// WaitForSync waits until the roster is complete. Before that, nothing is published or removed.
func (l *leaderSource) WaitForSync(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting for the roster to be complete: %w", ctx.Err())
	case <-l.reconciler.Feed.Ready():
		return l.reconciler.becomeLeader(l.queue)
	}
}
