package index

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

func groupSource(g *accessv1alpha1.AccessGroup) *resolve.Source {
	s := &resolve.Source{
		Name:              Object{KindAccessGroup, g.Namespace, g.Name}.String(),
		WithoutPrivileges: g.Spec.Privileges == accessv1alpha1.GroupPrivilegesDisabled,
		BeingDeleted:      g.DeletionTimestamp != nil,
	}
	if g.Spec.Type == accessv1alpha1.GroupTypeSystem {
		// Fields of the other type count for nothing, also where admission did not see them.
		s.Origin = resolve.SystemGroup
		s.System = systemGrants(g.Spec.SystemAccess)
		return s
	}
	s.Origin = resolve.OrganizationGroup
	s.OrganizationRole = string(g.Spec.OrganizationRole)
	s.Applications = applicationGrants(g.Spec.ApplicationAccess)
	s.Rows = rows(g.Spec.DataPermissions)
	return s
}

// UserSource returns what the UserAccess gives; nil where it gives nothing.
func (n *Namespace) UserSource(ua *accessv1alpha1.UserAccess) *resolve.Source {
	return userSource(ua, n.atSystem)
}

// userSource returns nil for a UserAccess that gives nothing.
func userSource(ua *accessv1alpha1.UserAccess, atSystem bool) *resolve.Source {
	s := &resolve.Source{
		Name:         Object{KindUserAccess, ua.Namespace, ua.Name}.String(),
		BeingDeleted: ua.DeletionTimestamp != nil,
	}
	if atSystem {
		if len(ua.Spec.SystemAccess) == 0 {
			return nil
		}
		s.Origin = resolve.IndividualAtSystem
		s.System = systemGrants(ua.Spec.SystemAccess)
		return s
	}
	if ua.Spec.OrganizationRole == "" && len(ua.Spec.ApplicationAccess) == 0 {
		return nil
	}
	s.Origin = resolve.Individual
	s.OrganizationRole = string(ua.Spec.OrganizationRole)
	s.Applications = applicationGrants(ua.Spec.ApplicationAccess)
	return s
}

func applicationGrants(entries []accessv1alpha1.ApplicationGrant) []resolve.ApplicationGrant {
	grants := make([]resolve.ApplicationGrant, len(entries))
	for i := range entries {
		e := &entries[i]
		grants[i] = resolve.ApplicationGrant{
			Application: string(e.Application), Role: string(e.Role), Window: window(e.NotBefore, e.NotAfter),
		}
	}
	return grants
}

func systemGrants(entries []accessv1alpha1.SystemGrant) []resolve.SystemGrant {
	grants := make([]resolve.SystemGrant, len(entries))
	for i := range entries {
		e := &entries[i]
		grants[i] = resolve.SystemGrant{
			Organization: string(e.Organization), Role: string(e.Role),
			OrganizationRole: string(e.OrganizationRole), Applications: applicationGrants(e.ApplicationAccess),
		}
	}
	return grants
}

func rows(permissions []accessv1alpha1.DataPermission) []resolve.Rows {
	all := make([]resolve.Rows, len(permissions))
	for i := range permissions {
		p := &permissions[i]
		alternatives := make([]resolve.Alternative, len(p.AnyOf))
		for j := range p.AnyOf {
			for k := range p.AnyOf[j].AllOf {
				r := &p.AnyOf[j].AllOf[k]
				values := make([]string, len(r.Values))
				for v := range r.Values {
					values[v] = string(r.Values[v])
				}
				alternatives[j].AllOf = append(alternatives[j].AllOf, resolve.Requirement{
					Attribute: string(r.Attribute), Operator: string(r.Operator), Values: values,
				})
			}
		}
		all[i] = resolve.Rows{Application: string(p.Application), Filter: resolve.NewFilter(alternatives)}
	}
	return all
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

// sourceApplications calls yield with every application that the source names in the organization (docs/rules.md,
// named applications): windows, privileges and roles aside.
func sourceApplications(s *resolve.Source, organization string, yield func(string)) {
	if s == nil {
		return
	}
	for g := range s.Grants(organization) {
		if g.Scope == resolve.ScopeApplication {
			yield(g.Application)
		}
	}
	for i := range s.Rows {
		if s.Rows[i].Application != accessv1alpha1.All {
			yield(s.Rows[i].Application)
		}
	}
}
