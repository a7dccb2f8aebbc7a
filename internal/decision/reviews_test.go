package decision

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReviewsAreRemembered asks within and after ten seconds, with and without the right.
func TestReviewsAreRemembered(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	f.post("all", onePath, question)
	if diff := cmp.Diff([]string{"all evaluate acme finance", "token all"}, f.api.taken()); diff != "" {
		t.Errorf("reviews of the first question (-want +got):\n%s", diff)
	}
	f.now = f.now.Add(rememberedFor - time.Second)
	f.post("all", onePath, question)
	if got := f.api.taken(); len(got) > 0 {
		t.Errorf("reviews within ten seconds: %v", got)
	}
	f.now = f.now.Add(2 * time.Second)
	f.api.mu.Lock()
	f.api.rights = nil
	f.api.mu.Unlock()
	for range 2 {
		if w := f.post("all", onePath, question); w.Code != http.StatusForbidden {
			t.Errorf("without the right: got %d", w.Code)
		}
	}
	if diff := cmp.Diff([]string{"all evaluate acme finance", "token all"}, f.api.taken()); diff != "" {
		t.Errorf("reviews of two questions after ten seconds (-want +got):\n%s", diff)
	}
	f.post("all", onePath, question, "Authorization", "Bearer "+token("all", "other"))
	if got := f.api.taken(); len(got) > 0 {
		t.Errorf("reviews of a token for another audience: %v", got)
	}
}

// TestErrorsAreNotRemembered uses an API server that fails and then recovers.
func TestErrorsAreNotRemembered(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	f.api.gone = true
	if w := f.post("all", onePath, question); w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d", w.Code)
	}
	f.api.gone = false
	if w := f.post("all", onePath, question); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
}

// TestABatchAsksForFewRights sends more applications than a batch may name, from a caller with the right to one of
// them.
func TestABatchAsksForFewRights(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	var items []string
	for i := range mostNames + 50 {
		items = append(items, fmt.Sprintf(`{"resource":{"type":"application","id":"a%d"}}`, i))
	}
	items[3] = `{"resource":{"type":"application","id":"finance"}}`
	body := `{"subject":{"type":"user","id":"ben"},"action":{"name":"view"},"evaluations":[` + strings.Join(items, ",") + `]}`
	got := text(f.post("finance", manyPath, body))
	if reviews := f.api.taken(); len(reviews) != mostNames+2 { // the token, and the right to all
		t.Errorf("%d reviews", len(reviews))
	}
	if n := strings.Count(got, `"status":403`); n != mostNames+49 || !strings.Contains(got, permit) ||
		strings.Count(got, "ask in several batches") != 50 {
		t.Errorf("%d items were refused in %s", n, got)
	}
	f.post("all", manyPath, body)
	if diff := cmp.Diff([]string{"all evaluate acme *", "token all"}, f.api.taken()); diff != "" {
		t.Errorf("reviews for a caller with the right to all applications (-want +got):\n%s", diff)
	}
}

// TestReviewsInFlightAreBounded sends questions of many callers while the API server does not respond.
func TestReviewsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, viewOf(t, acme))
		f.api.held = make(chan struct{})
		var done sync.WaitGroup
		codes := make(chan int, 4*mostReviews)
		for i := range 2 * mostReviews {
			for range 2 { // two questions of each caller, who is authenticated once
				done.Go(func() { codes <- f.post(fmt.Sprintf("caller%d", i), onePath, question).Code })
			}
		}
		synctest.Wait()
		if got := f.api.taken(); len(got) != mostReviews {
			t.Errorf("%d reviews in flight", len(got))
		}
		close(f.api.held)
		done.Wait()
		close(codes)
		for code := range codes {
			if code != http.StatusForbidden {
				t.Errorf("got %d", code)
			}
		}
	})
}

// TestAReviewThatHangs ends after some seconds without an answer.
func TestAReviewThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, viewOf(t, acme))
		f.api.held = make(chan struct{})
		began := time.Now()
		if w := f.post("all", onePath, question); w.Code != http.StatusServiceUnavailable {
			t.Errorf("got %d", w.Code)
		}
		if took := time.Since(began); took != reviewTimeout {
			t.Errorf("it took %s", took)
		}
	})
}

func TestClaimsAudience(t *testing.T) {
	for name, tc := range map[string]struct {
		claims string
		want   bool
	}{
		"the only audience":     {`{"aud":"usher-pdp"}`, true},
		"one of the audiences":  {`{"aud":["other","usher-pdp"]}`, true},
		"another audience":      {`{"aud":"other"}`, false},
		"other audiences":       {`{"aud":["other"]}`, false},
		"no audience":           {`{"sub":"usher-pdp"}`, false},
		"a number":              {`{"aud":1}`, false},
		"numbers":               {`{"aud":[1]}`, false},
		"no JSON":               {`{`, false},
		"two lists of audience": {`{"aud":"other","aud":"usher-pdp"}`, false},
	} {
		encoded := "e30." + encode(tc.claims) + ".x"
		if got := claimsAudience(encoded); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	for _, each := range []string{"", "a", "a.b", "a.!.c", "a.b.c.d"} {
		if claimsAudience(each) {
			t.Errorf("%q claims the audience", each)
		}
	}
}

// TestContact sends watches of two kinds, and requests that are not such watches.
func TestContact(t *testing.T) {
	now := june
	c := NewContact(func() time.Time { return now }, "namespaces", "accessgroups")
	code := http.StatusOK
	transport := c.Wrap(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Body: io.NopCloser(bytes.NewReader([]byte("event")))}, nil
	}))
	get := func(path string) io.ReadCloser {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		return response.Body
	}
	_ = get("/api/v1/namespaces").Close()
	if got := c.Last(); !got.IsZero() {
		t.Errorf("with one kind: heard of at %s", got)
	}
	watch := get("/apis/access.usher.dev/v1alpha1/accessgroups?watch=true")
	now = now.Add(time.Minute)
	_ = get("/api/v1/namespaces").Close()
	_ = get("/apis/access.usher.dev/v1alpha1").Close()
	if got := c.Last(); !got.Equal(june) {
		t.Errorf("after a minute without an event: heard of at %s", got)
	}
	if _, err := io.ReadAll(watch); err != nil {
		t.Fatal(err)
	}
	if got := c.Last(); !got.Equal(now) {
		t.Errorf("after an event: heard of at %s", got)
	}
	heard := now
	now, code = now.Add(time.Minute), http.StatusInternalServerError
	_, _ = io.ReadAll(get("/api/v1/namespaces"))
	_, _ = io.ReadAll(get("/apis/access.usher.dev/v1alpha1/accessgroups"))
	if got := c.Last(); !got.Equal(heard) {
		t.Errorf("after errors: heard of at %s", got)
	}
}
