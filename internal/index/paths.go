package index

import (
	"cmp"
	"slices"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Entrance is the way in which a user becomes a member of a group.
type Entrance string

// The entrances.
const (
	ByMembers  Entrance = "members"        // the group's list names the user
	ByAccount  Entrance = "groups"         // the user's UserAccess names the group
	BySelector Entrance = "memberSelector" // the group's selector matches the labels of the user's UserAccess
	ByGroup    Entrance = "memberGroups"   // the group's memberGroups name a group that the user is in
)

// Step is the first step of a path from a user to groups: an entry in a list of members, or a group that the
// user's UserAccess names or that selects it.
type Step struct {
	By    Entrance
	Group string // the group need not exist
	// Window is the window of the entry in the list of members.
	Window resolve.Window
}

// Steps returns the first step of each of the user's paths.
func (n *Namespace) Steps(user string) []Step {
	listings := n.members.Get(user)
	steps := make([]Step, 0, len(listings))
	for _, l := range listings {
		s := Step{By: ByMembers, Group: l.group}
		if l.window != nil {
			s.Window = *l.window
		}
		steps = append(steps, s)
	}
	ua := n.accounts.Get(user).Counting()
	if ua == nil {
		return steps
	}
	for _, name := range ua.Spec.Groups {
		steps = append(steps, Step{By: ByAccount, Group: string(name)})
	}
	for name, g := range n.selecting.All() {
		if g.Selects(ua) {
			steps = append(steps, Step{By: BySelector, Group: name})
		}
	}
	return steps
}

// Path is a path from a user to a group.
type Path struct {
	By Entrance
	// Groups lists the groups on the path. The first is the one that the user enters by By, and the last is the
	// group itself.
	Groups []string
	// Window is the window of the entry in the list of members.
	Window resolve.Window
}

// Paths returns the paths to each group that the user is in. It returns the shortest path from each entrance.
func (n *Namespace) Paths(user string) map[string][]Path {
	found := map[string][]Path{}
	for _, s := range n.Steps(user) {
		n.follow(Path{By: s.By, Groups: []string{s.Group}, Window: s.Window}, found)
	}
	return found
}

// follow adds the shortest path from the entrance to each group that contains the entered group.
func (n *Namespace) follow(entrance Path, found map[string][]Path) {
	seen := map[string]struct{}{}
	for ways := []Path{entrance}; len(ways) > 0; ways = ways[1:] {
		way := ways[0]
		name := way.Groups[len(way.Groups)-1]
		g := n.groups.Get(name)
		if _, again := seen[name]; again || g == nil || g.Inert {
			continue
		}
		seen[name] = struct{}{}
		found[name] = append(found[name], way)
		for parent := range n.parents.from(name) {
			next := way
			next.Groups = append(slices.Clone(way.Groups), parent)
			ways = append(ways, next)
		}
	}
}

// Ignored is an object, or a reference in one, that has no effect. The reason is one of the API's reasons or
// [ReasonNotFound].
type Ignored struct {
	Object Object
	Reason string
	// Instead is the object that counts in its place, if there is one.
	Instead string
}

// ReasonNotFound is the reason for ignoring a reference to an object that does not exist.
const ReasonNotFound = "NotFound"

// Ignored lists the objects and references of the namespace that concern the user but have no effect, sorted.
func (n *Namespace) Ignored(user string) []Ignored {
	var found []Ignored
	for _, l := range n.members.Get(user) {
		if n.groups.Get(l.group).Inert {
			found = append(found, Ignored{
				Object: Object{KindAccessGroup, n.name, l.group}, Reason: accessv1alpha1.ReasonWrongNamespace,
			})
		}
	}
	a := n.accounts.Get(user)
	counting := a.Counting()
	if counting == nil {
		return found
	}
	for _, ua := range a.Declared {
		if ua != counting {
			found = append(found, Ignored{
				Object: Object{KindUserAccess, n.name, ua.Name}, Reason: accessv1alpha1.ReasonDuplicateUser,
				Instead: Object{KindUserAccess, n.name, counting.Name}.String(),
			})
		}
	}
	for _, name := range counting.Spec.Groups {
		named := Object{KindAccessGroup, n.name, string(name)}
		switch g := n.groups.Get(named.Name); {
		case g == nil:
			found = append(found, Ignored{Object: named, Reason: ReasonNotFound})
		case g.Inert && !slices.ContainsFunc(found, func(i Ignored) bool { return i.Object == named }):
			found = append(found, Ignored{Object: named, Reason: accessv1alpha1.ReasonWrongNamespace})
		}
	}
	slices.SortFunc(found, func(a, b Ignored) int {
		return cmp.Or(a.Object.Compare(b.Object), strings.Compare(a.Reason, b.Reason))
	})
	return found
}

// Unlisted is a member of a group, active or not, who is not in the group's list of members.
type Unlisted struct {
	User string
	By   Entrance
	// Of is the group in memberGroups that makes the user a member. It is empty for other entrances.
	Of string
}

// Unlisted returns the members of the proposed group that its list of members does not contain, sorted by user.
// It also returns the groups that name the group as a member group. The group need not be in the index. The cost
// grows with the number of members and, if the group has a selector, with the number of UserAccess objects in
// the namespace.
func (x *Index) Unlisted(made *accessv1alpha1.AccessGroup) (users []Unlisted, takenInBy []string) {
	n := x.Namespace(made.Namespace)
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
	for user := range n.naming.from(made.Name) {
		note(user, ByAccount, "")
	}
	g := newGroup(made, n.atSystem)
	for user, a := range n.accounts.All() {
		if g.selector == nil {
			break
		}
		if g.Selects(a.Counting()) {
			note(user, BySelector, "")
		}
	}
	for _, inner := range made.Spec.MemberGroups {
		within := map[string]struct{}{}
		n.CollectMembers(string(inner), within, map[string]struct{}{made.Name: {}})
		for user := range within {
			note(user, ByGroup, string(inner))
		}
	}
	for _, u := range found {
		if u.By != "" {
			users = append(users, u)
		}
	}
	slices.SortFunc(users, func(a, b Unlisted) int { return strings.Compare(a.User, b.User) })
	return users, slices.Collect(n.parents.from(made.Name))
}
