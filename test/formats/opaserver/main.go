// Command opaserver runs the server of Open Policy Agent over TLS, without policies and data. The benchmark of the
// decision point (test/bench) loads both over its API. It is the package that "opa run --server" runs, with a store that
// is optimized for reads, and without a decision log.
//
//	opaserver ADDRESS CERTIFICATE KEY
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/server"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "opaserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: opaserver ADDRESS CERTIFICATE KEY")
	}
	serving, err := newServer(ctx)
	if err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(args[1], args[2])
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	// The server starts its loops only if it watches the files of its certificate.
	serving = serving.WithAddresses([]string{"https://" + args[0]}).WithCertificate(&certificate).WithCertificatePaths(args[1], args[2], 0)
	loops, err := serving.Listeners()
	if err != nil {
		return err
	}
	ended := make(chan error)
	for _, loop := range loops {
		go func() { ended <- loop() }()
	}
	return <-ended
}

// newServer returns a server without policies and data.
func newServer(ctx context.Context) (*server.Server, error) {
	store := inmem.NewFromObjectWithOpts(map[string]any{}, inmem.OptReturnASTValuesOnRead(true))
	manager, err := plugins.New([]byte("{}"), "usher", store)
	if err != nil {
		return nil, err
	}
	if err := manager.Init(ctx); err != nil {
		return nil, err
	}
	return server.New().WithStore(store).WithManager(manager).Init(ctx)
}
