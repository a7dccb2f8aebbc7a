package roster

import (
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Claims returns what is declared for the user in the organization, in force or not.
func (s *Standing) Claims() *resolve.Claims {
	return &resolve.Claims{User: s.User, Hidden: s.Hidden, Preceding: s.Preceding, Ended: s.Ended}
}

// hide notes what the user has only by UserAccess objects that do not count, in the organization and in the system
// namespace, and which objects keep it from counting.
func (t *trial) hide(n *namespace, user string, s *Standing) {
	for _, at := range []*namespace{n, t.system} {
		a := at.accounts[user]
		if a == nil || len(a.declared) < 2 {
			continue
		}
		counting := a.counting()
		var w walk
		w.namespace = at
		last := lastOf(a.declared)
		for _, ua := range a.declared {
			if ua != last {
				s.Preceding = append(s.Preceding, resolve.Precedence{
					Source:       Object{KindUserAccess, at.name, ua.Name}.String(),
					BeingDeleted: ua.DeletionTimestamp != nil,
				})
			}
			if ua == counting {
				continue
			}
			w.enterBy(ua)
			if own := userSource(ua, at.atSystem); own != nil {
				s.hideSource(n, own)
			}
		}
		for _, m := range w.sorted() {
			s.hideSource(n, m.group.source)
		}
	}
}

func (s *Standing) hideSource(n *namespace, source *resolve.Source) {
	s.Sources = append(s.Sources, source)
	if b := s.bind(n, source); b != nil {
		s.Hidden = append(s.Hidden, resolve.Holding{Source: b})
	}
}

func (s *Standing) bind(n *namespace, source *resolve.Source) *resolve.Bound {
	if b, bound := n.bound[source]; bound {
		return b
	}
	return n.compiled.Bind(source)
}

// lastOf returns the UserAccess that would count last.
func lastOf(declared []*accessv1alpha1.UserAccess) *accessv1alpha1.UserAccess {
	last := declared[0]
	for _, ua := range declared {
		if ua.DeletionTimestamp != nil || last.DeletionTimestamp == nil {
			last = ua
		}
	}
	return last
}
