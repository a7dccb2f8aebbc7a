package resolve

// WithLimits lowers the limits of instants and of bytes of filters, so that small worlds reach them.
func (o *Organization) WithLimits(instants, filterBytes int) *Organization {
	o.instants, o.filterBytes = instants, filterBytes
	return o
}

// WithoutFree leaves decisions no evaluations beside the budget.
func (o *Organization) WithoutFree() *Organization {
	o.free = 0
	return o
}

// Spent returns how many of so many evaluations are spent.
func (b *Budget) Spent(of int) int { return of - int(b.left.Load()) }
