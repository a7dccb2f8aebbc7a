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

// tracker knows which documents are not yet as they should be, and because of which objects. "Ready means published" rests
// on it: a document is finished when the watch shows it as it was rendered, not when it was written.
type tracker struct {
	mu        sync.Mutex
	documents map[Output]*documentState
	waiting   map[roster.Object]*waiting
	sweeps    map[string]*waiting // by namespace whose documents have yet to be looked at before a status is written
	stuck     map[Output]struct{} // documents that cannot be written
	lossy     map[Output]struct{} // those of them that still give more than they should
	open      map[Output]struct{} // documents that are touched and not finished
	cuts      map[Output]cut      // application documents that lack something
}

// waiting is that something waits for documents.
type waiting struct {
	since     time.Time
	last      time.Time // when one of the documents was last finished
	documents int
}

// touch is why a document may have to change.
type touch struct {
	shards publish.ShardSet // of an application document, with the users whom it regards; none: all
	causes []roster.Object  // the objects whose change leads to it; they wait for the document
	// lowering are those of them that take something from a user.
	lowering []roster.Object
	isSweep  bool // the document is looked at although nothing changed
	awaited  bool // no status in the namespace is written before the document was looked at
}

type documentState struct {
	touched  uint64    // counts touches
	since    time.Time // of the first touch that is not finished
	finished uint64    // the touch up to which the document is finished
	changed  bool      // one of the touches since then is no sweep

	causes  map[roster.Object]uint64 // the objects that wait for the document, by the last touch
	awaited uint64                   // the last touch that the statuses of the namespace wait for; 0: they do not

	blocked  error // why it cannot be written, for a reason of its own
	attempts int   // how often it could not
	loss     *loss // what it gives too much while it cannot be written
	// lowering has the objects that took something from a user, by the touch with which they did. Those of touches that
	// are not published count while there is a loss.
	lowering map[roster.Object]uint64

	rendered uint64 // the touch that the last rendering includes
	wants    []publish.Want
	holders  holders
	written  time.Time

	rendering *rendering // of an application document
}

// holders is what the status of an ApplicationAccess says of its document.
type holders struct {
	users   int
	byRole  map[string]int
	omitted int // left out of a format
	shards  int
	growing bool // there will soon be more shards
}

func newTracker() *tracker {
	return &tracker{
		documents: map[Output]*documentState{}, waiting: map[roster.Object]*waiting{}, sweeps: map[string]*waiting{},
		stuck: map[Output]struct{}{}, lossy: map[Output]struct{}{}, open: map[Output]struct{}{}, cuts: map[Output]cut{},
	}
}

// touch notes that the document may have to change.
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
	d.changed = d.changed || !why.isSweep
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
			addWait(t.sweeps, o.Namespace, now)
		}
		d.awaited = d.touched
	}
}

// addWait notes that it waits for one more document.
func addWait[K comparable](all map[K]*waiting, it K, now time.Time) {
	w := all[it]
	if w == nil {
		w = &waiting{since: now, last: now}
		all[it] = w
	}
	w.documents++
}

// endWait notes that it no longer waits for one of the documents, and reports whether that was the last.
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

// read returns something of what is known of the document; zero, where nothing is.
func read[T any](t *tracker, o Output, of func(*documentState) T) T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		return of(d)
	}
	var none T
	return none
}

// begin returns the number of the last touch: what is rendered from now on includes it.
func (t *tracker) begin(o Output) uint64 {
	return read(t, o, func(d *documentState) uint64 { return d.touched })
}

// expect notes how the document should look that includes the touch.
func (t *tracker) expect(o Output, touch uint64, wants []publish.Want, h holders) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		d.rendered, d.wants, d.holders = touch, wants, h
	}
}

// wrote notes when the document was last written.
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
	objects []roster.Object
	sweep   bool // the statuses of the document's namespace
}

// finish notes that the watch shows the document with all that the touch brought. It returns what no longer waits, and how
// long ago the first of the finished touches was; zero, where none was open.
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
			t.open = map[Output]struct{}{} // one that was large stays so
		}
	}
	return t.release(o, d, touch, now), took
}

// block notes that the document cannot be written for a reason of its own, and what it gives too much meanwhile. It keeps
// no object waiting, but the status of those that took something which it still gives says so. It returns how often the
// document could not be written without a break.
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

// release ends the waits for the document that began with the touch or before.
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
		d.causes = nil // an empty map keeps its memory, for each of tens of thousands of documents
	}
	if d.awaited != 0 && d.awaited <= touch {
		d.awaited = 0
		free.sweep = endWait(t.sweeps, o.Namespace, now)
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

// waitingSince says since when a document holds up one of the objects; zero: none does.
func (t *tracker) waitingSince(object roster.Object) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.waiting[object]; w != nil {
		return w.since
	}
	return time.Time{}
}

// sweptAt returns when a document of the namespace, or of any for "", was last finished of those that have yet to be
// looked at since the start; zero: all have been.
func (t *tracker) sweptAt(namespace string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last time.Time
	for n, w := range t.sweeps {
		if (namespace == "" || namespace == n) && w.last.After(last) {
			last = w.last
		}
	}
	return last
}

// openSince returns since when the document is not as it should be; zero: it is, or nothing is known of it.
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

// standing counts the documents that are not as they should be, by kind, and returns since when the first of them is not.
// Those that cannot be written for a reason of their own are counted apart, and those of them that give too much.
func (t *tracker) standing() (open map[OutputKind]int, since time.Time, stuck, lossy int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	open = map[OutputKind]int{}
	for o := range t.open {
		if _, is := t.stuck[o]; is {
			continue
		}
		open[o.Kind]++
		since = earliest(since, t.documents[o].since)
	}
	return open, since, len(t.stuck), len(t.lossy)
}

// forget drops what is known of a document that is not wanted and holds nobody up.
func (t *tracker) forget(o Output) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil && len(d.wants) == 0 && len(d.causes) == 0 && len(d.lowering) == 0 &&
		d.touched == d.finished {
		delete(t.documents, o)
	}
}
