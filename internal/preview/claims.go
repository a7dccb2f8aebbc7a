package preview

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Claims returns what the objects declare for the user in the organization, in force or not.
func (s *State) Claims() *resolve.Claims {
	return &resolve.Claims{User: s.User, Hidden: s.Hidden, Preceding: s.Preceding, Ended: s.Ended}
}

// hide collects the grants that the user has only through UserAccess objects that do not count, in the
// organization and in the system namespace. It also collects the UserAccess objects that take precedence over
// these.
func hide(sources *roster.Sources, user string, s *State) {
	for _, at := range []*index.Namespace{sources.Namespace, sources.Index.System()} {
		a := at.Account(user)
		if a == nil || len(a.Declared) < 2 {
			continue
		}
		counting, last := a.Counting(), lastOf(a.Declared)
		var walk index.Walk
		walk.Begin(at)
		for _, ua := range a.Declared {
			if ua != last {
				s.Preceding = append(s.Preceding, resolve.Precedence{
					Source: index.ObjectOf(ua).String(), BeingDeleted: ua.DeletionTimestamp != nil,
				})
			}
			if ua == counting {
				continue
			}
			walk.EnterBy(ua)
			if own := at.UserSource(ua); own != nil {
				s.hideSource(sources, user, own)
			}
		}
		for _, m := range walk.Found() {
			s.hideSource(sources, user, m.Group.Source)
		}
	}
}

func (s *State) hideSource(sources *roster.Sources, user string, source *resolve.Source) {
	s.Sources = append(s.Sources, source)
	if b := sources.BindFor(user, source); b != nil {
		s.Hidden = append(s.Hidden, resolve.Holding{Source: b})
	}
}

// lastOf returns the UserAccess that would be the last to count.
func lastOf(declared []*accessv1alpha1.UserAccess) *accessv1alpha1.UserAccess {
	last := declared[0]
	for _, ua := range declared {
		if ua.DeletionTimestamp != nil || last.DeletionTimestamp == nil {
			last = ua
		}
	}
	return last
}

// declarations returns the sources that the objects of the namespace declare for the user. A reference to a
// group that does not exist makes the user a member of the groups that name that group. The group named by
// coming is an exception.
func (p *preview) declarations(n *index.Namespace, user, coming string) []Declaration {
	walk := &p.walk
	walk.Begin(n)
	walk.EnterByLists(user)
	var individual []Declaration
	if a := n.Account(user); a != nil {
		for _, ua := range a.Declared {
			walk.EnterBy(ua)
			enterMissing(walk, n, ua, coming)
			if s := n.UserSource(ua); s != nil && !s.BeingDeleted {
				individual = append(individual, Declaration{Source: s})
			}
		}
	}
	return append(declarationsOf(walk.Found()), individual...)
}

// enterMissing follows the UserAccess's references to groups that do not exist. As soon as such a group exists,
// the groups that name it as a member group include the user. It skips the group named by coming.
func enterMissing(walk *index.Walk, n *index.Namespace, ua *accessv1alpha1.UserAccess, coming string) {
	for _, name := range ua.Spec.Groups {
		if n.Group(string(name)) != nil || string(name) == coming {
			continue
		}
		for parent := range n.Parents(string(name)) {
			walk.Enter(n.Group(parent), nil)
		}
	}
}

// declarationsIn returns the sources that a member of the group receives through it. The group need not exist.
func declarationsIn(n *index.Namespace, group string) []Declaration {
	var walk index.Walk
	walk.Begin(n)
	if g := n.Group(group); g != nil {
		walk.Enter(g, nil)
	} else {
		for parent := range n.Parents(group) {
			walk.Enter(n.Group(parent), nil)
		}
	}
	return declarationsOf(walk.Found())
}

func declarationsOf(memberships []index.Membership) []Declaration {
	declared := make([]Declaration, 0, len(memberships))
	for _, m := range memberships {
		if s := m.Group.Source; !s.WithoutPrivileges && !s.BeingDeleted {
			declared = append(declared, Declaration{s, m.Windows})
		}
	}
	return declared
}
