package resolve

import "sync/atomic"

// Budget limits the total number of evaluations that several decisions spend on finding the ends of their entries.
// It is safe for concurrent use. A nil Budget has no limit.
//
// One evaluation is about the work of deciding one entry at one later instant: some hundred nanoseconds. More
// expensive work, for example uniting large filters, counts as several evaluations.
type Budget struct{ left atomic.Int64 }

// NewBudget returns a budget with the given number of evaluations.
func NewBudget(evaluations int) *Budget {
	b := &Budget{}
	b.left.Store(int64(evaluations))
	return b
}

// IsSpent reports whether the budget is spent. Later decisions then have only their free evaluations: see
// [Organization.Resume].
func (b *Budget) IsSpent() bool { return b != nil && b.left.Load() <= 0 }

// take takes up to n evaluations and returns how many it took.
func (b *Budget) take(n int) int {
	for {
		left := b.left.Load()
		taken := min(left, int64(n))
		if taken <= 0 {
			return 0
		}
		if b.left.CompareAndSwap(left, left-taken) {
			return int(taken)
		}
	}
}

const (
	// freePerEntry is the number of free evaluations that a decision has for each of its entries and for a few more.
	// Most users have few windows, so their decisions are finished at once, however many users there are.
	freePerEntry = 2
	// share is the number of evaluations that a decision takes from the budget at a time.
	share = 256
)

// purse holds the evaluations that one decision may spend.
type purse struct {
	budget *Budget
	left   int  // negative after work that cost more than was left
	drawn  bool // left comes from the budget
	begun  bool // at least one entry was evaluated
}

// spend records evaluations.
func (p *purse) spend(evaluations int) { p.left -= evaluations }

// affords reports whether one more evaluation is allowed. That evaluation may cost more than is left. The first
// evaluation is always allowed, so that every decision makes progress.
func (p *purse) affords() bool {
	switch {
	case p.budget == nil || !p.begun || p.left > 0:
		return true
	case p.budget.IsSpent():
		return false
	}
	p.drawn = true
	p.left += p.budget.take(share - p.left)
	return p.left > 0
}

// close returns unspent evaluations to the budget.
func (p *purse) close() {
	if p.drawn && p.left > 0 {
		p.budget.left.Add(int64(p.left))
	}
}
