package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/usher-dev/usher/internal/publish"
)

// expectations are the writes that the watch has yet to show. The zero value is ready.
//
// A document is not finished while one of its ConfigMaps is expected, even where the watch shows the document as wanted: it
// may be wanted as it was before a write that the watch has yet to show. A status is neither compared nor written while one
// is expected, and a status that the watch shows at the version of its own write needs no further look.
type expectations struct {
	mu sync.Mutex
	of map[Output][]*expectation
}

// expectation is about the writes of one object. The watch meets it with the version of the last write or a later one.
type expectation struct {
	name    string // of the ConfigMap, or of the object whose status it is
	version string // of the last write that was answered; "": none was
	deleted bool   // that write deleted the object: the watch has to show it gone, or a later version
	sent    bool   // a write is on its way
	unknown bool   // nobody knows the outcome of the last write
	awaited bool   // a status that has to be computed again when the watch shows the write

	shown string // the version that the watch has shown last since a write was sent; "": none
	gone  bool   // it has shown the object gone

	doubt time.Time // when to read what the API server holds, where the watch has not met the expectation by then
	rest  time.Duration
}

// An expectation that the watch does not meet is in doubt, ever less often: the watch may have lost a ConfigMap that was
// created and deleted between two lists.
const (
	firstDoubt = 2 * time.Second
	lastDoubt  = time.Minute
)

func (e *expectation) isMetBy(version string, gone bool) bool {
	if e.deleted {
		return gone || isLater(version, e.version)
	}
	return version == e.version || isLater(version, e.version)
}

// isLater reports whether the first of two versions of one object is the later one. One that is no version is not.
func isLater(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}

func (e *expectation) isMet() bool {
	return !e.sent && !e.unknown && (e.version == "" || e.isMetBy(e.shown, e.gone))
}

func (x *expectations) find(o Output, name string) *expectation {
	for _, e := range x.of[o] {
		if e.name == name {
			return e
		}
	}
	return nil
}

// sweep drops the expectations of the output that are met.
func (x *expectations) sweep(o Output) {
	left := slices.DeleteFunc(x.of[o], (*expectation).isMet)
	if len(left) == 0 {
		delete(x.of, o)
		return
	}
	x.of[o] = left
}

// send notes that the object is about to be written.
func (x *expectations) send(o Output, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(o, name)
	if e == nil {
		if x.of == nil {
			x.of = map[Output][]*expectation{}
		}
		e = &expectation{name: name}
		x.of[o] = append(x.of[o], e)
	}
	e.sent, e.shown, e.gone = true, "", false
}

// answer notes the outcome of the write: what the API server has answered, and the error. seen is the version that the watch
// shows now. It returns the version that the watch has shown while the write was on its way, and whether it has shown
// anything.
func (x *expectations) answer(
	o Output, name string, write publish.Write, err error, seen string, now time.Time,
) (shown string, has bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.sweep(o)
	e := x.find(o, name)
	if e == nil {
		return "", false
	}
	shown, has = e.shown, e.shown != "" || e.gone
	if e.shown == "" {
		e.shown = seen
	}
	e.sent, e.unknown = false, isOutcomeUnknown(err)
	if write != (publish.Write{}) {
		e.version, e.deleted, e.awaited = write.Version, write.Deleted, false
		e.rest = firstDoubt
		e.doubt = now.Add(e.rest)
	}
	return shown, has
}

// isOutcomeUnknown reports whether a write that failed with the error may have been done all the same.
func isOutcomeUnknown(err error) bool {
	if err == nil || blocks(err) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code < http.StatusBadRequest || code >= http.StatusInternalServerError
}

// show notes the version that the watch shows, or that the object is gone. It reports whether a write of the object is on
// its way: then whoever sent the write looks at what was shown when the answer comes.
func (x *expectations) show(o Output, name, version string, gone bool) (sent bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(o, name)
	if e == nil {
		return false
	}
	e.shown, e.gone = version, e.gone || gone
	x.sweep(o)
	return e.sent
}

// pending reports whether the watch has yet to show a write of the output.
func (x *expectations) pending(o Output) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.of[o]) > 0
}

// drop expects nothing more of the output.
func (x *expectations) drop(o Output) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.of, o)
}

// inDoubt lists the objects of the output of which only the API server can tell whether they were written.
func (x *expectations) inDoubt(o Output, now time.Time) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.doubtsOf(o, now)
}

func (x *expectations) doubtsOf(o Output, now time.Time) []string {
	var names []string
	for _, e := range x.of[o] {
		if !e.sent && (e.unknown || !now.Before(e.doubt)) {
			names = append(names, e.name)
		}
	}
	return names
}

// doubtful lists the documents that have expectations in doubt.
func (x *expectations) doubtful(now time.Time) []Output {
	x.mu.Lock()
	defer x.mu.Unlock()
	var outputs []Output
	for o := range x.of {
		if o.isDocument() && len(x.doubtsOf(o, now)) > 0 {
			outputs = append(outputs, o)
		}
	}
	return outputs
}

// learn notes which version the API server holds, "" where the object is gone. seen is the version that the watch shows.
func (x *expectations) learn(o Output, name, live, seen string, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.sweep(o)
	e := x.find(o, name)
	if e == nil || e.sent {
		return
	}
	if e.shown == "" {
		e.shown = seen
	}
	e.unknown, e.version, e.deleted = false, live, false
	if live == "" && seen != "" {
		e.version, e.deleted, e.gone = seen, true, false
	}
	e.rest = min(max(2*e.rest, firstDoubt), lastDoubt)
	e.doubt = now.Add(e.rest)
}

// isOwn reports whether the object, as the watch shows it, has the status that was written, or an earlier one, so that nobody
// has to look at it.
func (x *expectations) isOwn(status Output, version string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(status, status.Name)
	switch {
	case e == nil:
		return false
	case e.sent:
		e.shown = version // the answer to the write tells
		return true
	case isLater(e.version, version):
		return true
	default:
		delete(x.of, status)
		return version == e.version && !e.awaited
	}
}

// await has the status computed again when the watch shows the write that it has yet to show.
func (x *expectations) await(status Output) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.find(status, status.Name); e != nil {
		e.awaited = true
	}
}

// isBehind reports whether the object, as the watch shows it, is older than the status that was written.
func (x *expectations) isBehind(status Output, version string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(status, status.Name)
	if e == nil {
		return false
	}
	if isLater(e.version, version) {
		return true
	}
	delete(x.of, status)
	return false
}

// confirm reads what the API server holds where the outcome of a write of the document is in doubt.
func (r *Reconciler) confirm(ctx context.Context, o Output) error {
	for _, name := range r.expectations.inDoubt(o, r.Feed.Now()) {
		key := types.NamespacedName{Namespace: o.Namespace, Name: name}
		version, err := r.Publisher.Version(ctx, key)
		if err != nil {
			return fmt.Errorf("reading ConfigMap %s, of which the outcome of a write is unknown: %w", key, err)
		}
		r.expectations.learn(o, name, version, r.versionSeen(key), r.Feed.Now())
	}
	return nil
}

// versionSeen returns the version of the ConfigMap that the watch shows; "" where it shows none.
func (r *Reconciler) versionSeen(key types.NamespacedName) string {
	if cm := r.Publisher.Observed.Get(key); cm != nil {
		return cm.ResourceVersion
	}
	return ""
}

// enqueueDoubtful enqueues the documents that have expectations in doubt.
func (r *Reconciler) enqueueDoubtful() {
	for _, o := range r.expectations.doubtful(r.Feed.Now()) {
		r.enqueue(o)
	}
}
