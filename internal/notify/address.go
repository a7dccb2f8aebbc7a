package notify

import (
	"net/mail"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// longestAddress is what a mail server takes (RFC 5321, 4.5.3.1.3, without the brackets).
const longestAddress = 254

// isAddress says whether the text is one e-mail address and nothing else: nothing that a mail server or a header could
// take for more.
func isAddress(text string) bool {
	if len(text) > longestAddress || strings.ContainsAny(text, "\r\n\t <>,;:\"\\()[]") {
		return false
	}
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text && parsed.Name == ""
}

// address is where mail to the user goes: the address that a UserAccess says, or the user, if that is one. It is not
// guessed: empty where there is none.
func (e *entry) address(user string) string {
	for _, text := range []string{e.email, user} {
		if isAddress(text) {
			return text
		}
	}
	return ""
}

// know notes what the UserAccess, which may be nil, says of the user.
func (e *entry) know(ua *accessv1alpha1.UserAccess, gone bool) (differs bool) {
	email, name := "", ""
	switch {
	case ua != nil:
		email, name = ua.Spec.Email, ua.Spec.DisplayName
	case gone:
		return false // what was known serves the last notice
	}
	differs = e.email != email || e.name != name
	e.email, e.name = email, name
	return differs
}
