package notify

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
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

// refused are networks that are nobody's on the Internet, or that stand for others, beside what [netip.Addr] knows.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by providers, and metadata of some clouds
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved
	netip.MustParsePrefix("::/96"),           // stands for IPv4
	netip.MustParsePrefix("64:ff9b::/96"),    // stands for IPv4
	netip.MustParsePrefix("64:ff9b:1::/48"),  // stands for IPv4
	netip.MustParsePrefix("100::/64"),        // discarded
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, tunnels among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // stands for IPv4
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("fec0::/10"),       // site-local, of old
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
	if !address.IsGlobalUnicast() || address.IsPrivate() {
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

// client returns an HTTP client that dials what may be dialled only, and follows no redirects: what is posted is for the
// address that the channel says.
func (t *Targets) client(certificates *http.Transport) *http.Client {
	certificates.DialContext = t.dialer().DialContext
	certificates.Proxy = nil // a proxy would be what is dialled, and look names up itself
	certificates.MaxIdleConnsPerHost = 1
	certificates.IdleConnTimeout = time.Minute
	certificates.ForceAttemptHTTP2 = true
	return &http.Client{
		Transport: certificates, Timeout: t.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
