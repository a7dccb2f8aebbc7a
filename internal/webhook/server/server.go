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
	// requestTimeout bounds a request from its header to its answer: the API server waits ten seconds.
	requestTimeout = 15 * time.Second
	// idleTimeout ends a connection that nobody uses. API servers keep some open.
	idleTimeout = time.Minute
	// shutdownTimeout lets requests end that are answered when the server is to stop.
	shutdownTimeout = time.Minute
	// headerBytes is several times what an API server sends.
	headerBytes = 16 << 10
)

// Options say where and how the webhook is served.
type Options struct {
	// Address is where it listens, such as ":9443".
	Address string
	// GetCertificate returns the certificate that is served. Nil: tls.crt and tls.key in CertificateDir are served, and read
	// again when they change.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	CertificateDir string
	// ClientCA, where set, is a file with certificate authorities: only who shows a client certificate of one of them is
	// served. It is read again when it changes.
	ClientCA string
	// Connections bounds the open connections, and ConnectionsPerAddress those from one address.
	Connections, ConnectionsPerAddress int
	Log                                logr.Logger
}

// Server serves what is registered. It is a webhook.Server of controller-runtime, whose own one has no bounds.
type Server struct {
	webhook.Server // registers, and measures what is registered

	options Options
	mux     *http.ServeMux
	started atomic.Bool
}

// New returns a server that serves nothing yet.
func New(options Options) *Server {
	mux := http.NewServeMux()
	return &Server{Server: webhook.NewServer(webhook.Options{WebhookMux: mux}), options: options, mux: mux}
}

// Start serves until the context ends, and then answers what it has begun.
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
		// A line for every peer that ends a handshake would let any peer fill the log.
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

// StartedChecker returns a readiness check: whether the server listens.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		if !s.started.Load() {
			return errors.New("the webhook server does not listen")
		}
		return nil
	}
}

func (s *Server) tlsConfig(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.options.GetCertificate,
		// The API server calls webhooks by HTTP/1.1. HTTP/2 would let one connection have any number of requests.
		NextProtos: []string{"http/1.1"},
		// A session that is resumed would skip the check against a client CA that has changed since.
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
			return nil, fmt.Errorf("%s has no certificate authority", s.options.ClientCA)
		}
		made := plain.Clone()
		made.ClientCAs = now.Roots
		return made, nil
	}
	return config, nil
}

// verbose is a writer of lines to a log.
type verbose struct{ log logr.Logger }

// Write logs a line.
func (v verbose) Write(line []byte) (int, error) {
	v.log.Info(strings.TrimSpace(string(line)))
	return len(line), nil
}
