package roster

import "k8s.io/apimachinery/pkg/types"

// Version is what tells one state of an object from all others: an object that is deleted and made again has another UID,
// and generations count the changes of its spec.
type Version struct {
	UID        types.UID
	Generation int64
}

// Version returns the version of the object that the roster holds, or false where it holds none.
func (r *Roster) Version(o Object) (Version, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	found := r.lookup(o)
	if found == nil {
		return Version{}, false
	}
	return Version{found.GetUID(), found.GetGeneration()}, true
}
