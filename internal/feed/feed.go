package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

const (
	// longestSettling is when a roster that has not settled counts as hung.
	longestSettling = 5 * time.Minute
	// longestRest bounds how late a change of the clock is noticed.
	longestRest = 10 * time.Second
	// renewalRest is how long an update that leaves the spec as it was may wait for others: most of these are statuses that
	// the leader has written.
	renewalRest = 20 * time.Millisecond
)

// Settlement is the outcome of one settling.
type Settlement struct {
	// First says that it is that of the first lists: its changes are all that there is.
	First   bool
	Changes roster.Changes
	Now     time.Time
}

// Feed keeps the roster in step with the watch.
type Feed struct {
	Roster    *roster.Roster
	Informers cache.Informers
	// Now is the clock.
	Now func() time.Time
	// Settled, where set, is called with every settlement before Settle returns. It must be quick.
	Settled func(*Settlement)

	watched       []watched
	subscriptions []*subscription

	settling  sync.Mutex
	busy      atomic.Bool // the roster is being settled
	settledAt atomic.Int64

	wake    chan struct{}
	renewed chan struct{}
	ready   chan struct{}
}

// watched is a kind that the feed watches, and what takes its objects in.
type watched struct {
	object  client.Object
	handler toolscache.ResourceEventHandler
}

// New returns a feed that has seen nothing yet.
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

// Handle adds a handler for a kind. The feed is ready when the handler has taken in the first list of the kind. Call it
// before the feed starts.
func (f *Feed) Handle(object client.Object, handler toolscache.ResourceEventHandler) {
	f.watched = append(f.watched, watched{object, handler})
}

// Subscribe has the function called with every settlement, one after the other in order. Call it before the feed starts.
func (f *Feed) Subscribe(take func(*Settlement)) {
	f.subscriptions = append(f.subscriptions, &subscription{take: take, wake: make(chan struct{}, 1)})
}

// Handler returns the handler that hands objects to the roster.
func (f *Feed) Handler() toolscache.ResourceEventHandler {
	// The informers are those of New: the roster knows their kinds.
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			_ = f.Roster.Set(object.(runtime.Object))
			signal(f.wake)
		},
		UpdateFunc: func(old, object any) {
			_ = f.Roster.Set(object.(runtime.Object))
			if isRenewal(old, object) {
				signal(f.renewed)
			} else {
				signal(f.wake)
			}
		},
		DeleteFunc: func(object any) {
			_ = f.Roster.Remove(Last(object).(runtime.Object))
			signal(f.wake)
		},
	}
}

// isRenewal reports whether an update leaves the spec as it was.
func isRenewal(old, made any) bool {
	a, isOld := old.(client.Object)
	b, isMade := made.(client.Object)
	return isOld && isMade && a.GetUID() == b.GetUID() && b.GetGeneration() != 0 && a.GetGeneration() == b.GetGeneration() &&
		(a.GetDeletionTimestamp() == nil) == (b.GetDeletionTimestamp() == nil)
}

// Last returns the object that a handler is told is deleted: where the watch has missed the end of the object, the state
// that it showed last.
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

// Ready is closed when the first lists of all kinds have been handled, and the subscribers have taken the first settlement:
// not before may anything be published, removed or admitted.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// IsReady reports whether the channel of Ready is closed.
func (f *Feed) IsReady() bool {
	select {
	case <-f.ready:
		return true
	default:
		return false
	}
}

// SettledAt returns when the roster last settled, in seconds since 1970; 0: never.
func (f *Feed) SettledAt() int64 { return f.settledAt.Load() }

// Alive returns an error where the roster has not settled for long although it does so every few seconds.
func (f *Feed) Alive() error {
	if !f.IsReady() {
		return nil // the first lists may take their time; readiness waits for them
	}
	if rest := f.Now().Sub(time.Unix(f.settledAt.Load(), 0)); rest > longestSettling {
		return fmt.Errorf("the roster has not settled for %s", rest)
	}
	return nil
}

// NeedLeaderElection says that every replica feeds its roster.
func (f *Feed) NeedLeaderElection() bool { return false }

// View returns what is decided now, with every object that the watch has shown: it waits while the roster is being settled,
// and settles it where it is behind. What Settled is called with is in it.
func (f *Feed) View() *roster.View {
	if f.Roster.Settled(f.Now()) && !f.busy.Load() { // in this order: what is being settled is no longer pending
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

// Flush returns when the subscribers have taken all settlements.
func (f *Feed) Flush() {
	for _, each := range f.subscriptions {
		each.drain()
	}
}

// Start settles the roster whenever something was seen or a window opens or closes, until the context ends.
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

// sync watches all kinds and returns when their first lists have been handled, which is later than when they are cached.
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
			return errors.New("the first lists did not arrive before the manager stopped")
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
