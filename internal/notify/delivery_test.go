package notify

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/egress"
	"github.com/usher-dev/usher/internal/roster"
)

// postbox is a mail server that records the recipients of mails.
type postbox struct {
	address string
	arrived chan struct{} // one for each mail

	mu   sync.Mutex
	to   []string
	says func(to string) error
}

func newPostbox(t *testing.T, says func(to string) error) *postbox {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postbox{address: listener.Addr().String(), arrived: make(chan struct{}, 1<<16), says: says}
	server := smtp.NewServer(p)
	server.Domain = "localhost"
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

// NewSession begins a connection.
func (p *postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &postboxSession{box: p}, nil }

type postboxSession struct {
	box *postbox
	to  string
}

func (s *postboxSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *postboxSession) Reset()                               {}
func (s *postboxSession) Logout() error                        { return nil }

func (s *postboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.box.says != nil {
		return s.box.says(to)
	}
	return nil
}

func (s *postboxSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.box.mu.Lock()
	s.box.to = append(s.box.to, s.to)
	s.box.mu.Unlock()
	s.box.arrived <- struct{}{}
	return nil
}

func (p *postbox) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := slices.Clone(p.to)
	slices.Sort(to)
	return to
}

// run starts a notifier with the real clock. The returned function stops it.
func (w *world) run(concerned func()) (n *Notifier, end func()) {
	w.Helper()
	ready := make(chan struct{})
	close(ready)
	n = &Notifier{
		Roster: w.roster, Ready: ready, Client: w.kube, Live: w.kube,
		Metrics: NewMetrics(prometheus.NewRegistry()), Now: time.Now,
		Options: Options{Window: time.Millisecond, Keep: time.Hour, Targets: egress.Targets{
			Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Plaintext: true, Timeout: 10 * time.Second,
		}},
	}
	if concerned != nil {
		n.Concerned = func([]roster.Object) { concerned() }
	}
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Start(ctx); err != nil {
			w.Error(err)
		}
	}()
	return n, func() { cancel(); <-done }
}

func mailChannel(p *postbox) accessv1alpha1.NotificationChannel {
	c := channel("mail", accessv1alpha1.ChannelTypeSMTP)
	c.PerMinute = 60000
	c.SMTP = accessv1alpha1.SMTPChannel{Server: p.address, Sender: "access@acme.example", TLS: accessv1alpha1.SMTPTLSNone}
	return c
}

// receive waits for a number of mails.
func (p *postbox) receive(t *testing.T, count int) {
	t.Helper()
	for range count {
		select {
		case <-p.arrived:
		case <-time.After(time.Minute):
			t.Fatalf("%d mails came", len(p.all()))
		}
	}
}

// A notifier that stops loses what it has not written, like one that is killed.
func TestALeaderEndsInTheMiddleOfDeliveries(t *testing.T) {
	const people, atMostTwice = 1000, unrecorded + 1
	var users []string
	for i := range people {
		users = append(users, fmt.Sprintf("u%04d@acme.example", i))
	}
	w := newWorld(t)
	w.now = time.Now()
	p := newPostbox(t, nil)
	w.set(policy(acme, mailChannel(p)), group("all", "finance", "Viewer", users...))
	w.start() // writes the record of the present access
	w.n = nil
	w.set(group("all", "finance", "Editor", users...))
	_, end := w.run(nil)
	p.receive(t, people/2)
	end()
	_, end = w.run(nil)
	for len(slices.Compact(p.all())) < people {
		p.receive(t, 1)
	}
	end()
	all := p.all()
	if got := slices.Compact(slices.Clone(all)); !slices.Equal(got, users) {
		t.Errorf("%d of %d were told", len(got), people)
	}
	if twice := len(all) - people; twice > atMostTwice {
		t.Errorf("%d were told twice", twice)
	}
	w.start()
	if left := len(w.queued()); left > unrecorded+1 {
		t.Errorf("%d are left to be told", left)
	}
}

func TestOneBadAddressHoldsNobodyUp(t *testing.T) {
	const good, bad = "good@acme.example", "bad@acme.example"
	w := newWorld(t)
	w.now = time.Now()
	p := newPostbox(t, func(to string) error {
		if to == bad {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
		}
		return nil
	})
	g := group("all", "finance", "Editor", bad, good)
	w.set(policy(acme, mailChannel(p)), group("all", "finance", "Viewer", bad, good))
	w.start()
	w.n = nil
	concerned := make(chan struct{}, 16)
	w.set(g)
	n, end := w.run(func() { concerned <- struct{}{} })
	defer end()
	p.receive(t, 1)
	for reason := ""; reason != accessv1alpha1.ReasonNotDelivered; {
		select {
		case <-concerned:
		case <-time.After(time.Minute):
			t.Fatal("the refusal was not reported")
		}
		reason, _ = n.Condition(g)
	}
	if got := p.all(); !slices.Equal(got, []string{good}) {
		t.Errorf("got %q", got)
	}
}
