package terminal

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns the text with every unsafe character in escaped form: control and format characters, line and
// paragraph separators, and bytes that are not valid UTF-8. A terminal can only display the result.
func Escape(text string) string {
	if !strings.ContainsFunc(text, acts) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case acts(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case acts(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}

// EscapeLines is like Escape for text of several lines. It keeps line ends and tabs.
func EscapeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		parts := strings.Split(line, "\t")
		for j := range parts {
			parts[j] = Escape(parts[j])
		}
		lines[i] = strings.Join(parts, "\t")
	}
	return strings.Join(lines, "\n")
}

// EscapeJSON is like Escape for encoded JSON, where such characters occur only in strings. The result decodes to
// the same value.
func EscapeJSON(encoded []byte) []byte {
	if !bytes.ContainsFunc(encoded, actsInJSON) {
		return encoded
	}
	var b bytes.Buffer
	for _, r := range string(encoded) {
		switch {
		case !actsInJSON(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

func actsInJSON(r rune) bool { return r != '\n' && r != '\t' && acts(r) }

// acts reports whether a terminal may do something other than display the character.
func acts(r rune) bool {
	if r < utf8.RuneSelf { // most text; a report is long
		return unicode.IsControl(r)
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
