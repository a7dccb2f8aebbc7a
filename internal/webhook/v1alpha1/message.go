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

// refusals says which rights somebody lacks. One that another of them would give is not worth a line of its own.
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
	return fmt.Sprintf("%s: this takes the right to %s, which %s lacks; to see it: %s",
		right.Reason, describe(narrowest), user.Username, canI(narrowest, user))
}

// mostGroups bounds the groups of the requester that a command names.
const mostGroups = 5

// as has kubectl ask for the requester. Groups that the API server adds by itself are left out.
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
