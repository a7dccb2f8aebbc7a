package index

import (
	"iter"
	"slices"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// knows reports whether a declared object of the namespace names the user.
func (n *Namespace) knows(user string) bool {
	a := n.accounts.Get(user)
	return len(n.members.Get(user)) > 0 || (a != nil && len(a.Declared) > 0)
}

// indexCase updates the index that Alike uses. Callers call it when objects begin or cease to name the user.
func (n *Namespace) indexCase(user string) {
	if folded := strings.ToLower(user); folded != user {
		n.folded.put(folded, user, n.knows(user))
	}
}

// Alike lists the users that declared objects of the namespace name and whose names differ only in case from the
// given one, sorted.
func (n *Namespace) Alike(user string) []string {
	n = n.orEmpty()
	var found []string
	folded := strings.ToLower(user)
	if folded != user && n.knows(folded) {
		found = append(found, folded)
	}
	for other := range n.folded.from(folded) {
		if other != user {
			found = append(found, other)
		}
	}
	slices.Sort(found)
	return found
}

// KnownUsers iterates over the users that declared objects of the namespace name, in no particular order.
func (n *Namespace) KnownUsers() iter.Seq[string] {
	n = n.orEmpty()
	return func(yield func(string) bool) {
		for user := range n.members.Keys() {
			if !yield(user) {
				return
			}
		}
		for user, a := range n.accounts.All() {
			if len(a.Declared) > 0 && len(n.members.Get(user)) == 0 && !yield(user) {
				return
			}
		}
	}
}

// NamingUser lists the declared objects of the namespace that name the user: groups first, then UserAccess
// objects, each sorted by name.
func (n *Namespace) NamingUser(user string) []Object {
	n = n.orEmpty()
	var found []Object
	for _, l := range n.members.Get(user) {
		found = append(found, Object{KindAccessGroup, n.name, l.group})
	}
	if a := n.accounts.Get(user); a != nil {
		for _, ua := range a.Declared {
			found = append(found, ObjectOf(ua))
		}
	}
	return found
}

// NamingApplication lists the objects that name the application in the organization, sorted. The cost grows with
// the number of objects in the namespace.
func (x *Index) NamingApplication(organization, application string) []Object {
	n := x.Namespace(organization)
	if n == nil || n.atSystem {
		return nil
	}
	var found []Object
	if a := n.applications.Get(application); a != nil {
		found = append(found, ObjectOf(a))
	}
	at := n.Place()
	note := func(s *resolve.Source) {
		named := false
		sourceApplications(s, at, func(each string) { named = named || each == application })
		if !named {
			return
		}
		if o, ok := ParseObject(s.Name); ok {
			found = append(found, o)
		}
	}
	for _, g := range n.groups.All() {
		if !g.Inert {
			note(g.Source)
		}
	}
	for _, a := range n.accounts.All() {
		note(a.Source)
	}
	for _, s := range x.spanning.All() {
		note(s)
	}
	for _, each := range []*Namespace{n, x.System()} {
		if each.policy != nil && namesExclusively(each.policy, application) {
			found = append(found, ObjectOf(each.policy))
		}
	}
	slices.SortFunc(found, Object.Compare)
	return found
}

func namesExclusively(p *accessv1alpha1.AccessPolicy, application string) bool {
	return slices.ContainsFunc(p.Spec.ExclusiveAccess, func(e accessv1alpha1.ExclusiveAccess) bool {
		return slices.Contains(e.Applications, accessv1alpha1.ApplicationName(application))
	})
}

// HasAnythingToBar reports whether any object gives the user of ua a membership or a role that the suspension or
// the window of ua bars. It ignores the windows of memberships and roles. ua replaces the indexed UserAccess
// with the same name.
func (x *Index) HasAnythingToBar(ua *accessv1alpha1.UserAccess) bool {
	atSystem := ua.Namespace == x.SystemNamespace()
	if own := x.Namespace(ua.Namespace); own != nil && own.makesMember(ua) || userSource(ua, atSystem) != nil ||
		len(ua.Spec.Groups) > 0 {
		return true
	}
	for name, n := range x.namespaces.All() {
		if (atSystem || name == ua.Namespace || n.atSystem) && n.gives(string(ua.Spec.User), ua) {
			return true
		}
	}
	return false
}

// gives reports whether any object of the namespace except the UserAccess makes the user a member or grants a
// role.
func (n *Namespace) gives(user string, but *accessv1alpha1.UserAccess) bool {
	if slices.ContainsFunc(n.members.Get(user), func(l listing) bool { return !n.groups.Get(l.group).Inert }) {
		return true
	}
	a := n.accounts.Get(user)
	return a != nil && slices.ContainsFunc(a.Declared, func(ua *accessv1alpha1.UserAccess) bool {
		if ua.Namespace == but.Namespace && ua.Name == but.Name {
			return false
		}
		return len(ua.Spec.Groups) > 0 || userSource(ua, n.atSystem) != nil || n.makesMember(ua)
	})
}

// makesMember reports whether a group's selector selects the UserAccess.
func (n *Namespace) makesMember(ua *accessv1alpha1.UserAccess) bool {
	for _, g := range n.selecting.All() {
		if !g.Inert && g.Selects(ua) {
			return true
		}
	}
	return false
}
