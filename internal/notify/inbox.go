package notify

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

type member struct{ organization, user string }

// batch is what has happened in a namespace since it was last reconciled.
type batch struct {
	// users are the users to compare.
	users map[string]before
	// results are the outcomes of attempts to deliver.
	results []result
	// policy reports whether the AccessPolicy may have changed.
	policy bool
}

// before is the decision that a user had before the first change of a batch. The flag is false where the decision did not
// change.
type before struct {
	decision *resolve.Decision
	changed  bool
}

func (b *batch) user(user string, earlier before) {
	if known, found := b.users[user]; !found || (earlier.changed && !known.changed) {
		b.users[user] = earlier
	}
}

// inbox collects batches for the notifier and enqueues their namespaces. It is safe for concurrent use.
type inbox struct {
	mu      sync.Mutex
	queue   workqueue.TypedInterface[string] // nil until the inbox is opened
	batches map[string]*batch
}

// open makes the inbox collect what arrives from now on.
func (i *inbox) open(queue workqueue.TypedInterface[string]) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.queue, i.batches = queue, map[string]*batch{}
}

// add changes the batch of a namespace and enqueues the namespace.
func (i *inbox) add(namespace string, change func(*batch)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i.batch(namespace))
}

func (i *inbox) batch(namespace string) *batch {
	b := i.batches[namespace]
	if b == nil {
		b = &batch{users: map[string]before{}}
		i.batches[namespace] = b
	}
	i.queue.Add(namespace)
	return b
}

// take returns the batch of a namespace and begins a new one.
func (i *inbox) take(namespace string) *batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	b := i.batches[namespace]
	if b == nil {
		return &batch{}
	}
	delete(i.batches, namespace)
	return b
}

// Settled takes the changes of a settlement. It returns at once: settling never waits for notices.
func (n *Notifier) Settled(changes *roster.Changes, _ time.Time) {
	i := &n.inbox
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.queue == nil {
		return // this replica does not lead, or has not started
	}
	for k := range changes.Users {
		c := &changes.Users[k]
		i.batch(c.Organization).user(c.User, before{c.Before, true})
	}
	for _, a := range changes.Accounts {
		i.batch(a.Namespace).user(a.User, before{})
	}
	for _, o := range changes.Objects {
		switch o.Kind {
		case roster.KindAccessGroup:
			i.batch(o.Namespace)
		case roster.KindAccessPolicy:
			i.batch(o.Namespace).policy = true
		}
	}
	for _, o := range changes.Renewed {
		if o.GetAnnotations()[accessv1alpha1.AnnotationNotify] == "" {
			continue
		}
		b := i.batch(o.GetNamespace())
		if ua, ok := o.(*accessv1alpha1.UserAccess); ok {
			b.user(string(ua.Spec.User), before{})
		}
	}
}
