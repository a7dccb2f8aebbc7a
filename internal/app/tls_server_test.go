package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/usher-dev/usher/internal/webhook/certificate"
)

// TestTLSServer starts before there is a certificate, serves over TLS when there is one, and hands the certificate of a client
// to the handler, which verifies it.
func TestTLSServer(t *testing.T) {
	address, dir := freeAddress(t), t.TempDir()
	s := &tlsServer{
		address: address, certificateDir: dir, asksForCertificate: true, log: logr.Discard(),
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, r.Proto, " ", len(r.TLS.PeerCertificates))
		}),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	if err := s.listens(); err == nil {
		t.Error("it listens without a certificate")
	}
	issuer := certificate.Issuer{DNSNames: []string{"pdp.example"}, Validity: time.Hour, AuthorityValidity: 3 * time.Hour}
	data, _, err := issuer.Renew(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if err := os.WriteFile(filepath.Join(dir, key), data[key], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return s.listens() == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data["ca.crt"])
	foreign, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
	if err != nil {
		t.Fatal(err)
	}
	for want, certificates := range map[string][]tls.Certificate{"HTTP/1.1 0": nil, "HTTP/1.1 1": {foreign}} {
		got, err := getOverTLS(ctx, "https://"+address, &tls.Config{
			RootCAs: pool, ServerName: "pdp.example", Certificates: certificates, MinVersion: tls.VersionTLS12,
		})
		if err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.listens(); err == nil {
		t.Error("it listens after its end")
	}
}

// TestTLSServerEndsWithoutACertificate stops before there is one.
func TestTLSServerEndsWithoutACertificate(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s := &tlsServer{address: "127.0.0.1:0", certificateDir: t.TempDir(), log: logr.Discard()}
	if err := s.Start(ctx); err != nil {
		t.Error(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func getOverTLS(ctx context.Context, url string, config *tls.Config) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: config}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(response.Body)
	return string(text), errors.Join(err, response.Body.Close())
}
