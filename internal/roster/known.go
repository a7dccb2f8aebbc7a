package roster

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// KnownUsers lists the users whom declared objects of the namespace name, in no order. The cost grows with the users.
func (r *Roster) KnownUsers(namespace string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil {
		return nil
	}
	users := make([]string, 0, len(n.members)+len(n.accounts))
	for user := range n.members {
		users = append(users, user)
	}
	for user, a := range n.accounts {
		if len(n.members[user]) == 0 && len(a.declared) > 0 {
			users = append(users, user)
		}
	}
	return users
}

// NamingUser lists the declared objects of the namespace that name the user: groups, then UserAccess objects, by name.
func (r *Roster) NamingUser(namespace, user string) []Object {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil {
		return nil
	}
	var found []Object
	for _, e := range n.members[user] {
		found = append(found, Object{KindAccessGroup, namespace, e.group.object.Name})
	}
	if a := n.accounts[user]; a != nil {
		for _, ua := range a.declared {
			found = append(found, Object{KindUserAccess, namespace, ua.Name})
		}
	}
	return found
}

// NamingApplication lists the objects that name the application in the organization, sorted. The cost grows with the
// objects of the namespace.
func (r *Roster) NamingApplication(organization, application string) []Object {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || n.atSystem {
		return nil
	}
	var found []Object
	if n.applications[application] != nil {
		found = append(found, Object{KindApplicationAccess, organization, application})
	}
	note := func(s *resolve.Source) {
		named := false
		sourceApplications(s, organization, func(each string) { named = named || each == application })
		if o, ok := ParseObject(sourceName(s)); named && ok {
			found = append(found, o)
		}
	}
	for _, g := range n.groups {
		if !g.inert {
			note(g.source)
		}
	}
	for _, a := range n.accounts {
		note(a.source)
	}
	for s := range r.spanning {
		note(s)
	}
	for _, each := range []*namespace{n, r.system} {
		if each.policy != nil && namesExclusively(each.policy, application) {
			found = append(found, Object{KindAccessPolicy, each.name, each.policy.Name})
		}
	}
	slices.SortFunc(found, Object.compare)
	return found
}

func sourceName(s *resolve.Source) string {
	if s == nil {
		return ""
	}
	return s.Name
}

func namesExclusively(p *accessv1alpha1.AccessPolicy, application string) bool {
	return slices.ContainsFunc(p.Spec.ExclusiveAccess, func(e accessv1alpha1.ExclusiveAccess) bool {
		return slices.Contains(e.Applications, accessv1alpha1.ApplicationName(application))
	})
}

// HasAnythingToBar reports whether any object gives the user of the UserAccess a membership or a role that its suspension
// or its window bars. Windows of memberships and roles make no difference. The UserAccess takes the place of the one of
// its name.
func (r *Roster) HasAnythingToBar(ua *accessv1alpha1.UserAccess) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if own := r.namespaces[ua.Namespace]; own != nil && own.makesMember(ua) ||
		userSource(ua, ua.Namespace == r.system.name) != nil || len(ua.Spec.Groups) > 0 {
		return true
	}
	for _, n := range r.namespaces {
		if (ua.Namespace == r.system.name || n.name == ua.Namespace || n.atSystem) && n.gives(string(ua.Spec.User), ua) {
			return true
		}
	}
	return false
}

// gives reports whether an object of the namespace other than the UserAccess makes the user a member or gives a role.
func (n *namespace) gives(user string, but *accessv1alpha1.UserAccess) bool {
	if slices.ContainsFunc(n.members[user], func(e entry) bool { return !e.group.inert }) {
		return true
	}
	a := n.accounts[user]
	return a != nil && slices.ContainsFunc(a.declared, func(ua *accessv1alpha1.UserAccess) bool {
		if ua.Namespace == but.Namespace && ua.Name == but.Name {
			return false
		}
		return len(ua.Spec.Groups) > 0 || userSource(ua, n.atSystem) != nil || n.makesMember(ua)
	})
}

// makesMember reports whether a group selects the UserAccess.
func (n *namespace) makesMember(ua *accessv1alpha1.UserAccess) bool {
	for _, g := range n.selecting {
		if !g.inert && g.selector.Matches(labels.Set(ua.Labels)) {
			return true
		}
	}
	return false
}
