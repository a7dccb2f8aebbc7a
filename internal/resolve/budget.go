package resolve

import "sync/atomic"

// Budget bounds what several decisions may spend together on looking ahead for the ends of their entries. It is safe for
// concurrent use. A nil Budget has no bound.
//
// It is counted in evaluations. One evaluation is about the work of deciding one entry at one later instant: some hundred
// nanoseconds. Work that costs more, such as uniting large filters, counts as several.
type Budget struct{ left atomic.Int64 }

// NewBudget returns a budget of so many evaluations.
func NewBudget(evaluations int) *Budget {
	b := &Budget{}
	b.left.Store(int64(evaluations))
	return b
}

// IsSpent reports whether nothing is left. Decisions that are made then have only what [Organization.Resume] gives to each.
func (b *Budget) IsSpent() bool { return b != nil && b.left.Load() <= 0 }

// take takes up to n evaluations, and returns how many there were.
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
	// freePerEntry is how many evaluations for each of its entries, and for a few beside them, a decision has beside the budget.
	// Most users have few windows, and their decisions are finished at once however many users there are.
	freePerEntry = 2
	// share is how many evaluations a decision takes from the budget at a time.
	share = 256
)

// purse is what one decision may spend.
type purse struct {
	budget *Budget
	left   int  // below zero after work that cost more than was left
	drawn  bool // left comes from the budget
	begun  bool // an entry was looked at
}

// spend counts evaluations that were made.
func (p *purse) spend(evaluations int) { p.left -= evaluations }

// affords reports whether one more evaluation may be made. It may cost more than is left. The first one always may, so that
// every decision makes progress.
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

// close gives back what was taken and not spent.
func (p *purse) close() {
	if p.drawn && p.left > 0 {
		p.budget.left.Add(int64(p.left))
	}
}
