package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{parsed, key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

func (a *authority) issue(t *testing.T, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{text}, PrivateKey: key}
}

// running is a server that runs until the end of the test.
type running struct {
	*Server

	address string
	serving *authority
}

func run(t *testing.T, options Options) *running {
	t.Helper()
	r := &running{serving: newAuthority(t, "serving")}
	certificate := r.serving.issue(t, x509.ExtKeyUsageServerAuth)
	options.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
	options.Name, options.Log = "the test", logr.Discard()
	options.RequestTimeout, options.IdleTimeout, options.ShutdownTimeout = time.Minute, time.Minute, time.Minute
	options.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		_, _ = fmt.Fprintf(w, "served by %s, %d certificates", request.Proto, len(request.TLS.PeerCertificates))
	})
	r.Server = New(options)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	config, err := r.tlsConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- r.serve(ctx, listener, config) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// call calls the server, with client certificates if any are given.
func (r *running) call(t *testing.T, certificates ...tls.Certificate) error {
	t.Helper()
	text, err := r.serving.get(t.Context(), r.address, certificates...)
	if err == nil && text != fmt.Sprintf("served by HTTP/1.1, %d certificates", len(certificates)) {
		return fmt.Errorf("got %q", text)
	}
	return err
}

// get calls a server that has a certificate of the authority.
func (a *authority) get(ctx context.Context, address string, certificates ...tls.Certificate) (string, error) {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	caller := http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		RootCAs: pool, ServerName: "localhost", Certificates: certificates, MinVersion: tls.VersionTLS12,
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/path", nil)
	if err != nil {
		return "", err
	}
	response, err := caller.Do(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(response.Body)
	return string(text), errors.Join(err, response.Body.Close())
}

// TestAttackClientCertificates calls with the credentials that a peer may have: no certificate, one of another
// authority, one that is not for clients. Without a client CA, every caller is served.
func TestAttackClientCertificates(t *testing.T) {
	api, other := newAuthority(t, "api"), newAuthority(t, "other")
	file := filepath.Join(t.TempDir(), "ca.crt")
	write(t, file, api.pem())
	open := run(t, Options{Connections: 10, ConnectionsPerAddress: 10})
	if err := open.call(t); err != nil {
		t.Errorf("without a client CA: %v", err)
	}
	requests := run(t, Options{Connections: 10, ConnectionsPerAddress: 10, RequestsClientCertificate: true})
	if err := errors.Join(requests.call(t), requests.call(t, other.issue(t, x509.ExtKeyUsageClientAuth))); err != nil {
		t.Errorf("with a handler that verifies certificates: %v", err)
	}
	closed := run(t, Options{Connections: 10, ConnectionsPerAddress: 10, ClientCA: file})
	if err := closed.call(t, api.issue(t, x509.ExtKeyUsageClientAuth)); err != nil {
		t.Errorf("with the certificate of an API server: %v", err)
	}
	for name, shown := range map[string][]tls.Certificate{
		"without a certificate":               nil,
		"with one of another authority":       {other.issue(t, x509.ExtKeyUsageClientAuth)},
		"with one that is not for clients":    {api.issue(t, x509.ExtKeyUsageServerAuth)},
		"with one that the server has itself": {closed.serving.issue(t, x509.ExtKeyUsageClientAuth)},
	} {
		if err := closed.call(t, shown...); err == nil {
			t.Errorf("%s: served", name)
		}
	}

	// The file is reloaded when it changes.
	write(t, file, other.pem())
	fresh := other.issue(t, x509.ExtKeyUsageClientAuth)
	for closed.call(t, fresh) != nil {
		if t.Context().Err() != nil {
			t.Fatal("the new authority is never trusted")
		}
	}
	if err := closed.call(t, api.issue(t, x509.ExtKeyUsageClientAuth)); err == nil {
		t.Error("the authority that is no longer in the file is still trusted")
	}
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	// As the kubelet does: replace the file, so that it is never read half written.
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func TestInvalidClientCAIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	for name, prepare := range map[string]func(){
		"no file": func() {}, "no certificate": func() { write(t, file, []byte("garbage")) },
	} {
		prepare()
		options := Options{ClientCA: file, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}
		if _, err := New(options).tlsConfig(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAttackConnections opens connections and sends nothing. Connections beyond the limits are closed, and another
// address is still served.
func TestAttackConnections(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBounded(listener, 3, 2)
	accepted := make(chan net.Conn)
	go func() {
		for {
			connection, err := b.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- connection
		}
	}()
	dial := func() net.Conn {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		return connection
	}
	isClosed := func(connection net.Conn) bool {
		_, err := connection.Read(make([]byte, 1))
		return errors.Is(err, io.EOF)
	}
	dial()
	first := <-accepted
	dial()
	second := <-accepted
	if !isClosed(dial()) {
		t.Error("a third connection of one address stays open")
	}
	if !b.take("192.0.2.1") {
		t.Error("another address has no connection")
	}
	if b.take("192.0.2.2") {
		t.Error("there are more connections than may be")
	}
	b.release("192.0.2.1")
	for _, connection := range []net.Conn{first, first, second} { // closing twice counts once
		_ = connection.Close()
	}
	dial()
	third := <-accepted
	_ = third.Close()
	_ = listener.Close()
	<-accepted
	if b.open != 0 || len(b.byAddress) != 0 {
		t.Errorf("%d are open, of %v", b.open, b.byAddress)
	}
}

// TestStart starts without a certificate, serves when there is one, and stops.
func TestStart(t *testing.T) {
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), free.Addr().String()
	_ = free.Close()
	s := New(Options{
		Name: "the test", Address: address, CertificateDir: dir, Connections: 1, ConnectionsPerAddress: 1, ShutdownTimeout: time.Minute,
		Handler: http.NotFoundHandler(), Log: logr.Discard(),
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	if err := s.Check(nil); err == nil {
		t.Error("it is ready without a certificate")
	}
	serving := newAuthority(t, "serving")
	pair := serving.issue(t, x509.ExtKeyUsageServerAuth)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	write(t, filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	for s.Check(nil) != nil {
		if t.Context().Err() != nil {
			t.Fatal("it is never ready")
		}
	}
	if text, err := serving.get(ctx, address); err != nil || text != "404 page not found\n" {
		t.Errorf("got %q, %v", text, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Check(nil); err == nil {
		t.Error("it is ready after its end")
	}
}

func TestStartErrors(t *testing.T) {
	taken := run(t, Options{Connections: 1, ConnectionsPerAddress: 1})
	options := taken.options
	options.Address = taken.address
	if err := New(options).Start(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "listening for the test: ") {
		t.Errorf("an address that is taken: got error %v", err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if err := New(Options{CertificateDir: t.TempDir(), Log: logr.Discard()}).Start(ended); err != nil {
		t.Errorf("it waits for a certificate when it is stopped: got error %v", err)
	}
}
