package validation

import (
	"slices"
	"strings"
	"sync"

	"github.com/usher-dev/usher/internal/roster"
)

// names indexes the users whom declared objects name, by namespace. It indexes a namespace on first use, and again
// after the objects of the namespace have changed.
type names struct {
	mu sync.Mutex
	of map[string]*namesIn // by namespace
}

// namesIn is the index of one namespace. It is immutable.
type namesIn struct {
	revision uint64
	users    []string            // sorted
	masks    []uint64            // of the users, see maskOf
	folded   map[string]string   // lower-case name to one of its users
	further  map[string][]string // lower-case name to its other users, if any
}

// in returns the index of a namespace. It costs one lookup. If the objects of the namespace have changed, the cost
// grows with the number of its users.
func (n *names) in(v *roster.View, namespace string) *namesIn {
	n.mu.Lock()
	defer n.mu.Unlock()
	objects := v.Index().Namespace(namespace)
	if found := n.of[namespace]; found != nil && found.revision == objects.Revision() {
		return found
	}
	made := &namesIn{revision: objects.Revision(), users: slices.Collect(objects.KnownUsers())}
	slices.Sort(made.users)
	made.masks = make([]uint64, len(made.users))
	made.folded = make(map[string]string, len(made.users))
	for i, user := range made.users {
		folded := strings.ToLower(user)
		made.masks[i] = maskOf(folded)
		if _, again := made.folded[folded]; !again {
			made.folded[folded] = user
			continue
		}
		if made.further == nil {
			made.further = map[string][]string{}
		}
		made.further[folded] = append(made.further[folded], user)
	}
	if n.of == nil {
		n.of = map[string]*namesIn{}
	}
	n.of[namespace] = made
	return made
}

// likes returns the users whose names differ only in case from the given one.
func (n *namesIn) likes(user string) []string {
	folded := strings.ToLower(user)
	first, found := n.folded[folded]
	if !found {
		return nil
	}
	return slices.DeleteFunc(append([]string{first}, n.further[folded]...), func(each string) bool { return each == user })
}

// forget drops the indexes of all namespaces that are not in kept.
func (n *names) forget(kept []searchedIn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.of) <= len(kept) {
		return
	}
	still := make(map[string]*namesIn, len(kept))
	for _, each := range kept {
		still[each.namespace] = each.index
	}
	n.of = still
}
