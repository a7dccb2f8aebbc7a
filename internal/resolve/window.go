package resolve

import "time"

// Window is a half-open interval of time: it holds NotBefore and ends just before NotAfter. A zero bound is open.
type Window struct {
	NotBefore, NotAfter time.Time
}

// Contains says whether the window is open at the instant t (docs/rules.md R1).
func (w Window) Contains(t time.Time) bool {
	if !w.NotBefore.IsZero() && t.Before(w.NotBefore) {
		return false
	}
	return w.NotAfter.IsZero() || t.Before(w.NotAfter)
}

// Covers says whether w is open whenever v is.
func (w Window) Covers(v Window) bool {
	begins := w.NotBefore.IsZero() || (!v.NotBefore.IsZero() && !v.NotBefore.Before(w.NotBefore))
	ends := w.NotAfter.IsZero() || (!v.NotAfter.IsZero() && !v.NotAfter.After(w.NotAfter))
	return begins && ends
}

// always says whether the window is open at every instant.
func (w Window) always() bool { return w.NotBefore.IsZero() && w.NotAfter.IsZero() }

// contains says whether any of the windows is open at t; no window at all stands for always.
func contains(windows []Window, t time.Time) bool {
	if len(windows) == 0 {
		return true
	}
	for i := range windows {
		if windows[i].Contains(t) {
			return true
		}
	}
	return false
}
