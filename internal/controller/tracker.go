package controller

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// tracker records which documents are not published as decided yet, and because of which objects. The Ready condition
// depends on it: a document is finished when the watch shows it as rendered, not when it was written.
type tracker struct {
	mu        sync.Mutex
	documents map[Output]*documentState
	waiting   map[roster.Object]*waiting
	checks    map[string]*waiting // by namespace with documents that must be checked before a status is written
	stuck     map[Output]struct{} // documents that cannot be written
	lossy     map[Output]struct{} // stuck documents that still give more than they should
	open      map[Output]struct{} // documents that are touched and not finished
	cuts      map[Output]cut      // documents that leave something out
}

// waiting describes the wait of one object or namespace for documents.
type waiting struct {
	since     time.Time
	last      time.Time // when a document was last finished
	documents int
}

// touch is a reason why a document may have to change.
type touch struct {
	shards publish.ShardSet // shards of an application document that hold the affected users; zero means all shards
	causes []roster.Object  // the objects whose change is the reason; their statuses wait for the document
	// lowering are the causes that reduce the access of a user.
	lowering []roster.Object
	isResync bool // the document is checked although nothing changed
	awaited  bool // no status in the namespace is written before the document has been checked
}

type documentState struct {
	touched  uint64    // number of touches
	since    time.Time // time of the first touch that is not finished
	finished uint64    // the touch up to which the document is finished
	changed  bool      // a touch since then is not part of a resync

	causes  map[roster.Object]uint64 // the objects that wait for the document, by their last touch
	awaited uint64                   // the last touch that the statuses of the namespace wait for; 0 if they do not wait

	blocked  error // why the document cannot be written, if the reason is its own
	attempts int   // number of consecutive failed writes
	loss     *loss // what the document gives too much while it cannot be written
	// lowering holds the objects that reduced the access of a user, by the touch. While there is a loss, those of
	// unpublished touches count.
	lowering map[roster.Object]uint64

	rendered uint64 // the touch that the last rendering includes
	wants    []publish.Want
	holders  holders
	written  time.Time

	rendering *rendering // only for an application document
}

// holders is the part of the status of an ApplicationAccess that describes its document.
type holders struct {
	users   int
	byRole  map[string]int
	omitted int // number of entries left out of a format
	shards  int
	growing bool // the document will soon need more shards
}

func newTracker() *tracker {
	return &tracker{
		documents: map[Output]*documentState{}, waiting: map[roster.Object]*waiting{}, checks: map[string]*waiting{},
		stuck: map[Output]struct{}{}, lossy: map[Output]struct{}{}, open: map[Output]struct{}{}, cuts: map[Output]cut{},
	}
}

// touch records that the document may have to change.
func (t *tracker) touch(o Output, why touch, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.documents[o]
	if d == nil {
		d = &documentState{}
		t.documents[o] = d
	}
	if d.touched == d.finished {
		d.since = now
	}
	d.touched++
	if o.Kind == ApplicationDocument {
		if d.rendering == nil {
			d.rendering = &rendering{}
		}
		d.rendering.touch(cmp.Or(why.shards, publish.EveryShard), d.touched)
	}
	t.open[o] = struct{}{}
	d.changed = d.changed || !why.isResync
	for _, cause := range why.causes {
		if _, waits := d.causes[cause]; !waits {
			addWait(t.waiting, cause, now)
		}
		note(&d.causes, cause, d.touched)
	}
	for _, object := range why.lowering {
		note(&d.lowering, object, d.touched)
	}
	if why.awaited {
		if d.awaited == 0 {
			addWait(t.checks, o.Namespace, now)
		}
		d.awaited = d.touched
	}
}

// addWait records that the key waits for one more document.
func addWait[K comparable](all map[K]*waiting, it K, now time.Time) {
	w := all[it]
	if w == nil {
		w = &waiting{since: now, last: now}
		all[it] = w
	}
	w.documents++
}

// endWait records that the key waits for one document less, and reports whether that was the last.
func endWait[K comparable](all map[K]*waiting, it K, now time.Time) (last bool) {
	w := all[it]
	w.last = now
	if w.documents--; w.documents > 0 {
		return false
	}
	delete(all, it)
	return true
}

func note(touches *map[roster.Object]uint64, object roster.Object, touch uint64) {
	if *touches == nil {
		*touches = map[roster.Object]uint64{}
	}
	(*touches)[object] = touch
}

// read returns a value from the state of the document, or the zero value if there is no state.
func read[T any](t *tracker, o Output, of func(*documentState) T) T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		return of(d)
	}
	var none T
	return none
}

// begin returns the number of the last touch. A rendering that starts now includes it.
func (t *tracker) begin(o Output) uint64 {
	return read(t, o, func(d *documentState) uint64 { return d.touched })
}

