package source

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/roster"
)

// World is the basis of answers: the objects, and the decisions about them. It does not change, and any number of
// goroutines may use it.
type World struct {
	*roster.View
	Set *objects.Set
	// Scope is the one organization to answer for. Empty means all.
	Scope string
	// Namespace is the namespace of the objects to change. Empty means all. It differs from Scope for the system
	// namespace, whose objects affect all organizations.
	Namespace string
	// Offline reports whether the objects come from files.
	Offline bool

	selectors sync.Map // the parsed selector of each *accessv1alpha1.LabelSelector
}

// Asked returns the organizations to answer for. It returns none if the scope is not an organization.
func (w *World) Asked() []string {
	all := w.Organizations()
	switch {
	case w.Scope == "":
		return all
	case slices.Contains(all, w.Scope):
		return []string{w.Scope}
	default:
		return nil
	}
}

// IsPartial reports whether the objects of other organizations were not read.
func (w *World) IsPartial() bool { return w.Scope != "" && !w.Offline }

// With returns a world in which the changes have been made. The cost grows with the number of affected users.
func (w *World) With(changes []objects.Change) (*World, error) {
	fork, made, gone := w.Fork(), &objects.Set{}, map[string]bool{}
	for i := range changes {
		c := &changes[i]
		if c.After != nil {
			made.Objects = append(made.Objects, *c.After)
			continue
		}
		gone[c.Name()] = true
		if err := fork.Remove(c.Before.Object); err != nil {
			return nil, err
		}
	}
	set := Overlay(w.Set, made, false)
	for _, o := range set.Objects[len(set.Objects)-len(made.Objects):] {
		changed := o.Object.DeepCopyObject().(client.Object)
		changed.SetGeneration(0) // with the generation that was read, it would count as unchanged
		if err := fork.Set(changed); err != nil {
			return nil, err
		}
	}
	set.Objects = slices.DeleteFunc(set.Objects, func(o objects.Object) bool { return gone[objects.Name(o.Object)] })
	return &World{
		View: fork.Settle(w.Now()).View, Set: set, Scope: w.Scope, Namespace: w.Namespace, Offline: w.Offline,
	}, nil
}

// GroupObjects returns the AccessGroup objects in the namespace, or in all namespaces if it is empty.
func (w *World) GroupObjects(namespace string) []*objects.Object {
	var found []*objects.Object
	for i := range w.Set.Objects {
		o := &w.Set.Objects[i]
		if _, is := o.Object.(*accessv1alpha1.AccessGroup); is && (namespace == "" || o.GetNamespace() == namespace) {
			found = append(found, o)
		}
	}
	return found
}

// Object returns the object as it was read, or nil.
func (w *World) Object(key roster.Object) *objects.Object {
	for i := range w.Set.Objects {
		if o := &w.Set.Objects[i]; o.GetName() == key.Name && o.GetNamespace() == key.Namespace && objects.Name(o.Object) == key.String() {
			return o
		}
	}
	return nil
}

// Selects reports whether the selector of an object of the world selects an object with the labels. It caches parsed
// selectors, because a report evaluates them for every grant of every user.
func (w *World) Selects(s *accessv1alpha1.LabelSelector, of map[string]string) bool {
	parsed, known := w.selectors.Load(s)
	if !known {
		parsed, _ = w.selectors.LoadOrStore(s, roster.Selector(s))
	}
	return parsed.(labels.Selector).Matches(labels.Set(of))
}
