package terminal

import (
	"fmt"
	"sync"
	"time"
)

// Progress says on stderr what a command is about, once that has taken longer than a second. The zero value says
// nothing.
type Progress struct {
	streams *Streams

	mu      sync.Mutex
	what    string
	written bool
	timer   *time.Timer
	pause   time.Duration
}

// pauseWithoutTerminal is between two lines where a line cannot be written over.
const pauseWithoutTerminal = 10 * time.Second

// NewProgress starts to watch the time. The caller ends it with Done.
func NewProgress(s *Streams) *Progress {
	p := &Progress{streams: s, pause: pauseWithoutTerminal}
	if s.ErrIsTerminal {
		p.pause = time.Second / 4
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(time.Second, p.write)
	return p
}

// Say notes what the command is doing now.
func (p *Progress) Say(format string, args ...any) {
	if p == nil || p.streams == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what = Escape(fmt.Sprintf(format, args...))
}

func (p *Progress) write() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return
	}
	if p.what != "" {
		begin, end := "", "\n"
		if p.streams.ErrIsTerminal {
			begin, end = "\r\x1b[K", ""
		}
		// What cannot be written here nobody misses.
		_, _ = fmt.Fprint(p.streams.ErrOut, begin, p.what, "...", end)
		p.written = true
	}
	p.timer.Reset(p.pause)
}

// Done ends it and takes away what can be.
func (p *Progress) Done() {
	if p == nil || p.streams == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return
	}
	p.timer.Stop()
	p.timer = nil
	if p.written && p.streams.ErrIsTerminal {
		_, _ = fmt.Fprint(p.streams.ErrOut, "\r\x1b[K")
	}
}
