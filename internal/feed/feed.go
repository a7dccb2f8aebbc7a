package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

const (
	// longestSettling is how long a settlement may take before the roster counts as hung.
	longestSettling = 5 * time.Minute
	// longestRest bounds the time until a change of the clock is noticed.
	longestRest = 10 * time.Second
	// renewalRest is how long the settlement of a renewal may wait for further updates.
	renewalRest = 20 * time.Millisecond
)

// Settlement is the result of one pass in which the roster decides all pending changes.
type Settlement struct {
	// First is true for the settlement of the initial lists. Its changes include every object.
	First   bool
	Changes roster.Changes
	Now     time.Time
}

// Feed keeps the roster in sync with the watches.
type Feed struct {
	Roster    *roster.Roster
	Informers cache.Informers
	// Now is the clock.
	Now func() time.Time
	// Settled, if set, is called with every settlement before Settle returns. It must be fast.
	Settled func(*Settlement)
	// Wanted, if set, reports whether a renewal needs a settlement soon. A renewal is an update that affects no decision:
	// mostly a status that the leader has written. Otherwise the next settlement includes it, whatever its reason.
	Wanted func(updated client.Object) bool

	watched       []watched
	subscriptions []*subscription

	settling  sync.Mutex
	busy      atomic.Bool // the roster is being settled
	settledAt atomic.Int64

	wake    chan struct{}
	renewed chan struct{}
	ready   chan struct{}
}

// watched is a watched kind with the handler of its objects.
type watched struct {
	object  client.Object
	handler toolscache.ResourceEventHandler
}

// New returns a feed that has not seen any object yet.
func New(r *roster.Roster, informers cache.Informers, now func() time.Time) *Feed {
	f := &Feed{
		Roster: r, Informers: informers, Now: now,
		wake: make(chan struct{}, 1), renewed: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	for _, object := range []client.Object{
		&corev1.Namespace{}, &accessv1alpha1.AccessPolicy{}, &accessv1alpha1.ApplicationAccess{},
		&accessv1alpha1.AccessGroup{}, &accessv1alpha1.UserAccess{},
	} {
		f.Handle(object, f.Handler())
	}
	return f
}

// Handle adds a handler for a kind. The feed is ready only after the handler has processed the initial list of the
// kind. Call Handle before the feed starts.
func (f *Feed) Handle(object client.Object, handler toolscache.ResourceEventHandler) {
	f.watched = append(f.watched, watched{object, handler})
}

// Subscribe registers a function that is called with every settlement, sequentially and in order. Call Subscribe before
// the feed starts.
func (f *Feed) Subscribe(take func(*Settlement)) {
	f.subscriptions = append(f.subscriptions, &subscription{take: take, wake: make(chan struct{}, 1)})
}

// Handler returns the event handler that passes objects to the roster.
func (f *Feed) Handler() toolscache.ResourceEventHandler {
	// The kinds are those of the informers in New, so the roster knows them.
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			_ = f.Roster.Set(object.(runtime.Object))
			signal(f.wake)
		},
		UpdateFunc: func(old, object any) {
			_ = f.Roster.Set(object.(runtime.Object))
			switch {
			case !isRenewal(old, object):
				signal(f.wake)
			case f.Wanted != nil && f.Wanted(object.(client.Object)):
				f.Renew()
			}
		},
		DeleteFunc: func(object any) {
			_ = f.Roster.Remove(Last(object).(runtime.Object))
			signal(f.wake)
		},
	}
}

// Renew has the roster settle soon, so that the view has the last version of every object.
func (f *Feed) Renew() { signal(f.renewed) }

// isRenewal reports whether an update leaves everything unchanged that decisions depend on.
func isRenewal(old, updated any) bool {
	a, isOld := old.(client.Object)
	b, isMade := updated.(client.Object)
	return isOld && isMade && a.GetUID() == b.GetUID() && b.GetGeneration() != 0 && a.GetGeneration() == b.GetGeneration() &&
		labels.Equals(a.GetLabels(), b.GetLabels()) && (a.GetDeletionTimestamp() == nil) == (b.GetDeletionTimestamp() == nil)
}

