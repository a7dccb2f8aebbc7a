package v1alpha1

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/usher-dev/usher/internal/validation"
)

const (
	// shown bounds the missing rights that a message names. The rest are counted.
	shown = 10
	// mostErrors bounds the errors of an answer, to keep it readable.
	mostErrors = 50
	// mostRunes is a little less than what the API server passes on of all warnings of a request. Beyond that, it
	// truncates each of them.
	mostRunes = 3800
	// mostOfOne bounds one warning, to leave room for others.
	mostOfOne = 1200
)

// refusals returns an error for each right that the user lacks. It omits rights that another missing right would
// also satisfy.
func refusals(missing []validation.Right, user *authenticationv1.UserInfo) field.ErrorList {
	lacking := map[validation.Attributes]bool{}
	missing = slices.DeleteFunc(slices.Clone(missing), func(right validation.Right) bool {
		if slices.ContainsFunc(right.AnyOf, func(each validation.Attributes) bool { return lacking[each] }) {
			return true
		}
		lacking[right.AnyOf[0]] = true
		return false
	})
	var all field.ErrorList
	for i := range missing[:min(len(missing), shown)] {
		all = append(all, field.Forbidden(missing[i].Field, refusal(&missing[i], user)))
	}
	if rest := len(missing) - shown; rest > 0 {
		all = append(all, field.Forbidden(missing[shown].Field,
			fmt.Sprintf("and %d more rights that %s lacks", rest, user.Username)))
	}
	return all
}

func refusal(right *validation.Right, user *authenticationv1.UserInfo) string {
	narrowest := right.AnyOf[0]
	return fmt.Sprintf("%s: this requires the right to %s, which %s lacks; check it with: %s",
		right.Reason, describe(narrowest), user.Username, canI(narrowest, user))
}

// mostGroups bounds the groups of the requester that a command names.
const mostGroups = 5

// as returns the kubectl flags that impersonate the requester. It omits groups that the API server adds by itself.
func as(user *authenticationv1.UserInfo) []string {
	words := []string{"--as=" + quoted(user.Username)}
	if strings.HasPrefix(user.Username, "system:serviceaccount:") {
		return words
	}
	for _, group := range user.Groups {
		if group != "system:authenticated" && len(words) <= mostGroups {
			words = append(words, "--as-group="+quoted(group))
		}
	}
	return words
}

// describe returns the right in words.
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

// canI returns the command that shows the user's rights to the resource. The resources of the grants group have no
// objects, and kubectl asks about a resource by name only if the API server serves it. For these, the command
// lists the rights. A right in all namespaces is listed in each namespace.
func canI(right validation.Attributes, user *authenticationv1.UserInfo) string {
	resource, words := right.Resource+"."+right.Group, []string{"kubectl", "auth", "can-i"}
	if right.Group == validation.GrantsGroup {
		words = append(words, "--list", "-n", quoted(cmp.Or(right.Namespace, metav1.NamespaceDefault)))
		return strings.Join(append(append(words, as(user)...), "|", "grep", resource), " ")
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
	return strings.Join(append(words, as(user)...), " ")
}

var plain = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quoted quotes a word for a shell if necessary. User names may contain any character.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// limited returns at most mostErrors errors and counts the rest.
func limited(all field.ErrorList) field.ErrorList {
	rest := len(all) - mostErrors
	if rest <= 0 {
		return all
	}
	return append(all[:mostErrors:mostErrors],
		field.Forbidden(field.NewPath("metadata"), fmt.Sprintf("and %d more errors", rest)))
}

// shorten cuts the warnings to what the API server passes on, and counts the rest.
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

// printable replaces control characters: a warning is sent in a header and must be one line.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
