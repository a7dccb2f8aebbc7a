package console

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/source"
)

// gift is what a System group, or a UserAccess in the system namespace, gives in one organization, or in those with
// labels.
type gift struct {
	role, organizationRole accessv1alpha1.RoleName
	grants                 []accessv1alpha1.ApplicationGrant
	selectors              []accessv1alpha1.ApplicationSelectorGrant
}

func giftOf(e *accessv1alpha1.SystemGrant) gift {
	return gift{e.Role, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors}
}

func giftByLabel(e *accessv1alpha1.SystemSelectorGrant) gift {
	return gift{e.Role, e.OrganizationRole, e.ApplicationAccess, e.ApplicationSelectors}
}

// fields returns the fields of an entry. Path and indexed are the paths of the entry.
func (g *gift) fields(prefix, path, indexed string, roles []string) []formField {
	applications := make([]string, len(g.grants))
	for i := range g.grants {
		applications[i] = fmt.Sprintf("%s: %s", g.grants[i].Application, g.grants[i].Role)
	}
	selectors := make([]string, len(g.selectors))
	for i := range g.selectors {
		selectors[i] = fmt.Sprintf("%s: %s", selectorLine(&g.selectors[i].Selector), g.selectors[i].Role)
	}
	all := []formField{
		{Name: "role", Label: "System role", Type: typeSelect, Path: "role", Options: roleOptions(string(g.role), append(roles, noAccess), "none")},
		{Name: "organizationRole", Label: "Role in the organization", Type: typeText, Value: string(g.organizationRole), Path: "organizationRole"},
		{Name: "applications", Label: "Roles in applications", Type: typeLines, Value: strings.Join(applications, "\n"), Path: "applicationAccess",
			Help: "One a line, such as finance: Viewer. * stands for all other applications. A line that stays keeps its window."},
		{Name: "labels", Label: "Roles in applications with labels", Type: typeLines, Value: strings.Join(selectors, "\n"), Path: "applicationSelectors",
			Help: "One a line, such as tier=internal: Viewer. A line that stays keeps its window."},
	}
	for i := range all {
		field := &all[i]
		field.Name, field.Indexed = prefix+field.Name, indexed+"."+field.Path
		if path == "" {
			field.Path = ""
		} else {
			field.Path = path + "." + field.Path
		}
	}
	return all
}

// take applies the fields. Lines that were there before keep the fields that the form does not show.
func (g *gift) take(in *entered, prefix string) {
	g.role = accessv1alpha1.RoleName(in.text(prefix + "role"))
	g.organizationRole = accessv1alpha1.RoleName(in.text(prefix + "organizationRole"))
	grants, selectors := g.grants, g.selectors
	g.grants, g.selectors = nil, nil
	lines, err := readRoleLines(in.values.Get(prefix+"applications"), "finance: Viewer")
	in.fail(prefix+"applications", err)
	for _, line := range lines {
		made := accessv1alpha1.ApplicationGrant{Application: accessv1alpha1.ApplicationSelector(line.of)}
		for _, each := range grants {
			if each.Application == made.Application {
				made = each
			}
		}
		made.Role = line.role
		g.grants = append(g.grants, made)
	}
	lines, err = readRoleLines(in.values.Get(prefix+"labels"), "tier=internal: Viewer")
	in.fail(prefix+"labels", err)
	for _, line := range lines {
		made := accessv1alpha1.ApplicationSelectorGrant{}
		if i := slices.IndexFunc(selectors, func(each accessv1alpha1.ApplicationSelectorGrant) bool {
			return selectorLine(&each.Selector) == line.of
		}); i >= 0 {
			made = selectors[i]
			selectors = slices.Delete(slices.Clone(selectors), i, i+1) // two lines can select alike
		} else {
			made.Selector, err = readSelector(line.of, nil)
			in.fail(prefix+"labels", err)
		}
		made.Role = line.role
		g.selectors = append(g.selectors, made)
	}
}

func (g *gift) isEmpty() bool {
	return g.role == "" && g.organizationRole == "" && len(g.grants)+len(g.selectors) == 0
}

// roleLine is a line that gives a role in an application, or in those with labels.
type roleLine struct {
	of   string
	role accessv1alpha1.RoleName
}

func readRoleLines(text, example string) ([]roleLine, error) {
	var all []roleLine
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		at := strings.LastIndex(line, ":")
		if at < 0 {
			return nil, fmt.Errorf("%q: write it as %s", line, example)
		}
		all = append(all, roleLine{strings.TrimSpace(line[:at]), accessv1alpha1.RoleName(strings.TrimSpace(line[at+1:]))})
	}
	return all, nil
}