// Last returns the object of a delete event. If the watch missed the deletion, it is the last state that the watch
// showed.
func Last(object any) any {
	if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		return unknown.Obj
	}
	return object
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Ready returns a channel that is closed when the initial lists of all kinds have been handled and the subscribers have
// processed the first settlement. Before that, nothing may be published, removed or admitted.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// IsReady reports whether the channel of [Feed.Ready] is closed.
func (f *Feed) IsReady() bool {
	select {
	case <-f.ready:
		return true
	default:
		return false
	}
}

// SettledAt returns the time of the last settlement in seconds since 1970, or 0 if there was none.
func (f *Feed) SettledAt() int64 { return f.settledAt.Load() }

// Alive returns an error if the roster, which settles every few seconds, has not settled for a long time.
func (f *Feed) Alive() error {
	if !f.IsReady() {
		return nil // the initial lists may take long; the readiness check waits for them
	}
	if rest := f.Now().Sub(time.Unix(f.settledAt.Load(), 0)); rest > longestSettling {
		return fmt.Errorf("the roster has not settled for %s", rest)
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable. The feed runs on every replica.
func (f *Feed) NeedLeaderElection() bool { return false }

// View returns a view that includes every object that the watches have shown. It waits for a settlement in progress,
// and settles the roster if changes are pending. [Feed.Settled] has been called with everything in the view.
func (f *Feed) View() *roster.View {
	if f.Roster.Settled(f.Now()) && !f.busy.Load() { // check pending first: a settlement in progress takes its changes out of pending
		return f.Roster.View()
	}
	f.settling.Lock()
	defer f.settling.Unlock()
	if !f.Roster.Settled(f.Now()) {
		f.settle()
	}
	return f.Roster.View()
}

// Settle settles the roster. It does not wait for subscribers. It may be called at any time.
func (f *Feed) Settle() {
	f.settling.Lock()
	defer f.settling.Unlock()
	f.settle()
}

func (f *Feed) settle() {
	f.busy.Store(true)
	defer f.busy.Store(false)
	s := &Settlement{First: f.settledAt.Load() == 0, Now: f.Now()}
	s.Changes = f.Roster.Settle(s.Now)
	if f.Settled != nil {
		f.Settled(s)
	}
	for _, each := range f.subscriptions {
		each.add(s)
	}
	f.settledAt.Store(s.Now.Unix())
}

// Flush returns when the subscribers have processed all settlements.
func (f *Feed) Flush() {
	for _, each := range f.subscriptions {
		each.drain()
	}
}

// Start settles the roster after every event and whenever a window opens or closes, until the context ends.
func (f *Feed) Start(ctx context.Context) error {
	if err := f.sync(ctx); err != nil {
		return err
	}
	f.Settle()
	f.Flush()
	close(f.ready)
	var takers sync.WaitGroup
	defer takers.Wait()
	for _, each := range f.subscriptions {
		takers.Go(func() { each.run(ctx) })
	}
	timer := time.NewTimer(0) //nolint:forbidigo // it only waits; which instant it is, Now says
	defer timer.Stop()
	for {
		timer.Reset(f.untilNext())
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-f.renewed:
			timer.Reset(renewalRest)
			select {
			case <-ctx.Done():
				return nil
			case <-f.wake:
			case <-timer.C:
			}
		case <-timer.C:
		}
		f.Settle()
	}
}

// sync watches all kinds and returns when their initial lists have been handled, which is after they have been cached.
func (f *Feed) sync(ctx context.Context) error {
	var all []toolscache.ResourceEventHandlerRegistration
	for _, each := range f.watched {
		informer, err := f.Informers.GetInformer(ctx, each.object)
		if err != nil {
			return fmt.Errorf("watching %T: %w", each.object, err)
		}
		registration, err := informer.AddEventHandler(each.handler)
		if err != nil {
			return fmt.Errorf("watching %T: %w", each.object, err)
		}
		all = append(all, registration)
	}
	for _, r := range all {
		if !toolscache.WaitForCacheSync(ctx.Done(), r.HasSynced) {
			return errors.New("the initial lists did not arrive before the manager stopped")
		}
	}
	return nil
}

func (f *Feed) untilNext() time.Duration {
	next := f.Roster.View().Next()
	if next.IsZero() {
		return longestRest
	}
	return min(max(next.Sub(f.Now()), time.Millisecond), longestRest)
}
