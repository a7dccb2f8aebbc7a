package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

const (
	// headerTimeout bounds the TLS handshake and the header of a request.
	headerTimeout = 5 * time.Second
	// requestTimeout bounds a request from its header to its answer. The API server waits ten seconds.
	requestTimeout = 15 * time.Second
	// idleTimeout closes an unused connection. API servers keep some connections open.
	idleTimeout = time.Minute
	// shutdownTimeout is how long running requests may take when the server stops.
	shutdownTimeout = time.Minute
	// headerBytes is several times the size of a header from an API server.
	headerBytes = 16 << 10
)

// Options configure where and how the webhook is served.
type Options struct {
	// Address is the listen address, such as ":9443".
	Address string
	// GetCertificate returns the served certificate. If nil, tls.crt and tls.key in CertificateDir are served and
	// reloaded when they change.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	CertificateDir string
	// ClientCA is an optional file with certificate authorities. If set, only clients with a certificate of one of them
	// are served. The file is reloaded when it changes.
	ClientCA string
	// Connections bounds all open connections, and ConnectionsPerAddress those from one address.
	Connections, ConnectionsPerAddress int
	Log                                logr.Logger
}

// Server serves the registered handlers. It implements webhook.Server of controller-runtime, whose default
// implementation has no limits.
type Server struct {
	webhook.Server // registers handlers with metrics

	options Options
	mux     *http.ServeMux
	started atomic.Bool
}

// New returns a server without handlers.
func New(options Options) *Server {
	mux := http.NewServeMux()
	return &Server{Server: webhook.NewServer(webhook.Options{WebhookMux: mux}), options: options, mux: mux}
}

// Start serves until the context ends, and then completes running requests.
func (s *Server) Start(ctx context.Context) error {
	config, err := s.tlsConfig(ctx)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Address)
	if err != nil {
		return fmt.Errorf("listening for webhook calls: %w", err)
	}
	return s.serve(ctx, listener, config)
}

func (s *Server) serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	listener = newBounded(listener, s.options.Connections, s.options.ConnectionsPerAddress)
	server := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytes,
		// One line for each aborted handshake would let any peer fill the log.
		ErrorLog: log.New(verbose{s.options.Log.V(1)}, "", 0),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		s.started.Store(false)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		stopped <- server.Shutdown(ending)
	}()
	s.started.Store(true)
	s.options.Log.Info("Serving the webhook", "address", listener.Addr().String(), "clientCA", s.options.ClientCA)
	if err := server.Serve(tls.NewListener(listener, config)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving webhook calls: %w", err)
	}
	return <-stopped
}

// StartedChecker returns a readiness check that passes when the server is listening.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		if !s.started.Load() {
			return errors.New("the webhook server is not listening")
		}
		return nil
	}
}

func (s *Server) tlsConfig(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.options.GetCertificate,
		// The API server calls webhooks by HTTP/1.1. HTTP/2 would allow any number of requests on one connection.
		NextProtos: []string{"http/1.1"},
		// A resumed session would skip the check against a client CA that has changed since.
		SessionTicketsDisabled: true,
	}
	if config.GetCertificate == nil {
		watcher, err := certwatcher.New(
			filepath.Join(s.options.CertificateDir, "tls.crt"), filepath.Join(s.options.CertificateDir, "tls.key"))
		if err != nil {
			return nil, fmt.Errorf("reading the certificate of the webhook: %w", err)
		}
		config.GetCertificate = watcher.GetCertificate
		go func() {
			if err := watcher.Start(ctx); err != nil {
				s.options.Log.Error(err, "The certificate files of the webhook are no longer watched")
			}
		}()
	}
	if s.options.ClientCA == "" {
		return config, nil
	}
	authorities, err := dynamiccertificates.NewDynamicCAContentFromFile("webhook-client-ca", s.options.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("--webhook-client-ca: %w", err)
	}
	go authorities.Run(ctx, 1)
	config.ClientAuth = tls.RequireAndVerifyClientCert
	plain := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now, ok := authorities.VerifyOptions()
		if !ok {
			return nil, fmt.Errorf("%s contains no certificate authority", s.options.ClientCA)
		}
		current := plain.Clone()
		current.ClientCAs = now.Roots
		return current, nil
	}
	return config, nil
}

// verbose is a writer that logs lines at verbosity 1.
type verbose struct{ log logr.Logger }

// Write logs a line.
func (v verbose) Write(line []byte) (int, error) {
	v.log.Info(strings.TrimSpace(string(line)))
	return len(line), nil
}
