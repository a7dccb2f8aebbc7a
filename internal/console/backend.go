package console

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

// A Backend holds the newest objects and writes changes. Any number of goroutines may use it.
type Backend interface {
	// World returns the newest objects, and a text that differs for every version of them.
	World() (w *source.World, version string)
	// Changed returns a channel that is closed when World returns another version.
	Changed() <-chan struct{}
	// Describe says where the objects come from, and on whose behalf they are read.
	Describe() (from, caller string)
	// Notes say what the pages do not show, and why.
	Notes() []string
	// InFiles reports whether changes go into files.
	InFiles() bool
	// Manifests returns the changed objects as YAML documents.
	Manifests(changes []objects.Change) ([][]byte, error)
	// DryRun asks the API server and admission about the changes.
	DryRun(ctx context.Context, plan *edit.Plan) []edit.Outcome
	// Write writes the changes, and waits until World contains them.
	Write(ctx context.Context, plan *edit.Plan) []edit.Outcome
	// Notify requests notices to the people whom the objects reach.
	Notify(ctx context.Context, all []edit.Notice, at time.Time) []edit.Outcome
}

// newest holds the newest world.
type newest struct {
	mu      sync.Mutex
	world   *source.World
	version int
	changed chan struct{}
}

func (n *newest) set(w *source.World) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.world = w
	n.version++
	if n.changed != nil {
		close(n.changed)
	}
	n.changed = make(chan struct{})
}

// World returns the newest objects, and their version.
func (n *newest) World() (w *source.World, version string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.world, strconv.Itoa(n.version)
}

// Changed returns a channel that is closed with the next version.
func (n *newest) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// at returns the world at another instant.
func at(w *source.World, now time.Time) *source.World {
	return &source.World{
		View: w.Fork().Settle(now).View, Set: w.Set, Scope: w.Scope, Namespace: w.Namespace, Offline: w.Offline,
	}
}

// within returns the world for questions about one organization.
func within(w *source.World, organization string) *source.World {
	return &source.World{View: w.View, Set: w.Set, Scope: organization, Namespace: organization, Offline: w.Offline}
}

// sortedNames returns the keys, sorted.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func failedOutcome(object string, err error) edit.Outcome {
	return edit.Outcome{Object: object, State: edit.StateNotTried, Reason: fmt.Sprint(err), Failed: true, Err: err}
}
