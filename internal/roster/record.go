package roster

import (
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// record is what the roster last decided for a user.
type record struct {
	decision *resolve.Decision // nil in the system namespace
	groups   []string          // active memberships, sorted
	// overBound lists, sorted, the groups that contribute filters where these are larger together than the bound of R7.
	overBound []string
	next      time.Time // when to decide again; zero: never
}

// note adds the memberships to the record: which are active, and when that changes.
func (rec *record) note(memberships []membership, now time.Time) {
	for i := range memberships {
		m := &memberships[i]
		if m.active(now) {
			if rec.groups == nil {
				rec.groups = make([]string, 0, len(memberships)-i)
			}
			rec.groups = append(rec.groups, m.group.object.Name)
		}
		for _, w := range m.windows {
			for _, t := range []time.Time{w.NotBefore, w.NotAfter} {
				if t.After(now) && (rec.next.IsZero() || t.Before(rec.next)) {
					rec.next = t
				}
			}
		}
	}
}

// noteContributors adds the groups that contribute filters of the user to the record.
func (rec *record) noteContributors(memberships []membership, now time.Time) {
	for i := range memberships {
		if m := &memberships[i]; m.active(now) && len(m.group.source.Rows) > 0 {
			rec.overBound = append(rec.overBound, m.group.object.Name)
		}
	}
}

func (m *membership) active(now time.Time) bool {
	return len(m.windows) == 0 || slices.ContainsFunc(m.windows, func(w resolve.Window) bool { return w.Contains(now) })
}

// record replaces what was noted for the user, and counts active members.
func (r *Roster) record(n *namespace, user string, made *record) {
	var before, after record
	old := n.records[user]
	if old != nil {
		before = *old
	}
	if made != nil {
		after = *made
		n.records[user] = made
	} else {
		delete(n.records, user)
	}
	r.time(n, user, old, made)
	eachDifference(before.overBound, after.overBound, func(group string, by int) {
		r.countIn(n.overBound, n, group, by)
	})
	if slices.Equal(before.groups, after.groups) {
		return
	}
	eachDifference(before.groups, after.groups, func(group string, by int) { r.countMember(n, group, by) })
	r.touchUserAccess(n, user)
}

// eachDifference calls yield for what only one of the two sorted lists has: with -1 for the first, 1 for the second.
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

// countIn adds to the count of the group, whose status says it.
func (r *Roster) countIn(counts map[string]int, n *namespace, group string, by int) {
	counts[group] += by
	if counts[group] == 0 {
		delete(counts, group)
	}
	r.touched[Object{KindAccessGroup, n.name, group}] = struct{}{}
}

func (r *Roster) countMember(n *namespace, group string, by int) {
	r.countIn(n.active, n, group, by)
	if n.atSystem && n.active[group] <= 1 {
		r.touchPolicies() // a grant of a system role has come to be, or is no more
	}
}
