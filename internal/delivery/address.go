package delivery

import (
	"net/mail"
	"strings"
)

// longestAddress is the longest address that a mail server accepts (RFC 5321, 4.5.3.1.3, without the brackets).
const longestAddress = 254

// IsAddress reports whether the text is exactly one e-mail address, without anything that a mail server or a header could
// read as more.
func IsAddress(text string) bool {
	if len(text) > longestAddress || strings.ContainsAny(text, "\r\n\t <>,;:\"\\()[]") {
		return false
	}
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text && parsed.Name == ""
}
