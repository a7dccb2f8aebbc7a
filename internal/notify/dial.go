package notify

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// Targets says where notices may be sent to. It is asked about every address that is dialled, which is after names were
// looked up and redirects followed.
type Targets struct {
	// Allowed are networks that would otherwise be refused: loopback, link-local, private and the like.
	Allowed []netip.Prefix
	// Plaintext allows http and mail without TLS.
	Plaintext bool
	// Timeout bounds how long a server may take over one notice.
	Timeout time.Duration
}

// internet6 is what IANA has given out of IPv6 to be reached on the Internet. Everything else is local, stands for IPv4
// addresses, or is nobody's.
var internet6 = netip.MustParsePrefix("2000::/3")

// refused are networks that are nobody's on the Internet, or that stand for others, beside what [netip.Addr] knows.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("100.64.0.0/10"),    // shared by providers, and metadata of some clouds
	netip.MustParsePrefix("168.63.129.16/32"), // platform services of Azure, for its virtual machines only
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, tunnels among them
	netip.MustParsePrefix("2001:db8::/32"),    // documentation
	netip.MustParsePrefix("2002::/16"),        // stands for IPv4
	netip.MustParsePrefix("3fff::/20"),        // documentation
}

// targetError says that an address may not be dialled.
type targetError struct {
	address netip.Addr
}

// Error says what to do about it.
func (e *targetError) Error() string {
	return fmt.Sprintf("%s is a loopback, link-local, private or otherwise special address, and notices are not sent there; "+
		"--notice-allowed-networks allows networks", e.address)
}

// check returns an error where the address may not be dialled.
func (t *Targets) check(address netip.Addr) error {
	address = address.Unmap().WithZone("")
	for _, network := range t.Allowed {
		if network.Contains(address) {
			return nil
		}
	}
	if !address.IsGlobalUnicast() || address.IsPrivate() || (address.Is6() && !internet6.Contains(address)) {
		return &targetError{address}
	}
	for _, network := range refused {
		if network.Contains(address) {
			return &targetError{address}
		}
	}
	return nil
}

// control is asked about each address just before it is connected to.
func (t *Targets) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q: %w", address, err)
	}
	return t.check(parsed.Addr())
}

func (t *Targets) dialer() *net.Dialer {
	return &net.Dialer{Timeout: t.Timeout, ControlContext: t.control}
}

const (
	// mostHeader and mostBody are how much of an answer over HTTP is read.
	mostHeader = 64 << 10
	mostBody   = 64 << 10
	// mostReceived is how much a mail server may send about one notice, certificates included.
	mostReceived = 1 << 20
)

// client returns an HTTP client that dials what may be dialled only, and follows no redirects: what is posted is for the
// address that the channel says. It reads a bounded part of an answer, for no longer than the timeout.
func (t *Targets) client(transport *http.Transport) *http.Client {
	transport.DialContext = t.dialer().DialContext
	transport.Proxy = nil // a proxy would be what is dialled, and look names up itself
	transport.MaxIdleConnsPerHost = 1
	transport.IdleConnTimeout = time.Minute
	transport.ForceAttemptHTTP2 = true
	transport.MaxResponseHeaderBytes = mostHeader
	transport.DisableCompression = true
	return &http.Client{
		Transport: &boundedTransport{transport}, Timeout: t.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// boundedTransport ends the body of every answer after mostBody bytes, so that who reads it to its end comes to one.
type boundedTransport struct{ *http.Transport }

// RoundTrip does what http.Transport does.
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

// allowance is how many more bytes may be received over the connections that share it.
type allowance struct{ left atomic.Int64 }

func (a *allowance) renew() { a.left.Store(mostReceived) }

// dial dials as d does, and counts what is received.
func (a *allowance) dial(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	made, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: made, allowance: a}, nil
}

// countedConn fails when more is received than is allowed. A mail server decides how long its lines are, and the client
// keeps a line in memory.
type countedConn struct {
	net.Conn

	allowance *allowance
}

var errReceivesTooMuch = fmt.Errorf("the server sent more than %d KiB about one mail", mostReceived>>10)

// Read reads what is allowed.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.allowance.left.Add(-int64(n)) < 0 {
		return 0, errReceivesTooMuch
	}
	return n, err
}
