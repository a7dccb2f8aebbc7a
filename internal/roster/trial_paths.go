package roster

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// step is the first step of a path from a user to groups: an entry in a list of members, or what the UserAccess of the
// user says.
type step struct {
	group string
	way   way
	// window is that of the entry.
	window resolve.Window
}

type way uint8

const (
	byList way = iota
	byName
	bySelector
)

// steps returns the first steps of the user's paths.
func (n *namespace) steps(user string) []step {
	var steps []step
	for _, e := range n.members[user] {
		s := step{group: e.group.object.Name, way: byList}
		if e.window != nil {
			s.window = *e.window
		}
		steps = append(steps, s)
	}
	ua := n.accounts[user].counting()
	if ua == nil {
		return steps
	}
	for _, name := range ua.Spec.Groups {
		steps = append(steps, step{group: string(name), way: byName})
	}
	for name, g := range n.selecting {
		if g.selector.Matches(labels.Set(ua.Labels)) {
			steps = append(steps, step{group: name, way: bySelector})
		}
	}
	return steps
}

// endPaths notes the memberships of which the change ends a path, although another path may remain: two requests at the
// same time may end one path each. It is called with the object as it is before the change; later are the first steps of
// the user's paths after it.
func (t *trial) endPaths(n *namespace, user string, later []step, s *Standing) {
	at := t.namespaces[t.object.Namespace]
	if at != n && at != t.system {
		return
	}
	w := walk{namespace: at}
	for _, before := range at.steps(user) {
		for _, lost := range lostOf(before, later) {
			w.enter(at.groups[before.group], &lost)
		}
	}
	for _, name := range t.lostGroups() {
		if own := at.groups[t.object.Name]; own != nil {
			t.enterThrough(&w, user, name, own)
		}
	}
	for _, m := range w.sorted() {
		if b := s.bind(n, m.group.source); b != nil {
			s.Ended = append(s.Ended, resolve.Holding{Source: b, Windows: m.windows})
		}
	}
}

// enterThrough follows the paths of the user that lead through the member group to the group, and on from there.
func (t *trial) enterThrough(w *walk, user, member string, own *group) {
	for _, m := range w.memberships(user) {
		if m.group.object.Name != member {
			continue
		}
		if len(m.windows) == 0 {
			w.enter(own, nil)
		}
		for i := range m.windows {
			w.enter(own, &m.windows[i])
		}
	}
}

// lostGroups returns the member groups that the group takes in no more. A group that goes, or counts for nothing any more,
// is the end of its own members' paths.
func (t *trial) lostGroups() []string {
	was, is := t.before.(*accessv1alpha1.AccessGroup)
	if !is || t.before == nil {
		return nil
	}
	made, remains := t.after.(*accessv1alpha1.AccessGroup)
	if !remains || made.Spec.Type != was.Spec.Type {
		return []string{was.Name}
	}
	return newGroups(made, was)
}

// lostOf returns when the step leads on before the change and not after it.
func lostOf(before step, later []step) []resolve.Window {
	at := slices.IndexFunc(later, func(s step) bool { return s.group == before.group && s.way == before.way })
	if at < 0 {
		return []resolve.Window{before.window}
	}
	was, is := before.window, later[at].window
	if is.Covers(was) {
		return nil
	}
	var lost []resolve.Window
	if begins := (resolve.Window{NotBefore: was.NotBefore, NotAfter: is.NotBefore}); was.NotBefore.Before(is.NotBefore) {
		lost = append(lost, begins)
	}
	if !is.NotAfter.IsZero() && (was.NotAfter.IsZero() || is.NotAfter.Before(was.NotAfter)) {
		lost = append(lost, resolve.Window{NotBefore: is.NotAfter, NotAfter: was.NotAfter})
	}
	return lost
}
