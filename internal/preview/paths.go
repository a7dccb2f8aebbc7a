package preview

import (
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// endPaths collects the memberships that lose a path by the change, even if another path remains, because two
// concurrent requests may each end one path. It is called for the side before the change. later holds the first
// steps of the user's paths after the change.
func (p *preview) endPaths(s side, sources *roster.Sources, user string, later []index.Step, made *State) {
	at := s.namespace(p.object.Namespace)
	if at.Name() != sources.Namespace.Name() && !at.AtSystem() {
		return
	}
	walk := &p.walk
	walk.Begin(at)
	for _, before := range at.Steps(user) {
		for _, lost := range lostOf(before, later) {
			walk.Enter(at.Group(before.Group), &lost)
		}
	}
	for _, name := range p.lostGroups() {
		if own := at.Group(p.object.Name); own != nil {
			enterThrough(walk, at, user, name, own)
		}
	}
	for _, m := range walk.Found() {
		if b := sources.BindFor(user, m.Group.Source); b != nil {
			made.Ended = append(made.Ended, resolve.Holding{Source: b, Windows: m.Windows})
		}
	}
}

// enterThrough follows the user's paths that lead through the member group to the group, and continues from
// there.
func enterThrough(walk *index.Walk, at *index.Namespace, user, member string, own *index.Group) {
	var through index.Walk
	for _, m := range through.Memberships(at, user) {
		if m.Group.Object.Name != member {
			continue
		}
		if len(m.Windows) == 0 {
			walk.Enter(own, nil)
		}
		for i := range m.Windows {
			walk.Enter(own, &m.Windows[i])
		}
	}
}

// lostGroups returns the member groups that the group no longer takes in. A group that is deleted or becomes
// inert ends the paths of its own members.
func (p *preview) lostGroups() []string {
	was, is := p.was.(*accessv1alpha1.AccessGroup)
	if !is || p.was == nil {
		return nil
	}
	made, remains := p.made.(*accessv1alpha1.AccessGroup)
	if !remains || made.Spec.Type != was.Spec.Type {
		return []string{was.Name}
	}
	return newGroups(made, was)
}

// lostOf returns the windows in which the step is valid before the change but not after it.
func lostOf(before index.Step, later []index.Step) []resolve.Window {
	at := slices.IndexFunc(later, func(s index.Step) bool { return s.Group == before.Group && s.By == before.By })
	if at < 0 {
		return []resolve.Window{before.Window}
	}
	was, is := before.Window, later[at].Window
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
