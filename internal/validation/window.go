package validation

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// intersect returns the window in which both windows are open. It returns false if they are never open together.
func intersect(a, b resolve.Window) (resolve.Window, bool) {
	w := a
	if w.NotBefore.Before(b.NotBefore) { // a zero bound is before every other
		w.NotBefore = b.NotBefore
	}
	if !b.NotAfter.IsZero() && (w.NotAfter.IsZero() || b.NotAfter.Before(w.NotAfter)) {
		w.NotAfter = b.NotAfter
	}
	return w, w.NotAfter.IsZero() || w.NotBefore.Before(w.NotAfter)
}

// covered reports whether at least one of the other windows is open at every instant at which the window is open.
// It sorts the others in place.
func covered(w resolve.Window, by []resolve.Window) bool {
	slices.SortFunc(by, func(a, b resolve.Window) int { return a.NotBefore.Compare(b.NotBefore) })
	from := w.NotBefore
	for _, each := range by {
		if each.NotBefore.After(from) {
			return false
		}
		if each.NotAfter.IsZero() {
			return true
		}
		if each.NotAfter.After(from) {
			from = each.NotAfter
		}
		if !w.NotAfter.IsZero() && !from.Before(w.NotAfter) {
			return true
		}
	}
	return false
}

// opened returns the windows in which a grant applies to a user who has its source in the given windows. Without
// windows, the user always has the source.
func opened(grant resolve.Window, source []resolve.Window) []resolve.Window {
	if len(source) == 0 {
		return []resolve.Window{grant}
	}
	var open []resolve.Window
	for _, s := range source {
		if w, ever := intersect(grant, s); ever {
			open = append(open, w)
		}
	}
	return open
}

// since returns text with the start of an effect, or an empty string if the effect starts now.
func since(t, now time.Time) string {
	if !t.After(now) {
		return ""
	}
	return ", from " + t.UTC().Format(time.RFC3339) + " on"
}
