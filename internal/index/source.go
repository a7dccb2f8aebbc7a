package index

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

func groupSource(g *accessv1alpha1.AccessGroup) *resolve.Source {
	s := &resolve.Source{
		Name:              Object{KindAccessGroup, g.Namespace, g.Name}.String(),
		WithoutPrivileges: g.Spec.Privileges == accessv1alpha1.GroupPrivilegesDisabled,
		BeingDeleted:      g.DeletionTimestamp != nil,
		Live:              live(g),
	}
	if g.Spec.Type == accessv1alpha1.GroupTypeSystem {
		// Ignore the fields of the other type, even if admission did not reject them.
		s.Origin = resolve.SystemGroup
		s.System = systemGrants(g.Spec.SystemAccess, g.Spec.SystemAccessSelectors)
		return s
	}
	s.Origin = resolve.OrganizationGroup
	s.OrganizationRole = string(g.Spec.OrganizationRole)
	s.Applications = applicationGrants(g.Spec.ApplicationAccess, g.Spec.ApplicationSelectors)
	s.Rows = rows(g.Spec.DataPermissions)
	return s
}

// UserSource returns the source of the UserAccess, or nil if it grants nothing.
func (n *Namespace) UserSource(ua *accessv1alpha1.UserAccess) *resolve.Source {
	return userSource(ua, n.atSystem)
}

// userSource returns nil for a UserAccess that grants nothing.
func userSource(ua *accessv1alpha1.UserAccess, atSystem bool) *resolve.Source {
	s := &resolve.Source{
		Name:         Object{KindUserAccess, ua.Namespace, ua.Name}.String(),
		BeingDeleted: ua.DeletionTimestamp != nil,
	}
	if atSystem {
		if len(ua.Spec.SystemAccess)+len(ua.Spec.SystemAccessSelectors) == 0 {
			return nil
		}
		s.Origin = resolve.IndividualAtSystem
		s.System = systemGrants(ua.Spec.SystemAccess, ua.Spec.SystemAccessSelectors)
		return s
	}
	if ua.Spec.OrganizationRole == "" && len(ua.Spec.ApplicationAccess)+len(ua.Spec.ApplicationSelectors) == 0 {
		return nil
	}
	s.Origin = resolve.Individual
	s.OrganizationRole = string(ua.Spec.OrganizationRole)
	s.Applications = applicationGrants(ua.Spec.ApplicationAccess, ua.Spec.ApplicationSelectors)
	return s
}

func applicationGrants(
	entries []accessv1alpha1.ApplicationGrant, selectors []accessv1alpha1.ApplicationSelectorGrant,
) []resolve.ApplicationGrant {
	grants := make([]resolve.ApplicationGrant, len(entries), len(entries)+len(selectors))
	for i := range entries {
		e := &entries[i]
		grants[i] = resolve.ApplicationGrant{
			Application: string(e.Application), Role: string(e.Role), Window: window(e.NotBefore, e.NotAfter),
		}
	}
	for i := range selectors {
		e := &selectors[i]
		grants = append(grants, resolve.ApplicationGrant{
			Selector: newSelector(&e.Selector), Role: string(e.Role), Window: window(e.NotBefore, e.NotAfter),
		})
	}
	return grants
}

func systemGrants(
	entries []accessv1alpha1.SystemGrant, selectors []accessv1alpha1.SystemSelectorGrant,
) []resolve.SystemGrant {
	grants := make([]resolve.SystemGrant, len(entries), len(entries)+len(selectors))
	for i := range entries {
		e := &entries[i]
		grants[i] = resolve.SystemGrant{
			Organization: string(e.Organization), Role: string(e.Role),
			OrganizationRole: string(e.OrganizationRole),
			Applications:     applicationGrants(e.ApplicationAccess, e.ApplicationSelectors),
		}
	}
	for i := range selectors {
		e := &selectors[i]
		grants = append(grants, resolve.SystemGrant{
			Selector: newSelector(&e.Selector), Role: string(e.Role), OrganizationRole: string(e.OrganizationRole),
			Applications: applicationGrants(e.ApplicationAccess, e.ApplicationSelectors),
		})
	}
	return grants
}

// AttributesOf returns the user attributes in the UserAccess, or nil if it has none.
func AttributesOf(ua *accessv1alpha1.UserAccess) resolve.Attributes {
	if len(ua.Spec.Attributes) == 0 {
		return nil
	}
	all := make(resolve.Attributes, len(ua.Spec.Attributes))
	for i := range ua.Spec.Attributes {
		a := &ua.Spec.Attributes[i]
		values := make([]string, len(a.Values))
		for v := range a.Values {
			values[v] = string(a.Values[v])
		}
		slices.Sort(values)
		all[string(a.Name)] = slices.Compact(values)
	}
	return all
}

func rows(permissions []accessv1alpha1.DataPermission) []resolve.Rows {
	all := make([]resolve.Rows, len(permissions))
	for i := range permissions {
		p := &permissions[i]
		alternatives := make([]resolve.Alternative, len(p.AnyOf))
		for j := range p.AnyOf {
			for k := range p.AnyOf[j].AllOf {
				r := &p.AnyOf[j].AllOf[k]
				alternatives[j].AllOf = append(alternatives[j].AllOf, requirement(r))
			}
		}
		all[i] = resolve.Rows{Application: string(p.Application), Filter: resolve.NewFilter(alternatives)}
	}
	return all
}

func requirement(r *accessv1alpha1.RowRequirement) resolve.Requirement {
	made := resolve.Requirement{
		Attribute: string(r.Attribute), Operator: string(r.Operator), UserAttribute: string(r.UserAttribute),
	}
	if r.UserAttribute != "" {
		return made // userAttribute takes precedence over values
	}
	made.Values = make([]string, len(r.Values))
	for v := range r.Values {
		made.Values[v] = string(r.Values[v])
	}
	return made
}

func window(notBefore, notAfter *metav1.Time) resolve.Window {
	var w resolve.Window
	if notBefore != nil {
		w.NotBefore = notBefore.UTC()
	}
	if notAfter != nil {
		w.NotAfter = notAfter.UTC()
	}
	return w
}

// sourceApplications calls yield with each application that the source names in the organization (docs/rules.md,
// named applications). Windows, privileges and roles make no difference. Selectors name no applications.
func sourceApplications(s *resolve.Source, at *resolve.Place, yield func(string)) {
	if s == nil {
		return
	}
	s.EachNamed(at, yield)
	for i := range s.Rows {
		if s.Rows[i].Application != accessv1alpha1.All {
			yield(s.Rows[i].Application)
		}
	}
}
