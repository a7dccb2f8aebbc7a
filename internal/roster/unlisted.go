package roster

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// ByGroup is the entrance of who belongs to a group that the group takes in.
const ByGroup Entrance = "memberGroups"

// Unlisted is a member of a group who is not in its list of members, active or not.
type Unlisted struct {
	User string
	By   Entrance
	// Of is the group in memberGroups by which the user is a member; else empty.
	Of string
}

// Unlisted returns the members that the group, as it would be, has by other objects than itself, sorted by user, and the
// groups that take its members in. The group need not be in the roster. The cost grows with the members, and where the
// group has a selector with the UserAccess objects of the namespace.
func (r *Roster) Unlisted(made *accessv1alpha1.AccessGroup) (users []Unlisted, takenInBy []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[made.Namespace]
	if n == nil {
		return nil, nil
	}
	found := map[string]Unlisted{}
	for i := range made.Spec.Members {
		found[string(made.Spec.Members[i].User)] = Unlisted{}
	}
	note := func(user string, by Entrance, of string) {
		if _, known := found[user]; !known {
			found[user] = Unlisted{user, by, of}
		}
	}
	for user := range n.naming[made.Name] {
		note(user, ByAccount, "")
	}
	if g := newGroup(made, n.atSystem); g.selector != nil {
		for user, a := range n.accounts {
			if ua := a.counting(); ua != nil && g.selector.Matches(labels.Set(ua.Labels)) {
				note(user, BySelector, "")
			}
		}
	}
	for _, inner := range made.Spec.MemberGroups {
		within := set[string]{}
		n.collectMembers(string(inner), within, set[string]{made.Name: {}})
		for user := range within {
			note(user, ByGroup, string(inner))
		}
	}
	users = slices.DeleteFunc(slices.Collect(maps.Values(found)), func(u Unlisted) bool { return u.By == "" })
	slices.SortFunc(users, func(a, b Unlisted) int { return strings.Compare(a.User, b.User) })
	return users, slices.Sorted(maps.Keys(n.parents[made.Name]))
}
