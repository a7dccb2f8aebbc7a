package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
)

// userForm returns the form of a UserAccess.
func userForm(w *source.World, ua *accessv1alpha1.UserAccess) *form {
	spec := &ua.Spec
	about := formPart{Legend: "User", Fields: []formField{
		{Name: "displayName", Label: "Display name", Type: typeText, Value: spec.DisplayName, Path: "spec.displayName"},
		{Name: "email", Label: "E-mail", Type: typeText, Value: spec.Email, Path: "spec.email", Help: "Where notices go."},
		{Name: "state", Label: "State", Type: typeSelect, Path: "spec.state", Options: options(string(cmp.Or(spec.State, accessv1alpha1.UserStateActive)),
			option{Value: string(accessv1alpha1.UserStateActive), Text: "Active"},
			option{Value: string(accessv1alpha1.UserStateSuspended), Text: "Suspended: no access, whatever is granted"})},
	}}
	about.Fields = append(about.Fields, windowFields("", spec.NotBefore, spec.NotAfter)...)
	own := formPart{Legend: "Own membership and role", Fields: []formField{
		{Name: "groups", Label: "Groups", Type: typeLines, Value: joined(spec.Groups), Suggest: suggestGroups, Path: "spec.groups", Help: "One group a line."},
	}}
	attributes := make([]string, len(spec.Attributes))
	for i := range spec.Attributes {
		attributes[i] = fmt.Sprintf("%s: %s", spec.Attributes[i].Name, strings.ReplaceAll(joined(spec.Attributes[i].Values), "\n", ", "))
	}
	parts := []formPart{about, own}
	if ua.Namespace != w.SystemNamespace() {
		own.Fields = append(own.Fields, formField{Name: "organizationRole", Label: "Role in the organization", Type: typeSelect, Path: "spec.organizationRole",
			Options: roleOptions(string(spec.OrganizationRole), organizationRoles(w, ua.Namespace), "none")})
		parts = []formPart{about, own, grantPart(w, ua.Namespace, spec.ApplicationAccess)}
	}
	return &form{Parts: append(parts, formPart{Legend: "Attributes", Fields: []formField{{
		Name: "attributes", Label: "Attributes", Type: typeLines, Value: strings.Join(attributes, "\n"), Path: "spec.attributes",
		Help: "One a line, such as countries: France, Germany. Rows of groups can refer to them.",
	}}})}
}

func takeUser(in *entered, w *source.World, ua *accessv1alpha1.UserAccess) {
	spec := &ua.Spec
	spec.DisplayName, spec.Email = in.text("displayName"), in.text("email")
	if said := accessv1alpha1.UserState(in.text("state")); said != cmp.Or(spec.State, accessv1alpha1.UserStateActive) {
		spec.State = said
	}
	spec.NotBefore, spec.NotAfter = in.window("")
	spec.Groups = converted[accessv1alpha1.GroupName](in.lines("groups"))
	if ua.Namespace != w.SystemNamespace() {
		spec.OrganizationRole = accessv1alpha1.RoleName(in.text("organizationRole"))
		spec.ApplicationAccess = takeGrants(in)
	}
	spec.Attributes = nil
	entries, err := readEntries(in.values.Get("attributes"))
	in.fail("attributes", err)
	for _, each := range entries {
		spec.Attributes = append(spec.Attributes, accessv1alpha1.UserAttribute{
			Name: accessv1alpha1.AttributeName(each.name), Values: converted[accessv1alpha1.AttributeValue](each.values),
		})
	}
}

// namedValues is a line of a field: a name, a colon, and values that are separated by commas.
type namedValues struct {
	name   string
	values []string
}

// readEntries reads the lines of a field.
func readEntries(text string) ([]namedValues, error) {
	var all []namedValues
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, rest, _ := strings.Cut(line, ":")
		made := namedValues{name: strings.TrimSpace(name)}
		for value := range strings.SplitSeq(rest, ",") {
			if value = strings.TrimSpace(value); value != "" {
				made.values = append(made.values, value)
			}
		}
		if made.name == "" {
			return nil, fmt.Errorf("%q: the line begins with a name and a colon", line)
		}
		if slices.ContainsFunc(all, func(each namedValues) bool { return each.name == made.name }) {
			return nil, fmt.Errorf("%q: there are two lines for %s", line, made.name)
		}
		all = append(all, made)
	}
	return all, nil
}

