package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Targets restricts the servers that may be connected to. The address is checked for every connection, after the name was
// resolved.
type Targets struct {
	// Allowed are networks that are allowed although they would be refused, such as private ones.
	Allowed []netip.Prefix
	// Plaintext allows HTTP, and mail without TLS.
	Plaintext bool
	// Timeout bounds the time for connecting and for one request.
	Timeout time.Duration
}

// internet6 is the part of IPv6 that IANA has allocated for the Internet. Other addresses are local, unallocated, or
// represent IPv4 addresses.
var internet6 = netip.MustParsePrefix("2000::/3")

// refused are special networks that [netip.Addr] does not recognize.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("100.64.0.0/10"),    // shared address space, and metadata of some clouds
	netip.MustParsePrefix("168.63.129.16/32"), // platform services of Azure, for its virtual machines
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, including tunnels
	netip.MustParsePrefix("2001:db8::/32"),    // documentation
	netip.MustParsePrefix("2002::/16"),        // 6to4
	netip.MustParsePrefix("3fff::/20"),        // documentation
}

// AddressError is the error about an address that may not be connected to.
type AddressError struct{ Address netip.Addr }

// Error returns the message, with the flag that allows networks.
func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is a loopback, link-local, private or otherwise special address, and notices are not sent there; "+
		"--notice-allowed-networks allows networks", e.Address)
}

// Check returns an *AddressError if the address may not be connected to.
func (t *Targets) Check(address netip.Addr) error {
	address = address.Unmap().WithZone("")
	contains := func(network netip.Prefix) bool { return network.Contains(address) }
	if slices.ContainsFunc(t.Allowed, contains) {
		return nil
	}
	if !address.IsGlobalUnicast() || address.IsPrivate() || (address.Is6() && !internet6.Contains(address)) ||
		slices.ContainsFunc(refused, contains) {
		return &AddressError{address}
	}
	return nil
}

// CheckURL returns an error if the URL does not begin with https, or with http where plaintext is allowed.
func (t *Targets) CheckURL(url string) error {
	if strings.HasPrefix(url, "https://") || (t.Plaintext && strings.HasPrefix(url, "http://")) {
		return nil
	}
	return errors.New("it does not begin with https://, and plaintext is refused unless --notice-plaintext=Allowed")
}

// Dialer returns a dialer that checks each address before it connects.
func (t *Targets) Dialer() *net.Dialer {
	return &net.Dialer{Timeout: t.Timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		parsed, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%q: %w", address, err)
		}
		return t.Check(parsed.Addr())
	}}
}

const (
	// mostHeader and mostBody are the largest headers and the largest part of a body of an HTTP response that are read.
	mostHeader = 64 << 10
	mostBody   = 64 << 10
	// mostReceived is how much a server may send on connections of an Allowance, including certificates.
	mostReceived = 1 << 20
)

// Client returns an HTTP client that uses the dialer. It uses no proxy and follows no redirects, so that a request reaches
// only the given server, and reads a bounded part of a response within the timeout.
func (t *Targets) Client(config *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       t.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &boundedTransport{&http.Transport{
			TLSClientConfig: config, DialContext: t.Dialer().DialContext, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: mostHeader, DisableCompression: true,
		}},
	}
}

// boundedTransport ends each body after mostBody bytes, so that it can be read to the end.
type boundedTransport struct{ *http.Transport }

// RoundTrip sends a request.
func (b *boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.Transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, mostBody), response.Body}
	return response, nil
}

// Allowance limits what may be received on the connections that it opens.
type Allowance struct{ left atomic.Int64 }

// Renew allows as much as at the beginning.
func (a *Allowance) Renew() { a.left.Store(mostReceived) }

// Dial connects with the dialer.
func (a *Allowance) Dial(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: conn, allowance: a}, nil
}

// countedConn is a connection that fails when the allowance is used up. A mail server decides how long its lines are, and
// the client keeps a line in memory.
type countedConn struct {
	net.Conn

	allowance *Allowance
}

// ErrReceivesTooMuch is the error of a connection whose allowance is used up.
var ErrReceivesTooMuch = fmt.Errorf("the server sent more than %d KiB about one mail", mostReceived>>10)

// Read reads from the connection.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.allowance.left.Add(-int64(n)) < 0 {
		return 0, ErrReceivesTooMuch
	}
	return n, err
}
