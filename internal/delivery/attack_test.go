package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/egress"
	"github.com/usher-dev/usher/internal/mailtext"
)

// loopback allows connections to the servers of a test.
func loopback() *egress.Targets {
	return &egress.Targets{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Plaintext: true, Timeout: time.Minute}
}

// httpSenders returns a sender of each type that posts over HTTP.
func httpSenders(t *testing.T, targets *egress.Targets, url string) map[string]Sender {
	t.Helper()
	c := &Connection{
		Spec:   &accessv1alpha1.NotificationChannel{Webhook: accessv1alpha1.WebhookChannel{URL: url}},
		Secret: map[string][]byte{accessv1alpha1.ChannelKeyURL: []byte(url)}, TLS: &tls.Config{}, Targets: targets, Now: time.Now,
	}
	webhook, err := openWebhook(c)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := openSlack(c)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Sender{"webhook": webhook, "slack": chat}
}

func TestAttackRedirectToAnotherServer(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer inside.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		outside := httptest.NewServer(http.RedirectHandler(inside.URL, code))
		for name, s := range httpSenders(t, loopback(), outside.URL) {
			_, err := s.Send(t.Context(), everyNotice()["granted"])
			if err == nil || !strings.Contains(err.Error(), "redirects are not followed") {
				t.Errorf("%s, %d: got %v", name, code, err)
			}
			s.Close()
		}
		outside.Close()
	}
}

// Servers of these tests send chunks, up to mostSent bytes in all, which is far more than sockets buffer.
const (
	chunk    = 1 << 20
	mostSent = 256 << 20
	buffered = 64 << 20
)

func sendWithoutEnd(w io.Writer, sent *atomic.Int64) {
	for sent.Load() < mostSent {
		n, err := w.Write(bytes.Repeat([]byte("a"), chunk))
		sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func TestAttackAnswerWithoutEnd(t *testing.T) {
	for _, code := range []int{200, 500} {
		var sent atomic.Int64
		ended := make(chan struct{}, 2)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			sendWithoutEnd(w, &sent)
			ended <- struct{}{}
		}))
		for name, s := range httpSenders(t, loopback(), server.URL) {
			sent.Store(0)
			_, err := s.Send(t.Context(), everyNotice()["granted"])
			<-ended
			if (err == nil) != (code == 200) {
				t.Errorf("%s, %d: got %v", name, code, err)
			}
			if got := sent.Load(); got > buffered {
				t.Errorf("%s, %d: %d MiB were taken", name, code, got>>20)
			}
			s.Close()
		}
		server.Close()
	}
}

func TestAttackHeadersWithoutEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Add("X-More", fmt.Sprintf("%d%s", i, strings.Repeat("a", 4<<10)))
		}
	}))
	defer server.Close()
	for name, s := range httpSenders(t, loopback(), server.URL) {
		if _, err := s.Send(t.Context(), everyNotice()["granted"]); err == nil {
			t.Errorf("%s: 400 KiB of headers were taken", name)
		}
		s.Close()
	}
}

// A server that sends nothing delays only its own channel, and only until the timeout.
func TestAttackAnswerThatNeverComes(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	targets := loopback()
	targets.Timeout = 50 * time.Millisecond
	for name, s := range httpSenders(t, targets, server.URL) {
		_, err := s.Send(t.Context(), everyNotice()["granted"])
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: got %v", name, err)
		}
		s.Close()
	}
}

