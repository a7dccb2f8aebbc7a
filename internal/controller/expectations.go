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

// expectations are the writes that the watch has not shown yet. The zero value is ready to use.
//
// A document is not finished while a write of one of its ConfigMaps is expected, even if the watch cache holds the
// wanted content: that content may be older than the expected write. A status is neither compared nor written while the
// view has an older version of its object. A status that the view has at the version of Usher's own write needs no
// further check.
type expectations struct {
	mu       sync.Mutex
	byOutput map[Output][]*expectation
}

// expectation describes the writes of one object. It is met when the watch shows the version of the last write or a
// later one.
type expectation struct {
	name    string // of the ConfigMap, or of the object that has the status
	version string // of the last write that was answered; "" if none was
	deleted bool   // the last write deleted the object: the watch must show the deletion or a later version
	sent    bool   // a write is in flight
	unknown bool   // the result of the last write is unknown
	awaited bool   // the status must be computed again when the watch shows the write

	shown string // the version that the watch showed last since a write was sent; "" if it showed none
	gone  bool   // the watch has shown the deletion

	doubt time.Time // when to read the object from the API server if the watch has not met the expectation by then
	rest  time.Duration
}

// An expectation that the watch does not meet is verified by reading the object, with a growing delay. The watch misses
// a ConfigMap that was created and deleted between two lists.
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

// isLater reports whether a is a later version of an object than b. It returns false if either is not a valid version.
func isLater(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}

func (e *expectation) isMet() bool {
	return !e.sent && !e.unknown && (e.version == "" || e.isMetBy(e.shown, e.gone))
}

func (x *expectations) find(o Output, name string) *expectation {
	for _, e := range x.byOutput[o] {
		if e.name == name {
			return e
		}
	}
	return nil
}

// dropMet drops the expectations of the document that are met. The expectation of a status ends when the view has the
// object.
func (x *expectations) dropMet(o Output) {
	if !o.isDocument() {
		return
	}
	left := slices.DeleteFunc(x.byOutput[o], (*expectation).isMet)
	if len(left) == 0 {
		delete(x.byOutput, o)
		return
	}
	x.byOutput[o] = left
}

// send records that a write of the object is about to be sent.
func (x *expectations) send(o Output, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(o, name)
	if e == nil {
		if x.byOutput == nil {
			x.byOutput = map[Output][]*expectation{}
		}
		e = &expectation{name: name}
		x.byOutput[o] = append(x.byOutput[o], e)
	}
	e.sent, e.shown, e.gone = true, "", false
}

// answer records the result of a write: what the API server answered, or the error. seen is the version that the watch
// shows now. answer returns the version that the watch showed while the write was in flight, and whether it showed any.
func (x *expectations) answer(
	o Output, name string, write publish.Write, err error, seen string, now time.Time,
) (shown string, has bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.dropMet(o)
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

// isOutcomeUnknown reports whether the write may have been done although it returned this error.
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

// show records the version that the watch shows, or the deletion. It reports whether a write of the object is in
// flight; the sender of that write then handles the event after the answer.
func (x *expectations) show(o Output, name, version string, gone bool) (sent bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(o, name)
	if e == nil {
		return false
	}
	e.shown, e.gone = version, e.gone || gone
	x.dropMet(o)
	return e.sent
}

// deletes reports whether Usher has deleted the object and the watch has not shown it yet.
func (x *expectations) deletes(o Output, name string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(o, name)
	return e != nil && e.deleted && !e.sent
}

// pending reports whether the watch has not yet shown a write of the output.
func (x *expectations) pending(o Output) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.byOutput[o]) > 0
}

// drop forgets all expectations of the output.
func (x *expectations) drop(o Output) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.byOutput, o)
}

// inDoubt lists the objects of the output that must be read from the API server to learn whether they were written.
func (x *expectations) inDoubt(o Output, now time.Time) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.doubtsOf(o, now)
}

func (x *expectations) doubtsOf(o Output, now time.Time) []string {
	var names []string
	for _, e := range x.byOutput[o] {
		if !e.sent && !e.isMet() && (e.unknown || !now.Before(e.doubt)) {
			names = append(names, e.name)
		}
	}
	return names
}

// doubtful lists the outputs that have expectations in doubt.
func (x *expectations) doubtful(now time.Time) []Output {
	x.mu.Lock()
	defer x.mu.Unlock()
	var outputs []Output
	for o := range x.byOutput {
		if len(x.doubtsOf(o, now)) > 0 {
			outputs = append(outputs, o)
		}
	}
	return outputs
}

// learn records the version that the API server holds, "" if the object does not exist. seen is the version that the
// watch shows.
func (x *expectations) learn(o Output, name, live, seen string, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.dropMet(o)
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

// isOwn reports whether an object at the version has the status that Usher wrote, or an earlier one. While the write is
// in flight that is unknown, and the sender decides when it has the answer.
func (e *expectation) isOwn(version string) bool {
	return e.sent || isLater(e.version, version) || (version == e.version && !e.awaited)
}

// showsOwn records the version of the object that the watch shows, and reports whether Usher wrote its status. Such an
// event needs no settlement.
func (x *expectations) showsOwn(status Output, version string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(status, status.Name)
	if e == nil {
		return false
	}
	e.shown = version
	return e.isOwn(version)
}

// hasOwn reports whether the view has the object with the status that Usher wrote, or an earlier one. Such a renewal
// needs no reconcile.
func (x *expectations) hasOwn(status Output, version string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.find(status, status.Name)
	if e == nil {
		return false
	}
	if !e.sent && !isLater(e.version, version) {
		delete(x.byOutput, status)
	}
	return e.isOwn(version)
}

// await has the status computed again when the view has the expected write.
func (x *expectations) await(status Output) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.find(status, status.Name); e != nil {
		e.awaited = true
	}
}

// isBehind reports whether the version of the object, which is that of the view, is older than the status that was
// written.
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
	delete(x.byOutput, status)
	return false
}

// confirm reads the objects of the output whose last write has an unknown result, or should have been shown by the watch.
// The watch never shows the version of a status if etcd was restored from a backup, because versions then start again.
func (r *Reconciler) confirm(ctx context.Context, o Output) error {
	for _, name := range r.expectations.inDoubt(o, r.Feed.Now()) {
		key, kind, seen := types.NamespacedName{Namespace: o.Namespace, Name: name}, o.objectKind(), ""
		if o.isDocument() {
			seen = r.versionSeen(key)
		}
		version, err := r.Publisher.Version(ctx, kind, key)
		if err != nil {
			return fmt.Errorf("reading %s %s, because the result of its last write is unknown: %w", kind.Kind, key, err)
		}
		r.expectations.learn(o, name, version, seen, r.Feed.Now())
	}
	return nil
}

// versionSeen returns the version of the ConfigMap that the watch shows, or "" if it shows none.
func (r *Reconciler) versionSeen(key types.NamespacedName) string {
	if cm := r.Publisher.Observed.Get(key); cm != nil {
		return cm.ResourceVersion
	}
	return ""
}

// enqueueDoubtful enqueues the outputs that have expectations in doubt.
func (r *Reconciler) enqueueDoubtful() {
	for _, o := range r.expectations.doubtful(r.Feed.Now()) {
		r.enqueue(o)
	}
}
