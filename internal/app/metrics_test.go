package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/go-logr/logr"
)

// reviewer is an API server that answers TokenReviews and SubjectAccessReviews. The token "scraper" is valid and may
// read metrics; the token "known" is valid and may not.
type reviewer struct {
	asked, asking, most atomic.Int64
	// hold, if set, delays answers until it is closed. begun receives a value for each question.
	hold  chan struct{}
	begun chan struct{}
}

// ServeHTTP answers a review.
func (r *reviewer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.asked.Add(1)
	asking := r.asking.Add(1)
	defer r.asking.Add(-1)
	for most := r.most.Load(); asking > most && !r.most.CompareAndSwap(most, asking); most = r.most.Load() {
		continue
	}
	if r.hold != nil {
		r.begun <- struct{}{}
		<-r.hold
	}
	w.Header().Set("Content-Type", "application/json")
	if strings.Contains(request.URL.Path, "tokenreviews") {
		var review authenticationv1.TokenReview
		_ = json.NewDecoder(request.Body).Decode(&review)
		review.Status.Authenticated = review.Spec.Token == "scraper" || review.Spec.Token == "known"
		review.Status.User.Username = review.Spec.Token
		_ = json.NewEncoder(w).Encode(review)
		return
	}
	var review authorizationv1.SubjectAccessReview
	_ = json.NewDecoder(request.Body).Decode(&review)
	review.Status.Allowed = review.Spec.User == "scraper" && review.Spec.NonResourceAttributes.Path == "/metrics"
	_ = json.NewEncoder(w).Encode(review)
}

// serveMetrics serves a metric as the manager does, and returns the server.
func serveMetrics(t *testing.T, api *reviewer) *httptest.Server {
	t.Helper()
	apiServer := httptest.NewServer(api)
	t.Cleanup(apiServer.Close)
	config := &rest.Config{Host: apiServer.URL, QPS: -1}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	options := metricsOptions("127.0.0.1:0", true)
	filter, err := options.FilterProvider(config, client)
	if err != nil {
		t.Fatal(err)
	}
	guarded, err := filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "usher_build_info 1")
	}))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(guarded)
	server.TLS = &tls.Config{NextProtos: []string{"h2"}}
	for _, set := range options.TLSOpts {
		set(server.TLS)
	}
	server.EnableHTTP2 = true // the client offers HTTP/2
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func scrape(ctx context.Context, t *testing.T, server *httptest.Server, token string) (code int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/metrics", nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	if response.ProtoMajor != 1 {
		t.Errorf("HTTP/%d is spoken", response.ProtoMajor)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(body)
}

func TestAttackMetricsWithoutAToken(t *testing.T) {
	api := &reviewer{}
	server := serveMetrics(t, api)
	if code, text := scrape(t.Context(), t, server, ""); code != http.StatusUnauthorized || strings.Contains(text, "usher_") {
		t.Errorf("without a token: got %d, %q", code, text)
	}
	if asked := api.asked.Load(); asked != 0 {
		t.Errorf("without a token the API server was asked %d times", asked)
	}
	for token, want := range map[string]int{"scraper": http.StatusOK, "known": http.StatusForbidden} {
		if code, text := scrape(t.Context(), t, server, token); code != want || strings.Contains(text, "usher_") != (want == http.StatusOK) {
			t.Errorf("token %s: got %d, %q", token, code, text)
		}
	}
	if code, text := scrape(t.Context(), t, server, "nobody's"); code == http.StatusOK || strings.Contains(text, "usher_") {
		t.Errorf("an unknown token: got %d, %q", code, text)
	}
}

// Anyone who can reach the port can send invalid tokens, and each causes a request to the API server.
func TestAttackFloodOfUnknownTokens(t *testing.T) {
	const flood = 50
	api := &reviewer{hold: make(chan struct{}), begun: make(chan struct{}, flood)}
	server := serveMetrics(t, api)
	var refused atomic.Int64
	var all sync.WaitGroup
	others := make(chan struct{}, flood)
	for i := range flood {
		all.Go(func() {
			if code, _ := scrape(t.Context(), t, server, "unknown-"+strconv.Itoa(i)); code == http.StatusTooManyRequests {
				refused.Add(1)
				others <- struct{}{}
			}
		})
	}
	for range mostScrapes {
		<-api.begun
	}
	for range flood - mostScrapes { // until all others are refused, while the API server has not answered yet
		<-others
	}
	close(api.hold)
	all.Wait()
	if most := api.most.Load(); most > mostScrapes {
		t.Errorf("the API server was asked %d questions at once", most)
	}
	if got := refused.Load(); got != flood-mostScrapes {
		t.Errorf("%d of %d were refused", got, flood)
	}
}
