package resolve

// WithLimits lowers the limits of instants and of filter bytes so that small worlds reach them.
func (o *Organization) WithLimits(instants, filterBytes int) *Organization {
	o.instants, o.filterBytes = instants, filterBytes
	return o
}

// WithoutFree removes the free evaluations that decisions have in addition to the budget.
func (o *Organization) WithoutFree() *Organization {
	o.free = 0
	return o
}

// Spent returns how many of the budget's evaluations are spent. The argument is the size of the budget.
func (b *Budget) Spent(of int) int { return of - int(b.left.Load()) }
