package console

import (
	"cmp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// ruleTexts say in words which rule decided about a role. The keys are the values of resolve.Rule.
var ruleTexts = map[string]string{
	"Suspended":              "The user is suspended",
	"Expired":                "The user's access has ended",
	"NotYetValid":            "The user's access has not begun",
	"ExclusiveAccess":        "Exclusive access: the user holds such a role in another application",
	"SystemBlock":            "A System group denies access",
	"SystemCap":              "A system role limits it",
	"SystemFloor":            "A system role raises it",
	"SystemGrant":            "Only a system role gives it",
	"ProtectedAdministrator": "An administrator's own role is protected",
	"SpecificApplication":    "A grant for this application counts before general grants",
	"OnlyGrant":              "The only grant",
	"MostRestrictive":        "Of several grants, the lowest counts",
	"MostPermissive":         "Of several grants, the highest counts",
	"NoGrant":                "Nothing gives a role",
}

func ruleText(rule string) string { return cmp.Or(ruleTexts[rule], rule) }

// timeOf returns the instant, or nil.
func timeOf(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

// windowText describes a window. It returns nothing for a window without ends.
func windowText(notBefore, notAfter *time.Time) string {
	var parts []string
	if notBefore != nil {
		parts = append(parts, "from "+instant(notBefore))
	}
	if notAfter != nil {
		parts = append(parts, "until "+instant(notAfter))
	}
	return strings.Join(parts, " ")
}

// selectorText describes a label selector.
func selectorText(s *metav1.LabelSelector) string {
	return cmp.Or(metav1.FormatLabelSelector(s), "any")
}

func applicationText(name string) string {
	if name == accessv1alpha1.All {
		return "all other applications"
	}
	return name
}
