package decision

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/usher-dev/usher/internal/roster"
)

// apiServer answers reviews. It identifies callers by the names in their tokens. Their rights have the form "NAME
// VERB ORGANIZATION APPLICATION", where a star stands for all applications.
type apiServer struct {
	mu       sync.Mutex
	rights   []string
	gone     bool
	audience string // of every TokenReview
	reviews  []string
	held     chan struct{} // if set, a review waits for it
}

// token returns a token of the caller for the audience.
func token(name string, audiences ...string) string {
	return encode(`{"alg":"none"}`) + "." + encode(`{"sub":"`+name+`","aud":["`+strings.Join(audiences, `","`)+`"]}`) + "." + encode(name)
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func (a *apiServer) review(ctx context.Context, text string) error {
	a.mu.Lock()
	a.reviews = append(a.reviews, text)
	gone, held := a.gone, a.held
	a.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if gone {
		return errors.New("connection refused")
	}
	return nil
}

// taken returns the reviews since the previous call.
func (a *apiServer) taken() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.reviews
	a.reviews = nil
	slices.Sort(taken)
	return taken
}

type tokenReviews struct{ *apiServer }

// Create answers a TokenReview.
func (a tokenReviews) Create(
	ctx context.Context, review *authenticationv1.TokenReview, _ metav1.CreateOptions,
) (*authenticationv1.TokenReview, error) {
	signature, err := base64.RawURLEncoding.DecodeString(review.Spec.Token[strings.LastIndex(review.Spec.Token, ".")+1:])
	if err != nil {
		return nil, err
	}
	name := string(signature)
	if err := a.review(ctx, "token "+name); err != nil {
		return nil, err
	}
	made := review.DeepCopy()
	if name == "expired" || !slices.Equal(review.Spec.Audiences, []string{Audience}) {
		return made, nil
	}
	made.Status = authenticationv1.TokenReviewStatus{
		Authenticated: true, Audiences: []string{a.audience}, User: authenticationv1.UserInfo{Username: name},
	}
	return made, nil
}

type accessReviews struct{ *apiServer }

// Create answers a SubjectAccessReview.
func (a accessReviews) Create(
	ctx context.Context, review *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions,
) (*authorizationv1.SubjectAccessReview, error) {
	asked := review.Spec.ResourceAttributes
	name := asked.Name
	if name == "" {
		name = "*"
	}
	text := fmt.Sprintf("%s %s %s %s", review.Spec.User, asked.Verb, asked.Namespace, name)
	if err := a.review(ctx, text); err != nil {
		return nil, err
	}
	made := review.DeepCopy()
	all := fmt.Sprintf("%s %s %s *", review.Spec.User, asked.Verb, asked.Namespace)
	made.Status.Allowed = asked.Group == Group && asked.Resource == ResourceApplications &&
		(slices.Contains(a.rights, text) || slices.Contains(a.rights, all))
	return made, nil
}

// fixture is a server with its dependencies.
type fixture struct {
	*Server

	api      *apiServer
	now      time.Time
	age      time.Duration
	registry *prometheus.Registry
	ready    chan struct{}
}

// newFixture returns a server for the view. Caller "all" may ask everything in acme, empty and nowhere; "finance"
// may ask about finance in acme, and "globex" everything in globex.
func newFixture(tb testing.TB, v *roster.View) *fixture {
	tb.Helper()
	f := &fixture{
		api: &apiServer{audience: Audience, rights: []string{
			"all evaluate acme *", "all search acme *", "all evaluate empty *", "all search empty *", "all evaluate nowhere *",
			"finance evaluate acme finance", "finance search acme finance", "globex evaluate globex *", "globex search globex *",
		}},
		now: june, registry: prometheus.NewRegistry(), ready: make(chan struct{}),
	}
	close(f.ready)
	now := func() time.Time { return f.now }
	m := NewMetrics(f.registry, func() time.Duration { return f.age })
	f.Server = NewServer(Options{
		View: func() *roster.View { return v }, Ready: f.ready, Age: func() time.Duration { return f.age },
		MaxStaleness: 5 * time.Minute, ApplicationTypes: []string{"app"},
		Callers: NewCallers(tokenReviews{f.api}, accessReviews{f.api}, m, now),
		Users:   &Users{}, Metrics: m, Now: now, Log: logr.Discard(),
	})
	return f
}

// post asks a question as the caller.
func (f *fixture) post(caller, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://pdp.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if caller != "" {
		r.Header.Set("Authorization", "Bearer "+token(caller, Audience))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return f.do(r)
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// text returns the body of a response without the last line feed.
func text(w *httptest.ResponseRecorder) string {
	all, err := io.ReadAll(w.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(string(all), "\n")
}
