package controller

import (
	"context"
	"sync"
	"time"
)

// precedence lets application documents go before all else: while one is being written nothing else begins, since all
// writes share one API server. The zero value is ready.
type precedence struct {
	mu    sync.Mutex
	count int           // application documents under way
	over  chan struct{} // closed when there are none any more
}

// take begins an application document; the function that it returns ends it.
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

// yield waits until no application document is under way, but no longer than a moment: one that does not come forward
// holds nobody up.
func (p *precedence) yield(ctx context.Context) {
	p.mu.Lock()
	over := p.over
	if p.count == 0 {
		over = nil
	}
	p.mu.Unlock()
	if over == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longestYield)
	defer cancel()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

// longestYield is about how long the largest documents take.
const longestYield = 250 * time.Millisecond
