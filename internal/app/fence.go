package app

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

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

// RoundTrip records when a request was sent that wrote the lease.
func (r *renewals) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := r.fence.now()
	response, err := r.next.RoundTrip(request)
	if err == nil && request.Method != http.MethodGet && response.StatusCode < http.StatusMultipleChoices &&
		strings.Contains(request.URL.Path, "/leases") {
		r.fence.renew(sent)
	}
	return response, err
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
