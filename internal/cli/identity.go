package cli

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// checkUser returns an error that names the rule by which the API server would refuse the user name.
func checkUser(user string) error {
	switch {
	case user == "":
		return fmt.Errorf("user %q: it is empty", user)
	case !utf8.ValidString(user):
		return fmt.Errorf("user %q: it is no UTF-8", user)
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

// period is a window from --not-before and --not-after, or from two cells. A nil bound keeps the previous value. A
// zero bound removes it.
type period struct {
	notBefore, notAfter *metav1.Time
}

// parseInstant parses an instant or a date, which stands for midnight UTC. "none" returns the zero time.
func parseInstant(text string) (*metav1.Time, error) {
	if text == "none" {
		return &metav1.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		t, err := time.Parse(layout, text)
		if err == nil && t.Nanosecond() == 0 && t.UTC().Year() >= 1000 {
			return &metav1.Time{Time: t.UTC()}, nil
		}
	}
	return nil, fmt.Errorf("%q is not an instant; write it as 2026-07-01T09:00:00Z or 2026-07-01, or none", text)
}

// over replaces the bounds of the previous window with those of the period, and returns an error if the result is
// invalid.
func (w *period) over(notBefore, notAfter *metav1.Time) (*metav1.Time, *metav1.Time, error) {
	if w.notBefore != nil {
		notBefore = orNone(w.notBefore)
	}
	if w.notAfter != nil {
		notAfter = orNone(w.notAfter)
	}
	if notBefore != nil && notAfter != nil && !notBefore.Before(notAfter) {
		return nil, nil, fmt.Errorf("notBefore %s is not before notAfter %s", shownInstant(notBefore), shownInstant(notAfter))
	}
	return notBefore, notAfter, nil
}

func orNone(t *metav1.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return t
}

func shownInstant(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
