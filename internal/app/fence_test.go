package app

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFenceAllowsWritesOnlyWithTheLease(t *testing.T) {
	const lease = "/apis/coordination.k8s.io/v1/namespaces/usher-system/leases/usher"
	start := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	type request struct {
		method, path string
		status       int // 0 for no answer
		takes        time.Duration
	}
	for name, tc := range map[string]struct {
		elector []request
		after   time.Duration
		writes  bool
	}{
		"never renewed":              {},
		"renewed just now":           {elector: []request{{http.MethodPut, lease, 200, 0}}, writes: true},
		"acquired just now":          {elector: []request{{http.MethodPost, strings.TrimSuffix(lease, "/usher"), 201, 0}}, writes: true},
		"renewed a while ago":        {elector: []request{{http.MethodPut, lease, 200, 0}}, after: renewDeadline - 1, writes: true},
		"renewed too long ago":       {elector: []request{{http.MethodPut, lease, 200, 0}}, after: renewDeadline},
		"what counts is the request": {elector: []request{{http.MethodPut, lease, 200, 4 * time.Second}}, after: renewDeadline - 4*time.Second},
		"somebody else's by now":     {elector: []request{{http.MethodPut, lease, 409, 0}}},
		"no answer":                  {elector: []request{{http.MethodPut, lease, 0, 0}}},
		"only looked at":             {elector: []request{{http.MethodGet, lease, 200, 0}}},
		"an event about it":          {elector: []request{{http.MethodPost, "/apis/events.k8s.io/v1/namespaces/usher-system/events", 201, 0}}},
		"renewed again": {
			elector: []request{{http.MethodPut, lease, 200, renewDeadline}, {http.MethodPut, lease, 200, 0}}, writes: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := start
			f := &fence{now: func() time.Time { return now }}
			for _, r := range tc.elector {
				kept := &renewals{f, roundTrip(func(*http.Request) (*http.Response, error) {
					now = now.Add(r.takes)
					if r.status == 0 {
						return nil, errors.New("no answer")
					}
					return &http.Response{StatusCode: r.status, Body: http.NoBody}, nil
				})}
				response, err := kept.RoundTrip(httptest.NewRequest(r.method, r.path, nil))
				if err == nil {
					_ = response.Body.Close()
				}
			}
			now = now.Add(tc.after)

			sent := false
			body := &closed{Reader: strings.NewReader("{}")}
			guarded := &fenced{f, roundTrip(func(*http.Request) (*http.Response, error) {
				sent = true
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			})}
			request := httptest.NewRequest(http.MethodPut, "/api/v1/namespaces/acme/configmaps/x", body)
			response, err := guarded.RoundTrip(request)
			if err == nil {
				_ = response.Body.Close()
			}
			if sent != tc.writes || (err == nil) != tc.writes {
				t.Errorf("sent %t, error %v; want it sent %t", sent, err, tc.writes)
			}
			if err != nil && !body.closed {
				t.Error("the body of a request that is not sent is not closed")
			}
		})
	}
}

func TestTheFenceKnowsWhoLedBefore(t *testing.T) {
	const lease = "/apis/coordination.k8s.io/v1/namespaces/usher-system/leases/usher"
	f := &fence{now: time.Now}
	answer := ""
	elector := &renewals{f, roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer))}, nil
	})}
	for i, step := range []struct{ method, answer, want string }{
		{http.MethodGet, `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","spec":{"holderIdentity":"a"}}`, "0001-01-01T00:00:00Z"},
		{http.MethodGet, `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","spec":{"renewTime":"2026-06-01T10:00:00.000000Z"}}`, "2026-06-01T10:00:00Z"},
		{http.MethodGet, "no lease", "2026-06-01T10:00:00Z"},
		{http.MethodGet, `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","spec":{"renewTime":"2026-06-01T11:00:00.000000Z"}}`, "2026-06-01T11:00:00Z"},
		{http.MethodPut, `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","spec":{"renewTime":"2026-06-01T12:00:00.000000Z"}}`, "2026-06-01T11:00:00Z"},
		{http.MethodGet, `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","spec":{"renewTime":"2026-06-01T12:00:00.000000Z"}}`, "2026-06-01T11:00:00Z"},
	} {
		answer = step.answer
		response, err := elector.RoundTrip(httptest.NewRequest(step.method, lease, nil))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil || string(body) != step.answer {
			t.Errorf("step %d: the elector reads %q, %v", i, body, err)
		}
		if got := f.leader().UTC().Format(time.RFC3339); got != step.want {
			t.Errorf("step %d: somebody led until %s, want %s", i, got, step.want)
		}
	}
}

type closed struct {
	io.Reader
	closed bool
}

func (c *closed) Close() error {
	c.closed = true
	return nil
}
