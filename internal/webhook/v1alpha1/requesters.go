package v1alpha1

import (
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

const (
	// mostRequested bounds how many changes are remembered.
	mostRequested = 10_000
	// mostRequesters bounds the names that are kept for one change.
	mostRequesters = 10
	// others stands for the requesters of a change beyond mostRequesters.
	others = "(others)"
)

// Requesters remembers, for the audit, the requesters that reviews named for the latest changes that this replica
// admitted. They are not proof: any client that reaches the port can post a review that names any user, another
// replica may have been asked, and an admitted change may have failed afterwards. All requesters that were named
// for a change are therefore reported, and none replaces another.
type Requesters struct {
	log logr.Logger

	mu    sync.Mutex
	of    map[requested][]string // in the order in which they were first named
	order []requested            // a ring: the oldest is at next
	next  int
}

// requested is one state of one object or, for a deletion, the object alone.
type requested struct {
	object  roster.Object
	version roster.Version
}

// NewRequesters returns an empty Requesters. It logs a line for every admitted review, because another replica may
// report the change.
func NewRequesters(log logr.Logger) *Requesters {
	return &Requesters{log: log, of: map[requested][]string{}}
}

// Of returns the requesters that reviews named for the version of the object, or nil if they are not known. The
// empty version stands for deletions of the object.
func (r *Requesters) Of(object roster.Object, version roster.Version) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.of[requested{object, version}])
}

func (r *Requesters) note(operation admissionv1.Operation, kind string, request *validation.Request, user string) {
	about := object(request)
	made := requested{object: roster.Object{Kind: roster.Kind(kind), Namespace: about.GetNamespace(), Name: about.GetName()}}
	if request.New != nil {
		made.version = versionOf(request.New)
	}
	user = strings.Clone(shortened(user)) // does not retain the whole review
	r.log.Info("Review allowed", "operation", operation, "object", made.object.String(),
		"uid", about.GetUID(), "generation", about.GetGeneration(), "requesterByReview", user)
	r.mu.Lock()
	defer r.mu.Unlock()
	named, known := r.of[made]
	if !known {
		if len(r.order) < mostRequested {
			r.order = append(r.order, made)
		} else {
			delete(r.of, r.order[r.next])
			r.order[r.next] = made
			r.next = (r.next + 1) % mostRequested
		}
	}
	switch {
	case slices.Contains(named, user) || len(named) > mostRequesters:
	case len(named) == mostRequesters:
		r.of[made] = append(named, others)
	default:
		r.of[made] = append(named, user)
	}
}

func versionOf(object client.Object) roster.Version {
	return roster.Version{UID: object.GetUID(), Generation: object.GetGeneration()}
}
