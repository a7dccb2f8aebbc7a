package roster

import "time"

// timedUser is a user for whom to decide again at an instant.
type timedUser struct {
	at        time.Time
	namespace *namespace
	user      string
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
