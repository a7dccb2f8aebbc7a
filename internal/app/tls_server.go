package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"github.com/usher-dev/usher/internal/webhook/server"
)

const (
	// servedConnections bounds the connections to a server, and servedConnectionsPerAddress those from one address.
	servedConnections           = 8192
	servedConnectionsPerAddress = 2048

	servedHeaderTimeout  = 5 * time.Second
	servedRequestTimeout = 30 * time.Second
	servedIdleTimeout    = 2 * time.Minute
	certificatePoll      = time.Second
	// servedDrain is how long requests may take that are being answered when the server is to stop.
	servedDrain = 20 * time.Second
	// servedHeaderBytes is room for the path and the tokens of a request to a gateway.
	servedHeaderBytes = 64 << 10
)

// tlsServer is the listener of the decision point, and that of the SCIM server.
type tlsServer struct {
	name                    string // for the log
	address, certificateDir string
	// asksForCertificate has clients send their certificate, where they have one. The handler verifies it.
	asksForCertificate bool
	handler            http.Handler
	log                logr.Logger

	listening atomic.Bool
}

// NeedLeaderElection reports that every replica serves.
func (*tlsServer) NeedLeaderElection() bool { return false }

// listens returns an error while the server does not listen.
func (s *tlsServer) listens() error {
	if !s.listening.Load() {
		return errors.New("the server does not listen")
	}
	return nil
}

// Start serves until the context ends, and then answers the requests that it has begun.
func (s *tlsServer) Start(ctx context.Context) error {
	certificate := s.certificate(ctx)
	if certificate == nil {
		return nil
	}
	go func() {
		if err := certificate.Start(ctx); err != nil {
			s.log.Error(err, "The files of the certificate are no longer watched")
		}
	}()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listening for requests (--bind-address): %w", err)
	}
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: certificate.GetCertificate,
		// With HTTP/2, one connection could have any number of requests.
		NextProtos: []string{"http/1.1"},
	}
	if s.asksForCertificate {
		config.ClientAuth = tls.RequestClientCert
	}
	return s.serve(ctx, tls.NewListener(server.Bound(listener, servedConnections, servedConnectionsPerAddress), config))
}

// certificate returns a watch of the files of the certificate. It waits until they are there: somebody else issues the
// certificate. It returns nil where the context ends first.
func (s *tlsServer) certificate(ctx context.Context) *certwatcher.CertWatcher {
	var found *certwatcher.CertWatcher
	said := ""
	err := wait.PollUntilContextCancel(ctx, certificatePoll, true, func(context.Context) (bool, error) {
		var err error
		found, err = certwatcher.New(filepath.Join(s.certificateDir, "tls.crt"), filepath.Join(s.certificateDir, "tls.key"))
		if err != nil && err.Error() != said {
			said = err.Error()
			s.log.Info("Waiting for the certificate of "+s.name, "directory", s.certificateDir, "reason", said)
		}
		return err == nil, nil
	})
	if err != nil {
		return nil // the context has ended
	}
	return found
}

func (s *tlsServer) serve(ctx context.Context, listener net.Listener) error {
	made := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: servedHeaderTimeout, ReadTimeout: servedRequestTimeout, WriteTimeout: servedRequestTimeout,
		IdleTimeout: servedIdleTimeout, MaxHeaderBytes: servedHeaderBytes,
		// A line for every failed handshake would let any peer fill the log.
		ErrorLog: log.New(debugLines{s.log.V(1)}, "", 0),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		s.listening.Store(false)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), servedDrain)
		defer cancel()
		stopped <- made.Shutdown(ending)
	}()
	s.listening.Store(true)
	s.log.Info("Serving "+s.name, "address", listener.Addr().String())
	if err := made.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", s.name, err)
	}
	return <-stopped
}

// debugLines is a writer of lines to a log.
type debugLines struct{ log logr.Logger }

// Write logs a line.
func (d debugLines) Write(line []byte) (int, error) {
	d.log.Info(string(line))
	return len(line), nil
}
