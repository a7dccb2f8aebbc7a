package publish

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Observed indexes the published ConfigMaps that the watch shows, as reduced by [Observe]. It is safe for concurrent
// use. Callers must not modify what it returns.
type Observed struct {
	mu     sync.RWMutex
	seen   map[types.NamespacedName]*corev1.ConfigMap
	shards map[types.NamespacedName]map[int]*corev1.ConfigMap // by namespace and application
	empty  map[types.NamespacedName]time.Time                 // the time since when a document that ends has been empty
	lost   map[subject]map[int]loss                           // by shard
	losses []lossAt                                           // in the order of time, to drop them
}

// subject identifies a document: its kind (a Document value of the API), and its application or the name of its user.
type subject struct{ namespace, kind, name string }

// loss is a ConfigMap that the watch does not show any more, although it has not been empty for the grace period.
type loss struct {
	last *corev1.ConfigMap
	at   time.Time
}

type lossAt struct {
	of    subject
	shard int
	at    time.Time
}

// NewObserved returns an empty index.
func NewObserved() *Observed {
	return &Observed{
		seen:   map[types.NamespacedName]*corev1.ConfigMap{},
		shards: map[types.NamespacedName]map[int]*corev1.ConfigMap{},
		empty:  map[types.NamespacedName]time.Time{},
		lost:   map[subject]map[int]loss{},
	}
}

// Set adds or replaces a ConfigMap that the watch shows.
func (o *Observed) Set(cm *corev1.ConfigMap) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[types.NamespacedName{Namespace: cm.Namespace, Name: cm.Name}] = cm
	kind, application, shard := ParseName(cm.Name)
	o.forget(subject{cm.Namespace, kind, application}, shard)
	if kind == accessv1alpha1.DocumentApplication {
		at := types.NamespacedName{Namespace: cm.Namespace, Name: application}
		if o.shards[at] == nil {
			o.shards[at] = map[int]*corev1.ConfigMap{}
		}
		o.shards[at][shard] = cm
	}
}

// Delete removes a ConfigMap that has been deleted.
func (o *Observed) Delete(namespace, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.seen, types.NamespacedName{Namespace: namespace, Name: name})
	delete(o.empty, types.NamespacedName{Namespace: namespace, Name: name})
	if kind, application, shard := ParseName(name); kind == accessv1alpha1.DocumentApplication {
		at := types.NamespacedName{Namespace: namespace, Name: application}
		delete(o.shards[at], shard)
		if len(o.shards[at]) == 0 {
			delete(o.shards, at)
		}
	}
}

// Lose records that the watch does not show a ConfigMap any more, although it has not been empty for the grace period. It
// forgets losses that are older than the period.
func (o *Observed) Lose(cm *corev1.ConfigMap, now time.Time, period time.Duration) {
	kind, name, shard := ParseName(cm.Name)
	of := subject{cm.Namespace, kind, name}
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.losses) > 0 && now.Sub(o.losses[0].at) > period {
		oldest := o.losses[0]
		o.losses = o.losses[1:]
		if o.lost[oldest.of][oldest.shard].at.Equal(oldest.at) {
			o.forget(oldest.of, oldest.shard)
		}
	}
	if o.lost[of] == nil {
		o.lost[of] = map[int]loss{}
	}
	o.lost[of][shard] = loss{cm, now}
	o.losses = append(o.losses, lossAt{of, shard, now})
}

// Forget forgets the loss of the ConfigMap.
func (o *Observed) Forget(lost *corev1.ConfigMap) {
	kind, name, shard := ParseName(lost.Name)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget(subject{lost.Namespace, kind, name}, shard)
}

func (o *Observed) forget(of subject, shard int) {
	delete(o.lost[of], shard)
	if len(o.lost[of]) == 0 {
		delete(o.lost, of)
	}
}

// Lost returns the lost ConfigMaps of a document (see [Observed.Lose]) as the watch showed them last, by shard. It leaves
// out those that were lost before the instant since. Kind is a Document value of the API; name is the application or the
// name of the user.
func (o *Observed) Lost(namespace, kind, name string, since time.Time) map[int]*corev1.ConfigMap {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var found map[int]*corev1.ConfigMap
	for shard, l := range o.lost[subject{namespace, kind, name}] {
		if l.at.Before(since) {
			continue
		}
		if found == nil {
			found = map[int]*corev1.ConfigMap{}
		}
		found[shard] = l.last
	}
	return found
}

// Get returns the ConfigMap, or nil.
func (o *Observed) Get(key types.NamespacedName) *corev1.ConfigMap {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.seen[key]
}

// Shards returns the ConfigMaps of an application document by shard.
func (o *Observed) Shards(namespace, application string) map[int]*corev1.ConfigMap {
	o.mu.RLock()
	defer o.mu.RUnlock()
	found := map[int]*corev1.ConfigMap{}
	for shard, cm := range o.shards[types.NamespacedName{Namespace: namespace, Name: application}] {
		found[shard] = cm
	}
	return found
}

// emptySince returns since when the document has been empty. The first call records now.
func (o *Observed) emptySince(key types.NamespacedName, now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	since, known := o.empty[key]
	if !known {
		since = now
		o.empty[key] = since
	}
	return since
}

func (o *Observed) notEmpty(key types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.empty, key)
}

// Keys returns the keys of all ConfigMaps, and of the lost ones, in no order.
func (o *Observed) Keys() []types.NamespacedName {
	o.mu.RLock()
	defer o.mu.RUnlock()
	keys := make([]types.NamespacedName, 0, len(o.seen))
	for key := range o.seen {
		keys = append(keys, key)
	}
	for _, shards := range o.lost {
		for _, l := range shards {
			keys = append(keys, types.NamespacedName{Namespace: l.last.Namespace, Name: l.last.Name})
		}
	}
	return keys
}
