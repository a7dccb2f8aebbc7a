package publish

import (
	"encoding/csv"
	"slices"
	"strings"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Keys of the formats that stand beside [document.AccessKey] in each ConfigMap of an application document.
const (
	UsersCSVKey = "access.csv"
	RolesCSVKey = "roles.csv"
	CasbinKey   = "policy.csv"
	OPAKey      = "data.json"
)

// Label and value by which OPA's sidecar finds the ConfigMaps to load.
const (
	labelOPA = "openpolicyagent.org/data"
	valueOPA = "opa"
)

// keysOf has the keys of each format. JSON has none of its own: it is always there.
var keysOf = map[accessv1alpha1.PublishFormat][]string{
	accessv1alpha1.PublishFormatCSV:    {UsersCSVKey, RolesCSVKey},
	accessv1alpha1.PublishFormatCasbin: {CasbinKey},
	accessv1alpha1.PublishFormatOPA:    {OPAKey},
}

// FormatLabels are the labels that the ConfigMaps of an application document carry on account of its formats.
func FormatLabels(formats []accessv1alpha1.PublishFormat) map[string]string {
	if slices.Contains(formats, accessv1alpha1.PublishFormatOPA) {
		return map[string]string{labelOPA: valueOPA}
	}
	return nil
}

// FormatsIn says which formats the data of a ConfigMap has. Of an observed ConfigMap that is an application document it
// tells the truth, so that one that ends is emptied in every format that somebody may read.
func FormatsIn(data map[string]string) []accessv1alpha1.PublishFormat {
	var formats []accessv1alpha1.PublishFormat
	for _, format := range []accessv1alpha1.PublishFormat{
		accessv1alpha1.PublishFormatCSV, accessv1alpha1.PublishFormatCasbin, accessv1alpha1.PublishFormatOPA,
	} {
		if _, has := data[keysOf[format][0]]; has {
			formats = append(formats, format)
		}
	}
	return formats
}

// formatKeys is what the cache keeps of the data of a ConfigMap: the keys of formats, without values. Most have none.
func formatKeys(data map[string]string) map[string]string {
	var kept map[string]string
	for _, format := range FormatsIn(data) {
		if kept == nil {
			kept = map[string]string{}
		}
		kept[keysOf[format][0]] = ""
	}
	return kept
}

func rolesCSV(roles []document.Role) string {
	var lines [][]string
	for i := range roles {
		for _, permission := range roles[i].Permissions {
			lines = append(lines, []string{roles[i].Name, permission})
		}
	}
	return records(lines...)
}

// casbinRoles needs no quotes: names of roles, applications and permissions have no commas, quotes or spaces, and
// neither have users.
func casbinRoles(application string, roles []document.Role) string {
	var b strings.Builder
	for i := range roles {
		for _, permission := range roles[i].Permissions {
			b.WriteString("p, " + roles[i].Name + ", " + application + ", " + permission + "\n")
		}
	}
	return b.String()
}

func records(lines ...[]string) string {
	var b strings.Builder
	writer := csv.NewWriter(&b)
	// A strings.Builder takes everything, and the comma is a legal one: there is no error to come.
	_ = writer.WriteAll(lines)
	return b.String()
}
