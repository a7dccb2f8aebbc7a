package edit

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// Plan is a list of changes that have not been made yet.
type Plan struct {
	// Changes include the objects that need no change.
	Changes []objects.Change
	// Notes are remarks for people, for example on a name that is probably a misspelling.
	Notes []string
}

// Note adds a remark.
func (p *Plan) Note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// add adds the change of an object.
func (p *Plan) add(before *objects.Object, after client.Object) {
	p.Changes = append(p.Changes, objects.NewChange(before, after))
}

// Changed returns the changes without the objects that need no change.
func (p *Plan) Changed() []objects.Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c objects.Change) bool { return !c.IsChange() })
}

// Edited returns a copy of the object for editing.
func Edited[T client.Object](o *objects.Object) T {
	return o.Object.DeepCopyObject().(T)
}

// Effects returns who gains and loses what by the changes, and what admission would say about them. It does not ask the
// API server.
func Effects(
	ctx context.Context, w *source.World, changes []objects.Change, say func(string, ...any),
) (*query.Differences, error) {
	after, err := w.With(changes)
	if err != nil {
		return nil, err
	}
	found := query.NewDifferences(w, after)
	found.Judge(ctx, w, source.ChangesBetween(w.Set, after.Set), say)
	return found, nil
}
