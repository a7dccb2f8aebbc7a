package controller

import (
	"fmt"
	"maps"
	"slices"
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
	applications map[string]struct{}
}

func (e *effects) add(causes []roster.Object, applications []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, cause := range causes {
		at := e.of[cause]
		if at == nil {
			at = &effect{applications: map[string]struct{}{}}
			e.of[cause] = at
		}
		at.users++
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
	users := "1 user"
	if at.users != 1 {
		users = fmt.Sprintf("%d users", at.users)
	}
	if len(at.applications) == 0 {
		return fmt.Sprintf("Access of %s changed.", users)
	}
	return fmt.Sprintf("Access of %s changed, in %s.", users, listed(slices.Sorted(maps.Keys(at.applications))))
}
