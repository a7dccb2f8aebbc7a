package roster

import (
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Member is what there is to know to tell a user of the access in an organization. Decision and Account are nil where
// there is none.
type Member struct {
	Decision *resolve.Decision
	// Groups are the groups with notification channels that the user is an active member of: those of the organization,
	// then those of the system namespace that speak of it, by name.
	Groups []*accessv1alpha1.AccessGroup
	// Account is the declared UserAccess that counts for the user in the organization.
	Account *accessv1alpha1.UserAccess
}

// Member returns what there is to know of the user. The cost grows with the user's groups.
func (r *Roster) Member(organization, user string) Member {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := Member{Decision: r.decision(organization, user)}
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return m
	}
	if ua := n.accounts[user].counting(); ua != nil && ua.DeletionTimestamp == nil {
		m.Account = ua
	}
	for _, at := range []*namespace{n, r.system} {
		rec := at.records[user]
		if rec == nil {
			continue
		}
		for _, name := range rec.groups {
			if g := at.groups[name]; g != nil && g.notifies(organization) {
				m.Groups = append(m.Groups, g.object)
			}
		}
	}
	return m
}

// notifies says whether the group has channels for those of its members who are in the organization.
func (g *group) notifies(organization string) bool {
	return !g.inert && len(g.object.Spec.Notification.Channels) > 0 &&
		(g.object.Namespace == organization || g.source.Entry(organization) != nil)
}

// Notified lists the organizations in which a group has notification channels, sorted.
func (r *Roster) Notified() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var names []string
	for name, n := range r.namespaces {
		if n.organization && (n.hasNotifying(name) || r.system.hasNotifying(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (n *namespace) hasNotifying(organization string) bool {
	for _, g := range n.groups {
		if g.notifies(organization) {
			return true
		}
	}
	return false
}

// NotifyingGroups lists the groups with notification channels that count, sorted.
func (r *Roster) NotifyingGroups() []Object {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var groups []Object
	for _, n := range r.namespaces {
		for name, g := range n.groups {
			if !g.inert && len(g.object.Spec.Notification.Channels) > 0 && (n.atSystem || n.organization) {
				groups = append(groups, Object{KindAccessGroup, n.name, name})
			}
		}
	}
	slices.SortFunc(groups, Object.compare)
	return groups
}

// AccessGroup returns the object; nil where there is none.
func (r *Roster) AccessGroup(namespace, name string) *accessv1alpha1.AccessGroup {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.namespaces[namespace]; n != nil && n.groups[name] != nil {
		return n.groups[name].object
	}
	return nil
}

// ActiveMembers lists the active members of the group, sorted. The cost grows with all of its members.
func (r *Roster) ActiveMembers(group Object) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[group.Namespace]
	if n == nil || n.groups[group.Name] == nil {
		return nil
	}
	var users []string
	for user := range n.transitiveMembers(group.Name) {
		if rec := n.records[user]; rec != nil && slices.Contains(rec.groups, group.Name) {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	return users
}

// ChannelsOf returns the notification channels that groups of the namespace may name, and the namespace of the policy
// that has them, in which their Secrets are.
func (r *Roster) ChannelsOf(namespace string) (channels []accessv1alpha1.NotificationChannel, policyNamespace string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	p := r.system.policy
	if n := r.namespaces[namespace]; n != nil && n.policy != nil {
		p = n.policy
	}
	if p == nil {
		return nil, namespace
	}
	return p.Spec.NotificationChannels, p.Namespace
}

// Administrators lists the users who hold the top organization role in the organization, sorted. The cost grows with
// its users.
func (r *Roster) Administrators(organization string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return nil
	}
	var users []string
	for user, rec := range n.records {
		if rec.decision.Exists && holdsTop(n, rec.decision) {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	return users
}
