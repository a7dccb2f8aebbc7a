package v1alpha1

import (
	"sync"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// mostRequesters bounds how many changes are remembered.
const mostRequesters = 10_000

// Requesters remembers who asked for the last changes that this replica admitted: best effort, for the audit. Another replica
// may have been asked, and what was admitted may have failed afterwards.
type Requesters struct {
	log logr.Logger

	mu    sync.Mutex
	of    map[requested]string
	order []requested // the oldest at next
	next  int
}

// requested is one state of one object; of a deletion, the object alone.
type requested struct {
	object  roster.Object
	version roster.Version
}

// NewRequesters returns a memory of nothing. The log gets a line for every change that is admitted: for those that another
// replica tells of.
func NewRequesters(log logr.Logger) *Requesters {
	return &Requesters{log: log, of: map[requested]string{}}
}

// Of returns who asked for the version of the object, or "" where that is not known. The empty version asks who had it
// deleted.
func (r *Requesters) Of(object roster.Object, version roster.Version) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[requested{object, version}]
}

func (r *Requesters) note(operation admissionv1.Operation, kind string, request *validation.Request, user string) {
	about := object(request)
	made := requested{object: roster.Object{Kind: roster.Kind(kind), Namespace: about.GetNamespace(), Name: about.GetName()}}
	if request.New != nil {
		made.version = versionOf(request.New)
	}
	r.log.Info("Change admitted", "operation", operation, "object", made.object.String(),
		"uid", about.GetUID(), "generation", about.GetGeneration(), "requester", user)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.of[made]; !known {
		if len(r.order) < mostRequesters {
			r.order = append(r.order, made)
		} else {
			delete(r.of, r.order[r.next])
			r.order[r.next] = made
			r.next = (r.next + 1) % mostRequesters
		}
	}
	r.of[made] = user
}

func versionOf(object client.Object) roster.Version {
	return roster.Version{UID: object.GetUID(), Generation: object.GetGeneration()}
}
