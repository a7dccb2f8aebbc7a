package server

import (
	"net"
	"sync"
)

// bounded is a listener that closes connections beyond a total limit or a limit for one address. A peer cannot use up
// all connections, and connections beyond the limit do not block those of others.
type bounded struct {
	net.Listener

	most, mostOfOne int

	mu        sync.Mutex
	open      int
	byAddress map[string]int // by address, without the port
}

func newBounded(listener net.Listener, most, mostOfOne int) *bounded {
	return &bounded{Listener: listener, most: most, mostOfOne: mostOfOne, byAddress: map[string]int{}}
}

// Accept returns the next connection within the limits.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		connection, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(connection)
		if b.take(address) {
			return &counted{Conn: connection, close: sync.OnceFunc(func() { b.release(address) })}, nil
		}
		_ = connection.Close()
	}
}

func (b *bounded) take(address string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= b.most || b.byAddress[address] >= b.mostOfOne {
		return false
	}
	b.open++
	b.byAddress[address]++
	return true
}

func (b *bounded) release(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.byAddress[address]--; b.byAddress[address] == 0 {
		delete(b.byAddress, address)
	}
}

func addressOf(connection net.Conn) string {
	host, _, err := net.SplitHostPort(connection.RemoteAddr().String())
	if err != nil {
		return connection.RemoteAddr().String()
	}
	return host
}

// counted releases its place when the connection closes.
type counted struct {
	net.Conn

	close func()
}

// Close closes the connection.
func (c *counted) Close() error {
	defer c.close()
	return c.Conn.Close()
}
