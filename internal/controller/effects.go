package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/usher-dev/usher/internal/roster"
)

// effects counts, for each changed object, the users and applications whose access the change affected. The object's
// event reports them when all of it is published. An object has one event, however many users it affects.
type effects struct {
	mu      sync.Mutex
	byCause map[roster.Object]*effect
}

type effect struct {
	users        int
	first        []string // the first users by name, at most mostNamed
	applications map[string]struct{}
}

// mostNamed bounds the users that an event names.
const mostNamed = 3

// add records that the user's access changed in the applications because of the causes.
func (e *effects) add(causes []roster.Object, user string, applications []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, cause := range causes {
		entry := e.byCause[cause]
		if entry == nil {
			entry = &effect{applications: map[string]struct{}{}}
			e.byCause[cause] = entry
		}
		entry.users++
		if i, named := slices.BinarySearch(entry.first, user); !named && i < mostNamed {
			entry.first = first(slices.Insert(entry.first, i, user), mostNamed)
		}
		for _, application := range applications {
			entry.applications[application] = struct{}{}
		}
	}
}

// take returns the text for the object's event and forgets it. It returns "" if there is nothing to report.
func (e *effects) take(object roster.Object) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry := e.byCause[object]
	if entry == nil {
		return ""
	}
	delete(e.byCause, object)
	users := strings.Join(entry.first, ", ")
	if more := entry.users - len(entry.first); more > 0 {
		users += fmt.Sprintf(" and %d more", more)
	}
	if len(entry.applications) == 0 {
		return fmt.Sprintf("Access of %s changed.", users)
	}
	return fmt.Sprintf("Access of %s changed, in %s.", users, listed(slices.Sorted(maps.Keys(entry.applications))))
}
