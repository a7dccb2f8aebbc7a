package resolve

import (
	"slices"
	"time"
)

// Window is a half-open interval of time: it includes NotBefore and excludes NotAfter. A zero bound is open.
type Window struct {
	NotBefore, NotAfter time.Time
}

// Contains reports whether the window is open at the instant t (docs/rules.md R1).
func (w Window) Contains(t time.Time) bool {
	if !w.NotBefore.IsZero() && t.Before(w.NotBefore) {
		return false
	}
	return w.NotAfter.IsZero() || t.Before(w.NotAfter)
}

// Covers reports whether w is open whenever v is open.
func (w Window) Covers(v Window) bool {
	begins := w.NotBefore.IsZero() || (!v.NotBefore.IsZero() && !v.NotBefore.Before(w.NotBefore))
	ends := w.NotAfter.IsZero() || (!v.NotAfter.IsZero() && !v.NotAfter.After(w.NotAfter))
	return begins && ends
}

// always reports whether the window is open at every instant.
func (w Window) always() bool { return w.NotBefore.IsZero() && w.NotAfter.IsZero() }

// contains reports whether any of the windows is open at t. An empty list stands for always.
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

// appendInstants appends the bounds of the window that are after now.
func (w Window) appendInstants(to []time.Time, now time.Time) []time.Time {
	if w.NotBefore.After(now) {
		to = append(to, w.NotBefore)
	}
	if w.NotAfter.After(now) {
		to = append(to, w.NotAfter)
	}
	return to
}

// next returns the earlier of t and the first bound of the window after now. A zero t counts as later than any
// bound.
func (w Window) next(now, t time.Time) time.Time {
	for _, bound := range [...]time.Time{w.NotBefore, w.NotAfter} {
		if bound.After(now) && (t.IsZero() || bound.Before(t)) {
			t = bound
		}
	}
	return t
}

// windowsAtTop yields the windows that affect every entry of the user.
func windowsAtTop(u *User, yield func(Window)) {
	for i := range u.Bars {
		yield(u.Bars[i].Window)
	}
	for i := range u.Holdings {
		if u.Holdings[i].Source == nil {
			continue
		}
		for _, w := range u.Holdings[i].Windows {
			yield(w)
		}
	}
}

// windowsOrganization yields the windows that affect the organization role alone.
func windowsOrganization(u *User, yield func(Window)) {
	windowsOf(u, yield, func(b *Bound) grantList { return b.organization })
	windowsOf(u, yield, func(b *Bound) grantList { return b.systemOrganization })
	for i := range u.Holdings {
		if b := u.Holdings[i].Source; b != nil && b.timed {
			for _, w := range b.system {
				yield(w)
			}
		}
	}
}

// windowsBroad yields the windows that affect every application.
func windowsBroad(u *User, yield func(Window)) {
	windowsOf(u, yield, func(b *Bound) grantList { return b.broad })
	windowsOf(u, yield, func(b *Bound) grantList { return b.systemApplication })
}

// windowsSpecific yields the windows that affect single applications.
func windowsSpecific(u *User, yield func(Window)) {
	windowsOf(u, yield, func(b *Bound) grantList { return b.specific })
}

func windowsOf(u *User, yield func(Window), grants func(*Bound) grantList) {
	for i := range u.Holdings {
		b := u.Holdings[i].Source
		if b == nil || !b.timed {
			continue
		}
		list := grants(b)
		for j := range list {
			yield(list[j].window)
		}
	}
}

// Transitions returns the instants after now at which a window that affects the user opens or closes, sorted.
// Between two of them the decision stays the same.
func Transitions(u *User, now time.Time) []time.Time {
	var instants []time.Time
	add := func(w Window) { instants = w.appendInstants(instants, now) }
	windowsAtTop(u, add)
	windowsOrganization(u, add)
	windowsBroad(u, add)
	windowsSpecific(u, add)
	return sortedInstants(instants)
}

// nextTransition returns the first of the [Transitions], or zero if there is none.
func nextTransition(u *User, now time.Time) time.Time {
	var first time.Time
	find := func(w Window) { first = w.next(now, first) }
	windowsAtTop(u, find)
	windowsOrganization(u, find)
	windowsBroad(u, find)
	windowsSpecific(u, find)
	return first
}

func sortedInstants(instants []time.Time) []time.Time {
	slices.SortFunc(instants, time.Time.Compare)
	return slices.CompactFunc(instants, time.Time.Equal)
}
