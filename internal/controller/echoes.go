package controller

import (
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// echoes are the statuses that have been written and that the watch has yet to show. When it does, there is nothing to
// look at: half of all statuses would be computed only to find them as they should be. The zero value is ready.
//
// Whoever computes a status drops its echo first: what should be there may have become what the watch still shows, and
// then what was written in between has to be looked at when it is seen.
type echoes struct {
	mu      sync.Mutex
	digests map[Output]string
}

// expect notes that a status of that digest is about to be written.
func (e *echoes) expect(status Output, digest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.digests == nil {
		e.digests = map[Output]string{}
	}
	e.digests[status] = digest
}

// drop expects nothing more of the status.
func (e *echoes) drop(status Output) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.digests, status)
}

// expects says whether the object has the status that was written.
func (e *echoes) expects(status Output, o client.Object) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.is(status, o)
}

// take says the same, once.
func (e *echoes) take(status Output, o client.Object) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.is(status, o) {
		return false
	}
	delete(e.digests, status)
	return true
}

func (e *echoes) is(status Output, o client.Object) bool {
	digest := e.digests[status]
	return digest != "" && digest == o.GetAnnotations()[statusDigestKey]
}
