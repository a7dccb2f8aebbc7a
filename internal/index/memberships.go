package index

import (
	"iter"
	"slices"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Membership is the membership of a user in one group, with its windows.
type Membership struct {
	Group   *Group
	Windows []resolve.Window // empty: always active
}

// Active reports whether the membership is active at the given instant.
func (m *Membership) Active(now time.Time) bool {
	return len(m.Windows) == 0 || slices.ContainsFunc(m.Windows, func(w resolve.Window) bool { return w.Contains(now) })
}

func (m *Membership) covers(w *resolve.Window) bool {
	return len(m.Windows) == 0 ||
		(w != nil && slices.ContainsFunc(m.Windows, func(v resolve.Window) bool { return v.Covers(*w) }))
}

// Walk finds the groups of a user: it starts at the groups that the user enters and follows memberGroups upward.
// A Walk reuses its memory for the next user. The zero value is ready to use.
type Walk struct {
	namespace *Namespace
	found     []Membership
	at        map[*Group]int // index into found; nil while found is short
}

// Memberships returns the user's memberships by every path: lists of members, the user's own UserAccess,
// selectors and nested groups. The window of the first step applies to the whole path. The result is sorted by
// group and is valid until the next use of the walk. The cost grows with the number of the user's groups and of
// the namespace's selectors.
func (w *Walk) Memberships(n *Namespace, user string) []Membership {
	w.Begin(n)
	w.EnterByLists(user)
	w.EnterBy(n.accounts.Get(user).Counting())
	return w.Found()
}

// Begin resets the walk to the namespace, with no groups.
func (w *Walk) Begin(n *Namespace) { w.namespace, w.found, w.at = n, w.found[:0], nil }

// EnterByLists enters the groups whose list of members contains the user.
func (w *Walk) EnterByLists(user string) {
	for _, l := range w.namespace.members.Get(user) {
		w.Enter(w.namespace.groups.Get(l.group), l.window)
	}
}

// EnterBy enters the groups that the UserAccess names and the groups that select it. The UserAccess may be nil.
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

// Found returns the memberships found so far, sorted by group. The result is valid until the next use of the
// walk.
func (w *Walk) Found() []Membership {
	slices.SortFunc(w.found, func(a, b Membership) int { return strings.Compare(a.Group.Object.Name, b.Group.Object.Name) })
	w.at = nil
	return w.found
}

// Enter adds the group and all groups that contain it. The group may be nil. A nil window means always.
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
		return // this also ends a cycle
	case window == nil:
		w.found[at].Windows = nil
	default:
		// Keep only windows that no other window covers, regardless of the order of the paths.
		kept := slices.DeleteFunc(w.found[at].Windows, window.Covers)
		w.found[at].Windows = append(kept, *window)
	}
	for parent := range w.namespace.parents.from(g.Object.Name) {
		w.Enter(w.namespace.groups.Get(parent), window)
	}
}

// place returns the index of the group in found, or a negative number if it is not there. Most users are in a
// few groups, and a linear search is faster than a map for these.
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

// TransitiveMembers returns all users who are members of the group by any path, active or not.
func (n *Namespace) TransitiveMembers(name string) map[string]struct{} {
	users := map[string]struct{}{}
	n.CollectMembers(name, users, map[string]struct{}{})
	return users
}

// heldBack returns the users with more than one declared UserAccess, and the memberships that all of these would give
// together. They are valid until the next user. The cost grows with the number of users in the namespace.
func (n *Namespace) heldBack() iter.Seq2[string, []Membership] {
	return func(yield func(string, []Membership) bool) {
		var walk Walk
		for user, a := range n.accounts.All() {
			if len(a.Declared) < 2 {
				continue
			}
			walk.Begin(n)
			for _, ua := range a.Declared {
				walk.EnterBy(ua)
			}
			if !yield(user, walk.Found()) {
				return
			}
		}
	}
}

// CollectMembers adds the members of the group to users. It skips groups in seen.
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

// SourcesAbove returns the sources that the members of the group receive: the group's own source and those of
// all groups that contain it. The group need not exist.
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
