package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// lead takes the queue over and looks at every document and every status.
func (f *Feed) lead(queue workqueue.TypedRateLimitingInterface[Output]) error {
	priorities, ok := queue.(priorityqueue.PriorityQueue[Output])
	if !ok {
		return fmt.Errorf("the queue is a %T, not one by priority", queue)
	}
	f.marking.Lock()
	defer f.marking.Unlock()
	f.queueMu.Lock()
	f.queue = priorities
	f.queueMu.Unlock()
	f.sweep(true)
	return nil
}

// sweep touches every document that there is or should be, and enqueues every status. Where wait is set, no status is
// written before the documents of its namespace that should be there were looked at.
func (f *Feed) sweep(wait bool) {
	now := f.Now()
	users, documents := map[string]string{}, map[Output]bool{} // whether it is waited for
	for _, key := range f.Observed.Keys() {
		if o, ours := documentAt(key); ours {
			documents[o] = false
			if user, known := f.names.user(o.Name); known {
				users[o.Name] = user
			}
		}
	}
	note := func(user string) string {
		name := identity.Name(user)
		users[name] = user
		return name
	}
	for _, namespace := range f.view().Namespaces() {
		for _, application := range f.view().ApplicationAccesses(namespace) {
			documents[Output{ApplicationDocument, namespace, application}] = wait
		}
		f.view().EachDecision(namespace, func(user string, d *resolve.Decision) {
			name := note(user)
			documents[Output{UserDocument, namespace, name}] = wait
			if o := (Output{OrganizationsDocument, f.view().SystemNamespace(), name}); d.Enters {
				documents[o] = documents[o]
			}
		})
		for _, user := range f.view().Accounts(namespace) {
			documents[f.documentOf(namespace, note(user))] = wait
		}
		for _, object := range f.view().Objects(namespace) {
			f.enqueue(statusOf(object))
		}
	}
	f.names.keep(users)
	for o, awaited := range documents {
		f.tracker.touch(o, touch{isSweep: true, awaited: awaited}, now)
		f.enqueue(o)
	}
}

// sweepInterval is how long something that was missed may stay: everything is rendered anew then, and written where it
// differs.
const sweepInterval = 30 * time.Minute

// lookAgain has the leader look again, until the context ends, at what the watch does not show: at documents with a write in
// doubt, and seldom at everything.
func (f *Feed) lookAgain(ctx context.Context) error {
	rest := func() time.Time { return f.Now().Add(wait.Jitter(sweepInterval, 0.5)) }
	next := rest()
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		f.enqueueDoubtful(ctx)
		if f.Now().After(next) && f.leads() {
			f.sweepAgain()
			next = rest()
		}
	}, firstDoubt)
	return nil
}

func (f *Feed) sweepAgain() {
	f.marking.Lock()
	defer f.marking.Unlock()
	f.sweep(false)
}

func (f *Feed) leads() bool {
	f.queueMu.Lock()
	defer f.queueMu.Unlock()
	return f.queue != nil
}

// Concern has the statuses of the objects looked at: something has changed that they report beside their own documents.
func (f *Feed) Concern(objects []roster.Object) {
	for _, o := range objects {
		f.enqueue(statusOf(o))
	}
}

// enqueue puts the output into the queue. Where this replica does not lead it is dropped: the one that comes to lead
// looks at everything.
func (f *Feed) enqueue(o Output) {
	f.queueMu.Lock()
	defer f.queueMu.Unlock()
	if f.queue == nil {
		return
	}
	priority := o.priority()
	f.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, o)
}
