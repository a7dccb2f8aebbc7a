package resolve

// WithLimits lowers the limits of instants and of bytes of filters, so that small worlds reach them.
func (o *Organization) WithLimits(instants, filterBytes int) *Organization {
	o.instants, o.filterBytes = instants, filterBytes
	return o
}
