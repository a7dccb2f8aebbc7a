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
}

// NewObserved returns an empty index.
func NewObserved() *Observed {
	return &Observed{
		seen:   map[types.NamespacedName]*corev1.ConfigMap{},
		shards: map[types.NamespacedName]map[int]*corev1.ConfigMap{},
		empty:  map[types.NamespacedName]time.Time{},
	}
}

// Set adds or replaces a ConfigMap that the watch shows.
func (o *Observed) Set(cm *corev1.ConfigMap) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[types.NamespacedName{Namespace: cm.Namespace, Name: cm.Name}] = cm
	if kind, application, shard := ParseName(cm.Name); kind == accessv1alpha1.DocumentApplication {
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

// Keys returns the keys of all ConfigMaps, in no order.
func (o *Observed) Keys() []types.NamespacedName {
	o.mu.RLock()
	defer o.mu.RUnlock()
	keys := make([]types.NamespacedName, 0, len(o.seen))
	for key := range o.seen {
		keys = append(keys, key)
	}
	return keys
}
