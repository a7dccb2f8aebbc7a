package controller

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// Feed has the outputs: it marks those that a settlement touches and, on the leader, puts them into the queue.
type Feed struct {
	Feed     *feed.Feed
	Observed *publish.Observed
	Metrics  *Metrics
	// Now is the clock.
	Now func() time.Time

	// Audit, where set, tells of changed access on the leader.
	Audit *Audit

	// marking is held while the outputs of a settlement are marked, so that no status is computed before all of them are.
	marking sync.RWMutex
	// marked is the last settlement of which the outputs are marked. What is written is rendered from its view.
	marked  atomic.Pointer[feed.Settlement]
	tracker *tracker
	effects effects
	names   names
	// expectations are those of the writes of the leader.
	expectations expectations
	// precedence is that of application documents.
	precedence precedence

	queueMu sync.Mutex
	queue   priorityqueue.PriorityQueue[Output]
}

// NewFeed returns outputs that are fed by the feed.
func NewFeed(fed *feed.Feed, observed *publish.Observed, metrics *Metrics) *Feed {
	f := &Feed{
		Feed: fed, Observed: observed, Metrics: metrics, Now: fed.Now,
		tracker: newTracker(), effects: effects{of: map[roster.Object]*effect{}}, names: names{users: map[string]string{}},
	}
	fed.Handle(&corev1.ConfigMap{}, f.configMapHandler())
	fed.Subscribe(f.settled)
	return f
}

// settled marks the outputs that the settlement touches.
func (f *Feed) settled(s *feed.Settlement) {
	f.marking.Lock()
	defer f.marking.Unlock()
	f.marked.Store(s)
	f.mark(&s.Changes, s.Now)
	f.Metrics.settled(s.View)
}

// view returns the view of the last settlement of which the outputs are marked.
func (f *Feed) view() *roster.Roster {
	if s := f.marked.Load(); s != nil {
		return s.View
	}
	return f.Feed.Roster
}

// isCurrent reports whether the roster is as the last settlement left it of which the outputs are marked.
func (f *Feed) isCurrent() bool {
	s := f.marked.Load()
	return s == nil || s.Number == f.Feed.Begun()
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
			cm := feed.Last(object).(*corev1.ConfigMap)
			f.Observed.Delete(cm.Namespace, cm.Name)
			f.seen(cm, true)
		},
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
	for _, object := range f.view().Concerned(o.Namespace) {
		f.enqueue(statusOf(object))
	}
}

func (f *Feed) released(o Output, free released) {
	f.enqueueOwner(o)
	f.Concern(free.objects)
	if free.sweep {
		f.enqueueStatuses(o.Namespace)
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
		for _, name := range f.view().UserAccesses(o.Namespace, user) {
			f.enqueue(Output{UserStatus, o.Namespace, name})
		}
	}
}

func (f *Feed) enqueueStatuses(namespace string) {
	for _, object := range f.view().Objects(namespace) {
		f.enqueue(statusOf(object))
	}
	if f.tracker.sweptAt("").IsZero() {
		for _, object := range f.view().Objects(f.view().SystemNamespace()) {
			f.enqueue(statusOf(object))
		}
	}
}
