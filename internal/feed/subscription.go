package feed

import (
	"context"
	"sync"
)

// subscription has the settlements that a subscriber has yet to take.
type subscription struct {
	take func(*Settlement)
	wake chan struct{}

	mu      sync.Mutex
	waiting []*Settlement

	taking sync.Mutex // held while the subscriber takes settlements
}

func (s *subscription) add(made *Settlement) {
	s.mu.Lock()
	s.waiting = append(s.waiting, made)
	s.mu.Unlock()
	signal(s.wake)
}

// next returns the first settlement that waits; nil: none does.
func (s *subscription) next() *Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.waiting = nil
		return nil
	}
	first := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	return first
}

// drain hands all settlements that wait to the subscriber.
func (s *subscription) drain() {
	s.taking.Lock()
	defer s.taking.Unlock()
	for made := s.next(); made != nil; made = s.next() {
		s.take(made)
	}
}

// run hands settlements to the subscriber until the context ends.
func (s *subscription) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			s.drain()
		}
	}
}
