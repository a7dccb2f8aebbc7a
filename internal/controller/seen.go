package controller

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// configMapHandler takes in what the watch shows of published ConfigMaps.
func (r *Reconciler) configMapHandler() toolscache.ResourceEventHandler {
	set := func(object any) {
		cm := object.(*corev1.ConfigMap)
		r.Publisher.Observed.Set(cm)
		r.seen(cm, false)
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, object any) { set(object) },
		DeleteFunc: func(object any) {
			cm := feed.Last(object).(*corev1.ConfigMap)
			r.Publisher.Observed.Delete(cm.Namespace, cm.Name)
			r.seen(cm, true)
		},
	}
}

// seen takes in what the watch shows of a document.
func (r *Reconciler) seen(cm *corev1.ConfigMap, gone bool) {
	o, ours := documentAt(client.ObjectKeyFromObject(cm))
	if ours && !r.expectations.show(o, cm.Name, cm.ResourceVersion, gone) {
		r.look(o)
	}
}

// look compares what the watch shows of a document with how it was rendered: the document is finished, or is enqueued. Where
// the watch has yet to show a write, the document is looked at again when it does.
func (r *Reconciler) look(o Output) {
	wants, touch := r.tracker.expected(o)
	for i := range wants {
		if !wants[i].Matches(r.Publisher.Observed.Get(wants[i].Key)) {
			r.enqueue(o)
			return
		}
	}
	if len(wants) == 0 || len(wants) != r.shardsOf(o) {
		r.enqueue(o)
		return
	}
	if !r.expectations.pending(o) {
		r.finished(o, touch)
	}
}

// shardsOf says how many ConfigMaps the watch shows of the document.
func (r *Reconciler) shardsOf(o Output) int {
	if o.Kind == ApplicationDocument {
		return len(r.Publisher.Observed.Shards(o.Namespace, o.Name))
	}
	return 1
}

// finished notes that the document stands as the touch left it, and lets those report who waited for it.
func (r *Reconciler) finished(o Output, touch uint64) {
	wasBlocked := r.tracker.blockedBy(o) != nil
	losers, _ := r.tracker.losers(o)
	free, took := r.tracker.finish(o, touch, r.Feed.Now())
	if took > 0 {
		r.Metrics.published(o.Kind, took)
	}
	r.released(o, free)
	r.Concern(losers)
	if wasBlocked {
		r.concerned(o)
	}
}

// What could not be written for a reason of its own is tried again, ever less often: the end of such a reason, like a
// name that is no longer taken, shows in no watch.
const (
	firstBlocked = time.Second
	lastBlocked  = time.Minute
)

// blocked notes that the document cannot be written and what it still gives too much, and returns when to try again.
func (r *Reconciler) blocked(o Output, touch uint64, why error, still *loss) time.Duration {
	was := r.tracker.blockedBy(o)
	losers, gave := r.tracker.losers(o)
	free, attempts := r.tracker.block(o, touch, why, still, r.Feed.Now())
	r.released(o, free)
	differs := was == nil || was.Error() != why.Error()
	if differs {
		r.concerned(o)
	}
	if differs || !gave.equal(still) {
		now, _ := r.tracker.losers(o)
		r.Concern(slices.Concat(losers, now))
	}
	var altered *publish.AlteredError
	if errors.As(why, &altered) {
		return max(again, altered.Rest)
	}
	return wait.Jitter(min(firstBlocked<<min(attempts-1, 16), lastBlocked), 0.2)
}

// concerned enqueues the statuses that count documents which cannot be written.
func (r *Reconciler) concerned(o Output) {
	r.Concern(r.view().Concerned(o.Namespace))
}

func (r *Reconciler) released(o Output, free released) {
	r.enqueueOwner(o)
	r.Concern(free.objects)
	if free.sweep {
		r.enqueueStatuses(o.Namespace)
	}
}

// enqueueOwner enqueues the statuses that rest on the document: that of its ApplicationAccess, or those of the user's
// UserAccess objects.
func (r *Reconciler) enqueueOwner(o Output) {
	if o.Kind == ApplicationDocument {
		r.enqueue(Output{ApplicationStatus, o.Namespace, o.Name})
		return
	}
	if user, known := r.names.user(o.Name); known {
		for _, ua := range r.view().Index().Namespace(o.Namespace).Account(user).All() {
			r.enqueue(statusOf(roster.ObjectOf(ua)))
		}
	}
}

func (r *Reconciler) enqueueStatuses(namespace string) {
	index := r.view().Index()
	r.Concern(slices.Collect(index.Namespace(namespace).Objects()))
	if r.tracker.sweptAt("").IsZero() {
		r.Concern(slices.Collect(index.System().Objects()))
	}
}
