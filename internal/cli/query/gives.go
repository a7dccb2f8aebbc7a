package query

import (
	"fmt"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// GivenBy describes the grants of the group in words, in the order of its fields. It mentions windows without their
// bounds.
func GivenBy(g *accessv1alpha1.AccessGroup) []string {
	spec := &g.Spec
	var given []string
	if spec.Privileges == accessv1alpha1.GroupPrivilegesDisabled {
		given = append(given, "no roles (privileges: Disabled)")
	} else {
		given = append(given, rolesText("", spec.OrganizationRole, spec.ApplicationAccess, spec.ApplicationSelectors)...)
		for i := range spec.SystemAccess {
			e := &spec.SystemAccess[i]
			in := " in " + string(e.Organization)
			if e.Organization == accessv1alpha1.All {
				in = " in every other organization"
			}
			given = append(given, systemRolesText(in, e.Role, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors)...)
		}
		for i := range spec.SystemAccessSelectors {
			e := &spec.SystemAccessSelectors[i]
			in := " in organizations with " + SelectorText(&e.Selector)
			given = append(given, systemRolesText(in, e.Role, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors)...)
		}
	}
	for i := range spec.DataPermissions {
		given = append(given, "rows of "+applicationText(string(spec.DataPermissions[i].Application)))
	}
	return given
}

func systemRolesText(
	in string, role, organizationRole accessv1alpha1.RoleName, grants []accessv1alpha1.ApplicationGrant,
	selectors []accessv1alpha1.ApplicationSelectorGrant,
) []string {
	var given []string
	if role != "" {
		given = append(given, fmt.Sprintf("system role %s%s", role, in))
	}
	return append(given, rolesText(in, organizationRole, grants, selectors)...)
}

func rolesText(
	in string, organizationRole accessv1alpha1.RoleName, grants []accessv1alpha1.ApplicationGrant,
	selectors []accessv1alpha1.ApplicationSelectorGrant,
) []string {
	var given []string
	if organizationRole != "" {
		given = append(given, fmt.Sprintf("organization role %s%s", organizationRole, in))
	}
	for i := range grants {
		e := &grants[i]
		given = append(given, fmt.Sprintf("%s of %s%s", e.Role, applicationText(string(e.Application)), in)+
			timedText(e.NotBefore != nil || e.NotAfter != nil))
	}
	for i := range selectors {
		e := &selectors[i]
		given = append(given, fmt.Sprintf("%s of applications with %s%s", e.Role, SelectorText(&e.Selector), in)+
			timedText(e.NotBefore != nil || e.NotAfter != nil))
	}
	return given
}

func timedText(timed bool) string {
	if timed {
		return " (for a time)"
	}
	return ""
}

func applicationText(name string) string {
	if name == accessv1alpha1.All {
		return "all other applications"
	}
	return name
}
