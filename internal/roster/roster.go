package roster

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/usher-dev/usher/internal/index"
)

// Options configures a roster with facts that the objects do not contain.
type Options struct {
	// SystemNamespace is the namespace above all organizations.
	SystemNamespace string
	// Organizations selects the namespaces that may be organizations. A nil or empty selector selects all.
	Organizations labels.Selector
	// HasNamespaces reports whether the roster receives every existing Namespace object. If it does, a namespace
	// without a Namespace object is not an organization.
	HasNamespaces bool
	// Evaluations is the budget of one settling for computing the ends of entries (resolve.Budget). Zero means no
	// limit.
	Evaluations int
	// LimitFirst reports whether the budget applies to the first settling too. A roster whose decisions are published
	// needs every end then: a restart must publish nothing that it would take back.
	LimitFirst bool
}

// Roster receives objects and decides for the users that they affect. Its [View] holds the decisions. A Roster
// is safe for concurrent use: receiving an object does not wait for a settling, and reading a view never waits.
type Roster struct {
	mu    sync.Mutex // guards layer; held while an object is received
	layer *index.Layer

	evaluations int
	limitFirst  bool

	settling sync.Mutex // held while decisions are made
	view     atomic.Pointer[View]
}

// New returns a roster without objects.
func New(options Options) *Roster {
	r := &Roster{
		layer: index.New(index.Options{
			SystemNamespace: options.SystemNamespace, Organizations: options.Organizations, HasNamespaces: options.HasNamespaces,
		}),
		evaluations: options.Evaluations, limitFirst: options.LimitFirst,
	}
	r.view.Store(&View{
		index: r.layer.Freeze(), conflicts: index.NewTree(conflicts.compare), timed: index.NewTree(timedUser.compare),
		unfinished: index.NewTree(Account.Compare),
	})
	return r
}

// Set adds or replaces an object: one of the four kinds, or a Namespace. It returns an error for any other
// object. Setting the same object again has no effect. The roster keeps the object, which must not be changed.
// The next [Roster.Settle] decides for the affected users.
func (r *Roster) Set(object runtime.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.layer.Set(object)
}

// Remove removes a deleted object. It reads only the kind, namespace and name.
func (r *Roster) Remove(object runtime.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.layer.Remove(object)
}

// View returns the result of the last [Roster.Settle].
func (r *Roster) View() *View { return r.view.Load() }

// Settled reports whether the view reflects all received objects at the instant now: no object was set since the
// last settling, and no window has opened or closed. Decisions may still be unfinished, because the ends of
// their entries are not yet computed.
func (r *Roster) Settled(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.View().nextWindow()
	return r.layer.Touched().IsEmpty() && (next.IsZero() || next.After(now))
}

// Objects returns a snapshot of all received objects, settled or not.
func (r *Roster) Objects() *index.Index {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.layer.Freeze()
}
