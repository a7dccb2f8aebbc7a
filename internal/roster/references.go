package roster

import (
	"fmt"
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// unresolved collects the references of one object that lead nowhere.
type unresolved struct {
	roster *Roster
	found  []accessv1alpha1.UnresolvedReference
}

func (u *unresolved) add(kind accessv1alpha1.ReferenceKind, name, organization, field string, args ...any) {
	u.found = append(u.found, accessv1alpha1.UnresolvedReference{
		Field: fmt.Sprintf(field, args...), Kind: kind, Name: name,
		Organization: accessv1alpha1.OrganizationName(organization),
	})
}

func (r *Roster) unresolvedInGroup(n *namespace, g *accessv1alpha1.AccessGroup) []accessv1alpha1.UnresolvedReference {
	u := unresolved{roster: r}
	for _, name := range g.Spec.MemberGroups {
		u.group(n, string(name), "spec.memberGroups[%s]", name)
	}
	u.roles(n, g.Spec.OrganizationRole, g.Spec.ApplicationAccess, g.Spec.SystemAccess)
	for _, name := range g.Spec.Notification.Channels {
		u.channel(n, name)
	}
	return u.found
}

func (r *Roster) unresolvedInUser(n *namespace, ua *accessv1alpha1.UserAccess) []accessv1alpha1.UnresolvedReference {
	u := unresolved{roster: r}
	for _, name := range ua.Spec.Groups {
		u.group(n, string(name), "spec.groups[%s]", name)
	}
	u.roles(n, ua.Spec.OrganizationRole, ua.Spec.ApplicationAccess, ua.Spec.SystemAccess)
	return u.found
}

func (r *Roster) unresolvedInPolicy(n *namespace) []accessv1alpha1.UnresolvedReference {
	u := unresolved{roster: r}
	ladders := []*resolve.Organization{n.compiled}
	if n.atSystem {
		ladders = r.ladders(accessv1alpha1.All)
	} else {
		for _, role := range n.policy.Spec.OrganizationRoles {
			if role.ApplicationRole != "" && !n.compiled.HasApplicationRole(string(role.ApplicationRole)) {
				u.add(accessv1alpha1.ReferenceApplicationRole, string(role.ApplicationRole), "",
					"spec.organizationRoles[%s].applicationRole", role.Name)
			}
		}
	}
	for _, e := range n.policy.Spec.ExclusiveAccess {
		if !anyHas(ladders, (*resolve.Organization).HasApplicationRole, string(e.MinimumRole)) {
			u.add(accessv1alpha1.ReferenceApplicationRole, string(e.MinimumRole), "",
				"spec.exclusiveAccess[%s].minimumRole", e.Name)
		}
	}
	return u.found
}

// group notes a name that no group of the namespace has, or one that counts for nothing.
func (u *unresolved) group(n *namespace, name, field string, args ...any) {
	if g := n.groups[name]; g == nil || g.inert {
		u.add(accessv1alpha1.ReferenceAccessGroup, name, "", field, args...)
	}
}

func (u *unresolved) channel(n *namespace, name accessv1alpha1.ChannelName) {
	p := n.policy
	if p == nil {
		p = u.roster.system.policy
	}
	if p != nil && slices.ContainsFunc(p.Spec.NotificationChannels, func(c accessv1alpha1.NotificationChannel) bool {
		return c.Name == name
	}) {
		return
	}
	u.add(accessv1alpha1.ReferenceNotificationChannel, string(name), "", "spec.notification.channels[%s]", name)
}

// roles looks up what an object gives: in the system namespace by its systemAccess, elsewhere by the other two.
func (u *unresolved) roles(
	n *namespace, organizationRole accessv1alpha1.RoleName,
	applicationAccess []accessv1alpha1.ApplicationGrant, systemAccess []accessv1alpha1.SystemGrant,
) {
	if n.atSystem {
		u.systemAccess(systemAccess)
		return
	}
	if organizationRole != "" && !n.compiled.HasOrganizationRole(string(organizationRole)) {
		u.add(accessv1alpha1.ReferenceOrganizationRole, string(organizationRole), "", "spec.organizationRole")
	}
	u.applicationAccess([]*resolve.Organization{n.compiled}, applicationAccess, "", "spec")
}

func (u *unresolved) applicationAccess(
	ladders []*resolve.Organization, grants []accessv1alpha1.ApplicationGrant, organization, path string,
) {
	for i := range grants {
		g := &grants[i]
		if !anyHas(ladders, (*resolve.Organization).HasApplicationRole, string(g.Role)) {
			u.add(accessv1alpha1.ReferenceApplicationRole, string(g.Role), organization,
				"%s.applicationAccess[%s].role", path, g.Application)
		}
	}
}

// systemAccess looks each entry up on the ladders that it speaks of. For all organizations, a role is unresolved only
// where no organization's ladder has it; of a name that is no organization (yet) nothing can be said.
func (u *unresolved) systemAccess(entries []accessv1alpha1.SystemGrant) {
	for i := range entries {
		e := &entries[i]
		ladders := u.roster.ladders(string(e.Organization))
		path := fmt.Sprintf("spec.systemAccess[%s]", e.Organization)
		named := string(e.Organization)
		if named == accessv1alpha1.All {
			named = ""
		}
		if e.Role != "" && !u.roster.fallbackRules().HasSystemRole(string(e.Role)) {
			u.add(accessv1alpha1.ReferenceSystemRole, string(e.Role), "", "%s.role", path)
		}
		if len(ladders) == 0 {
			continue
		}
		if e.OrganizationRole != "" &&
			!anyHas(ladders, (*resolve.Organization).HasOrganizationRole, string(e.OrganizationRole)) {
			u.add(accessv1alpha1.ReferenceOrganizationRole, string(e.OrganizationRole), named, "%s.organizationRole", path)
		}
		u.applicationAccess(ladders, e.ApplicationAccess, named, path)
	}
}

func anyHas(ladders []*resolve.Organization, has func(*resolve.Organization, string) bool, role string) bool {
	return slices.ContainsFunc(ladders, func(o *resolve.Organization) bool { return has(o, role) })
}

// ladders returns the ladders of the organization, or for "*" of all; while there is none, those that one without a
// policy would have.
func (r *Roster) ladders(organization string) []*resolve.Organization {
	if organization != accessv1alpha1.All {
		if n := r.namespaces[organization]; n != nil && n.organization {
			return []*resolve.Organization{n.compiled}
		}
		return nil
	}
	var all []*resolve.Organization
	for _, n := range r.namespaces {
		if n.organization {
			all = append(all, n.compiled)
		}
	}
	if len(all) == 0 {
		all = append(all, r.fallbackRules())
	}
	return all
}

// fallbackRules are those of an organization that says nothing of its own.
func (r *Roster) fallbackRules() *resolve.Organization {
	return resolve.NewOrganization(rules("", nil, r.system.policy))
}
