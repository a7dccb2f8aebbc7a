package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// renewDeadline is how long a leader continues after its last successful renewal of the lease. Another replica waits
// half as long again before it takes over.
const renewDeadline = 10 * time.Second

// fence lets the leader write only while no other replica can be the leader. A process that was frozen learns too late
// that it has lost its lease. Without the fence it would meanwhile work through its queue and write outdated content.
// Requests that it sent before it was frozen can still arrive.
type fence struct {
	now func() time.Time

	mu      sync.Mutex
	renewed time.Time // when the last request was sent that renewed the lease
	lastLed time.Time // when another replica last renewed the lease, as read before this one took it
}

// leader returns when another replica last renewed the lease before this one took it, or zero if there was no lease.
func (f *fence) leader() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastLed
}

// read records who held the lease, from an answer of the API server. An answer that it cannot read changes nothing.
func (f *fence) read(body []byte) {
	decoded, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(body, nil, nil) // JSON or protobuf
	lease, ok := decoded.(*coordinationv1.Lease)
	if err != nil || !ok || lease.Spec.RenewTime == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.renewed.IsZero() {
		f.lastLed = lease.Spec.RenewTime.Time
	}
}

// elector returns the client configuration for the lease.
func (f *fence) elector(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &renewals{f, next} })
	return config
}

// writer returns the client configuration for the leader's writes.
func (f *fence) writer(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &fenced{f, next} })
	return config
}

// holds returns an error if another replica may be the leader.
func (f *fence) holds() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.renewed.IsZero() {
		return errors.New("nothing is written: this replica has never held the lease")
	}
	now := f.now()
	// While a machine sleeps, the monotonic clock may stop and the wall clock goes on. Use the larger difference.
	rest := max(now.Sub(f.renewed), now.Round(0).Sub(f.renewed.Round(0)))
	if rest >= renewDeadline {
		return fmt.Errorf("nothing is written: the lease was last renewed %s ago, and another replica may lead by now",
			rest.Round(time.Millisecond))
	}
	return nil
}

func (f *fence) renew(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed = at
}

type renewals struct {
	fence *fence
	next  http.RoundTripper
}

// RoundTrip records when a request was sent that wrote the lease, and the lease that a request read.
func (r *renewals) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := r.fence.now()
	response, err := r.next.RoundTrip(request)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices || !strings.Contains(request.URL.Path, "/leases") {
		return response, err
	}
	if request.Method != http.MethodGet {
		r.fence.renew(sent)
		return response, nil
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("reading the lease: %w", err)
	}
	r.fence.read(body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

type fenced struct {
	fence *fence
	next  http.RoundTripper
}

// RoundTrip sends the request only if the fence holds.
func (r *fenced) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := r.fence.holds(); err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, err
	}
	return r.next.RoundTrip(request)
}
