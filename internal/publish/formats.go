package publish

import (
	"bytes"
	"encoding/csv"
	"maps"
	"slices"
	"strings"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Keys of the additional formats in each ConfigMap of an application document, next to [document.AccessKey].
const (
	UsersCSVKey = "access.csv"
	RolesCSVKey = "roles.csv"
	CasbinKey   = "policy.csv"
	OPAKey      = "data.json"
)

// format is a format of application documents.
type format struct {
	name accessv1alpha1.PublishFormat
	// keys are the keys that the format adds to a ConfigMap. Every ConfigMap with the format has the first key.
	keys []formatKey
	// labels are the labels that the format adds to ConfigMaps.
	labels map[string]string
	// omits reports whether the format leaves the user out. It is nil if the format includes every user.
	omits func(l *layout, e *userEntry) bool
}

// formatKey is a key of a ConfigMap with the functions that produce its text. The text is either a copy of access.json,
// or a head that does not depend on the users followed by one line for each user.
type formatKey struct {
	name     string
	document bool                                                   // the text is a copy of access.json
	head     func(application string, roles []document.Role) string // nil if there is no head
	line     func(to *lineBuffer, l *layout, e *userEntry)          // nil if there are no lines
}

// formats are all formats of application documents. The first one is always published. This table is the only place
// that knows the formats.
var formats = []format{
	{
		name: accessv1alpha1.PublishFormatJSON,
		keys: []formatKey{{name: document.AccessKey, document: true}},
	},
	{
		name:  accessv1alpha1.PublishFormatCSV,
		keys:  []formatKey{{name: UsersCSVKey, line: csvLine}, {name: RolesCSVKey, head: rolesCSV}},
		omits: func(_ *layout, e *userEntry) bool { return e.limited() },
	},
	{
		name: accessv1alpha1.PublishFormatCasbin,
		keys: []formatKey{{name: CasbinKey, head: casbinRoles, line: casbinLine}},
		// Casbin does not distinguish users from roles. A user with the name of a role would pass on its own roles to
		// all holders of that role.
		omits: func(l *layout, e *userEntry) bool { return e.limited() || l.isRole(e.user) },
	},
	{
		name:   accessv1alpha1.PublishFormatOPA,
		keys:   []formatKey{{name: OPAKey, document: true}},
		labels: map[string]string{"openpolicyagent.org/data": "opa"}, // the OPA sidecar selects ConfigMaps by this label
	},
}

// formatsNamed returns the first format and the formats with these names.
func formatsNamed(names []accessv1alpha1.PublishFormat) []*format {
	named := []*format{&formats[0]}
	for i := range formats[1:] {
		if f := &formats[1+i]; slices.Contains(names, f.name) {
			named = append(named, f)
		}
	}
	return named
}

// FormatLabels returns the labels of the ConfigMaps of an application document with these formats.
func FormatLabels(names []accessv1alpha1.PublishFormat) map[string]string {
	var labels map[string]string
	for _, f := range formatsNamed(names) {
		if labels == nil && len(f.labels) > 0 {
			labels = map[string]string{}
		}
		maps.Copy(labels, f.labels)
	}
	return labels
}

// labelsOfFormats returns the label keys of all formats, sorted.
func labelsOfFormats() []string {
	var keys []string
	for i := range formats {
		keys = slices.AppendSeq(keys, maps.Keys(formats[i].labels))
	}
	slices.Sort(keys)
	return keys
}

// FormatsIn returns the additional formats whose keys the data of a ConfigMap has. It does not need the values, so it
// works on a ConfigMap reduced by [Observe]. A document that ends is emptied in every format that a workload may read.
func FormatsIn(data map[string]string) []accessv1alpha1.PublishFormat {
	var found []accessv1alpha1.PublishFormat
	for _, f := range formats[1:] {
		if _, has := data[f.keys[0].name]; has {
			found = append(found, f.name)
		}
	}
	return found
}

// formatKeys returns what the cache keeps of the data of a ConfigMap: the first key of each additional format, without
// its value. Most ConfigMaps have none.
func formatKeys(data map[string]string) map[string]string {
	var kept map[string]string
	for _, f := range formats[1:] {
		if _, has := data[f.keys[0].name]; !has {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[f.keys[0].name] = ""
	}
	return kept
}

// lineBuffer is the text of a key that has one line for each user.
type lineBuffer struct {
	bytes.Buffer

	csv *csv.Writer // writes to the buffer; nil before the first line
}

// record writes a line of CSV.
func (b *lineBuffer) record(fields ...string) {
	if b.csv == nil {
		b.csv = csv.NewWriter(&b.Buffer)
	}
	// Writing to a bytes.Buffer cannot fail, and the comma is a valid separator.
	_ = b.csv.Write(fields)
	b.csv.Flush()
}

func csvLine(to *lineBuffer, _ *layout, e *userEntry) { to.record(e.user, e.access.Role) }

func rolesCSV(_ string, roles []document.Role) string {
	var lines lineBuffer
	for i := range roles {
		for _, permission := range roles[i].Permissions {
			lines.record(roles[i].Name, permission)
		}
	}
	return lines.String()
}

// casbinLine and casbinRoles write no quotes, because users and the names of roles, applications and permissions have
// no commas, quotes or spaces.
func casbinLine(to *lineBuffer, l *layout, e *userEntry) {
	for _, text := range []string{"g, ", e.user, ", ", e.access.Role, ", ", l.application, "\n"} {
		to.WriteString(text)
	}
}

func casbinRoles(application string, roles []document.Role) string {
	var b strings.Builder
	for i := range roles {
		for _, permission := range roles[i].Permissions {
			b.WriteString("p, " + roles[i].Name + ", " + application + ", " + permission + "\n")
		}
	}
	return b.String()
}
