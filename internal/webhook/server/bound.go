package server

import "net"

// Bound returns a listener that closes a connection at once where it is one too many: of all, or of one address.
func Bound(listener net.Listener, most, mostOfOne int) net.Listener {
	return newBounded(listener, most, mostOfOne)
}
