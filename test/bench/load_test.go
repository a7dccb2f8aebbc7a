package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/usher-dev/usher/test/cluster"
)

// newConstant starts the bare handler with a certificate of the standard library's test server.
func newConstant(t *testing.T) *target {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, err := cluster.FreeWebhookAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- answerConstant(ctx, address, dir) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	made := &target{
		address: address, config: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12},
		requests: [][]byte{post(http.MethodPost, evaluationPath, "token", evaluation("ana", "finance", "view"))},
	}
	for {
		c, err := made.dial(t.Context())
		if err == nil {
			c.close()
			return made
		}
		if err := pause(t.Context(), pollInterval); err != nil {
			t.Fatal("the bare handler does not listen")
		}
	}
}

func TestLoad(t *testing.T) {
	constant := newConstant(t)
	c, err := constant.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for range 2 { // on the same connection
		answer, err := c.ask(constant.requests[0])
		if err != nil || !bytes.Contains(answer, permit) {
			t.Errorf("got %s, %v", answer, err)
		}
	}
	if rate, err := constant.load(t.Context(), 50*time.Millisecond); err != nil || rate <= 0 {
		t.Errorf("got %f answers in a second, %v", rate, err)
	}
	done := make(chan struct{})
	time.AfterFunc(10*pacedEvery, func() { close(done) })
	if took, err := constant.paced(t.Context(), done); err != nil || len(took) == 0 {
		t.Errorf("got %v, %v", took, err)
	}
	constant.requests = [][]byte{post(http.MethodPost, evaluationPath, "", "{")}
	if rate, err := constant.load(t.Context(), time.Millisecond); err == nil {
		t.Errorf("got %f answers in a second to a question that is not a JSON", rate)
	}
}
