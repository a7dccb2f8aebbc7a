package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// echoes are the statuses that have been written and that the watch has yet to show. When it does, there is nothing to
// look at: half of all statuses would be computed only to find them as they should be. The zero value is ready.
type echoes struct {
	mu      sync.Mutex
	digests map[types.UID]string
}

// expect notes that a status of that digest is about to be written.
func (e *echoes) expect(o client.Object, digest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.digests == nil {
		e.digests = map[types.UID]string{}
	}
	e.digests[o.GetUID()] = digest
}

// drop expects nothing more of the object.
func (e *echoes) drop(o client.Object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.digests, o.GetUID())
}

// take says, once, whether the object has the status that was written.
func (e *echoes) take(o client.Object) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	digest, expected := e.digests[o.GetUID()]
	if !expected || digest == "" || digest != o.GetAnnotations()[statusDigestKey] {
		return false
	}
	delete(e.digests, o.GetUID())
	return true
}