// policyForm returns the form of an AccessPolicy.
func policyForm(p *accessv1alpha1.AccessPolicy) *form {
	spec := &p.Spec
	roles := make([]string, len(spec.ApplicationRoles))
	for i := range spec.ApplicationRoles {
		roles[i] = fmt.Sprintf("%s: %s", spec.ApplicationRoles[i].Name, strings.ReplaceAll(joined(spec.ApplicationRoles[i].Permissions), "\n", ", "))
	}
	organization := make([]string, len(spec.OrganizationRoles))
	for i := range spec.OrganizationRoles {
		organization[i] = fmt.Sprintf("%s: %s", spec.OrganizationRoles[i].Name, spec.OrganizationRoles[i].ApplicationRole)
	}
	limit := func(n *int32) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(int(*n))
	}
	return &form{Parts: []formPart{
		{Legend: "Rules", Fields: []formField{
			{Name: "conflictResolution", Label: "Of several roles", Type: typeSelect, Path: "spec.conflictResolution",
				Options: options(string(cmp.Or(spec.ConflictResolution, accessv1alpha1.ConflictResolutionMostRestrictive)),
					option{Value: string(accessv1alpha1.ConflictResolutionMostRestrictive), Text: "the lowest counts"},
					option{Value: string(accessv1alpha1.ConflictResolutionMostPermissive), Text: "the highest counts"})},
			{Name: "individualAccess", Label: "A user's own grants", Type: typeSelect, Path: "spec.individualAccess",
				Options: options(string(cmp.Or(spec.IndividualAccess, accessv1alpha1.IndividualAccessFallback)),
					option{Value: string(accessv1alpha1.IndividualAccessFallback), Text: "count only without groups"},
					option{Value: string(accessv1alpha1.IndividualAccessCombined), Text: "count beside those of groups"})},
			{Name: "administrators", Label: "The top role by an own grant", Type: typeSelect, Path: "spec.administrators",
				Options: options(string(cmp.Or(spec.Administrators, accessv1alpha1.AdministratorsProtected)),
					option{Value: string(accessv1alpha1.AdministratorsProtected), Text: "is protected from groups"},
					option{Value: string(accessv1alpha1.AdministratorsUnprotected), Text: "is a grant like others"})},
			{Name: "crossObjectChecks", Label: "Names that do not exist", Type: typeSelect, Path: "spec.crossObjectChecks",
				Options: options(string(cmp.Or(spec.CrossObjectChecks, accessv1alpha1.CrossObjectChecksWarn)),
					option{Value: string(accessv1alpha1.CrossObjectChecksWarn), Text: "are warned of"},
					option{Value: string(accessv1alpha1.CrossObjectChecksDeny), Text: "are refused"},
					option{Value: string(accessv1alpha1.CrossObjectChecksIgnore), Text: "are accepted"})},
		}},
		{Legend: "Ladders", Help: "One role a line, the most permissive first. An empty field stands for the built-in ladder.", Fields: []formField{
			{Name: "applicationRoles", Label: "Application roles", Type: typeLines, Value: strings.Join(roles, "\n"), Path: "spec.applicationRoles",
				Help: "A role and its permissions, such as Editor: edit, comment. A role has those of all roles below it too."},
			{Name: "organizationRoles", Label: "Organization roles", Type: typeLines, Value: strings.Join(organization, "\n"), Path: "spec.organizationRoles",
				Help: "A role and what it means in every application, such as Owner: Administrator."},
		}},
		{Legend: "Limit of one revocation", Help: "One change may take access from at most so many users. Empty: no limit.", Fields: []formField{
			{Name: "users", Label: "Users", Type: typeNumber, Value: limit(spec.RevocationLimit.Users), Path: "spec.revocationLimit.users"},
			{Name: "percent", Label: "Percent of the users", Type: typeNumber, Value: limit(spec.RevocationLimit.Percent), Path: "spec.revocationLimit.percent"},
		}},
	}}
}