// systemParts returns one part for each organization, and for each selection of organizations by label.
func systemParts(w *source.World, entries []accessv1alpha1.SystemGrant, selectors []accessv1alpha1.SystemSelectorGrant) []formPart {
	var parts []formPart
	var roles []string
	for _, each := range w.Index().DefaultRules().SystemRoles {
		roles = append(roles, each.Name)
	}
	for i := range len(entries) + spareRows {
		e, path, legend := accessv1alpha1.SystemGrant{}, "", "Another organization"
		if i < len(entries) {
			e = entries[i]
			path, legend = fmt.Sprintf("spec.systemAccess[%s]", e.Organization), "Organization "+string(e.Organization)
		}
		prefix, indexed, gives := fmt.Sprintf("system.%d.", i), fmt.Sprintf("spec.systemAccess[%d]", i), giftOf(&e)
		parts = append(parts, formPart{Legend: legend, Fields: append([]formField{
			{Name: prefix + "was", Type: typeHidden, Value: string(e.Organization)},
			{Name: prefix + "organization", Label: "Organization", Type: typeText, Value: string(e.Organization), Suggest: suggestOrganizations,
				Path: path, Indexed: indexed, Help: "A name, or * for every other organization. Empty it to remove the entry."},
		}, gives.fields(prefix, path, indexed, roles)...)})
	}
	for i := range len(selectors) + 1 {
		e, legend := accessv1alpha1.SystemSelectorGrant{}, "Other organizations with labels"
		if i < len(selectors) {
			e, legend = selectors[i], "Organizations with "+selectorLine(&selectors[i].Selector)
		}
		prefix, indexed, gives := fmt.Sprintf("labelled.%d.", i), fmt.Sprintf("spec.systemAccessSelectors[%d]", i), giftByLabel(&e)
		parts = append(parts, formPart{Legend: legend, Fields: append([]formField{
			{Name: prefix + "was", Type: typeHidden, Value: selectorLine(&e.Selector)},
			{Name: prefix + "organizations", Label: "Labels of the namespaces", Type: typeText, Value: selectorLine(&e.Selector), Indexed: indexed,
				Help: "A label selector, such as access.usher.dev/region=emea. Empty it to remove the entry."},
		}, gives.fields(prefix, "", indexed, roles)...)})
	}
	return parts
}

const givesNothing = "the entry gives nothing: choose a role, or empty this field to remove the entry"

func takeSystem(in *entered, before []accessv1alpha1.SystemGrant) []accessv1alpha1.SystemGrant {
	var entries []accessv1alpha1.SystemGrant
	for _, prefix := range in.rows("system") {
		organization := accessv1alpha1.OrganizationSelector(in.text(prefix + "organization"))
		if organization == "" {
			continue
		}
		gives := gift{}
		for i := range before {
			if string(before[i].Organization) == in.values.Get(prefix+"was") {
				gives = giftOf(&before[i])
			}
		}
		gives.take(in, prefix)
		if gives.isEmpty() {
			in.fail(prefix+"organization", errors.New(givesNothing))
		}
		if slices.ContainsFunc(entries, func(e accessv1alpha1.SystemGrant) bool { return e.Organization == organization }) {
			in.fail(prefix+"organization", fmt.Errorf("there are two entries for %s", organization))
		}
		entries = append(entries, accessv1alpha1.SystemGrant{
			Organization: organization, Role: gives.role, OrganizationRole: gives.organizationRole,
			ApplicationAccess: gives.grants, ApplicationSelectors: gives.selectors,
		})
	}
	return entries
}

func takeSystemSelectors(in *entered, before []accessv1alpha1.SystemSelectorGrant) []accessv1alpha1.SystemSelectorGrant {
	var entries []accessv1alpha1.SystemSelectorGrant
	for _, prefix := range in.rows("labelled") {
		text := in.text(prefix + "organizations")
		if text == "" {
			continue
		}
		made, gives := accessv1alpha1.SystemSelectorGrant{}, gift{}
		if i := slices.IndexFunc(before, func(e accessv1alpha1.SystemSelectorGrant) bool {
			return selectorLine(&e.Selector) == in.values.Get(prefix+"was")
		}); i >= 0 {
			made, gives = before[i], giftByLabel(&before[i])
		}
		if selectorLine(&made.Selector) != text {
			selector, err := readSelector(text, nil)
			in.fail(prefix+"organizations", err)
			made.Selector = selector
		}
		gives.take(in, prefix)
		if gives.isEmpty() {
			in.fail(prefix+"organizations", errors.New(givesNothing))
		}
		made.Role, made.OrganizationRole, made.ApplicationAccess, made.ApplicationSelectors = gives.role, gives.organizationRole, gives.grants, gives.selectors
		entries = append(entries, made)
	}
	return entries
}
