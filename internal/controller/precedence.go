package controller

import (
	"sync"
	"time"
)

// precedence gives application documents precedence over all other outputs. While an application document is being
// written, no other output starts, because all writes share one API server. The zero value is ready to use.
type precedence struct {
	mu    sync.Mutex
	count int           // application documents in progress
	over  chan struct{} // closed when no application document is in progress any more
}

// take registers an application document in progress. The returned function ends it.
func (p *precedence) take() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == 0 {
		p.over = make(chan struct{})
	}
	p.count++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.count--; p.count == 0 {
			close(p.over)
		}
	}
}

// yield waits until no application document is in progress, or until the limit has passed.
func (p *precedence) yield(limit *yieldLimit) {
	p.mu.Lock()
	over := p.over
	if p.count == 0 {
		over = nil
	}
	p.mu.Unlock()
	if over == nil {
		return
	}
	select {
	case <-over:
	case <-limit.passed():
	}
}

// longestYield is about the time that the largest documents take.
const longestYield = 250 * time.Millisecond

// yieldLimit limits how long a caller yields, so that an application document that makes no progress blocks nothing.
// Its time starts with the first wait, because most callers never wait. The caller must call end. The zero value is
// ready to use.
type yieldLimit struct {
	over  chan struct{}
	timer *time.Timer
}

func (limit *yieldLimit) passed() <-chan struct{} {
	if limit.timer == nil {
		over := make(chan struct{})
		limit.over, limit.timer = over, time.AfterFunc(longestYield, func() { close(over) }) //nolint:forbidigo // it only waits
	}
	return limit.over
}

func (limit *yieldLimit) end() {
	if limit.timer != nil {
		limit.timer.Stop()
	}
}
