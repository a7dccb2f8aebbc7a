package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// Feed keeps the roster in step with the watch, on every replica. On the leader it also marks the outputs that a change
// touches and puts them into the queue.
type Feed struct {
	Roster    *roster.Roster
	Observed  *publish.Observed
	Informers cache.Informers
	Metrics   *Metrics
	// Now is the clock.
	Now func() time.Time
	// Settled, where set, is told what came of every settling but the first, in order.
	Settled func(changes *roster.Changes, now time.Time)

	// Audit, where set, tells of changed access on the leader.
	Audit *Audit

	// settling is held while the roster settles and the outputs are marked, so that no status is computed between the
	// two.
	settling sync.RWMutex
	tracker  *tracker
	effects  effects
	names    names
	// expectations are those of the writes of the leader.
	expectations expectations
	// precedence is that of application documents.
	precedence precedence

	wake      chan struct{}
	ready     chan struct{}
	settledAt atomic.Int64

	queueMu sync.Mutex
	queue   priorityqueue.PriorityQueue[Output]
}

// NewFeed returns a feed that has seen nothing yet.
func NewFeed(
	r *roster.Roster, observed *publish.Observed, informers cache.Informers, metrics *Metrics, now func() time.Time,
) *Feed {
	return &Feed{
		Roster: r, Observed: observed, Informers: informers, Metrics: metrics, Now: now,
		tracker: newTracker(), effects: effects{of: map[roster.Object]*effect{}}, names: names{users: map[string]string{}},
		wake: make(chan struct{}, 1), ready: make(chan struct{}),
	}
}

// names finds users by the names that their documents carry.
type names struct {
	mu    sync.RWMutex
	users map[string]string
}

func (n *names) note(user string) string {
	name := identity.Name(user)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users[name] = user
	return name
}

// keep drops all but these.
func (n *names) keep(users map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users = users
}

func (n *names) user(name string) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	user, known := n.users[name]
	return user, known
}

// Ready is closed when the first lists of all kinds have been handled and settled: not before may anything be
// published or removed.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Alive returns an error where the roster has not settled for long although it does so every few seconds.
func (f *Feed) Alive() error {
	select {
	case <-f.ready:
	default:
		return nil // the first lists may take their time; readiness waits for them
	}
	if rest := f.Now().Sub(time.Unix(f.settledAt.Load(), 0)); rest > longestSettling {
		return fmt.Errorf("the roster has not settled for %s", rest)
	}
	return nil
}

// NeedLeaderElection says that every replica feeds its roster.
func (f *Feed) NeedLeaderElection() bool { return false }

// watch hands all that the informers see to the feed. The returned registrations tell when the first lists have been
// handled, which is later than when they are cached.
func (f *Feed) watch(ctx context.Context) ([]toolscache.ResourceEventHandlerRegistration, error) {
	var all []toolscache.ResourceEventHandlerRegistration
	for _, watched := range []struct {
		object  client.Object
		handler toolscache.ResourceEventHandler
	}{
		{&corev1.Namespace{}, f.rosterHandler()},
		{&accessv1alpha1.AccessPolicy{}, f.rosterHandler()},
		{&accessv1alpha1.ApplicationAccess{}, f.rosterHandler()},
		{&accessv1alpha1.AccessGroup{}, f.rosterHandler()},
		{&accessv1alpha1.UserAccess{}, f.rosterHandler()},
		{&corev1.ConfigMap{}, f.configMapHandler()},
	} {
		informer, err := f.Informers.GetInformer(ctx, watched.object)
		if err != nil {
			return nil, fmt.Errorf("watching %T: %w", watched.object, err)
		}
		registration, err := informer.AddEventHandler(watched.handler)
		if err != nil {
			return nil, fmt.Errorf("watching %T: %w", watched.object, err)
		}
		all = append(all, registration)
	}
	return all, nil
}

func (f *Feed) rosterHandler() toolscache.ResourceEventHandler {
	set := func(object any) {
		// The informers are those of watch: the roster knows their kinds.
		_ = f.Roster.Set(object.(runtime.Object))
		f.signal()
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, object any) { set(object) },
		DeleteFunc: func(object any) {
			_ = f.Roster.Remove(last(object).(runtime.Object))
			f.signal()
		},
	}
}

func (f *Feed) configMapHandler() toolscache.ResourceEventHandler {
	set := func(object any) {
		cm := object.(*corev1.ConfigMap)
		f.Observed.Set(cm)
		f.seen(cm, false)
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, object any) { set(object) },
		DeleteFunc: func(object any) {
			cm := last(object).(*corev1.ConfigMap)
			f.Observed.Delete(cm.Namespace, cm.Name)
			f.seen(cm, true)
		},
	}
}

// last is the object that a watch which missed its end saw last.
func last(object any) any {
	if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		return unknown.Obj
	}
	return object
}

