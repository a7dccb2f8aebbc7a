package roster

import (
	"container/heap"
	"slices"
	"time"
)

// timedUser is a user for whom to decide again at an instant.
type timedUser struct {
	at        time.Time
	namespace *namespace
	user      string
}

// stands says whether that is still when to decide again for the user.
func (t *timedUser) stands() bool {
	rec := t.namespace.records[t.user]
	return rec != nil && rec.next.Equal(t.at)
}

// time notes when to decide again for the user. Entries that no longer stand are passed over when their time comes, and
// dropped when they are more than the others.
func (r *Roster) time(n *namespace, user string, old, made *record) {
	was, is := old != nil && !old.next.IsZero(), made != nil && !made.next.IsZero()
	if was {
		r.timed--
	}
	if !is {
		return
	}
	r.timed++
	if was && old.next.Equal(made.next) {
		return
	}
	heap.Push(&r.windows, timedUser{at: made.next, namespace: n, user: user})
	const few = 1000
	if len(r.windows) > 2*r.timed+few {
		r.windows = slices.DeleteFunc(r.windows, func(t timedUser) bool { return !t.stands() })
		heap.Init(&r.windows)
	}
}

// windowQueue is a heap of users by instant.
type windowQueue []timedUser

func (q windowQueue) Len() int           { return len(q) }
func (q windowQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q windowQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *windowQueue) Push(x any)        { *q = append(*q, x.(timedUser)) }

func (q *windowQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
