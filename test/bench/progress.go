package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress prints progress messages.
type progress struct {
	to    io.Writer
	began time.Time
	mu    sync.Mutex
}

func newProgress(to io.Writer) *progress { return &progress{to: to, began: time.Now()} }

func (p *progress) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A line that cannot be written is ignored.
	_, _ = fmt.Fprintf(p.to, "%4.0fs  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

// every prints the progress periodically until stop is called.
func (p *progress) every(text func() string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(10 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.printf("%s", text())
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		p.printf("%s", text())
	}
}
