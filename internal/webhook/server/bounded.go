package server

import (
	"net"
	"sync"
)

// bounded is a listener that closes what is one connection too many: of all, or of one address. So a peer cannot take all
// connections, and one that opens them has no other waiting behind it.
type bounded struct {
	net.Listener

	most, mostOfOne int

	mu   sync.Mutex
	open int
	of   map[string]int // by address, without the port
}

func newBounded(listener net.Listener, most, mostOfOne int) *bounded {
	return &bounded{Listener: listener, most: most, mostOfOne: mostOfOne, of: map[string]int{}}
}

// Accept returns the next connection that is within the bounds.
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
	if b.open >= b.most || b.of[address] >= b.mostOfOne {
		return false
	}
	b.open++
	b.of[address]++
	return true
}

func (b *bounded) release(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.of[address]--; b.of[address] == 0 {
		delete(b.of, address)
	}
}

func addressOf(connection net.Conn) string {
	host, _, err := net.SplitHostPort(connection.RemoteAddr().String())
	if err != nil {
		return connection.RemoteAddr().String()
	}
	return host
}

// counted makes room for another connection when it closes.
type counted struct {
	net.Conn

	close func()
}

// Close closes the connection.
func (c *counted) Close() error {
	defer c.close()
	return c.Conn.Close()
}
