package roster

import (
	"time"

	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
)

// record is the last decision of the roster for a user. It is immutable after the settling.
type record struct {
	decision *resolve.Decision // nil in the system namespace
	groups   []string          // active memberships, sorted
	// overBound lists, sorted, the groups that contribute filters if these together exceed the bound of R7.
	overBound []string
	next      time.Time // instant of the next decision; zero: never
}

// note adds the active memberships to the record, and the instant at which the next one starts or ends.
func (rec *record) note(memberships []index.Membership, now time.Time) {
	for i := range memberships {
		m := &memberships[i]
		if m.Active(now) {
			if rec.groups == nil {
				rec.groups = make([]string, 0, len(memberships)-i)
			}
			rec.groups = append(rec.groups, m.Group.Object.Name)
		}
		for _, w := range m.Windows {
			for _, t := range []time.Time{w.NotBefore, w.NotAfter} {
				if t.After(now) && (rec.next.IsZero() || t.Before(rec.next)) {
					rec.next = t
				}
			}
		}
	}
}

// noteContributors adds the groups that contribute filters to the user's record.
func (rec *record) noteContributors(memberships []index.Membership, now time.Time) {
	for i := range memberships {
		if m := &memberships[i]; m.Active(now) && len(m.Group.Source.Rows) > 0 {
			rec.overBound = append(rec.overBound, m.Group.Object.Name)
		}
	}
}

// record replaces the record of the user and updates the counts of active members.
func (s *settlement) record(n *index.Namespace, o *organization, user string, made *record) {
	var before, after record
	if old := o.records.Get(user); old != nil {
		before = *old
	}
	if made != nil {
		after = *made
		o.records.Set(user, made)
	} else {
		o.records.Delete(user)
	}
	s.time(n.Name(), user, before.next, after.next)
	if at := (Account{Namespace: n.Name(), User: user}); after.decision != nil && after.decision.Unfinished {
		s.unfinished.Set(at)
	} else {
		s.unfinished.Delete(at)
	}
	eachDifference(before.overBound, after.overBound, func(group string, by int) {
		s.countIn(&o.overBound, n, group, by)
	})
	changed := false
	eachDifference(before.groups, after.groups, func(group string, by int) {
		changed = true
		members := s.countIn(&o.active, n, group, by)
		if n.AtSystem() && members <= 1 {
			s.touched.TouchPolicies(s.index) // a system role has gained its first holder, or lost its last one
		}
	})
	if changed {
		s.touched.TouchUserAccess(n, user)
	}
}

// time updates the instant of the next decision for the user.
func (s *settlement) time(namespace, user string, before, after time.Time) {
	if before.Equal(after) {
		return
	}
	if !before.IsZero() {
		s.timed.Delete(timedUser{before, namespace, user})
	}
	if !after.IsZero() {
		s.timed.Set(timedUser{after, namespace, user})
	}
}

// eachDifference calls yield for each element that only one of the two sorted lists has: with -1 if it is in
// before, and with 1 if it is in after.
func eachDifference(before, after []string, yield func(group string, by int)) {
	for len(before)+len(after) > 0 {
		switch {
		case len(after) == 0 || (len(before) > 0 && before[0] < after[0]):
			yield(before[0], -1)
			before = before[1:]
		case len(before) == 0 || after[0] < before[0]:
			yield(after[0], +1)
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
}

// countIn adds by to the count of the group and returns the sum. It marks the group, because its status contains
// the count.
func (s *settlement) countIn(counts *index.Count, n *index.Namespace, group string, by int) int {
	s.touched.Objects.Add(Object{Kind: KindAccessGroup, Namespace: n.Name(), Name: group})
	return counts.Add(group, by)
}
