package notify

import (
	"sync"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

type member struct{ organization, user string }

// batch is what has changed since it was last taken.
type batch struct {
	// users have their decision before the first of the changes; looked is set where only something else of the user
	// changed.
	users   map[member]before
	objects map[roster.Object]struct{}
}

type before struct {
	decision *resolve.Decision
	changed  bool
}

func newBatch() batch {
	return batch{users: map[member]before{}, objects: map[roster.Object]struct{}{}}
}

// inbox takes changes in while somebody reads it.
type inbox struct {
	mu   sync.Mutex
	open bool
	batch
	wake chan struct{}
}

// Settled takes in what came of a settling. It only notes it: whoever settles is never held up.
func (n *Notifier) Settled(changes *roster.Changes, _ time.Time) {
	i := &n.inbox
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.open {
		return
	}
	for k := range changes.Users {
		c := &changes.Users[k]
		m := member{c.Organization, c.User}
		if known, noted := i.users[m]; !noted || !known.changed {
			i.users[m] = before{c.Before, true}
		}
	}
	for _, a := range changes.Accounts {
		m := member{a.Namespace, a.User}
		if _, noted := i.users[m]; !noted {
			i.users[m] = before{}
		}
	}
	note := func(o roster.Object) {
		if o.Kind != roster.KindApplicationAccess {
			i.objects[o] = struct{}{}
		}
	}
	for _, o := range changes.Objects {
		note(o)
	}
	for _, o := range changes.Renewed {
		if o.GetAnnotations()[accessv1alpha1.AnnotationNotify] != "" {
			note(roster.ObjectOf(o))
		}
	}
	signal(i.wake)
}

// start has the inbox take things in.
func (i *inbox) start() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open, i.batch = true, newBatch()
}

// poke has the inbox looked at.
func (i *inbox) poke() { signal(i.wake) }

func (i *inbox) take() batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	taken := i.batch
	i.batch = newBatch()
	return taken
}
