package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/usher-dev/usher/internal/identity"
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

// sweep touches every document that there is or should be, and enqueues every status. Where statuses are to wait for
// the documents, the sweep is a cause.
func (f *Feed) sweep(wait bool) {
	now := f.Now()
	documents := map[Output][]roster.Object{}
	for _, key := range f.Observed.Keys() {
		if o, ours := documentAt(key); ours {
			documents[o] = nil
		}
	}
	users := map[string]string{}
	for o := range documents {
		if user, known := f.names.user(o.Name); known {
			users[o.Name] = user
		}
	}
	note := func(user string) string {
		name := identity.Name(user)
		users[name] = user
		return name
	}
	for namespace, objects := range f.view().Index().Namespaces() {
		if objects.IsEmpty() {
			continue
		}
		cause := []roster.Object{sweep(namespace)}
		if !wait {
			cause = nil
		}
		for application := range objects.Applications() {
			documents[Output{ApplicationDocument, namespace, application}] = cause
		}
		for user, d := range f.view().Decisions(namespace) {
			name := note(user)
			documents[Output{UserDocument, namespace, name}] = cause
			if o := (Output{OrganizationsDocument, f.view().SystemNamespace(), name}); d.Enters && documents[o] == nil {
				documents[o] = nil
			}
		}
		for user := range objects.Accounts() {
			documents[f.documentOf(namespace, note(user))] = cause
		}
		for object := range objects.Objects() {
			f.enqueue(statusOf(object))
		}
	}
	f.names.keep(users)
	for o, cause := range documents {
		f.tracker.touch(o, cause, true, now)
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
