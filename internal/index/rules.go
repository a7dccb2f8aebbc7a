package index

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// builtIn is the policy of an organization if neither it nor the system namespace has one.
var builtIn = &accessv1alpha1.AccessPolicySpec{}

// rules builds the rules of an organization from its own policy and that of the system namespace. Either may be
// nil (docs/rules.md, policies). Policies are not merged. The built-in ladder replaces one that the policy
// omits.
func rules(organization string, own, system *accessv1alpha1.AccessPolicy) resolve.Rules {
	effective, atSystem := builtIn, builtIn
	if system != nil {
		effective, atSystem = &system.Spec, &system.Spec
	}
	if own != nil {
		effective = &own.Spec
	}
	r := resolve.Rules{
		Organization:      organization,
		ApplicationRoles:  resolve.BuiltInApplicationRoles(),
		OrganizationRoles: resolve.BuiltInOrganizationRoles(),
		SystemRoles:       resolve.BuiltInSystemRoles(),
		Strategy:          strategy(effective),
		SystemStrategy:    strategy(atSystem),
		Combined:          effective.IndividualAccess == accessv1alpha1.IndividualAccessCombined,
		Protected:         effective.Administrators != accessv1alpha1.AdministratorsUnprotected,
		SystemProtected:   atSystem.Administrators != accessv1alpha1.AdministratorsUnprotected,
	}
	if len(effective.ApplicationRoles) > 0 {
		r.ApplicationRoles = nil
		for _, role := range effective.ApplicationRoles {
			permissions := make([]string, len(role.Permissions))
			for i := range role.Permissions {
				permissions[i] = string(role.Permissions[i])
			}
			r.ApplicationRoles = append(r.ApplicationRoles,
				resolve.ApplicationRole{Name: string(role.Name), Permissions: permissions})
		}
	}
	if len(effective.OrganizationRoles) > 0 {
		r.OrganizationRoles = nil
		for _, role := range effective.OrganizationRoles {
			r.OrganizationRoles = append(r.OrganizationRoles,
				resolve.OrganizationRole{Name: string(role.Name), ApplicationRole: string(role.ApplicationRole)})
		}
	}
	if len(atSystem.SystemRoles) > 0 {
		r.SystemRoles = nil
		for _, role := range atSystem.SystemRoles {
			r.SystemRoles = append(r.SystemRoles, resolve.SystemRole{
				Name: string(role.Name), OrganizationRole: string(role.OrganizationRole),
				ApplicationRole: string(role.ApplicationRole),
			})
		}
	}
	r.ExclusiveAccess = append(exclusiveAccess(own), exclusiveAccess(system)...)
	return r
}

func strategy(p *accessv1alpha1.AccessPolicySpec) resolve.Strategy {
	if p.ConflictResolution == accessv1alpha1.ConflictResolutionMostPermissive {
		return resolve.MostPermissive
	}
	return resolve.MostRestrictive
}

func exclusiveAccess(p *accessv1alpha1.AccessPolicy) []resolve.ExclusiveAccess {
	if p == nil {
		return nil
	}
	source := Object{KindAccessPolicy, p.Namespace, p.Name}.String()
	var all []resolve.ExclusiveAccess
	for _, e := range p.Spec.ExclusiveAccess {
		applications := make([]string, len(e.Applications))
		for i := range e.Applications {
			applications[i] = string(e.Applications[i])
		}
		all = append(all, resolve.ExclusiveAccess{
			Name: e.Name, Source: source, Applications: applications, MinimumRole: string(e.MinimumRole),
		})
	}
	return all
}
