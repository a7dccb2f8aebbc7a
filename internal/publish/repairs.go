package publish

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Limits of how often one ConfigMap is written again with the same data.
const (
	// promptRepairs is the number of repairs without delay.
	promptRepairs = 10
	firstRest     = 100 * time.Millisecond
	// lastRest is the longest delay while repairs hold for a time. lastRestInVain is the longest delay if the API
	// server changes the content of each repair.
	lastRest       = 10 * time.Second
	lastRestInVain = time.Minute
	// repairsSkipped is the number of short delays that are skipped after a repair without effect.
	repairsSkipped = 3
	// repairsForgotten is the time after which repairs are no longer counted.
	repairsForgotten = 5 * time.Minute
)

// repairs counts how often ConfigMaps were written again with the same data, to limit the load on the API server if
// somebody else keeps changing them. New data is written without delay. The zero value is ready to use.
type repairs struct {
	mu     sync.Mutex
	byKey  map[types.NamespacedName]repair
	purged time.Time
}

type repair struct {
	digest string // of the data
	count  int
	inVain bool // the API server changed the content of the last repair
	last   time.Time
}

// rest returns how long a repair of the ConfigMap has to wait.
func (r *repairs) rest(w *Want, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	previous := r.byKey[w.Key]
	if previous.digest != w.Digest {
		return 0
	}
	return max(0, previous.rest()-now.Sub(previous.last))
}

// inVain reports whether the last repair of the ConfigMap had no effect.
func (r *repairs) inVain(w *Want, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	previous := r.byKey[w.Key]
	return previous.digest == w.Digest && previous.inVain && now.Sub(previous.last) < repairsForgotten
}

// note records a repair and returns the delay before the next one.
func (r *repairs) note(w *Want, inVain bool, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purge(now)
	current := r.byKey[w.Key]
	if current.digest != w.Digest || now.Sub(current.last) >= repairsForgotten {
		current = repair{digest: w.Digest}
	}
	current.count++
	if inVain {
		current.count = max(current.count, promptRepairs+repairsSkipped)
	}
	current.inVain, current.last = inVain, now
	r.byKey[w.Key] = current
	return current.rest()
}

func (r *repair) rest() time.Duration {
	if r.count < promptRepairs {
		return 0
	}
	longest := lastRest
	if r.inVain {
		longest = lastRestInVain
	}
	return min(firstRest<<min(r.count-promptRepairs, 16), longest)
}

// purge drops repairs that are no longer counted. It runs rarely, because it visits every entry.
func (r *repairs) purge(now time.Time) {
	if r.byKey != nil && now.Sub(r.purged) < repairsForgotten {
		return
	}
	kept := map[types.NamespacedName]repair{}
	for key, each := range r.byKey {
		if now.Sub(each.last) < repairsForgotten {
			kept[key] = each
		}
	}
	r.byKey, r.purged = kept, now
}
