package v1alpha1

import (
	"context"
	"fmt"
	"sync"
)

// lane bounds how many reviews are handled at the same time. At most half of them may come from one address, so
// one peer that sends continuously does not keep the others waiting.
type lane struct {
	inside chan struct{}

	mu     sync.Mutex
	shares map[string]*share
}

// share is the part of a lane that one address uses.
type share struct {
	inside chan struct{}
	users  int // inside or waiting
}

func newLane(most int) *lane {
	return &lane{inside: make(chan struct{}, most), shares: map[string]*share{}}
}

// enter waits until there is room, and returns a function that frees it. It returns errBusy if the context ends
// first.
func (l *lane) enter(ctx context.Context, address string) (leave func(), err error) {
	s := l.take(address)
	for _, room := range []chan struct{}{s.inside, l.inside} {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			if room == l.inside {
				<-s.inside
			}
			l.giveBack(address, s)
			return nil, fmt.Errorf("%w: %w", errBusy, ctx.Err())
		}
	}
	return func() {
		<-l.inside
		<-s.inside
		l.giveBack(address, s)
	}, nil
}

func (l *lane) take(address string) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shares[address]
	if s == nil {
		s = &share{inside: make(chan struct{}, (cap(l.inside)+1)/2)}
		l.shares[address] = s
	}
	s.users++
	return s
}

func (l *lane) giveBack(address string, s *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(l.shares, address)
	}
}
