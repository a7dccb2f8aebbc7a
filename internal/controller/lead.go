package controller

import (
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// lead takes the queue over and looks at every document and every status.
func (f *Feed) lead(queue workqueue.TypedRateLimitingInterface[Output]) error {
	priorities, ok := queue.(priorityqueue.PriorityQueue[Output])
	if !ok {
		return fmt.Errorf("the queue is a %T, not one by priority", queue)
	}
	f.settling.Lock()
	defer f.settling.Unlock()
	f.queueMu.Lock()
	f.queue = priorities
	f.queueMu.Unlock()
	f.sweep()
	return nil
}

// sweep touches every document there is or should be, and enqueues every status.
func (f *Feed) sweep() {
	now := f.Now()
	for _, namespace := range f.Roster.Namespaces() {
		cause := []roster.Object{sweep(namespace)}
		for _, application := range f.Roster.ApplicationAccesses(namespace) {
			f.touch(Output{ApplicationDocument, namespace, application}, cause, now)
		}
		f.Roster.EachDecision(namespace, func(user string, d *resolve.Decision) {
			name := f.names.note(user)
			f.touch(Output{UserDocument, namespace, name}, cause, now)
			if d.Enters {
				f.touch(Output{OrganizationsDocument, f.Roster.SystemNamespace(), name}, nil, now)
			}
		})
		for _, user := range f.Roster.Accounts(namespace) {
			f.touch(f.documentOf(namespace, f.names.note(user)), cause, now)
		}
		for _, object := range f.Roster.Objects(namespace) {
			f.enqueue(statusOf(object))
		}
	}
	for _, key := range f.Observed.Keys() {
		if o, ours := documentAt(key); ours {
			f.touch(o, nil, now)
		}
	}
}

// sweepInterval is how long something that was missed may stay: everything is rendered anew then, and written where it
// differs.
const sweepInterval = 30 * time.Minute

func (f *Feed) sweepAgain() {
	f.settling.Lock()
	defer f.settling.Unlock()
	f.sweep()
}

func (f *Feed) leads() bool {
	f.queueMu.Lock()
	defer f.queueMu.Unlock()
	return f.queue != nil
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
