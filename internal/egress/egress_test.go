package egress

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

func TestWhereNoticesMayGo(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "0.0.0.0": false, "::": false, "::ffff:127.0.0.1": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fd00:ec2::254": false,
		"169.254.169.254": false, "fe80::1%eth0": false, "100.100.100.200": false, "::ffff:169.254.169.254": false,
		"64:ff9b::a9fe:a9fe": false, "2002:7f00:1::": false, "::7f00:1": false, "2001:0:1::": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false, "192.0.0.192": false,
		"198.18.0.1": false, "203.0.113.9": false, "2001:db8::1": false, "fec0::1": false,
		"10.20.1.1": true, "10.21.0.1": false, "fd12::1": true,
	} {
		t.Run(address, func(t *testing.T) {
			targets := Targets{Allowed: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd12::/16")}}
			if err := targets.Check(netip.MustParseAddr(address)); (err == nil) != want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The address is checked when a connection is opened, so a name cannot lead to a private address.
func TestANameForAnAddressInside(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer server.Close()
	targets := Targets{Plaintext: true, Timeout: 10 * time.Second}
	client := targets.Client(nil)
	address := netip.MustParseAddrPort(server.Listener.Addr().String())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost:"+portOf(address), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	var refused *AddressError
	if !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	if _, err := targets.Dialer().DialContext(context.Background(), "tcp", "localhost:"+portOf(address)); !errors.As(err, &refused) {
		t.Errorf("mail: got %v", err)
	}
}

func portOf(address netip.AddrPort) string { return strconv.Itoa(int(address.Port())) }
