package roster

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/usher-dev/usher/internal/index"
)

// Options says what the roster cannot see in the objects.
type Options struct {
	// SystemNamespace is the namespace above all organizations.
	SystemNamespace string
	// Organizations selects the namespaces that may be organizations. Nil and empty select all.
	Organizations labels.Selector
	// HasNamespaces says that every Namespace object that exists is taken in: a namespace without one is no organization.
	HasNamespaces bool
	// Evaluations is the budget of one settling for the ends of entries (resolve.Budget). Zero is no bound.
	Evaluations int
}

// Roster takes objects in and decides for the users whom they affect. What it has decided is its [View]. It is safe for
// concurrent use: taking an object in does not wait for a settling, and reading a view waits for nothing.
type Roster struct {
	mu    sync.Mutex // held while an object is taken in
	layer *index.Layer

	evaluations int

	settling sync.Mutex // held while decisions are made
	view     atomic.Pointer[View]
}

// New returns a roster without objects.
func New(options Options) *Roster {
	r := &Roster{
		layer: index.New(index.Options{
			SystemNamespace: options.SystemNamespace, Organizations: options.Organizations, HasNamespaces: options.HasNamespaces,
		}),
		evaluations: options.Evaluations,
	}
	r.view.Store(&View{
		index: r.layer.Freeze(), conflicts: index.NewTree(conflicts.compare), timed: index.NewTree(timedUser.compare),
		unfinished: index.NewTree(Account.Compare),
	})
	return r
}

// Set takes a new or changed object in: one of the four kinds, or a Namespace. Other objects are an error. Setting an
// object again changes nothing. The object is kept and must not be changed. What it brings is decided by the next
// [Roster.Settle].
func (r *Roster) Set(object runtime.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.layer.Set(object)
}

// Remove takes an object out that is gone. Only its kind, namespace and name are read.
func (r *Roster) Remove(object runtime.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.layer.Remove(object)
}

// View returns what the last [Roster.Settle] found.
func (r *Roster) View() *View { return r.view.Load() }

// Settled reports whether the view of the roster is that of all objects taken in, at the instant now: no object was set since,
// and no window has opened or closed. Ends of entries may still be looked for.
func (r *Roster) Settled(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.View().nextWindow()
	return r.layer.Touched().IsEmpty() && (next.IsZero() || next.After(now))
}

// Objects returns the objects taken in so far, settled or not.
func (r *Roster) Objects() *index.Index {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.layer.Freeze()
}
