package notices_test

import (
	"bytes"
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
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// authority issues the certificates of the servers. No system trusts it.
type authority struct {
	pem         string
	certificate tls.Certificate // of 127.0.0.1
}

func newAuthority() *authority {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "servers of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	return &authority{
		pem:         string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}
}

func (a *authority) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.certificate}, MinVersion: tls.VersionTLS12}
}

// mailServer receives mail by SMTP, only with STARTTLS and after a login, and stores it.
type mailServer struct {
	address string

	mu       sync.Mutex
	mails    []received
	logins   int
	rcpt     func(to string) error // the answer to a recipient
	data     func(to string) error // the answer to a mail
	connect  func() error          // the answer to a connection
	password string
}

// received is a mail as the server received it.
type received struct {
	to  string
	raw []byte
}

func newMailServer() *mailServer {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	s := &mailServer{address: listener.Addr().String(), password: password}
	server := smtp.NewServer(s)
	server.TLSConfig = ca.config()
	server.Domain = "localhost"
	server.ErrorLog = quiet{}
	go func() { _ = server.Serve(listener) }()
	DeferCleanup(func() { _ = server.Close() })
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// NewSession begins a connection.
func (s *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	connect := s.connect
	s.mu.Unlock()
	if connect != nil {
		if err := connect(); err != nil {
			return nil, err
		}
	}
	return &mailSession{server: s}, nil
}

// change changes the answers of the server.
func (s *mailServer) change(f func(s *mailServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// all returns the mails.
func (s *mailServer) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// recipients returns the recipients of all mails, sorted.
func (s *mailServer) recipients() []string {
	var to []string
	for _, m := range s.all() {
		to = append(to, m.to)
	}
	slices.Sort(to)
	return to
}

// subjectsTo lists the subjects of the mails to one recipient.
func (s *mailServer) subjectsTo(to string) []string {
	var subjects []string
	for _, m := range s.all() {
		if m.to == to {
			subjects = append(subjects, m.header("Subject"))
		}
	}
	return subjects
}

type mailSession struct {
	server *mailServer
	in     bool
	to     string
}

// AuthMechanisms returns the mechanisms that a session offers.
func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth logs in.
func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, secret string) error {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		if user != username || secret != s.server.password {
			return smtp.ErrAuthFailed
		}
		s.in = true
		s.server.logins++
		return nil
	}), nil
}

// Mail begins a mail.
func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if !s.in {
		return smtp.ErrAuthRequired
	}
	return nil
}

// Rcpt takes the recipient.
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	says := s.server.rcpt
	s.server.mu.Unlock()
	s.to = to
	if says != nil {
		return says(to)
	}
	return nil
}

// Data takes the mail.
func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	says := s.server.data
	s.server.mu.Unlock()
	if says != nil {
		if err := says(s.to); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, received{s.to, raw})
	return nil
}

// Reset ends a mail.
func (s *mailSession) Reset() {}

// Logout ends the connection.
func (s *mailSession) Logout() error { return nil }

func (m *received) parse() *mail.Message {
	GinkgoHelper()
	message, err := mail.ReadMessage(bytes.NewReader(m.raw))
	Expect(err).NotTo(HaveOccurred())
	return message
}

func (m *received) header(name string) string {
	GinkgoHelper()
	text, err := new(mime.WordDecoder).DecodeHeader(m.parse().Header.Get(name))
	Expect(err).NotTo(HaveOccurred())
	return text
}

// parts returns the bodies by type.
func (m *received) parts() map[string]string {
	GinkgoHelper()
	message := m.parse()
	kind, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	Expect(err).NotTo(HaveOccurred())
	Expect(kind).To(Equal("multipart/alternative"))
	found := map[string]string{}
	reader := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return found
		}
		Expect(err).NotTo(HaveOccurred())
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		Expect(err).NotTo(HaveOccurred())
		Expect(part.Header.Get("Content-Transfer-Encoding")).To(Equal("quoted-printable"))
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		Expect(err).NotTo(HaveOccurred())
		found[kind] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
}

// seen returns the mail as a person sees it: addresses, subject and both bodies.
func (m *received) seen() string {
	GinkgoHelper()
	parts := m.parts()
	return fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nAuto-Submitted: %s\n\n%s\n--- text/html\n\n%s",
		m.header("From"), m.header("To"), m.header("Subject"), m.header("Auto-Submitted"), parts["text/plain"], parts["text/html"])
}
