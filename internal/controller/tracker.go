package controller

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// tracker knows which documents are not yet as they should be, and on account of which objects. It is what "Ready
// means published" rests on: a document is finished when the watch shows it as it was rendered, not when it was
// written.
type tracker struct {
	mu        sync.Mutex
	documents map[Output]*documentState
	waiting   map[roster.Object]*waitingObject
	sweeping  map[string]struct{} // namespaces whose sweep is waited for
	stuck     map[Output]struct{} // documents that cannot be written
	lossy     map[Output]struct{} // those of them that still give more than they should
	open      map[Output]struct{} // documents that are touched and not finished
	cuts      map[Output]cut      // application documents that lack something
}

type documentState struct {
	touched  uint64    // counts touches
	since    time.Time // of the first touch that is not finished
	finished uint64    // the touch up to which the document is finished
	causes   map[roster.Object]uint64
	blocked  error // why it cannot be written, for a reason of its own
	attempts int   // how often it could not
	loss     *loss // what it gives too much while it cannot be written
	// lowering has the objects that took something from a user, by the touch with which they did. Those of touches that
	// are not published count while there is a loss.
	lowering map[roster.Object]uint64

	rendered uint64 // the touch that the last rendering includes
	wants    []publish.Want
	written  time.Time
	changed  bool // something was touched on account of a change, not of a sweep alone

	holders holders

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

type waitingObject struct {
	since     time.Time
	last      time.Time // when one of the documents was last finished
	documents map[Output]struct{}
}

func newTracker() *tracker {
	return &tracker{
		documents: map[Output]*documentState{}, waiting: map[roster.Object]*waitingObject{},
		sweeping: map[string]struct{}{}, stuck: map[Output]struct{}{}, lossy: map[Output]struct{}{}, open: map[Output]struct{}{},
		cuts: map[Output]cut{},
	}
}

// touch notes that the document may have to change on account of the causes, in every shard; swept, that it is looked at
// without a change.
func (t *tracker) touch(o Output, causes []roster.Object, swept bool, now time.Time) {
	t.touchShards(o, publish.EveryShard, causes, swept, now)
}

// touchShards is touch for a change that regards only users of the shards.
func (t *tracker) touchShards(
	o Output, shards publish.ShardSet, causes []roster.Object, swept bool, now time.Time,
) {
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
		d.rendering.touch(shards, d.touched)
	}
	t.open[o] = struct{}{}
	d.changed = d.changed || !swept
	for _, cause := range causes {
		if d.causes == nil {
			d.causes = map[roster.Object]uint64{}
		}
		d.causes[cause] = d.touched
		w := t.waiting[cause]
		if w == nil {
			w = &waitingObject{since: now, last: now, documents: map[Output]struct{}{}}
			t.waiting[cause] = w
			if cause == sweep(cause.Namespace) {
				t.sweeping[cause.Namespace] = struct{}{}
			}
		}
		w.documents[o] = struct{}{}
	}
}

// begin returns the number of the last touch: what is rendered from now on includes it.
func (t *tracker) begin(o Output) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		return d.touched
	}
	return 0
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
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		return d.written
	}
	return time.Time{}
}

// finish notes that the watch shows the document with all that the touch brought. It returns the objects that no
// longer wait for any document, and how long ago the first of the finished touches was; zero, where none was open.
func (t *tracker) finish(o Output, touch uint64, now time.Time) (free []roster.Object, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.documents[o]
	if d == nil {
		return nil, 0
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
func (t *tracker) block(
	o Output, touch uint64, why error, still *loss, now time.Time,
) (free []roster.Object, attempts int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.documents[o]
	if d == nil {
		return nil, 1
	}
	d.blocked = why
	d.attempts++
	t.stuck[o] = struct{}{}
	t.settle(o, d, touch, still)
	return t.release(o, d, touch, now), d.attempts
}

func (t *tracker) release(o Output, d *documentState, touch uint64, now time.Time) []roster.Object {
	var free []roster.Object
	for cause, at := range d.causes {
		if at > touch {
			continue
		}
		delete(d.causes, cause)
		if len(d.causes) == 0 {
			d.causes = nil // an empty map keeps its memory, for each of tens of thousands of documents
		}
		if w := t.waiting[cause]; w != nil {
			delete(w.documents, o)
			w.last = now
			if len(w.documents) == 0 {
				delete(t.waiting, cause)
				if cause == sweep(cause.Namespace) {
					delete(t.sweeping, cause.Namespace)
				}
				free = append(free, cause)
			}
		}
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

// sweptAt says when a document of the namespace, or of any for "", was last finished of those that have yet to be
// looked at since the start; zero: all have been.
func (t *tracker) sweptAt(namespace string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last time.Time
	for n := range t.sweeping {
		if w := t.waiting[sweep(n)]; w != nil && (namespace == "" || namespace == n) && w.last.After(last) {
			last = w.last
		}
	}
	return last
}

// sweep stands, as a cause, for the start: every document is looked at before a status is written.
func sweep(namespace string) roster.Object { return roster.Object{Namespace: namespace} }

// openSince says since when the document is not as it should be; zero: it is, or nothing is known of it.
func (t *tracker) openSince(o Output) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil && d.finished != d.touched {
		return d.since
	}
	return time.Time{}
}

func (t *tracker) blockedBy(o Output) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		return d.blocked
	}
	return nil
}

func (t *tracker) holdersOf(o Output) holders {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil {
		return d.holders
	}
	return holders{}
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
