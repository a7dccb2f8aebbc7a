package resolve

import (
	"slices"
	"time"
)

// spans is a set of instants: sorted, non-empty windows that neither overlap nor touch.
type spans []Window

// forever contains every instant.
var forever = spans{{}}

// from returns the instants from t on.
func from(t time.Time) spans { return spans{{NotBefore: t}} }

// spansOf returns the instants at which any of the windows is open. An empty list stands for always.
func spansOf(windows []Window) spans {
	if len(windows) == 0 {
		return forever
	}
	return united(windows)
}

// united returns the instants at which any of the windows is open.
func united(windows []Window) spans {
	if len(windows) == 1 && !windows[0].empty() {
		return spans(windows)
	}
	sorted := slices.DeleteFunc(slices.Clone(windows), Window.empty)
	slices.SortFunc(sorted, func(a, b Window) int { return a.NotBefore.Compare(b.NotBefore) })
	var all spans
	for _, w := range sorted {
		if len(all) == 0 {
			all = append(all, w)
			continue
		}
		last := &all[len(all)-1]
		switch {
		case last.NotAfter.IsZero():
			return all
		case w.NotBefore.After(last.NotAfter):
			all = append(all, w)
		case w.NotAfter.IsZero() || w.NotAfter.After(last.NotAfter):
			last.NotAfter = w.NotAfter
		}
	}
	return all
}

func (w Window) empty() bool { return !w.NotAfter.IsZero() && !w.NotBefore.Before(w.NotAfter) }

// and returns the instants that both sets contain.
func (s spans) and(t spans) spans {
	if len(s) == 1 && s[0].always() {
		return t
	}
	if len(t) == 1 && t[0].always() {
		return s
	}
	var both spans
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if w, meet := s[i].intersect(t[j]); meet {
			both = append(both, w)
		}
		if endsFirst(s[i], t[j]) {
			i++
		} else {
			j++
		}
	}
	return both
}

func endsFirst(a, b Window) bool {
	return !a.NotAfter.IsZero() && (b.NotAfter.IsZero() || a.NotAfter.Before(b.NotAfter))
}

// without returns the instants of s that t does not contain.
func (s spans) without(t spans) spans {
	if len(s) == 0 || len(t) == 0 {
		return s
	}
	return s.and(t.complement())
}

// complement returns all other instants.
func (s spans) complement() spans {
	var rest spans
	begin := time.Time{}
	for i, w := range s {
		if i > 0 || !w.NotBefore.IsZero() {
			rest = append(rest, Window{NotBefore: begin, NotAfter: w.NotBefore})
		}
		if w.NotAfter.IsZero() {
			return rest
		}
		begin = w.NotAfter
	}
	return append(rest, Window{NotBefore: begin})
}

// where returns the instants from the first step on at which the access satisfies the predicate. From Until on
// nothing is known of the entry, and the predicate is assumed to hold.
func (c *Course) where(is func(a *Access) bool) spans {
	var found spans
	for i := range c.Steps {
		if !is(&c.Steps[i].Access) {
			continue
		}
		w := Window{NotBefore: c.Steps[i].At, NotAfter: c.Until}
		if i+1 < len(c.Steps) {
			w.NotAfter = c.Steps[i+1].At
		}
		found = append(found, w)
	}
	if !c.Until.IsZero() {
		found = append(found, Window{NotBefore: c.Until})
	}
	return united(found)
}
