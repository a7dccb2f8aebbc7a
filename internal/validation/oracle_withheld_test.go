package validation_test

import (
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// withhold records the roles that are declared for a user at some minute, before or after the change, and that the
// user does not have before it. Only a change that ends a restriction of such a role may require the right to it.
func (o *rightsOracle) withhold(f *futures, before, after objects) {
	f.each(func(s *standing) {
		if s.ladders == nil {
			return
		}
		for _, all := range []objects{before, after} {
			for _, namespace := range []string{s.organization, rostertest.System} {
				d := declaration{objects: all, namespace: namespace, at: s.at}
				for t := range d.tuples() {
					if t.user == s.user && t.organization == s.organization {
						o.withholdOne(s, &t)
					}
				}
			}
		}
	})
}

func (o *rightsOracle) withholdOne(s *standing, t *tuple) {
	rules := s.ladders.Rules()
	ofOrganization, everywhere := "", ""
	switch t.resource {
	case onOrganizations:
		ofOrganization = t.role
		if at := slices.IndexFunc(rules.OrganizationRoles, func(r resolve.OrganizationRole) bool { return r.Name == t.role }); at >= 0 {
			everywhere = rules.OrganizationRoles[at].ApplicationRole
		}
	case onSystem:
		if at := slices.IndexFunc(rules.SystemRoles, func(r resolve.SystemRole) bool { return r.Name == t.role }); at >= 0 {
			ofOrganization, everywhere = rules.SystemRoles[at].OrganizationRole, rules.SystemRoles[at].ApplicationRole
		}
	default:
		if t.application != "*" {
			o.withholdIn(s, t.byName().application, t.role)
			return
		}
		everywhere = t.role
	}
	if ladder := s.organizationLadder(); height(ladder, ofOrganization) > height(ladder, organizationRole(s.was).Role) {
		o.withheld[rise{s.organization, "", ofOrganization, ""}] = true
	}
	for _, application := range everyApplication {
		o.withholdIn(s, application, everywhere)
	}
}

func (o *rightsOracle) withholdIn(s *standing, application, role string) {
	if ladder := s.applicationLadder(); height(ladder, role) <= height(ladder, access(s.was, application).Role) {
		return
	}
	if application == anywhere {
		application = "*"
	}
	o.withheld[rise{s.organization, application, role, ""}] = true
}

// filters reports whether a group of the organization has row-level filters before or after the change. Ending a
// membership in it, or a filter together with the access, may require the right to more rows.
func (o *rightsOracle) filters(organization string) bool {
	for _, all := range []objects{o.objects, o.sources} {
		for _, object := range all {
			if g, is := object.(*accessv1alpha1.AccessGroup); is && g.Namespace == organization && len(g.Spec.DataPermissions) > 0 {
				return true
			}
		}
	}
	return false
}
