package controller

import (
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// mostDiffering bounds the documents that the line of a new leader names.
const mostDiffering = 20

// takeover collects which documents a new leader finds different from what it would publish: what changed while no replica
// led. It writes one audit line when every document has been checked. It is safe for concurrent use.
type takeover struct {
	mu        sync.Mutex
	unchecked map[Output]bool // the value is whether the published document differs
	documents int
	differing []Output
}

// begin starts with the documents to check. It reports whether there are none.
func (t *takeover) begin(documents map[Output]bool) (none bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unchecked, t.documents = make(map[Output]bool, len(documents)), len(documents)
	for o := range documents {
		t.unchecked[o] = false
	}
	return len(documents) == 0
}

// wrote records that the document had to be written.
func (t *takeover) wrote(o Output) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, found := t.unchecked[o]; found {
		t.unchecked[o] = true
	}
}

// checked records that the watch shows the document as decided, or that it cannot be written. It reports whether it was the
// last one.
func (t *takeover) checked(o Output, blocked bool) (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	differs, found := t.unchecked[o]
	if !found {
		return false
	}
	if differs || blocked {
		t.differing = append(t.differing, o)
	}
	delete(t.unchecked, o)
	return len(t.unchecked) == 0
}

// write writes the audit line. lastLed is when another replica last renewed the lease; zero: not known.
func (t *takeover) write(log logr.Logger, lastLed time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]string, len(t.differing))
	for i, o := range t.differing {
		names[i] = string(o.Kind) + "/" + o.Namespace + "/" + o.Name
	}
	slices.Sort(names)
	if !lastLed.IsZero() {
		log = log.WithValues("lastLed", lastLed.UTC().Format(time.RFC3339))
	}
	log.Info("Leadership taken over", "documents", t.documents, "differing", len(names),
		"differingDocuments", names[:min(len(names), mostDiffering)])
	t.unchecked, t.differing = nil, nil
}

// checked records the check of a document by a new leader.
func (r *Reconciler) checked(o Output, blocked bool) {
	if r.takeover.checked(o, blocked) {
		r.reportTakeover()
	}
}

// reportTakeover writes the line of a new leader.
func (r *Reconciler) reportTakeover() {
	if r.Audit == nil {
		return
	}
	var lastLed time.Time
	if r.LastLed != nil {
		lastLed = r.LastLed()
	}
	r.takeover.write(r.Audit.Log, lastLed)
}
