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
	next     time.Time         // when to decide again; zero: never
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

func (m *membership) active(now time.Time) bool {
	return len(m.windows) == 0 || slices.ContainsFunc(m.windows, func(w resolve.Window) bool { return w.Contains(now) })
}

// record replaces what was noted for the user, and counts active members.
func (r *Roster) record(n *namespace, user string, made *record) {
	var before, after []string
	old := n.records[user]
	if old != nil {
		before = old.groups
	}
	if made != nil {
		after = made.groups
		n.records[user] = made
	} else {
		delete(n.records, user)
	}
	r.time(n, user, old, made)
	if slices.Equal(before, after) {
		return
	}
	for len(before)+len(after) > 0 { // both are sorted
		switch {
		case len(after) == 0 || (len(before) > 0 && before[0] < after[0]):
			r.countMember(n, before[0], -1)
			before = before[1:]
		case len(before) == 0 || after[0] < before[0]:
			r.countMember(n, after[0], +1)
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
	r.touchUserAccess(n, user)
}

func (r *Roster) countMember(n *namespace, group string, by int) {
	n.active[group] += by
	if n.active[group] == 0 {
		delete(n.active, group)
	}
	r.touched[Object{KindAccessGroup, n.name, group}] = struct{}{}
	if n.atSystem && n.active[group] <= 1 {
		r.touchPolicies() // a grant of a system role has come to be, or is no more
	}
}
