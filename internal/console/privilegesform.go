package console

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
)

func privilegesForm(w *source.World, g *accessv1alpha1.AccessGroup) *form {
	spec := &g.Spec
	general := formPart{Legend: "Privileges", Fields: []formField{
		{Name: "privileges", Label: "The group gives roles", Type: typeSelect, Path: "spec.privileges",
			Options: options(string(cmp.Or(spec.Privileges, accessv1alpha1.GroupPrivilegesEnabled)),
				option{Value: string(accessv1alpha1.GroupPrivilegesEnabled), Text: "Yes"},
				option{Value: string(accessv1alpha1.GroupPrivilegesDisabled), Text: "No: only its rows count"})},
	}}
	if spec.Type == accessv1alpha1.GroupTypeSystem {
		return &form{Parts: append([]formPart{general}, systemParts(w, spec.SystemAccess, spec.SystemAccessSelectors)...)}
	}
	general.Fields = append(general.Fields, formField{
		Name: "organizationRole", Label: "Role in the organization", Type: typeSelect, Path: "spec.organizationRole",
		Options: roleOptions(string(spec.OrganizationRole), organizationRoles(w, g.Namespace), "none"),
	})
	return &form{Parts: []formPart{
		general, grantPart(w, g.Namespace, spec.ApplicationAccess), selectorPart(w, g.Namespace, spec.ApplicationSelectors), rowPart(spec.DataPermissions),
	}}
}

// spareRows is the number of empty rows for new entries.
const spareRows = 3

func grantPart(w *source.World, organization string, grants []accessv1alpha1.ApplicationGrant) formPart {
	roles, _ := ladder(w, organization)
	made := formPart{Legend: "Roles in applications", Help: "An application, or * for all that no other row names. Empty a row to remove it."}
	for i := range len(grants) + spareRows {
		e, path := accessv1alpha1.ApplicationGrant{}, ""
		if i < len(grants) {
			e = grants[i]
			path = fmt.Sprintf("spec.applicationAccess[%s]", e.Application)
		}
		prefix := fmt.Sprintf("grant.%d.", i)
		made.Rows = append(made.Rows, append([]formField{
			{Name: prefix + "application", Label: "Application", Type: typeText, Value: string(e.Application), Suggest: suggestApplications, Path: path,
				Indexed: fmt.Sprintf("spec.applicationAccess[%d]", i)},
			{Name: prefix + "role", Label: "Role", Type: typeSelect, Options: roleOptions(string(e.Role), append(roles, noAccess), "choose"),
				Indexed: fmt.Sprintf("spec.applicationAccess[%d].role", i)},
		}, windowFields(prefix, e.NotBefore, e.NotAfter)...))
	}
	return made
}

// roleOptions returns the roles for a field, with a first option for none.
func roleOptions(value string, roles []string, none string) []option {
	return options(value, append([]option{{Value: "", Text: none}}, named(roles)...)...)
}

func organizationRoles(w *source.World, organization string) []string {
	o := w.Organization(organization)
	if o == nil {
		return nil
	}
	var roles []string
	for _, each := range o.Rules().OrganizationRoles {
		roles = append(roles, each.Name)
	}
	return append(roles, noAccess)
}

func selectorPart(w *source.World, organization string, selectors []accessv1alpha1.ApplicationSelectorGrant) formPart {
	roles, _ := ladder(w, organization)
	made := formPart{Legend: "Roles in applications with labels", Help: "A label selector over the applications, such as tier=internal."}
	for i := range len(selectors) + 1 {
		e := accessv1alpha1.ApplicationSelectorGrant{}
		if i < len(selectors) {
			e = selectors[i]
		}
		prefix := fmt.Sprintf("selector.%d.", i)
		made.Rows = append(made.Rows, append([]formField{
			{Name: prefix + "labels", Label: "Labels", Type: typeText, Value: selectorLine(&e.Selector), Indexed: fmt.Sprintf("spec.applicationSelectors[%d]", i)},
			{Name: prefix + "role", Label: "Role", Type: typeSelect, Options: roleOptions(string(e.Role), append(roles, noAccess), "choose")},
		}, windowFields(prefix, e.NotBefore, e.NotAfter)...))
	}
	return made
}

// selectorLine returns the selector as it is written on a command line.
func selectorLine(s *accessv1alpha1.LabelSelector) string {
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return ""
	}
	return metav1.FormatLabelSelector(standardSelector(s))
}

func standardSelector(s *accessv1alpha1.LabelSelector) *metav1.LabelSelector {
	made := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for key, value := range s.MatchLabels {
		made.MatchLabels[key] = string(value)
	}
	for _, each := range s.MatchExpressions {
		term := metav1.LabelSelectorRequirement{Key: string(each.Key), Operator: each.Operator}
		for _, value := range each.Values {
			term.Values = append(term.Values, string(value))
		}
		made.MatchExpressions = append(made.MatchExpressions, term)
	}
	return made
}

