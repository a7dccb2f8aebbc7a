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

// lead takes the queue over and looks at every document and every status.
func (r *Reconciler) lead(queue workqueue.TypedRateLimitingInterface[Output]) error {
	priorities, ok := queue.(priorityqueue.PriorityQueue[Output])
	if !ok {
		return fmt.Errorf("the queue is a %T, not one by priority", queue)
	}
	r.marking.Lock()
	defer r.marking.Unlock()
	r.queueMu.Lock()
	r.queue = priorities
	r.queueMu.Unlock()
	r.sweep(true)
	return nil
}

// sweep touches every document that there is or should be, and enqueues every status. Where wait is set, no status is
// written before the documents of its namespace that should be there were looked at.
func (r *Reconciler) sweep(wait bool) {
	now := r.Feed.Now()
	users, documents := map[string]string{}, map[Output]bool{} // whether it is waited for
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
	for o, awaited := range documents {
		r.tracker.touch(o, touch{isSweep: true, awaited: awaited}, now)
		r.enqueue(o)
	}
}

// sweepInterval is how long something that was missed may stay: everything is rendered anew then, and written where it
// differs.
const sweepInterval = 30 * time.Minute

// lookAgain has the leader look again, until the context ends, at what the watch does not show: at documents with a write in
// doubt, and seldom at everything.
func (r *Reconciler) lookAgain(ctx context.Context) error {
	rest := func() time.Time { return r.Feed.Now().Add(wait.Jitter(sweepInterval, 0.5)) }
	next := rest()
	wait.UntilWithContext(ctx, func(context.Context) {
		r.enqueueDoubtful()
		if r.Feed.Now().After(next) && r.leads() {
			r.sweepAgain()
			next = rest()
		}
	}, firstDoubt)
	return nil
}

func (r *Reconciler) sweepAgain() {
	r.marking.Lock()
	defer r.marking.Unlock()
	r.sweep(false)
}

func (r *Reconciler) leads() bool {
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

// enqueue puts the output into the queue. Where this replica does not lead it is dropped: the one that comes to lead
// looks at everything.
func (r *Reconciler) enqueue(o Output) {
	r.queueMu.Lock()
	defer r.queueMu.Unlock()
	if r.queue == nil {
		return
	}
	priority := o.priority()
	r.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, o)
}
