package controller

import (
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

// yield waits until no application document is under way, or until the moment has passed.
func (p *precedence) yield(m *moment) {
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
	case <-m.passed():
	}
}

// longestYield is about how long the largest documents take.
const longestYield = 250 * time.Millisecond

// moment is how long anything yields: a document that does not come forward holds nobody up. It begins with the first wait,
// as mostly there is none, and must be ended. The zero value is ready.
type moment struct {
	over  chan struct{}
	timer *time.Timer
}

func (m *moment) passed() <-chan struct{} {
	if m.timer == nil {
		over := make(chan struct{})
		m.over, m.timer = over, time.AfterFunc(longestYield, func() { close(over) }) //nolint:forbidigo // it only waits
	}
	return m.over
}

func (m *moment) end() {
	if m.timer != nil {
		m.timer.Stop()
	}
}
