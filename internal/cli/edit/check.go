package edit

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// The limits and patterns of the schemas. The API server has the final word; these checks report an error before
// the first write.
const (
	maximumUser        = 253
	maximumName        = 63
	maximumGroupName   = 253
	maximumDisplayName = 128
	maximumDescription = 1024
	maximumEmail       = 254
	maximumMembers     = 5000
	maximumGrants      = 500
	maximumSystem      = 100
	maximumGroups      = 100
	maximumSelectors   = 20
	maximumAttributes  = 50
	maximumValues      = 100
	maximumValue       = 128
)

var (
	rolePattern        = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	labelPattern       = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	notInLabels        = regexp.MustCompile(`[^a-z0-9]+`)
	groupPattern       = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	attributePattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	textPattern        = regexp.MustCompile(`^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$`)
	emailPattern       = regexp.MustCompile(`^[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+@[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+$`)
	forbiddenInUser    = `,"\`
	forbiddenUserNames = map[rune]string{',': "a comma", '"': "a double quote", '\\': "a backslash"}
)

// CheckUser returns an error that names the rule by which the API server would refuse the user name.
func CheckUser(user string) error {
	switch {
	case user == "":
		return fmt.Errorf("user %q: it is empty", user)
	case !utf8.ValidString(user):
		return fmt.Errorf("user %q: it is not valid UTF-8", user)
	case utf8.RuneCountInString(user) > maximumUser:
		return fmt.Errorf("user %q...: it has %d characters, and may have %d", string([]rune(user)[:20]),
			utf8.RuneCountInString(user), maximumUser)
	}
	for _, r := range user {
		what := ""
		switch {
		case strings.ContainsRune(forbiddenInUser, r):
			what = forbiddenUserNames[r]
		case unicode.In(r, unicode.Z):
			what = "white space"
		case unicode.In(r, unicode.Cc):
			what = fmt.Sprintf("a control character (%U)", r)
		case unicode.In(r, unicode.Cf):
			what = fmt.Sprintf("a character that is not seen (%U)", r)
		}
		if what != "" {
			return fmt.Errorf("user %q: it has %s in it; a user has no white space, no control or format character, "+
				"no comma, double quote or backslash", user, what)
		}
	}
	return nil
}

// checkName checks a name against a pattern and a maximum length.
func checkName(what, name string, pattern *regexp.Regexp, maximum int, like string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s: missing", what)
	case utf8.RuneCountInString(name) > maximum:
		return fmt.Errorf("%s %q...: it has %d characters, and may have %d", what, string([]rune(name)[:20]),
			utf8.RuneCountInString(name), maximum)
	case !pattern.MatchString(name):
		return fmt.Errorf("%s %q: it takes %s", what, name, like)
	}
	return nil
}

func checkRole(role string) error {
	return checkName("role", role, rolePattern, maximumName, "letters, digits and . _ - between them, such as RulesAdmin")
}

func checkGroupName(name string) error {
	return checkName("group", name, groupPattern, maximumGroupName, "small letters, digits, and - or . between them, such as france")
}

// checkSelector checks a name, which may also be * for all.
func checkSelector(what, name string) error {
	if name == "*" {
		return nil
	}
	err := checkName(what, name, labelPattern, maximumName, "small letters, digits, and - between them, such as finance, or *")
	if label := labelOf(name); err != nil && what == "application" && labelPattern.MatchString(label) && len(label) <= maximumName {
		return fmt.Errorf("%w; write %s, and give its ApplicationAccess the displayName %s", err, label, name)
	}
	return err
}

// labelOf returns the label value to which docs/kinds/applicationaccess.md maps the name of an application.
func labelOf(name string) string {
	return strings.Trim(notInLabels.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// checkSize returns an error for each list that exceeds its maximum length.
func checkSize(o client.Object) []error {
	var failures []error
	check := func(field string, n, maximum int, remedy string) {
		if n > maximum {
			failures = append(failures, fmt.Errorf("%s: spec.%s: it would have %d, and may have %d; %s", objects.Name(o), field, n,
				maximum, remedy))
		}
	}
	const elsewhere = "put some in another group"
	switch each := o.(type) {
	case *accessv1alpha1.AccessGroup:
		check("members", len(each.Spec.Members), maximumMembers, "put some in another group, and name that in memberGroups")
		check("memberGroups", len(each.Spec.MemberGroups), maximumGroups, "nest them deeper")
		check("applicationAccess", len(each.Spec.ApplicationAccess), maximumGrants, elsewhere)
		check("systemAccess", len(each.Spec.SystemAccess), maximumSystem, elsewhere)
		check("applicationSelectors", len(each.Spec.ApplicationSelectors), maximumSelectors, elsewhere)
		check("systemAccessSelectors", len(each.Spec.SystemAccessSelectors), maximumSelectors, elsewhere)
	case *accessv1alpha1.UserAccess:
		check("groups", len(each.Spec.Groups), maximumGroups, "name the user in the members of groups")
		check("applicationAccess", len(each.Spec.ApplicationAccess), maximumGrants, elsewhere)
		check("systemAccess", len(each.Spec.SystemAccess), maximumSystem, elsewhere)
		check("applicationSelectors", len(each.Spec.ApplicationSelectors), maximumSelectors, elsewhere)
		check("systemAccessSelectors", len(each.Spec.SystemAccessSelectors), maximumSelectors, elsewhere)
		check("attributes", len(each.Spec.Attributes), maximumAttributes, "leave out those that no group refers to")
		for _, a := range each.Spec.Attributes {
			check(fmt.Sprintf("attributes[%s].values", a.Name), len(a.Values), maximumValues, "put the rows into an entry of a group")
		}
	}
	return failures
}