// readSelector reads the selector. One that was there before keeps its fields, because the text has no place for all of
// their differences.
func readSelector(text string, before []accessv1alpha1.ApplicationSelectorGrant) (accessv1alpha1.LabelSelector, error) {
	for i := range before {
		if selectorLine(&before[i].Selector) == text {
			return before[i].Selector, nil
		}
	}
	made := accessv1alpha1.LabelSelector{}
	parsed, err := metav1.ParseToLabelSelector(text)
	if err != nil {
		return made, err
	}
	for key, value := range parsed.MatchLabels {
		if made.MatchLabels == nil {
			made.MatchLabels = map[string]accessv1alpha1.LabelValue{}
		}
		made.MatchLabels[key] = accessv1alpha1.LabelValue(value)
	}
	for _, each := range parsed.MatchExpressions {
		made.MatchExpressions = append(made.MatchExpressions, accessv1alpha1.LabelSelectorRequirement{
			Key: accessv1alpha1.LabelKey(each.Key), Operator: each.Operator, Values: converted[accessv1alpha1.LabelValue](each.Values),
		})
	}
	return made, nil
}

func rowPart(permissions []accessv1alpha1.DataPermission) formPart {
	made := formPart{Legend: "Rows", Help: "The rows that members see, one alternative a line: country = France and product in (laptops, servers)"}
	for i := range len(permissions) + 1 {
		e, path := accessv1alpha1.DataPermission{}, ""
		if i < len(permissions) {
			e = permissions[i]
			path = fmt.Sprintf("spec.dataPermissions[%s]", e.Application)
		}
		prefix := fmt.Sprintf("rows.%d.", i)
		made.Rows = append(made.Rows, []formField{
			{Name: prefix + "application", Label: "Application", Type: typeText, Value: string(e.Application), Suggest: suggestApplications, Path: path,
				Indexed: fmt.Sprintf("spec.dataPermissions[%d]", i)},
			{Name: prefix + "rows", Label: "Rows", Type: typeLines, Value: strings.Join(writeRows(e.AnyOf), "\n")},
		})
	}
	return made
}

func takePrivileges(in *entered, g *accessv1alpha1.AccessGroup) {
	spec := &g.Spec
	if said := accessv1alpha1.GroupPrivileges(in.text("privileges")); said != cmp.Or(spec.Privileges, accessv1alpha1.GroupPrivilegesEnabled) {
		spec.Privileges = said
	}
	if spec.Type == accessv1alpha1.GroupTypeSystem {
		spec.SystemAccess = takeSystem(in, spec.SystemAccess)
		spec.SystemAccessSelectors = takeSystemSelectors(in, spec.SystemAccessSelectors)
		return
	}
	spec.OrganizationRole = accessv1alpha1.RoleName(in.text("organizationRole"))
	spec.ApplicationAccess = takeGrants(in)
	spec.ApplicationSelectors = takeSelectors(in, spec.ApplicationSelectors)
	var permissions []accessv1alpha1.DataPermission
	for _, prefix := range in.rows("rows") {
		application := in.text(prefix + "application")
		rows, err := readRows(in.values.Get(prefix + "rows"))
		in.fail(prefix+"rows", err)
		switch {
		case application == "" && len(rows) == 0:
		case application == "":
			in.fail(prefix+"application", errors.New("the rows belong to an application, or to * for all others"))
		case len(rows) == 0 && err == nil:
			in.fail(prefix+"rows", errors.New("no row is described; empty the application too to remove the entry"))
		default:
			permissions = append(permissions, accessv1alpha1.DataPermission{Application: accessv1alpha1.ApplicationSelector(application), AnyOf: rows})
		}
	}
	spec.DataPermissions = permissions
}

func takeGrants(in *entered) []accessv1alpha1.ApplicationGrant {
	var grants []accessv1alpha1.ApplicationGrant
	for _, prefix := range in.rows("grant") {
		application, role := in.text(prefix+"application"), in.text(prefix+"role")
		notBefore, notAfter := in.window(prefix)
		switch {
		case application == "" && role == "":
			continue
		case application == "":
			in.fail(prefix+"application", errors.New("the role needs an application, or * for all others"))
		case role == "":
			in.fail(prefix+"role", errors.New("choose a role, or empty the application to remove the row"))
		case slices.ContainsFunc(grants, func(g accessv1alpha1.ApplicationGrant) bool { return string(g.Application) == application }):
			in.fail(prefix+"application", fmt.Errorf("there are two rows for %s", application))
		}
		grants = append(grants, accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(application), Role: accessv1alpha1.RoleName(role), NotBefore: notBefore, NotAfter: notAfter,
		})
	}
	return grants
}

func takeSelectors(in *entered, before []accessv1alpha1.ApplicationSelectorGrant) []accessv1alpha1.ApplicationSelectorGrant {
	var selectors []accessv1alpha1.ApplicationSelectorGrant
	for _, prefix := range in.rows("selector") {
		labels, role := in.text(prefix+"labels"), in.text(prefix+"role")
		if labels == "" && role == "" {
			continue
		}
		if labels == "" || role == "" {
			in.fail(prefix+"labels", errors.New("labels and a role are both required"))
		}
		selector, err := readSelector(labels, before)
		in.fail(prefix+"labels", err)
		notBefore, notAfter := in.window(prefix)
		selectors = append(selectors, accessv1alpha1.ApplicationSelectorGrant{
			Selector: selector, Role: accessv1alpha1.RoleName(role), NotBefore: notBefore, NotAfter: notAfter,
		})
	}
	return selectors
}