func TestAttackMailServerThatEndsNoLine(t *testing.T) {
	for name, greeting := range map[string]string{"one line": "220 ", "many lines": strings.Repeat("220-a\r\n", 100)} {
		t.Run(name, func(t *testing.T) {
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			var sent atomic.Int64
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer func() { _ = conn.Close() }()
				for sent.Load() < mostSent {
					n, err := io.WriteString(conn, strings.Repeat(greeting, chunk/len(greeting)))
					sent.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
			spec := accessv1alpha1.NotificationChannel{SMTP: accessv1alpha1.SMTPChannel{
				Server: listener.Addr().String(), Sender: "access@acme.example", TLS: accessv1alpha1.SMTPTLSNone,
			}}
			s, err := openMail(&Connection{Spec: &spec, TLS: &tls.Config{}, Targets: loopback()})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Send(t.Context(), everyNotice()["granted"])
			s.Close()
			<-ended
			if !errors.Is(err, egress.ErrReceivesTooMuch) {
				t.Errorf("got %v", err)
			}
			if got := sent.Load(); got > buffered {
				t.Errorf("%d MiB were taken", got>>20)
			}
		})
	}
}

func TestAttackTemplateThatTakesMinutes(t *testing.T) {
	n := everyNotice()["granted"]
	for len(n.Changes) < 500 { // the number of applications that a group may name
		n.Changes = append(n.Changes, n.Changes[0])
	}
	const pair = "{{range .Changed}}{{range $.Changed}}{{if eq .Where $.User}}{{end}}{{end}}{{end}}"
	v := viewOf(n)
	for name, parse := range map[string]mailtext.Parse{"text": mailtext.Text, "html": mailtext.HTML} {
		if _, err := parse(strings.Repeat(pair, 40), v); err == nil || !strings.Contains(err.Error(), "lists in lists too often") {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := parse(strings.Repeat("{{range .Changed}}{{.Where}}: {{.Text}}{{end}}", 10), v); err != nil {
			t.Errorf("%s, one list after the other: %v", name, err)
		}
	}
}

// Names and messages stay text in a template, in a header and for the mail server.
func TestAttackWordsThatWouldBeMore(t *testing.T) {
	const evil = "{{.User}}{{range 1000000000}}{{end}}\r\nBcc: all@acme.example\r\n\r\n.\r\nMAIL FROM:<a@b.example>\r\n\n.\n\r.\r<script>"
	n := everyNotice()["granted"]
	n.Name = evil
	n.Groups[0].DisplayName, n.Groups[0].Message = evil, evil
	m := &mailer{sender: "access@acme.example", template: accessv1alpha1.MailTemplate{
		Subject: "{{.Name}}" + strings.Repeat("x", 2000), Text: "{{.Name}} {{.Groups}} {{.Messages}}",
	}}
	message, _, err := m.message(n)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := message.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if strings.HasPrefix(line, "Bcc") {
			t.Errorf("the name became a header:\n%s", head)
		}
	}
	for line := range strings.SplitSeq(b.String(), "\r\n") {
		if strings.ContainsAny(line, "\r\n") {
			t.Errorf("a line end that mail servers read differently is in %q", line)
		}
		if len(line) > 998 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	said, err := render(n, &accessv1alpha1.MailTemplate{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said.HTML, "<script>") || !strings.Contains(said.Text, "{{.User}}") {
		t.Errorf("got %s\n%s", said.HTML, said.Text)
	}
}

func TestAttackSlackPostOfSomebodyElse(t *testing.T) {
	n := everyNotice()["granted"]
	want := strings.Count(slackText(n), "\n")
	n.Name = "Ana\n• finance: Administrator"
	n.Groups[0].Message = "<!channel> <https://evil.example|Log in>\n*ana*, access in *acme*:"
	text := slackText(n)
	if got := strings.Count(text, "\n"); got != want {
		t.Errorf("%d lines instead of %d: %q", got, want, text)
	}
	if strings.ContainsAny(text, "<>") {
		t.Errorf("got %q", text)
	}
	for i := range 500 {
		n.Groups = append(n.Groups, Group{Message: fmt.Sprintf("%d%s", i, strings.Repeat("m", 1000))})
	}
	const slackTakes = 40_000
	if got := len(slackText(n)); got > slackTakes {
		t.Errorf("%d groups made a post of %d bytes", len(n.Groups), got)
	}
}

func TestAttackAddressesThatStandForOthers(t *testing.T) {
	targets := egress.Targets{}
	for _, address := range []string{
		"::ffff:0:7f00:1", "::ffff:0:a9fe:a9fe", "64:ff9b:1:7f00:0:100::", "100::1", "5f00::1", "fec0::1", "fe80::a9fe:a9fe", "::",
		"0.0.0.0", "168.63.129.16", "2002:a9fe:a9fe::", "2001:0:7f00:1::", "4000::1",
	} {
		if err := targets.Check(netip.MustParseAddr(address)); err == nil {
			t.Errorf("%s may be dialled", address)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	targets = egress.Targets{Plaintext: true, Timeout: 10 * time.Second}
	for _, host := range []string{"127.0.0.1", "127.1", "0x7f000001", "2130706433", "0", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[::1]", "localhost"} {
		for name, s := range httpSenders(t, &targets, "http://"+host+":"+port) {
			ctx, cancel := context.WithTimeout(t.Context(), targets.Timeout)
			if _, err := s.Send(ctx, everyNotice()["granted"]); err == nil {
				t.Errorf("%s: a notice went to %s", name, host)
			}
			cancel()
			s.Close()
		}
	}
}

// The URL of a Slack channel is a secret. No error contains it, in any spelling.
func TestAttackSecretAddressInAnError(t *testing.T) {
	targets := &egress.Targets{Plaintext: true, Timeout: 10 * time.Second}
	for _, url := range []string{"http://127.0.0.1:1/services/s%65cret|token", "http://127.0.0.1:1/services/secret token", "http://[::1/secret"} {
		s, err := openSlack(&Connection{
			Secret: map[string][]byte{accessv1alpha1.ChannelKeyURL: []byte(url)}, TLS: &tls.Config{}, Targets: targets,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Send(t.Context(), everyNotice()["granted"])
		if err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