// expect records the rendering of the document that includes the touch.
func (t *tracker) expect(o Output, touch uint64, wants []publish.Want, h holders) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		d.rendered, d.wants, d.holders = touch, wants, h
	}
}

// wrote records when the document was last written.
func (t *tracker) wrote(o Output, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		d.written = at
	}
}

func (t *tracker) lastWritten(o Output) time.Time {
	return read(t, o, func(d *documentState) time.Time { return d.written })
}

// released is what no longer waits for any document.
type released struct {
	objects   []roster.Object
	namespace bool // whether the statuses of the document's namespace are released
}

// finish records that the watch shows the document with everything up to the touch. It returns what no longer waits,
// and the time since the first of the finished touches, or zero if none was open.
func (t *tracker) finish(o Output, touch uint64, now time.Time) (free released, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.documents[o]
	if d == nil {
		return released{}, 0
	}
	d.blocked, d.attempts = nil, 0
	delete(t.stuck, o)
	t.settle(o, d, touch, nil)
	if touch > d.finished {
		if d.changed {
			took = now.Sub(d.since)
		}
		d.finished, d.since, d.changed = touch, now, touch < d.touched && d.changed
	}
	if d.finished == d.touched {
		if delete(t.open, o); len(t.open) == 0 {
			t.open = map[Output]struct{}{} // a map that was large keeps its memory
		}
	}
	return t.release(o, d, touch, now), took
}

// block records that the document cannot be written for a reason of its own, and what it gives too much meanwhile.
// Objects no longer wait for it; the statuses of objects that caused the loss report it instead. block returns the
// number of consecutive failed writes.
func (t *tracker) block(o Output, touch uint64, why error, still *loss, now time.Time) (free released, attempts int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.documents[o]
	if d == nil {
		return released{}, 1
	}
	d.blocked = why
	d.attempts++
	t.stuck[o] = struct{}{}
	t.settle(o, d, touch, still)
	return t.release(o, d, touch, now), d.attempts
}

// release ends the waits for the document that started at the touch or before.
func (t *tracker) release(o Output, d *documentState, touch uint64, now time.Time) released {
	var free released
	for cause, at := range d.causes {
		if at > touch {
			continue
		}
		delete(d.causes, cause)
		if endWait(t.waiting, cause, now) {
			free.objects = append(free.objects, cause)
		}
	}
	if len(d.causes) == 0 {
		d.causes = nil // an empty map keeps its memory, in each of tens of thousands of documents
	}
	if d.awaited != 0 && d.awaited <= touch {
		d.awaited = 0
		free.namespace = endWait(t.checks, o.Namespace, now)
	}
	return free
}

// expected returns the last rendering and the touch that it includes.
func (t *tracker) expected(o Output) ([]publish.Want, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		return d.wants, d.rendered
	}
	return nil, 0
}

// waitingSince returns since when the object has been waiting for a document, or zero if it is not waiting.
func (t *tracker) waitingSince(object roster.Object) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.waiting[object]; w != nil {
		return w.since
	}
	return time.Time{}
}

// lastChecked returns when a document that statuses of the namespace wait for was last finished, or zero if they wait
// for none. The namespace "" stands for all.
func (t *tracker) lastChecked(namespace string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last time.Time
	for n, w := range t.checks {
		if (namespace == "" || namespace == n) && w.last.After(last) {
			last = w.last
		}
	}
	return last
}

// openSince returns since when the document has not been as decided, or zero if it is, or if it is not known.
func (t *tracker) openSince(o Output) time.Time {
	return read(t, o, func(d *documentState) time.Time {
		if d.finished == d.touched {
			return time.Time{}
		}
		return d.since
	})
}

func (t *tracker) blockedBy(o Output) error {
	return read(t, o, func(d *documentState) error { return d.blocked })
}

func (t *tracker) holdersOf(o Output) holders {
	return read(t, o, func(d *documentState) holders { return d.holders })
}

// blocked lists the documents that cannot be written, in no order.
func (t *tracker) blocked() []Output {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.stuck))
}

// backlog counts the documents that are not published as decided, by kind, and returns since when the oldest has not
// been. It counts separately the documents that cannot be written for a reason of their own, and those that give too
// much.
func (t *tracker) backlog() (open map[OutputKind]int, since time.Time, stuck, lossy int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	open = map[OutputKind]int{}
	for o := range t.open {
		if _, isStuck := t.stuck[o]; isStuck {
			continue
		}
		open[o.Kind]++
		since = earliest(since, t.documents[o].since)
	}
	return open, since, len(t.stuck), len(t.lossy)
}

// forget drops the state of a document that should not exist and that nothing waits for.
func (t *tracker) forget(o Output) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil && len(d.wants) == 0 && len(d.causes) == 0 && len(d.lowering) == 0 &&
		d.touched == d.finished {
		delete(t.documents, o)
	}
}
