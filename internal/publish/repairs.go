package publish

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// How often one ConfigMap is written anew with the same data.
const (
	// promptRepairs are done at once.
	promptRepairs = 10
	firstRest     = 100 * time.Millisecond
	// lastRest is the longest rest while repairs last for a moment, lastRestInVain the longest where the API server
	// answers each with something else than what was written.
	lastRest       = 10 * time.Second
	lastRestInVain = time.Minute
	// repairsSkipped are the short rests that a repair in vain leaves out.
	repairsSkipped = 3
	// repairsForgotten is how long after the last one repairs count.
	repairsForgotten = 5 * time.Minute
)

// repairs counts how often ConfigMaps were written anew with data that they had before, so that a dispute with somebody
// else who writes them does not keep the API server busy. Other data is written at once. The zero value is ready.
type repairs struct {
	mu     sync.Mutex
	of     map[types.NamespacedName]repair
	purged time.Time
}

type repair struct {
	digest string // of the data
	count  int
	inVain bool // the API server answered the last one with something else
	last   time.Time
}

// rest returns how long the repair of the ConfigMap has to wait.
func (r *repairs) rest(w *Want, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.of[w.Key]
	if was.digest != w.Digest {
		return 0
	}
	return max(0, was.rest()-now.Sub(was.last))
}

// inVain reports whether the last repair of the ConfigMap did not last.
func (r *repairs) inVain(w *Want, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.of[w.Key]
	return was.digest == w.Digest && was.inVain && now.Sub(was.last) < repairsForgotten
}

// note notes a repair and returns the rest after it.
func (r *repairs) note(w *Want, inVain bool, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purge(now)
	is := r.of[w.Key]
	if is.digest != w.Digest || now.Sub(is.last) >= repairsForgotten {
		is = repair{digest: w.Digest}
	}
	is.count++
	if inVain {
		is.count = max(is.count, promptRepairs+repairsSkipped)
	}
	is.inVain, is.last = inVain, now
	r.of[w.Key] = is
	return is.rest()
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

// purge drops repairs that no longer count, seldom enough to cost little.
func (r *repairs) purge(now time.Time) {
	if r.of != nil && now.Sub(r.purged) < repairsForgotten {
		return
	}
	kept := map[types.NamespacedName]repair{}
	for key, each := range r.of {
		if now.Sub(each.last) < repairsForgotten {
			kept[key] = each
		}
	}
	r.of, r.purged = kept, now
}
