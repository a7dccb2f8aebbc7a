package edit

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Window is a change of a window. A nil bound keeps the previous value. The zero time removes it.
type Window struct {
	NotBefore, NotAfter *metav1.Time
}

// ParseInstant parses an instant or a date, which stands for midnight UTC. "none" returns the zero time.
func ParseInstant(text string) (*metav1.Time, error) {
	if text == "none" {
		return &metav1.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		t, err := time.Parse(layout, text)
		if err == nil && t.Nanosecond() == 0 && t.UTC().Year() >= 1000 {
			return &metav1.Time{Time: t.UTC()}, nil
		}
	}
	return nil, fmt.Errorf("%q is not an instant; write it as 2026-07-01T09:00:00Z or 2026-07-01, or none", text)
}

// Over replaces the bounds of the previous window with those of the period, and returns an error if the result is
// invalid.
func (w *Window) Over(notBefore, notAfter *metav1.Time) (*metav1.Time, *metav1.Time, error) {
	if w.NotBefore != nil {
		notBefore = orNone(w.NotBefore)
	}
	if w.NotAfter != nil {
		notAfter = orNone(w.NotAfter)
	}
	if notBefore != nil && notAfter != nil && !notBefore.Before(notAfter) {
		return nil, nil, fmt.Errorf("notBefore %s is not before notAfter %s", InstantText(notBefore), InstantText(notAfter))
	}
	return notBefore, notAfter, nil
}

func orNone(t *metav1.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return t
}

// InstantText returns the instant as the API server writes it; empty for nil.
func InstantText(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
