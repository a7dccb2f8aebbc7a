package roster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Explanation is all that the roster knows of why a user may do in an organization what the user may do.
type Explanation struct {
	resolve.Explanation
	// Memberships are the groups that the user is in, in the organization and in the system namespace, active or not.
	Memberships []Membership
	// Ignored are objects that name the user, or that the user names, and that count for nothing.
	Ignored []Ignored
}

// Membership is one group of a user.
type Membership struct {
	Group Object
	// Windows is when the user is a member; none: always.
	Windows []resolve.Window
	// Paths say why: one for each place that names the user.
	Paths []Path
	// Active says whether the user is a member at the roster's instant.
	Active bool
}

// Entrance is how a user comes to be in a group.
type Entrance string

// The entrances.
const (
	ByMembers  Entrance = "members"        // the group's list names the user
	ByAccount  Entrance = "groups"         // the user's UserAccess names the group
	BySelector Entrance = "memberSelector" // the group's selector matches the labels of the user's UserAccess
)

// Path is a way from a user to a group.
type Path struct {
	By Entrance
	// Groups are those on the way, the one that the user is in by By first, the group itself last.
	Groups []string
	// Window is that of the entry in the list of members.
	Window resolve.Window
}

// Ignored is an object, or a name in one, that counts for nothing, and why: a reason of the API, or NotFound.
type Ignored struct {
	Object Object
	Reason string
	// Instead is what counts in its place, where something does.
	Instead string
}

// ReasonNotFound is why a name counts for nothing that no object has.
const ReasonNotFound = "NotFound"

// Explain derives what the user may do in the organization at the instant of the last Settle, in the applications
// given. It returns nil where the namespace is no organization. The cost grows with what bears on the user.
func (r *Roster) Explain(organization, user string, applications []string) *Explanation {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[organization]
	if n == nil || !n.organization {
		return nil
	}
	p := resolve.Person{Named: n.applicable}
	p.Bars = n.appendBars(nil, user)
	p.Declared = len(p.Bars) > 0
	p.Bars = r.system.appendBars(p.Bars, user)
	made := &Explanation{}
	for _, at := range []*namespace{n, r.system} {
		paths := at.paths(user)
		for _, m := range at.memberships(user) {
			p.Claims = append(p.Claims, resolve.Claim{Source: m.group.source, Windows: m.windows})
			made.Memberships = append(made.Memberships, Membership{
				Group:   Object{KindAccessGroup, at.name, m.group.object.Name},
				Windows: m.windows, Paths: paths[m.group.object.Name], Active: m.active(r.now),
			})
		}
		if a := at.accounts[user]; a != nil && a.source != nil {
			p.Claims = append(p.Claims, resolve.Claim{Source: a.source})
		}
		made.Ignored = append(made.Ignored, at.ignored(user)...)
	}
	made.Explanation = n.compiled.Explain(p, applications, r.now)
	return made
}

// paths returns, for every group that the user is in, the ways to it: the shortest from each entrance.
func (n *namespace) paths(user string) map[string][]Path {
	found := map[string][]Path{}
	for _, e := range n.members[user] {
		path := Path{By: ByMembers, Groups: []string{e.group.object.Name}}
		if e.window != nil {
			path.Window = *e.window
		}
		n.follow(path, found)
	}
	ua := n.accounts[user].counting()
	if ua == nil {
		return found
	}
	for _, name := range ua.Spec.Groups {
		n.follow(Path{By: ByAccount, Groups: []string{string(name)}}, found)
	}
	for _, name := range slices.Sorted(maps.Keys(n.selecting)) {
		if n.selecting[name].selector.Matches(labels.Set(ua.Labels)) {
			n.follow(Path{By: BySelector, Groups: []string{name}}, found)
		}
	}
	return found
}

// follow notes the shortest way from the entrance to each group around it.
func (n *namespace) follow(entrance Path, found map[string][]Path) {
	seen := set[string]{}
	for ways := []Path{entrance}; len(ways) > 0; ways = ways[1:] {
		way := ways[0]
		name := way.Groups[len(way.Groups)-1]
		if _, again := seen[name]; again || n.groups[name] == nil || n.groups[name].inert {
			continue
		}
		seen[name] = struct{}{}
		found[name] = append(found[name], way)
		for _, parent := range slices.Sorted(maps.Keys(n.parents[name])) {
			next := way
			next.Groups = append(slices.Clone(way.Groups), parent)
			ways = append(ways, next)
		}
	}
}

// ignored lists what of the namespace would say something of the user and counts for nothing.
func (n *namespace) ignored(user string) []Ignored {
	var found []Ignored
	for _, e := range n.members[user] {
		if e.group.inert {
			found = append(found, Ignored{
				Object: Object{KindAccessGroup, n.name, e.group.object.Name}, Reason: accessv1alpha1.ReasonWrongNamespace,
			})
		}
	}
	a := n.accounts[user]
	counting := a.counting()
	if counting == nil {
		return found
	}
	for _, ua := range a.declared {
		if ua != counting {
			found = append(found, Ignored{
				Object: Object{KindUserAccess, n.name, ua.Name}, Reason: accessv1alpha1.ReasonDuplicateUser,
				Instead: Object{KindUserAccess, n.name, counting.Name}.String(),
			})
		}
	}
	for _, name := range counting.Spec.Groups {
		named := Object{KindAccessGroup, n.name, string(name)}
		switch g := n.groups[named.Name]; {
		case g == nil:
			found = append(found, Ignored{Object: named, Reason: ReasonNotFound})
		case g.inert && !slices.ContainsFunc(found, func(i Ignored) bool { return i.Object == named }):
			found = append(found, Ignored{Object: named, Reason: accessv1alpha1.ReasonWrongNamespace})
		}
	}
	slices.SortFunc(found, func(a, b Ignored) int {
		return cmp.Or(a.Object.compare(b.Object), strings.Compare(a.Reason, b.Reason))
	})
	return found
}
