package v1alpha1

import (
	"context"
	"fmt"
	"sync"
)

// lane bounds how many do something at the same time, and how many of them come from one address: at most half. So one
// peer that sends without end does not keep the others waiting.
type lane struct {
	inside chan struct{}

	mu     sync.Mutex
	shares map[string]*share
}

// share is what one address has of a lane.
type share struct {
	inside chan struct{}
	users  int // inside or waiting
}

func newLane(most int) *lane {
	return &lane{inside: make(chan struct{}, most), shares: map[string]*share{}}
}

// enter returns when there is room, with a function that makes room for another. It returns errBusy where the context
// ends first.
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
