package roster

import (
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// Member holds the facts that a notification to a user about an organization needs. Decision and Account are nil
// if the user has none.
type Member struct {
	Decision *resolve.Decision
	// Groups are the groups with notification channels that the user is an active member of. The groups of the
	// organization come first, then those of the system namespace that speak of it, each sorted by name.
	Groups []*accessv1alpha1.AccessGroup
	// Account is the declared UserAccess that counts for the user in the organization.
	Account *accessv1alpha1.UserAccess
}

// Member returns the facts about the user. The cost grows with the number of the user's groups.
func (v *View) Member(organization, user string) Member {
	m := Member{Decision: v.Decision(organization, user)}
	n, system := v.index.Namespace(organization), v.index.System()
	if v.Organization(organization) == nil {
		return m
	}
	if ua := n.Account(user).Counting(); ua != nil && ua.DeletionTimestamp == nil {
		m.Account = ua
	}
	for _, at := range []*index.Namespace{n, system} {
		for _, name := range v.Groups(at.Name(), user) {
			if g := at.Group(name); g != nil && notifies(g, n) {
				m.Groups = append(m.Groups, g.Object)
			}
		}
	}
	return m
}

// notifies reports whether the group has notification channels for its members in the organization.
func notifies(g *index.Group, organization *index.Namespace) bool {
	return !g.Inert && len(g.Object.Spec.Notification.Channels) > 0 &&
		(g.Object.Namespace == organization.Name() || g.Source.SpeaksOf(organization.Place()))
}

// Notified lists the organizations in which a group has notification channels, sorted.
func (v *View) Notified() []string {
	var names []string
	for _, name := range v.Organizations() {
		if n := v.index.Namespace(name); hasNotifying(n, n) || hasNotifying(v.index.System(), n) {
			names = append(names, name)
		}
	}
	return names
}

func hasNotifying(n, organization *index.Namespace) bool {
	for _, g := range n.Groups() {
		if notifies(g, organization) {
			return true
		}
	}
	return false
}

// NotifyingGroups lists the groups that have notification channels and are not inert, sorted.
func (v *View) NotifyingGroups() []Object {
	var groups []Object
	for at, n := range v.index.Namespaces() {
		for _, g := range n.Groups() {
			if !g.Inert && len(g.Object.Spec.Notification.Channels) > 0 && (n.AtSystem() || v.Organization(at) != nil) {
				groups = append(groups, ObjectOf(g.Object))
			}
		}
	}
	slices.SortFunc(groups, Object.Compare)
	return groups
}

// ActiveMembers lists the active members of the group, sorted. The cost grows with the number of all its
// members.
func (v *View) ActiveMembers(group Object) []string {
	n := v.index.Namespace(group.Namespace)
	if n.Group(group.Name) == nil {
		return nil
	}
	var users []string
	for user := range n.TransitiveMembers(group.Name) {
		if slices.Contains(v.Groups(group.Namespace, user), group.Name) {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	return users
}

// IsMember reports whether the user is an active member of the group.
func (v *View) IsMember(group Object, user string) bool {
	return slices.Contains(v.Groups(group.Namespace, user), group.Name)
}

// Administrators lists the users who hold the top organization role in the organization, sorted. The cost grows
// with the number of its users.
func (v *View) Administrators(organization string) []string {
	o := v.at(organization)
	var users []string
	for user, d := range o.decisions() {
		if holdsTop(o, d) {
			users = append(users, user)
		}
	}
	return users
}

// Administers reports whether the user holds the top organization role in the organization.
func (v *View) Administers(organization, user string) bool {
	return holdsTop(v.at(organization), v.Decision(organization, user))
}

// Notifying lists the groups that have notification channels for members in the organization: its own groups
// first, then those of the system namespace, each sorted by name. The cost grows with the number of groups in
// both namespaces.
func (v *View) Notifying(organization string) []*accessv1alpha1.AccessGroup {
	if v.Organization(organization) == nil {
		return nil
	}
	var groups []*accessv1alpha1.AccessGroup
	for _, n := range []*index.Namespace{v.index.Namespace(organization), v.index.System()} {
		for _, g := range n.Groups() {
			if notifies(g, v.index.Namespace(organization)) {
				groups = append(groups, g.Object)
			}
		}
	}
	return groups
}
