package resolve

import (
	"hash/maphash"
	"sync"
	"weak"
)

// sharedFilters lets the decisions of many users share united filters, because thousands of members of the same
// groups see the same rows. It keeps no filter alive. It is safe for concurrent use.
type sharedFilters struct {
	mu    sync.Mutex
	seed  maphash.Seed
	known map[uint64]weak.Pointer[[1]Filter] // by the hash of the text
	sweep int                                // the size of known at which collected entries are dropped
}

const fewShared = 1000

func newSharedFilters() *sharedFilters {
	return &sharedFilters{seed: maphash.MakeSeed(), known: map[uint64]weak.Pointer[[1]Filter]{}, sweep: fewShared}
}

// share returns the filter as a list of one. Equal filters share the list as long as a decision uses it.
func (s *sharedFilters) share(f Filter) []Filter {
	key := maphash.String(s.seed, f.canonical)
	s.mu.Lock()
	defer s.mu.Unlock()
	if shared := s.known[key].Value(); shared != nil {
		if shared[0].canonical == f.canonical {
			return shared[:]
		}
		return []Filter{f} // another text with the same hash
	}
	made := &[1]Filter{f}
	made[0].shared = made
	s.known[key] = weak.Make(made)
	if len(s.known) > s.sweep {
		s.dropGone()
	}
	return made[:]
}

func (s *sharedFilters) dropGone() {
	for key, pointer := range s.known {
		if pointer.Value() == nil {
			delete(s.known, key)
		}
	}
	s.sweep = 2*len(s.known) + fewShared
}
