package index

import (
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Membership is one group that a user belongs to, and when.
type Membership struct {
	Group   *Group
	Windows []resolve.Window // empty: always
}

// Active reports whether the user is a member at the instant.
func (m *Membership) Active(now time.Time) bool {
	return len(m.Windows) == 0 || slices.ContainsFunc(m.Windows, func(w resolve.Window) bool { return w.Contains(now) })
}

func (m *Membership) covers(w *resolve.Window) bool {
	return len(m.Windows) == 0 ||
		(w != nil && slices.ContainsFunc(m.Windows, func(v resolve.Window) bool { return v.Covers(*w) }))
}

// Walk goes up from groups to those that name them. Its memory serves again for the next user. The zero value is ready.
type Walk struct {
	namespace *Namespace
	found     []Membership
	at        map[*Group]int // where in found, once there are many
}

// Memberships follows every path from the user up: member lists, the user's own word, selectors, and nested groups.
// The window of the first step holds on the whole path. The result, by group, stands until the walk is used again. The cost
// grows with the groups that the user is in, and with the selectors of the namespace.
func (w *Walk) Memberships(n *Namespace, user string) []Membership {
	w.Begin(n)
	w.EnterByLists(user)
	w.EnterBy(n.accounts.Get(user).Counting())
	return w.Found()
}

// Begin starts over in the namespace, with no groups.
func (w *Walk) Begin(n *Namespace) { w.namespace, w.found, w.at = n, w.found[:0], nil }

// EnterByLists follows the lists of members that the user is in.
func (w *Walk) EnterByLists(user string) {
	for _, l := range w.namespace.members.Get(user) {
		w.Enter(w.namespace.groups.Get(l.group), l.window)
	}
}

// EnterBy follows what the UserAccess, which may be nil, says of its user.
func (w *Walk) EnterBy(ua *accessv1alpha1.UserAccess) {
	if ua == nil {
		return
	}
	for _, name := range ua.Spec.Groups {
		w.Enter(w.namespace.groups.Get(string(name)), nil)
	}
	for _, g := range w.namespace.selecting.All() {
		if g.Selects(ua) {
			w.Enter(g, nil)
		}
	}
}

// Found returns the memberships found, by group. They stand until the walk is used again.
func (w *Walk) Found() []Membership {
	slices.SortFunc(w.found, func(a, b Membership) int { return strings.Compare(a.Group.Object.Name, b.Group.Object.Name) })
	w.at = nil
	return w.found
}

// Enter takes in a group, which may be nil, and those around it; without a window, for always.
func (w *Walk) Enter(g *Group, window *resolve.Window) {
	if g == nil || g.Inert {
		return
	}
	at := w.place(g)
	switch {
	case at < 0:
		at = len(w.found)
		w.found = append(w.found, Membership{Group: g})
		if w.at != nil {
			w.at[g] = at
		}
		if window != nil {
			w.found[at].Windows = []resolve.Window{*window}
		}
	case w.found[at].covers(window):
		return // also what ends a cycle
	case window == nil:
		w.found[at].Windows = nil
	default:
		// Only windows that no other covers are kept, whatever the order of the paths.
		kept := slices.DeleteFunc(w.found[at].Windows, window.Covers)
		w.found[at].Windows = append(kept, *window)
	}
	for parent := range w.namespace.parents.from(g.Object.Name) {
		w.Enter(w.namespace.groups.Get(parent), window)
	}
}

// place says where in found the group is; negative: it is not. Most users are in a few groups, among which looking is
// quicker than an index.
func (w *Walk) place(g *Group) int {
	const few = 32
	if w.at == nil && len(w.found) >= few {
		w.at = make(map[*Group]int, 2*few)
		for i := range w.found {
			w.at[w.found[i].Group] = i
		}
	}
	if w.at == nil {
		return slices.IndexFunc(w.found, func(m Membership) bool { return m.Group == g })
	}
	if at, seen := w.at[g]; seen {
		return at
	}
	return -1
}

// TransitiveMembers returns every user who is a member of the group by any path, active or not.
func (n *Namespace) TransitiveMembers(name string) map[string]struct{} {
	users := map[string]struct{}{}
	n.CollectMembers(name, users, map[string]struct{}{})
	return users
}

// CollectMembers adds the members of the group to the users. Groups that are seen already are passed over.
func (n *Namespace) CollectMembers(name string, users, seen map[string]struct{}) {
	g := n.groups.Get(name)
	if _, again := seen[name]; again || g == nil || g.Inert {
		return
	}
	seen[name] = struct{}{}
	for i := range g.Object.Spec.Members {
		users[string(g.Object.Spec.Members[i].User)] = struct{}{}
	}
	for user := range n.naming.from(name) {
		users[user] = struct{}{}
	}
	if g.selector != nil {
		for user, a := range n.accounts.All() {
			if g.Selects(a.Counting()) {
				users[user] = struct{}{}
			}
		}
	}
	for _, inner := range g.Object.Spec.MemberGroups {
		n.CollectMembers(string(inner), users, seen)
	}
}

// SourcesAbove returns what the members of the group are given: its own source, and those of the groups around it. The group
// need not exist.
func (n *Namespace) SourcesAbove(name string) []*resolve.Source {
	var sources []*resolve.Source
	seen := map[string]struct{}{}
	var up func(string)
	up = func(name string) {
		if _, again := seen[name]; again {
			return
		}
		seen[name] = struct{}{}
		if g := n.groups.Get(name); g != nil {
			if g.Inert {
				return
			}
			sources = append(sources, g.Source)
		}
		for parent := range n.parents.from(name) {
			up(parent)
		}
	}
	up(name)
	return sources
}
