package notify

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
)

// address returns the e-mail address of the user: the one in the UserAccess, or the name of the user if that is an
// address. It is empty if there is none, and never guessed.
func (e *entry) address(user string) string {
	for _, text := range []string{e.email, user} {
		if delivery.IsAddress(text) {
			return text
		}
	}
	return ""
}

// know updates name and e-mail address from the user's UserAccess, which may be nil. They are kept for the last notice if
// the user is gone. It reports whether they have changed.
func (e *entry) know(ua *accessv1alpha1.UserAccess, gone bool) (changed bool) {
	email, name := "", ""
	switch {
	case ua != nil:
		email, name = ua.Spec.Email, ua.Spec.DisplayName
	case gone:
		return false
	}
	changed = e.email != email || e.name != name
	e.email, e.name = email, name
	return changed
}
