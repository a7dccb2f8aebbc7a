package v1alpha1

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/usher-dev/usher/internal/validation"
)

const (
	// shown is how many missing rights a message names; the rest is counted.
	shown = 10
	// mostErrors keeps an answer readable whatever is wrong.
	mostErrors = 50
	// mostRunes is a little less than what the API server passes on of all warnings of a request: past that it cuts each
	// of them.
	mostRunes = 3800
	// mostOfOne leaves room for others.
	mostOfOne = 1200
)

// refusals says which rights somebody lacks.
func refusals(missing []validation.Right, user string) field.ErrorList {
	var all field.ErrorList
	for i := range missing[:min(len(missing), shown)] {
		all = append(all, field.Forbidden(missing[i].Field, refusal(&missing[i], user)))
	}
	if rest := len(missing) - shown; rest > 0 {
		all = append(all, field.Forbidden(missing[shown].Field, fmt.Sprintf("and %d more rights that %s lacks", rest, user)))
	}
	return all
}

func refusal(right *validation.Right, user string) string {
	narrowest := right.AnyOf[0]
	return fmt.Sprintf("%s: this takes the right to %s, which %s lacks; to see it: %s",
		right.Reason, describe(narrowest), user, canI(narrowest, user))
}

// describe names a right in words.
func describe(right validation.Attributes) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s.%s", right.Verb, right.Resource, right.Group)
	if right.Name != "" {
		fmt.Fprintf(&text, " %q", right.Name)
	}
	if right.Subresource != "" {
		fmt.Fprintf(&text, ", subresource %q,", right.Subresource)
	}
	if right.Namespace == "" {
		text.WriteString(" in all namespaces")
	} else {
		fmt.Fprintf(&text, " in namespace %q", right.Namespace)
	}
	return text.String()
}

// canI is the command that shows what somebody may do of the kind. There are no objects of the resources of the grants
// group, and kubectl asks about a resource by name only where the API server serves it: of these it can list the rights.
// What holds in all namespaces is listed in each.
func canI(right validation.Attributes, user string) string {
	resource, words := right.Resource+"."+right.Group, []string{"kubectl", "auth", "can-i"}
	if right.Group == validation.GrantsGroup {
		return strings.Join(append(words, "--list", "-n", quoted(cmp.Or(right.Namespace, metav1.NamespaceDefault)),
			"--as="+quoted(user), "|", "grep", resource), " ")
	}
	if right.Name != "" {
		resource += "/" + right.Name
	}
	words = append(words, right.Verb, quoted(resource))
	if right.Subresource != "" {
		words = append(words, "--subresource="+quoted(right.Subresource))
	}
	if right.Namespace == "" {
		words = append(words, "-A")
	} else {
		words = append(words, "-n", quoted(right.Namespace))
	}
	return strings.Join(append(words, "--as="+quoted(user)), " ")
}

var plain = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quoted writes a word so that a shell reads it as it is: names of users are free.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// limited counts what nobody would read.
func limited(all field.ErrorList) field.ErrorList {
	rest := len(all) - mostErrors
	if rest <= 0 {
		return all
	}
	return append(all[:mostErrors:mostErrors],
		field.Forbidden(field.NewPath("metadata"), fmt.Sprintf("and %d more errors", rest)))
}

// shorten keeps warnings within what the API server passes on, and counts the rest.
func shorten(warnings []string) []string {
	var kept []string
	left := mostRunes
	for i, warning := range warnings {
		warning = strings.Map(printable, strings.ToValidUTF8(warning, "�"))
		if runes := []rune(warning); len(runes) > mostOfOne {
			warning = string(runes[:mostOfOne-1]) + "…"
		}
		if left -= utf8.RuneCountInString(warning); left < 0 {
			return append(kept, fmt.Sprintf("and %d more warnings", len(warnings)-i))
		}
		kept = append(kept, warning)
	}
	return kept
}

// printable has a line stay a line: a warning travels in a header.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
