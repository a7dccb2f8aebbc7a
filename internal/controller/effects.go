package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/usher-dev/usher/internal/roster"
)

// effects counts, for each object that changed, whose access that changed and where: what its event says when all of it
// is published. One object has one event, however many users it regards.
type effects struct {
	mu sync.Mutex
	of map[roster.Object]*effect
}

type effect struct {
	users        int
	first        []string // of the users, by name: a few
	applications map[string]struct{}
}

// mostNamed bounds the users that an event names.
const mostNamed = 3

// add notes that the user's access changed in the applications.
func (e *effects) add(causes []roster.Object, user string, applications []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, cause := range causes {
		at := e.of[cause]
		if at == nil {
			at = &effect{applications: map[string]struct{}{}}
			e.of[cause] = at
		}
		at.users++
		if i, named := slices.BinarySearch(at.first, user); !named && i < mostNamed {
			at.first = first(slices.Insert(at.first, i, user), mostNamed)
		}
		for _, application := range applications {
			at.applications[application] = struct{}{}
		}
	}
}

// take returns what to say about the object, once; empty: nothing.
func (e *effects) take(object roster.Object) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.of[object]
	if at == nil {
		return ""
	}
	delete(e.of, object)
	users := strings.Join(at.first, ", ")
	if more := at.users - len(at.first); more > 0 {
		users += fmt.Sprintf(" and %d more", more)
	}
	if len(at.applications) == 0 {
		return fmt.Sprintf("Access of %s changed.", users)
	}
	return fmt.Sprintf("Access of %s changed, in %s.", users, listed(slices.Sorted(maps.Keys(at.applications))))
}
