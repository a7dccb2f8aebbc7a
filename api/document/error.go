package document

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Error describes what is wrong with a document, and where.
type Error struct {
	// Path is the file, as named by the caller. It is empty if the document did not come from a file.
	Path string
	// Pointer is the place in the document, a JSON pointer such as /users/amelie@acme.example/role. Long names in it
	// are shortened, and unprintable characters are replaced. It is empty for the whole document.
	Pointer string
	// Offset is the byte at which the place begins.
	Offset int
	// Reason describes the error.
	Reason string
}

// newError returns an error about the value at the pointer, which begins at the given offset.
func newError(pointer jsontext.Pointer, at int, format string, args ...any) *Error {
	e := &Error{Offset: at, Reason: fmt.Sprintf(format, args...)}
	for name := range pointer.Tokens() {
		e.Pointer += "/" + pointerSegment(name)
	}
	return e
}

// in moves the error to a nested value: the names lead from the current pointer to it.
func (e *Error) in(names ...string) *Error {
	for _, name := range names {
		e.Pointer += "/" + pointerSegment(name)
	}
	return e
}

// Error returns file, place and reason in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Path != "" {
		fmt.Fprintf(&b, "%s: ", e.Path)
	}
	if e.Pointer != "" {
		fmt.Fprintf(&b, "%s: ", e.Pointer)
	}
	b.WriteString(e.Reason)
	if e.Offset > 0 {
		fmt.Fprintf(&b, " (byte %d)", e.Offset)
	}
	return b.String()
}

// pointerSegment escapes a name for use in a pointer.
func pointerSegment(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, shorten(name))
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// shorten shortens a text from the data for a message.
func shorten(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
