// Package identity derives Kubernetes names from the identities of users of applications.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// longestReadable is the maximum length of the readable part of a name, before the digest.
const longestReadable = 50

// Name returns the name of a user, which names a materialized UserAccess and the user's documents (docs/documents.md).
// It is a DNS-1123 label of at most 67 characters that ends in 16 hexadecimal digits of a digest.
func Name(user string) string {
	var b strings.Builder
	gap := false
	for _, r := range user {
		switch {
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
			fallthrough
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			if gap {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	if gap {
		b.WriteByte('-')
	}
	readable := b.String()
	if len(readable) > longestReadable {
		readable = readable[:longestReadable]
	}
	readable = strings.Trim(readable, "-")
	if readable == "" {
		readable = "user"
	}
	sum := sha256.Sum256([]byte(user))
	return readable + "-" + hex.EncodeToString(sum[:8])
}

var endsInDigest = regexp.MustCompile(`-[0-9a-f]{16}$`)

// IsReserved reports whether the name of an object has the form of [Name], so that it could be the name of a user.
func IsReserved(name string) bool { return endsInDigest.MatchString(name) }
