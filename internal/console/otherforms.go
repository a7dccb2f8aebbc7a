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
	parts := []formPart{about, own}
	if ua.Namespace == w.SystemNamespace() {
		parts = append(parts, systemParts(w, spec.SystemAccess, spec.SystemAccessSelectors)...)
	} else {
		parts[1].Fields = append(parts[1].Fields, formField{Name: "organizationRole", Label: "Role in the organization", Type: typeSelect, Path: "spec.organizationRole",
			Options: roleOptions(string(spec.OrganizationRole), organizationRoles(w, ua.Namespace), "none")})
		parts = append(parts, grantPart(w, ua.Namespace, spec.ApplicationAccess), selectorPart(w, ua.Namespace, spec.ApplicationSelectors))
	}
	attributes := make([]string, len(spec.Attributes))
	for i := range spec.Attributes {
		attributes[i] = fmt.Sprintf("%s: %s", spec.Attributes[i].Name, writeValues(spec.Attributes[i].Values))
	}
	return &form{Parts: append(parts, formPart{Legend: "Attributes", Fields: []formField{{
		Name: "attributes", Label: "Attributes", Type: typeLines, Value: strings.Join(attributes, "\n"), Path: "spec.attributes",
		Help: "One a line, such as countries: France, Germany. Rows of groups can refer to them. A value with a comma stands in double quotes.",
	}}})}
}

func takeUser(in *entered, w *source.World, ua *accessv1alpha1.UserAccess) {
	spec := &ua.Spec
	spec.DisplayName, spec.Email = in.textOver("displayName", spec.DisplayName), in.text("email")
	if said := accessv1alpha1.UserState(in.text("state")); said != cmp.Or(spec.State, accessv1alpha1.UserStateActive) {
		spec.State = said
	}
	spec.NotBefore, spec.NotAfter = in.window("")
	spec.Groups = converted[accessv1alpha1.GroupName](in.lines("groups"))
	if ua.Namespace == w.SystemNamespace() {
		spec.SystemAccess = takeSystem(in, spec.SystemAccess)
		spec.SystemAccessSelectors = takeSystemSelectors(in, spec.SystemAccessSelectors)
	} else {
		spec.OrganizationRole = accessv1alpha1.RoleName(in.text("organizationRole"))
		spec.ApplicationAccess = takeGrants(in)
		spec.ApplicationSelectors = takeSelectors(in, spec.ApplicationSelectors)
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
	shards := "1"
	if spec.Publish != nil {
		shards = strconv.Itoa(int(cmp.Or(spec.Publish.MinimumShards, 1)))
	}
	about.Fields = append(about.Fields, formField{Name: "minimumShards", Label: "ConfigMaps of the document, at least", Type: typeSelect, Path: "spec.publish.minimumShards",
		Help: "Reserves ConfigMaps for growth.", Options: options(shards, named([]string{"1", "2", "4", "8", "16", "32", "64"})...)})
	documents := formPart{Legend: "Formats of the document", Help: "JSON is always published."}
	for _, each := range formats {
		documents.Fields = append(documents.Fields, formField{Name: "formats", Label: string(each), Type: typeCheckbox, Value: string(each), Path: "spec.publish.formats",
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
	spec.DisplayName = in.textOver("displayName", spec.DisplayName)
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
	const most = 64
	shards := int32(1)
	if n := in.number("minimumShards", 1, most); n != nil {
		shards = *n
	}
	if spec.Publish == nil {
		if len(kept) == 0 && shards == 1 {
			return
		}
		spec.Publish = &accessv1alpha1.PublishSpec{}
	}
	spec.Publish.Formats = kept
	if shards != cmp.Or(spec.Publish.MinimumShards, 1) {
		spec.Publish.MinimumShards = shards
	}
}

func published(aa *accessv1alpha1.ApplicationAccess) []accessv1alpha1.PublishFormat {
	if aa.Spec.Publish == nil {
		return nil
	}
	return aa.Spec.Publish.Formats
}
