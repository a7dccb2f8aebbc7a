package roster

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// causes are the objects whose change made a new decision necessary. They are shared between users, and not changed.
type causes []Object

// with adds a cause, which is given as a list so that all users whom it alone touches share that; nil adds none.
func (c causes) with(cause causes) causes {
	if len(c) == 0 {
		return cause
	}
	if len(cause) == 0 || slices.Contains(c, cause[0]) {
		return c
	}
	return append(slices.Clip(c), cause[0])
}

// touchUser marks the user for a new decision in the namespace and in those that a change there reaches.
func (r *Roster) touchUser(n *namespace, user string, reach []*namespace, cause causes) {
	n.dirty[user] = n.dirty[user].with(cause)
	for _, o := range reach {
		o.dirty[user] = o.dirty[user].with(cause)
	}
}

// reach returns the organizations in which a change to the group of the system namespace may matter: those that it, or
// a group around it, speaks of. Without a group it is all of them. Out of the system namespace nothing reaches further.
func (r *Roster) reach(n *namespace, group string) []*namespace {
	if !n.atSystem {
		return nil
	}
	var sources []*resolve.Source
	if group != "" {
		sources = n.sourcesAbove(group)
	}
	var reached []*namespace
	for _, o := range r.namespaces {
		if o.organization && (group == "" || speakOf(sources, o.name)) {
			reached = append(reached, o)
		}
	}
	return reached
}

func speakOf(sources []*resolve.Source, organization string) bool {
	return slices.ContainsFunc(sources, func(s *resolve.Source) bool { return s.Entry(organization) != nil })
}

// touchSpanning notes what the ladders of the organization bear on beyond it: whether the roles that objects of the
// system namespace give there exist, and are mapped.
func (r *Roster) touchSpanning(n *namespace) {
	for name, g := range r.system.groups {
		if g.source.Entry(n.name) != nil {
			r.touched[Object{KindAccessGroup, r.system.name, name}] = struct{}{}
		}
	}
	for _, a := range r.system.accounts {
		if a.source != nil && a.source.Entry(n.name) != nil {
			r.touched[Object{KindUserAccess, r.system.name, a.counting().Name}] = struct{}{}
		}
	}
	if r.system.policy != nil {
		r.touched[Object{KindAccessPolicy, r.system.name, accessv1alpha1.AccessPolicyName}] = struct{}{}
	}
}

func (r *Roster) touchMembers(n *namespace, g *group, cause Object) {
	reach, only := r.reach(n, g.object.Name), causes{cause}
	for user := range n.transitiveMembers(g.object.Name) {
		r.touchUser(n, user, reach, only)
	}
}

// sourcesAbove returns what the members of the group are given: its own source, and those of the groups around it.
func (n *namespace) sourcesAbove(name string) []*resolve.Source {
	var sources []*resolve.Source
	seen := set[string]{}
	var up func(string)
	up = func(name string) {
		if _, again := seen[name]; again {
			return
		}
		seen[name] = struct{}{}
		if g := n.groups[name]; g != nil {
			if g.inert {
				return
			}
			sources = append(sources, g.source)
		}
		for parent := range n.parents[name] {
			up(parent)
		}
	}
	up(name)
	return sources
}

// touchNaming notes who names the group: whether the name means something is in their status.
func (r *Roster) touchNaming(n *namespace, name string) {
	for parent := range n.parents[name] {
		r.touched[Object{KindAccessGroup, n.name, parent}] = struct{}{}
	}
	for user := range n.naming[name] {
		if ua := n.accounts[user].counting(); ua != nil {
			r.touched[Object{KindUserAccess, n.name, ua.Name}] = struct{}{}
		}
	}
}

// touchAll notes every object of the namespace.
func (r *Roster) touchAll(n *namespace) {
	n.each(func(o Object) { r.touched[o] = struct{}{} })
}

func (n *namespace) each(yield func(Object)) {
	for name := range n.groups {
		yield(Object{KindAccessGroup, n.name, name})
	}
	for name := range n.userAccess {
		yield(Object{KindUserAccess, n.name, name})
	}
	for name := range n.applications {
		yield(Object{KindApplicationAccess, n.name, name})
	}
	if n.policy != nil {
		yield(Object{KindAccessPolicy, n.name, n.policy.Name})
	}
}

// onlyMembersDiffer says whether the group gives what it gave, to a list of members that may differ.
func onlyMembersDiffer(old, made *accessv1alpha1.AccessGroup) bool {
	if old.UID != made.UID || (old.DeletionTimestamp == nil) != (made.DeletionTimestamp == nil) {
		return false
	}
	a, b := old.Spec, made.Spec
	a.Members, b.Members = nil, nil
	return equality.Semantic.DeepEqual(&a, &b)
}

// differingMembers returns the users whose entry in the list of members is not the same in both.
func differingMembers(old, made *accessv1alpha1.AccessGroup) []string {
	before := make(map[string]resolve.Window, len(old.Spec.Members))
	for i := range old.Spec.Members {
		m := &old.Spec.Members[i]
		before[string(m.User)] = window(m.NotBefore, m.NotAfter)
	}
	var differing []string
	for i := range made.Spec.Members {
		m := &made.Spec.Members[i]
		user := string(m.User)
		was, listed := before[user]
		if !listed || was != window(m.NotBefore, m.NotAfter) {
			differing = append(differing, user)
		}
		delete(before, user)
	}
	for user := range before {
		differing = append(differing, user)
	}
	return differing
}
