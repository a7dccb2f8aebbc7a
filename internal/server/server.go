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
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

const (
	// headerTimeout bounds the TLS handshake and the header of a request.
	headerTimeout = 5 * time.Second
	// certificatePoll is how often a server without a certificate looks for one.
	certificatePoll = time.Second
)

// Options configure where and how a handler is served.
type Options struct {
	// Name is what is served, for messages, such as "the webhook".
	Name string
	// Address is the listen address, such as ":9443".
	Address string
	Handler http.Handler

	// GetCertificate returns the served certificate. If nil, tls.crt and tls.key in CertificateDir are served, and
	// reloaded when they change. The server waits until both are there.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	CertificateDir string
	// ClientCA is an optional file with certificate authorities. If set, only clients with a certificate of one of them
	// are served. The file is reloaded when it changes.
	ClientCA string
	// RequestsClientCertificate makes clients send their certificate, if they have one. The handler verifies it.
	RequestsClientCertificate bool

	// Connections bounds all open connections, and ConnectionsPerAddress those from one address.
	Connections, ConnectionsPerAddress int
	// RequestTimeout bounds a request from its header to its answer.
	RequestTimeout time.Duration
	// IdleTimeout closes an unused connection.
	IdleTimeout time.Duration
	// ShutdownTimeout is how long running requests may take when the server stops.
	ShutdownTimeout time.Duration
	// HeaderBytes bounds the header of a request.
	HeaderBytes int

	Log logr.Logger
}

// Server serves a handler. It implements manager.Runnable of controller-runtime.
type Server struct {
	options   Options
	listening atomic.Bool
}

// New returns a server that does not listen yet.
func New(options Options) *Server { return &Server{options: options} }

// NeedLeaderElection reports that every replica serves.
func (*Server) NeedLeaderElection() bool { return false }

// Check returns an error unless the server is listening. It is a readiness check.
func (s *Server) Check(*http.Request) error {
	if !s.listening.Load() {
		return fmt.Errorf("the server of %s is not listening", s.options.Name)
	}
	return nil
}

// Start serves until the context ends, and then completes running requests.
func (s *Server) Start(ctx context.Context) error {
	config, err := s.tlsConfig(ctx)
	if err != nil || config == nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Address)
	if err != nil {
		return fmt.Errorf("listening for %s: %w", s.options.Name, err)
	}
	return s.serve(ctx, listener, config)
}

func (s *Server) serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	listener = newBounded(listener, s.options.Connections, s.options.ConnectionsPerAddress)
	server := &http.Server{
		Handler:           s.options.Handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       s.options.RequestTimeout, WriteTimeout: s.options.RequestTimeout, IdleTimeout: s.options.IdleTimeout,
		MaxHeaderBytes: s.options.HeaderBytes,
		// One line for each aborted handshake would let any peer fill the log.
		ErrorLog: log.New(verbose{s.options.Log.V(1)}, "", 0),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		s.listening.Store(false)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.ShutdownTimeout)
		defer cancel()
		stopped <- server.Shutdown(ending)
	}()
	s.listening.Store(true)
	s.options.Log.Info("Serving "+s.options.Name, "address", listener.Addr().String(), "clientCA", s.options.ClientCA)
	if err := server.Serve(tls.NewListener(listener, config)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", s.options.Name, err)
	}
	return <-stopped
}

// tlsConfig returns nil if the context ends before there is a certificate.
func (s *Server) tlsConfig(ctx context.Context) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.options.GetCertificate,
		// HTTP/2 would allow any number of requests on one connection.
		NextProtos: []string{"http/1.1"},
		// A resumed session would skip the check against a client CA that has changed since.
		SessionTicketsDisabled: s.options.ClientCA != "",
	}
	if s.options.RequestsClientCertificate {
		config.ClientAuth = tls.RequestClientCert
	}
	if config.GetCertificate == nil {
		if config.GetCertificate = s.watchCertificate(ctx); config.GetCertificate == nil {
			return nil, nil
		}
	}
	if s.options.ClientCA == "" {
		return config, nil
	}
	authorities, err := dynamiccertificates.NewDynamicCAContentFromFile("client-ca", s.options.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("the client CA of %s: %w", s.options.Name, err)
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

// watchCertificate returns the certificate of the directory. It waits until both files are there, because somebody else
// issues them. It returns nil if the context ends first.
func (s *Server) watchCertificate(ctx context.Context) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	var watcher *certwatcher.CertWatcher
	said := ""
	err := wait.PollUntilContextCancel(ctx, certificatePoll, true, func(context.Context) (bool, error) {
		var err error
		watcher, err = certwatcher.New(
			filepath.Join(s.options.CertificateDir, "tls.crt"), filepath.Join(s.options.CertificateDir, "tls.key"))
		if err != nil && err.Error() != said {
			said = err.Error()
			s.options.Log.Info("Waiting for the certificate of "+s.options.Name, "directory", s.options.CertificateDir, "reason", said)
		}
		return err == nil, nil
	})
	if err != nil {
		return nil
	}
	go func() {
		if err := watcher.Start(ctx); err != nil {
			s.options.Log.Error(err, "The files of the certificate are no longer watched", "directory", s.options.CertificateDir)
		}
	}()
	return watcher.GetCertificate
}

// verbose is a writer that logs lines at verbosity 1.
type verbose struct{ log logr.Logger }

// Write logs a line.
func (v verbose) Write(line []byte) (int, error) {
	v.log.Info(strings.TrimSpace(string(line)))
	return len(line), nil
}
