package feed

import (
	"context"
	"sync"
)

// subscription holds the settlements that a subscriber has not processed yet.
type subscription struct {
	take func(*Settlement)
	wake chan struct{}

	mu      sync.Mutex
	waiting []*Settlement

	taking sync.Mutex // held while the subscriber processes settlements
}

func (s *subscription) add(settlement *Settlement) {
	s.mu.Lock()
	s.waiting = append(s.waiting, settlement)
	s.mu.Unlock()
	signal(s.wake)
}

// next removes and returns the first waiting settlement, or nil if none waits.
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

// drain passes all waiting settlements to the subscriber.
func (s *subscription) drain() {
	s.taking.Lock()
	defer s.taking.Unlock()
	for settlement := s.next(); settlement != nil; settlement = s.next() {
		s.take(settlement)
	}
}

// run passes settlements to the subscriber until the context ends.
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
