package publish

import (
	"encoding/csv"
	"slices"
	"strings"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
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

// layout is what all shards of an application document share.
type layout struct {
	organization, application string

	roles    []document.Role
	formats  []accessv1alpha1.PublishFormat
	hasLines bool // some format lists users by lines
	// names has the roles of the ladder, where Casbin is a format.
	names map[string]struct{}
	// Texts that do not depend on the users.
	rolesCSV, casbinRoles string
	// grants has texts that are the same for many users.
	grants map[grant]string
}

func newLayout(
	organization, application string, roles []document.Role, formats []accessv1alpha1.PublishFormat,
) *layout {
	l := &layout{
		organization: organization, application: application, roles: roles, formats: formats, grants: map[grant]string{},
	}
	for _, format := range formats {
		switch format {
		case accessv1alpha1.PublishFormatCSV:
			l.hasLines = true
			l.rolesCSV = rolesCSV(roles)
		case accessv1alpha1.PublishFormatCasbin:
			l.hasLines = true
			l.names = make(map[string]struct{}, len(roles))
			for i := range roles {
				l.names[roles[i].Name] = struct{}{}
			}
			l.casbinRoles = casbinRoles(application, roles)
		}
	}
	return l
}

// line is what the line formats say of a user. Left out of one, the line is empty.
type line struct{ csv, casbin string }

// line renders the user for the formats that list users by lines, and says whether one of these has to leave the user
// out. They know neither rows nor expiry: a user who has either would be given more, or for longer.
func (l *layout) line(user string, access *resolve.Access) (made *line, omitted bool) {
	made = &line{}
	limited := len(access.Filters) > 0 || !access.NotAfter.IsZero()
	for _, format := range l.formats {
		switch format {
		case accessv1alpha1.PublishFormatCSV:
			if omitted = omitted || limited; !limited {
				made.csv = records([]string{user, access.Role})
			}
		case accessv1alpha1.PublishFormatCasbin:
			// To Casbin users and roles are names of one kind: whoever holds the role that a user is named after would
			// inherit that user's roles too.
			_, named := l.names[user]
			if omitted = omitted || limited || named; !limited && !named {
				made.casbin = "g, " + user + ", " + access.Role + ", " + l.application + "\n"
			}
		}
	}
	return made, omitted
}

// data is all that a shard's ConfigMap holds. The entries are sorted.
func (l *layout) data(entries []userEntry, shard, shards int) map[string]string {
	text := l.text(entries, shard, shards)
	data := map[string]string{document.AccessKey: text}
	for _, format := range l.formats {
		switch format {
		case accessv1alpha1.PublishFormatCSV:
			data[UsersCSVKey] = join("", entries, func(e *userEntry) string { return e.line.csv })
			data[RolesCSVKey] = l.rolesCSV
		case accessv1alpha1.PublishFormatCasbin:
			data[CasbinKey] = join(l.casbinRoles, entries, func(e *userEntry) string { return e.line.casbin })
		case accessv1alpha1.PublishFormatOPA:
			data[OPAKey] = text
		}
	}
	return data
}

func join(head string, entries []userEntry, line func(*userEntry) string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range entries {
		b.WriteString(line(&entries[i]))
	}
	return b.String()
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