func (f *Feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// seen takes in what the watch shows of a document.
func (f *Feed) seen(cm *corev1.ConfigMap, gone bool) {
	o, ours := documentAt(client.ObjectKeyFromObject(cm))
	if ours && !f.expectations.show(o, cm.Name, cm.ResourceVersion, gone) {
		f.look(o)
	}
}

// look compares what the watch shows of a document with how it was rendered: the document is finished, or is enqueued. Where
// the watch has yet to show a write, the document is looked at again when it does.
func (f *Feed) look(o Output) {
	wants, touch := f.tracker.expected(o)
	for i := range wants {
		if !wants[i].Matches(f.Observed.Get(wants[i].Key)) {
			f.enqueue(o)
			return
		}
	}
	if len(wants) == 0 || len(wants) != f.shardsOf(o) {
		f.enqueue(o)
		return
	}
	if !f.expectations.pending(o) {
		f.finished(o, touch)
	}
}

// shardsOf says how many ConfigMaps the watch shows of the document.
func (f *Feed) shardsOf(o Output) int {
	if o.Kind == ApplicationDocument {
		return len(f.Observed.Shards(o.Namespace, o.Name))
	}
	return 1
}

// finished notes that the document stands as the touch left it, and lets those report who waited for it.
func (f *Feed) finished(o Output, touch uint64) {
	wasBlocked := f.tracker.blockedBy(o) != nil
	losers, _ := f.tracker.losers(o)
	free, took := f.tracker.finish(o, touch, f.Now())
	if took > 0 {
		f.Metrics.published(o.Kind, took)
	}
	f.released(o, free)
	f.Concern(losers)
	if wasBlocked {
		f.concerned(o)
	}
}

// What could not be written for a reason of its own is tried again, ever less often: the end of such a reason, like a
// name that is no longer taken, shows in no watch.
const (
	firstBlocked = time.Second
	lastBlocked  = time.Minute
)

// blocked notes that the document cannot be written and what it still gives too much, and returns when to try again.
func (f *Feed) blocked(o Output, touch uint64, why error, still *loss) time.Duration {
	was := f.tracker.blockedBy(o)
	losers, gave := f.tracker.losers(o)
	free, attempts := f.tracker.block(o, touch, why, still, f.Now())
	f.released(o, free)
	differs := was == nil || was.Error() != why.Error()
	if differs {
		f.concerned(o)
	}
	if differs || !gave.equal(still) {
		now, _ := f.tracker.losers(o)
		f.Concern(slices.Concat(losers, now))
	}
	var altered *publish.AlteredError
	if errors.As(why, &altered) {
		return max(again, altered.Rest)
	}
	return wait.Jitter(min(firstBlocked<<min(attempts-1, 16), lastBlocked), 0.2)
}

// concerned enqueues the statuses that count documents which cannot be written.
func (f *Feed) concerned(o Output) {
	for _, object := range f.Roster.Concerned(o.Namespace) {
		f.enqueue(statusOf(object))
	}
}

func (f *Feed) released(o Output, free []roster.Object) {
	f.enqueueOwner(o)
	for _, object := range free {
		if object == sweep(object.Namespace) {
			f.enqueueStatuses(object.Namespace)
			continue
		}
		f.enqueue(statusOf(object))
	}
}

// enqueueOwner enqueues the statuses that rest on the document: that of its ApplicationAccess, or those of the user's
// UserAccess objects.
func (f *Feed) enqueueOwner(o Output) {
	if o.Kind == ApplicationDocument {
		f.enqueue(Output{ApplicationStatus, o.Namespace, o.Name})
		return
	}
	if user, known := f.names.user(o.Name); known {
		for _, name := range f.Roster.UserAccesses(o.Namespace, user) {
			f.enqueue(Output{UserStatus, o.Namespace, name})
		}
	}
}

func (f *Feed) enqueueStatuses(namespace string) {
	for _, object := range f.Roster.Objects(namespace) {
		f.enqueue(statusOf(object))
	}
	if f.tracker.sweptAt("").IsZero() {
		for _, object := range f.Roster.Objects(f.Roster.SystemNamespace()) {
			f.enqueue(statusOf(object))
		}
	}
}

// Start settles the roster whenever something was seen or a window opens or closes, until the context ends.
func (f *Feed) Start(ctx context.Context) error {
	registrations, err := f.watch(ctx)
	if err != nil {
		return err
	}
	for _, r := range registrations {
		if !toolscache.WaitForCacheSync(ctx.Done(), r.HasSynced) {
			return errors.New("the first lists did not arrive before the manager stopped")
		}
	}
	f.Settle()
	close(f.ready)
	timer := time.NewTimer(0) //nolint:forbidigo // it only waits; which instant it is, Now says
	defer timer.Stop()
	nextSweep := f.Now().Add(wait.Jitter(sweepInterval, 0.5))
	for {
		timer.Reset(f.untilNext())
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-timer.C:
		}
		f.Settle()
		if f.Now().After(nextSweep) && f.leads() {
			f.sweepAgain()
			nextSweep = f.Now().Add(wait.Jitter(sweepInterval, 0.5))
		}
	}
}

// longestSettling is when a roster that has not settled counts as hung.
const longestSettling = 5 * time.Minute

// longestRest bounds how late a change of the clock is noticed.
const longestRest = 10 * time.Second

func (f *Feed) untilNext() time.Duration {
	next := f.Roster.Next()
	if next.IsZero() {
		return longestRest
	}
	return min(max(next.Sub(f.Now()), time.Millisecond), longestRest)
}

// Settle settles the roster and marks the outputs that what was seen touches. It may be called at any time.
func (f *Feed) Settle() {
	f.settling.Lock()
	defer f.settling.Unlock()
	now := f.Now()
	first := f.settledAt.Load() == 0
	changes := f.Roster.Settle(now)
	f.mark(&changes, now)
	if f.Settled != nil && !first {
		f.Settled(&changes, now)
	}
	f.Metrics.settled(f.Roster)
	f.settledAt.Store(now.Unix())
}