func takePolicy(in *entered, p *accessv1alpha1.AccessPolicy) {
	spec := &p.Spec
	if said := accessv1alpha1.ConflictResolution(in.text("conflictResolution")); said != cmp.Or(spec.ConflictResolution, accessv1alpha1.ConflictResolutionMostRestrictive) {
		spec.ConflictResolution = said
	}
	if said := accessv1alpha1.IndividualAccess(in.text("individualAccess")); said != cmp.Or(spec.IndividualAccess, accessv1alpha1.IndividualAccessFallback) {
		spec.IndividualAccess = said
	}
	if said := accessv1alpha1.Administrators(in.text("administrators")); said != cmp.Or(spec.Administrators, accessv1alpha1.AdministratorsProtected) {
		spec.Administrators = said
	}
	if said := accessv1alpha1.CrossObjectChecks(in.text("crossObjectChecks")); said != cmp.Or(spec.CrossObjectChecks, accessv1alpha1.CrossObjectChecksWarn) {
		spec.CrossObjectChecks = said
	}
	const mostUsers, mostPercent = 1_000_000, 100
	spec.RevocationLimit = accessv1alpha1.RevocationLimit{Users: in.number("users", 1, mostUsers), Percent: in.number("percent", 1, mostPercent)}
	spec.ApplicationRoles, spec.OrganizationRoles = nil, nil
	entries, err := readEntries(in.values.Get("applicationRoles"))
	in.fail("applicationRoles", err)
	for _, each := range entries {
		spec.ApplicationRoles = append(spec.ApplicationRoles, accessv1alpha1.ApplicationRole{
			Name: accessv1alpha1.RoleName(each.name), Permissions: converted[accessv1alpha1.Permission](each.values),
		})
	}
	entries, err = readEntries(in.values.Get("organizationRoles"))
	in.fail("organizationRoles", err)
	for _, each := range entries {
		made := accessv1alpha1.OrganizationRole{Name: accessv1alpha1.RoleName(each.name)}
		if len(each.values) > 1 {
			in.fail("organizationRoles", fmt.Errorf("%s: it means one application role", each.name))
		}
		if len(each.values) > 0 {
			made.ApplicationRole = accessv1alpha1.RoleName(each.values[0])
		}
		spec.OrganizationRoles = append(spec.OrganizationRoles, made)
	}
}

// formats are the formats of documents beside JSON.
var formats = []accessv1alpha1.PublishFormat{
	accessv1alpha1.PublishFormatCSV, accessv1alpha1.PublishFormatCasbin, accessv1alpha1.PublishFormatOPA,
}

// applicationForm returns the form of an ApplicationAccess.
func applicationForm(d *draft, aa *accessv1alpha1.ApplicationAccess) *form {
	spec := &aa.Spec
	about := formPart{Legend: "Application"}
	if d.isNew() {
		about.Fields = append(about.Fields, formField{Name: "name", Label: "Name", Type: typeText, Value: aa.Name, Required: true, Path: "metadata.name",
			Help: "Small letters, digits and hyphens. It cannot be changed later."})
	}
	about.Fields = append(about.Fields,
		formField{Name: "displayName", Label: "Display name", Type: typeText, Value: spec.DisplayName, Path: "spec.displayName"},
		formField{Name: "unmatchedRows", Label: "Users of whom no row permission speaks", Type: typeSelect, Path: "spec.unmatchedRows",
			Options: options(string(cmp.Or(spec.UnmatchedRows, accessv1alpha1.UnmatchedRowsAll)),
				option{Value: string(accessv1alpha1.UnmatchedRowsAll), Text: "see all rows"},
				option{Value: string(accessv1alpha1.UnmatchedRowsNone), Text: "see no row"})},
	)
	documents := formPart{Legend: "Formats of the document", Help: "JSON is always published."}
	for _, each := range formats {
		documents.Fields = append(documents.Fields, formField{Name: "formats", Label: string(each), Type: typeCheckbox, Value: string(each),
			Options: options(checkedIf(slices.Contains(published(aa), each)), option{Value: checked})})
	}
	return &form{Parts: []formPart{about, documents}}
}

func takeApplication(in *entered, d *draft, aa *accessv1alpha1.ApplicationAccess) {
	spec := &aa.Spec
	if d.isNew() {
		if aa.Name = in.text("name"); aa.Name == "" {
			in.fail("name", errors.New("a name is required"))
		}
	}
	spec.DisplayName = in.text("displayName")
	if said := accessv1alpha1.UnmatchedRows(in.text("unmatchedRows")); said != cmp.Or(spec.UnmatchedRows, accessv1alpha1.UnmatchedRowsAll) {
		spec.UnmatchedRows = said
	}
	chosen := converted[accessv1alpha1.PublishFormat](in.values["formats"])
	kept := slices.DeleteFunc(slices.Clone(published(aa)), func(f accessv1alpha1.PublishFormat) bool {
		return slices.Contains(formats, f) && !slices.Contains(chosen, f)
	})
	for _, each := range chosen {
		if !slices.Contains(kept, each) {
			kept = append(kept, each)
		}
	}
	if spec.Publish == nil {
		if len(kept) == 0 {
			return
		}
		spec.Publish = &accessv1alpha1.PublishSpec{}
	}
	spec.Publish.Formats = kept
}

func published(aa *accessv1alpha1.ApplicationAccess) []accessv1alpha1.PublishFormat {
	if aa.Spec.Publish == nil {
		return nil
	}
	return aa.Spec.Publish.Formats
}
