package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/roster"
)

// becomeLeader takes over the queue and enqueues every document and every status. The view may have earlier versions of
// objects that another leader wrote statuses of, so it is renewed.
func (r *Reconciler) becomeLeader(queue workqueue.TypedRateLimitingInterface[Output]) error {
	priorities, ok := queue.(priorityqueue.PriorityQueue[Output])
	if !ok {
		return fmt.Errorf("the queue is a %T, not a priority queue", queue)
	}
	r.marking.Lock()
	defer r.marking.Unlock()
	r.queueMu.Lock()
	r.queue = priorities
	r.queueMu.Unlock()
	r.touchAll(true)
	r.Feed.Renew()
	return nil
}

// touchAll touches every document that exists or should exist, and enqueues every status. If wait is true, no status of
// a namespace is written before all documents that should exist in it have been checked, and an audit line reports the
// documents that differ.
func (r *Reconciler) touchAll(wait bool) {
	now := r.Feed.Now()
	users, documents := map[string]string{}, map[Output]bool{} // the value is whether statuses wait for the document
	for _, key := range r.Publisher.Observed.Keys() {
		if o, ours := documentAt(key); ours {
			documents[o] = false
			if user, known := r.names.user(o.Name); known {
				users[o.Name] = user
			}
		}
	}
	note := func(user string) string {
		name := identity.Name(user)
		users[name] = user
		return name
	}
	for namespace, objects := range r.view().Index().Namespaces() {
		if objects.IsEmpty() {
			continue
		}
		for application := range objects.Applications() {
			documents[Output{ApplicationDocument, namespace, application}] = wait
		}
		for user, d := range r.view().Decisions(namespace) {
			name := note(user)
			documents[Output{UserDocument, namespace, name}] = wait
			o := Output{OrganizationsDocument, r.view().SystemNamespace(), name}
			if _, noted := documents[o]; d.Enters && !noted {
				documents[o] = false
			}
		}
		for user := range objects.Accounts() {
			documents[r.documentOf(namespace, note(user))] = wait
		}
		r.Concern(slices.Collect(objects.Objects()))
	}
	r.names.keep(users)
	if wait && r.takeover.begin(documents) {
		r.reportTakeover()
	}
	for o, awaited := range documents {
		r.tracker.touch(o, touch{isResync: true, awaited: awaited}, now)
		r.enqueue(o)
	}
}

// resyncInterval is the longest time for which a missed change can remain. At this interval all outputs are rendered
// again, and those that differ are written.
const resyncInterval = 30 * time.Minute

// recheck runs until the context ends. It checks documents whose last write has an unknown result, and at a much
// longer interval all outputs.
func (r *Reconciler) recheck(ctx context.Context) error {
	rest := func() time.Time { return r.Feed.Now().Add(wait.Jitter(resyncInterval, 0.5)) }
	next := rest()
	wait.UntilWithContext(ctx, func(context.Context) {
		r.enqueueDoubtful()
		if r.Feed.Now().After(next) && r.isLeader() {
			r.resync()
			next = rest()
		}
	}, firstDoubt)
	return nil
}

func (r *Reconciler) resync() {
	r.marking.Lock()
	defer r.marking.Unlock()
	r.touchAll(false)
}

func (r *Reconciler) isLeader() bool {
	r.queueMu.Lock()
	defer r.queueMu.Unlock()
	return r.queue != nil
}

// Concern enqueues the statuses of the objects.
func (r *Reconciler) Concern(objects []roster.Object) {
	for _, o := range objects {
		r.enqueue(statusOf(o))
	}
}

// enqueue adds the output to the queue. On a replica that is not the leader it does nothing: a new leader checks
// everything.
func (r *Reconciler) enqueue(o Output) {
	r.queueMu.Lock()
	defer r.queueMu.Unlock()
	if r.queue == nil {
		return
	}
	priority := o.priority()
	r.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, o)
}
