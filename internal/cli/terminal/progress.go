package terminal

import (
	"fmt"
	"sync"
	"time"
)

// Progress reports on stderr what a command is doing, if that takes longer than a second. The zero value reports
// nothing.
type Progress struct {
	streams *Streams

	mu      sync.Mutex
	what    string
	written bool
	timer   *time.Timer
	pause   time.Duration
}

// pauseWithoutTerminal is the interval between two lines if a line cannot be overwritten.
const pauseWithoutTerminal = 10 * time.Second

// NewProgress starts the timer. The caller must call Done. It returns nil, which reports nothing, if progress is disabled.
func NewProgress(s *Streams) *Progress {
	if s.NoProgress {
		return nil
	}
	p := &Progress{streams: s, pause: pauseWithoutTerminal}
	if s.ErrIsTerminal {
		p.pause = time.Second / 4
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(time.Second, p.write)
	return p
}

// Say sets the description of the current activity.
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
		// A failure to write progress is harmless.
		_, _ = fmt.Fprint(p.streams.ErrOut, begin, p.what, "...", end)
		p.written = true
	}
	p.timer.Reset(p.pause)
}

// Done stops the progress and clears its line if possible.
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
