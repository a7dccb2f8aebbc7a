// Package words joins names and numbers into the sentences of messages. It imports only the standard library.
package words

import (
	"fmt"
	"strings"
)

// Counted returns the number with its noun, in the singular or the plural.
func Counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// few is the maximum number of names that a sentence lists.
const few = 10

// Some joins the first few of many names, and counts the rest.
func Some(names []string) string {
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
}

// Alternatives joins the values for a sentence: a, b or c.
func Alternatives(values []string) string {
	last := len(values) - 1
	if last < 1 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// Meant returns the question whether one of the similar names was meant, such as "did you mean france?". It returns the
// empty string if there is none.
func Meant(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(near, ", or ") + "?"
}
