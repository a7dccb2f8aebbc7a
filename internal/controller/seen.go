package controller

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// configMapHandler handles watch events of published ConfigMaps.
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
			r.lost(cm)
			r.seen(cm, true)
		},
	}
}

// lost records a ConfigMap that the watch does not show any more, although it has not been empty for the grace period. The
// garbage collector may have deleted it, or somebody may have removed its label. Every replica records a ConfigMap that
// was not empty, so that a new leader knows it, too. Only the leader knows whether it deleted an empty one itself. A
// ConfigMap that is deleted with its namespace is not recorded.
func (r *Reconciler) lost(cm *corev1.ConfigMap) {
	o, ours := documentAt(client.ObjectKeyFromObject(cm))
	if !ours || r.view().Index().Namespace(cm.Namespace).Terminating() {
		return
	}
	if r.isEmpty(o, cm) && (!r.isLeader() || r.expectations.deletes(o, cm.Name)) {
		return
	}
	r.Publisher.Observed.Lose(cm, r.Feed.Now(), r.Publisher.Grace)
}

// ended forgets the loss of an empty ConfigMap that the leader deleted itself, if the watch showed the deletion before the
// API server answered.
func (r *Reconciler) ended(o Output, key types.NamespacedName) {
	for _, lost := range r.Publisher.Observed.Lost(o.Namespace, string(o.Kind), o.Name, time.Time{}) {
		if lost.Name == key.Name && r.isEmpty(o, lost) {
			r.Publisher.Observed.Forget(lost)
		}
	}
}

// isEmpty reports whether the ConfigMap is an empty document.
func (r *Reconciler) isEmpty(o Output, cm *corev1.ConfigMap) bool {
	return cm.Annotations[accessv1alpha1.AnnotationDigest] == publish.Digest(r.emptyData(o, cm))
}

// seen handles a watch event of a ConfigMap of a document.
func (r *Reconciler) seen(cm *corev1.ConfigMap, gone bool) {
	o, ours := documentAt(client.ObjectKeyFromObject(cm))
	if ours && !r.expectations.show(o, cm.Name, cm.ResourceVersion, gone) {
		r.look(o)
	}
}

// look compares the document in the watch cache with its last rendering. It records the document as finished if they
// agree, and enqueues it otherwise. If a write is still expected, the watch event of that write triggers the next
// check.
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

// shardsOf returns the number of ConfigMaps of the document in the watch cache.
func (r *Reconciler) shardsOf(o Output) int {
	if o.Kind == ApplicationDocument {
		return len(r.Publisher.Observed.Shards(o.Namespace, o.Name))
	}
	return 1
}

// finished records that the document is published as of the touch, and enqueues the statuses that waited for it.
func (r *Reconciler) finished(o Output, touch uint64) {
	wasBlocked := r.tracker.blockedBy(o) != nil
	losers, _ := r.tracker.losers(o)
	free, took := r.tracker.finish(o, touch, r.Feed.Now())
	r.checked(o, false)
	if took > 0 {
		r.Metrics.published(o.Kind, took)
	}
	r.released(o, free)
	r.Concern(losers)
	if wasBlocked {
		r.concerned(o)
	}
}

// A document that cannot be written for a reason of its own is retried with a growing delay. No watch event shows that
// the reason has gone, for example that a ConfigMap's name is free again.
const (
	firstBlocked = time.Second
	lastBlocked  = time.Minute
)

// blocked records that the document cannot be written and what it still gives too much. It returns the delay before the
// next try.
func (r *Reconciler) blocked(o Output, touch uint64, why error, still *loss) time.Duration {
	previous := r.tracker.blockedBy(o)
	losers, gave := r.tracker.losers(o)
	free, attempts := r.tracker.block(o, touch, why, still, r.Feed.Now())
	r.checked(o, true)
	r.released(o, free)
	differs := previous == nil || previous.Error() != why.Error()
	if differs {
		r.concerned(o)
	}
	if differs || !gave.equal(still) {
		now, _ := r.tracker.losers(o)
		r.Concern(slices.Concat(losers, now))
	}
	var altered *publish.AlteredError
	if errors.As(why, &altered) {
		return max(recheckDelay, altered.Rest)
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
	if free.namespace {
		r.enqueueStatuses(o.Namespace)
	}
}

// enqueueOwner enqueues the statuses that depend on the document: that of its ApplicationAccess, or those of the user's
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
	if r.tracker.lastChecked("").IsZero() {
		r.Concern(slices.Collect(index.System().Objects()))
	}
}
