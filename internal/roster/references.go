package roster

import (
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// Unresolved lists the object's references to objects that do not exist, in the order of its fields. It uses the
// given index, and the given rules of the object's namespace, which are nil if that is not an organization. The
// ladders of other organizations come from the view.
func (v *View) Unresolved(
	x *index.Index, object client.Object, rules *resolve.Organization,
) []accessv1alpha1.UnresolvedReference {
	n := x.Namespace(object.GetNamespace())
	if !n.AtSystem() && rules == nil {
		return nil
	}
	u := unresolved{view: v, index: x, namespace: n, rules: rules}
	switch o := object.(type) {
	case *accessv1alpha1.AccessGroup:
		if !n.Group(o.Name).Inert {
			u.inGroup(o)
		}
	case *accessv1alpha1.UserAccess:
		u.inUser(o)
	case *accessv1alpha1.AccessPolicy:
		u.inPolicy(o)
	}
	return u.found
}

// unresolved collects the unresolved references of one object.
type unresolved struct {
	view      *View
	index     *index.Index
	namespace *index.Namespace      // of the object
	rules     *resolve.Organization // of the namespace
	found     []accessv1alpha1.UnresolvedReference
}

func (u *unresolved) add(kind accessv1alpha1.ReferenceKind, name, organization, field string, args ...any) {
	u.found = append(u.found, accessv1alpha1.UnresolvedReference{
		Field: fmt.Sprintf(field, args...), Kind: kind, Name: name,
		Organization: accessv1alpha1.OrganizationName(organization),
	})
}

func (u *unresolved) inGroup(g *accessv1alpha1.AccessGroup) {
	for _, name := range g.Spec.MemberGroups {
		u.group(string(name), "spec.memberGroups[%s]", name)
	}
	u.roles(given{
		g.Spec.OrganizationRole, g.Spec.ApplicationAccess, g.Spec.ApplicationSelectors,
		g.Spec.SystemAccess, g.Spec.SystemAccessSelectors,
	})
	for _, name := range g.Spec.Notification.Channels {
		u.channel(name)
	}
}

func (u *unresolved) inUser(ua *accessv1alpha1.UserAccess) {
	for _, name := range ua.Spec.Groups {
		u.group(string(name), "spec.groups[%s]", name)
	}
	u.roles(given{
		ua.Spec.OrganizationRole, ua.Spec.ApplicationAccess, ua.Spec.ApplicationSelectors,
		ua.Spec.SystemAccess, ua.Spec.SystemAccessSelectors,
	})
}

func (u *unresolved) inPolicy(p *accessv1alpha1.AccessPolicy) {
	ladders := []*resolve.Organization{u.rules}
	if u.namespace.AtSystem() {
		ladders = u.ladders(accessv1alpha1.All)
	} else {
		for _, role := range p.Spec.OrganizationRoles {
			if role.ApplicationRole != "" && !u.rules.HasApplicationRole(string(role.ApplicationRole)) {
				u.add(accessv1alpha1.ReferenceApplicationRole, string(role.ApplicationRole), "",
					"spec.organizationRoles[%s].applicationRole", role.Name)
			}
		}
	}
	for _, e := range p.Spec.ExclusiveAccess {
		if !anyHas(ladders, (*resolve.Organization).HasApplicationRole, string(e.MinimumRole)) {
			u.add(accessv1alpha1.ReferenceApplicationRole, string(e.MinimumRole), "",
				"spec.exclusiveAccess[%s].minimumRole", e.Name)
		}
	}
}

// group adds a reference to a group that does not exist in the namespace or is inert.
func (u *unresolved) group(name, field string, args ...any) {
	if g := u.namespace.Group(name); g == nil || g.Inert {
		u.add(accessv1alpha1.ReferenceAccessGroup, name, "", field, args...)
	}
}

func (u *unresolved) channel(name accessv1alpha1.ChannelName) {
	p := u.index.Policy(u.namespace)
	if p != nil && slices.ContainsFunc(p.Spec.NotificationChannels, func(c accessv1alpha1.NotificationChannel) bool {
		return c.Name == name
	}) {
		return
	}
	u.add(accessv1alpha1.ReferenceNotificationChannel, string(name), "", "spec.notification.channels[%s]", name)
}

// given holds the grants in the spec of a group or a user.
type given struct {
	organizationRole      accessv1alpha1.RoleName
	applicationAccess     []accessv1alpha1.ApplicationGrant
	applicationSelectors  []accessv1alpha1.ApplicationSelectorGrant
	systemAccess          []accessv1alpha1.SystemGrant
	systemAccessSelectors []accessv1alpha1.SystemSelectorGrant
}

// roles checks the roles that an object grants. In the system namespace it reads the two systemAccess fields,
// elsewhere the others.
func (u *unresolved) roles(g given) {
	if u.namespace.AtSystem() {
		u.systemAccess(g.systemAccess)
		u.systemAccessSelectors(g.systemAccessSelectors)
		return
	}
	u.inOrganizations([]*resolve.Organization{u.rules}, &g, "", "spec")
}

// inOrganizations looks up the roles on the given ladders. A role is unresolved if none of them has it.
func (u *unresolved) inOrganizations(ladders []*resolve.Organization, g *given, organization, path string) {
	if g.organizationRole != "" &&
		!anyHas(ladders, (*resolve.Organization).HasOrganizationRole, string(g.organizationRole)) {
		u.add(accessv1alpha1.ReferenceOrganizationRole, string(g.organizationRole), organization, "%s.organizationRole", path)
	}
	application := func(role accessv1alpha1.RoleName, field string, at any) {
		if !anyHas(ladders, (*resolve.Organization).HasApplicationRole, string(role)) {
			u.add(accessv1alpha1.ReferenceApplicationRole, string(role), organization, "%s.%s[%v].role", path, field, at)
		}
	}
	for i := range g.applicationAccess {
		application(g.applicationAccess[i].Role, "applicationAccess", g.applicationAccess[i].Application)
	}
	for i := range g.applicationSelectors {
		application(g.applicationSelectors[i].Role, "applicationSelectors", i)
	}
}

// systemAccess looks up the roles of each entry on the ladders of the organizations that the entry names. In an
// entry for all organizations, a role is unresolved only if no organization's ladder has it. For a namespace
// that is not an organization (yet), nothing is reported as unresolved.
func (u *unresolved) systemAccess(entries []accessv1alpha1.SystemGrant) {
	for i := range entries {
		e := &entries[i]
		ladders := u.ladders(string(e.Organization))
		path := fmt.Sprintf("spec.systemAccess[%s]", e.Organization)
		named := string(e.Organization)
		if named == accessv1alpha1.All {
			named = ""
		}
		u.systemRole(e.Role, path)
		if len(ladders) == 0 {
			continue
		}
		u.inOrganizations(ladders, &given{
			organizationRole: e.OrganizationRole, applicationAccess: e.ApplicationAccess, applicationSelectors: e.ApplicationSelectors,
		}, named, path)
	}
}

// systemAccessSelectors looks up the roles of each entry on the ladders of all organizations, regardless of its
// selector.
func (u *unresolved) systemAccessSelectors(entries []accessv1alpha1.SystemSelectorGrant) {
	for i := range entries {
		e := &entries[i]
		path := fmt.Sprintf("spec.systemAccessSelectors[%d]", i)
		u.systemRole(e.Role, path)
		u.inOrganizations(u.ladders(accessv1alpha1.All), &given{
			organizationRole: e.OrganizationRole, applicationAccess: e.ApplicationAccess, applicationSelectors: e.ApplicationSelectors,
		}, "", path)
	}
}

func (u *unresolved) systemRole(role accessv1alpha1.RoleName, path string) {
	if role != "" && !u.defaultRules().HasSystemRole(string(role)) {
		u.add(accessv1alpha1.ReferenceSystemRole, string(role), "", "%s.role", path)
	}
}

func anyHas(ladders []*resolve.Organization, has func(*resolve.Organization, string) bool, role string) bool {
	return slices.ContainsFunc(ladders, func(o *resolve.Organization) bool { return has(o, role) })
}

// ladders returns the ladders of the organization, or nil if the namespace is not an organization. For "*", it
// returns the ladders of all organizations. If there are none, it returns the ladders of an organization without
// a policy.
func (u *unresolved) ladders(organization string) []*resolve.Organization {
	at := u.namespace.Name()
	if organization != accessv1alpha1.All {
		rules := u.view.Organization(organization)
		if organization == at {
			rules = u.rules
		}
		if rules == nil {
			return nil
		}
		return []*resolve.Organization{rules}
	}
	var all []*resolve.Organization
	for name, o := range u.view.organizations.All() {
		if o.rules != nil && name != at {
			all = append(all, o.rules)
		}
	}
	if u.rules != nil {
		all = append(all, u.rules)
	}
	if len(all) == 0 {
		all = append(all, u.defaultRules())
	}
	return all
}

// defaultRules returns the rules of an organization without its own policy.
func (u *unresolved) defaultRules() *resolve.Organization {
	return resolve.NewOrganization(u.index.DefaultRules())
}
