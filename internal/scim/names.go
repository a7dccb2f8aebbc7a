package scim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	scimerrors "github.com/elimity-com/scim/errors"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// mostIdentityRunes is the maximum length of an identity.
	mostIdentityRunes = 253
	// mostDisplayNameRunes is the maximum length of a displayName.
	mostDisplayNameRunes = 128
	// nameDigestLength is the number of hexadecimal digits that end the name of a group.
	nameDigestLength = 16
	// labelDigestLength is the number of hexadecimal digits in the value of a label.
	labelDigestLength = 32
)

// fold returns a form of the text that is equal for texts that differ only in case, as strings.EqualFold compares them.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, text)
}

// digest returns the first hexadecimal digits of the SHA-256 of the text.
func digest(text string, length int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:length]
}

// foldedDigest returns the value of the label by which a text is found in any case.
func foldedDigest(text string) string { return digest(fold(text), labelDigestLength) }

// exactDigest returns the value of the label by which a text is found in the same case only.
func exactDigest(text string) string { return digest(text, labelDigestLength) }

// groupName returns the name of the AccessGroup of a group: the displayName in lower case. If that is not a DNS label,
// other characters become "-", and the name ends in a digest of the displayName in lower case.
func groupName(displayName string) string {
	lower := strings.ToLower(displayName)
	if len(validation.IsDNS1123Label(lower)) == 0 {
		return lower
	}
	var b strings.Builder
	gap := false
	for _, r := range lower {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	readable := b.String()
	if most := validation.DNS1123LabelMaxLength - nameDigestLength - 1; len(readable) > most {
		readable = strings.TrimRight(readable[:most], "-")
	}
	if readable == "" {
		readable = "group"
	}
	return readable + "-" + digest(lower, nameDigestLength)
}

// partName returns the name of a part of a group. Part 0 is the group itself.
func partName(group string, part int) string {
	if part == 0 {
		return group
	}
	return group + "." + strconv.Itoa(part)
}

// partOf returns the number of a part of the group, or 0 if the name is not that of a part.
func partOf(group, name string) int {
	suffix, ok := strings.CutPrefix(name, group+".")
	if !ok {
		return 0
	}
	part, err := strconv.Atoi(suffix)
	if err != nil || part < 1 || partName(group, part) != name {
		return 0
	}
	return part
}

var encoding = base64.RawURLEncoding.Strict()

// userID returns the id of a User. Without a UID, it is the value of a member who has no provisioned UserAccess.
func userID(identity, uid string) string {
	id := encoding.EncodeToString([]byte(identity))
	if uid != "" {
		id += "." + uid
	}
	return id
}

// parseUserID returns the identity and the UID in the id of a User.
func parseUserID(id string) (identity, uid string, ok bool) {
	encoded, uid, _ := strings.Cut(id, ".")
	text, err := encoding.DecodeString(encoded)
	if err != nil || checkIdentity(string(text)) != nil {
		return "", "", false
	}
	return string(text), uid, true
}

// groupID returns the id of a Group.
func groupID(name, uid string) string { return name + "." + uid }

// parseGroupID returns the name and the UID in the id of a Group.
func parseGroupID(id string) (name, uid string, ok bool) {
	name, uid, ok = strings.Cut(id, ".")
	return name, uid, ok && uid != "" && len(validation.IsDNS1123Label(name)) == 0
}

// checkIdentity returns an error that says why a text is not an identity of a user.
func checkIdentity(text string) error {
	var problem string
	switch {
	case text == "":
		problem = "it is empty"
	case !utf8.ValidString(text):
		problem = "it is not UTF-8"
	case utf8.RuneCountInString(text) > mostIdentityRunes:
		problem = "it has more than " + strconv.Itoa(mostIdentityRunes) + " characters"
	case strings.ContainsFunc(text, isNotOfIdentity):
		problem = "it has white space, a control or format character, a comma, a double quote or a backslash"
	default:
		return nil
	}
	return invalid(scimerrors.ScimTypeInvalidValue,
		"%q cannot be the identity of a user: %s. Map another attribute of the identity provider to it", shortened(text), problem)
}

func isNotOfIdentity(r rune) bool {
	return strings.ContainsRune(`,"\`, r) || unicode.In(r, unicode.Z, unicode.Cc, unicode.Cf)
}

// shortened returns a text of a request in a length that a message can have.
func shortened(text string) string {
	const most = 80
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "..."
}
