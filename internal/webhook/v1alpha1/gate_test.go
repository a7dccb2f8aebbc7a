package v1alpha1

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/validation"
)

// serve serves the handler over TLS, as the manager does.
func serve(t *testing.T, h *Handler, limits Limits) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(NewGate(h, limits))
	server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 100
	t.Cleanup(server.Close)
	return server
}

func encoded(t *testing.T, review *admission.Request) []byte {
	t.Helper()
	text, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Request:  &review.AdmissionRequest,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// answered is the result of a review: an HTTP status and a text, or an answer.
type answered struct {
	status int
	text   string
	answer *admissionv1.AdmissionResponse
}

func send(ctx context.Context, server *httptest.Server, body io.Reader) (*answered, error) {
	return sendBy(ctx, server.Client(), server, body)
}

func sendBy(ctx context.Context, caller *http.Client, server *httptest.Server, body io.Reader) (*answered, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := caller.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	got := &answered{status: response.StatusCode, text: string(text)}
	review := &admissionv1.AdmissionReview{}
	if json.Unmarshal(text, review) == nil {
		got.answer = review.Response
	}
	return got, nil
}

func TestGate(t *testing.T) {
	const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"7","operation":"CREATE",` +
		`"namespace":"acme","name":"france","kind":{"group":"access.usher.dev","version":"v1alpha1","kind":"AccessGroup"},` +
		`"object":{"metadata":{"namespace":"acme","name":"france"},"spec":{}}}}`
	limits := DefaultLimits()
	padded := func(size int) string { return review + strings.Repeat(" ", size-len(review)) }
	for name, tc := range map[string]struct {
		body   io.Reader
		method string
		kind   string
		status int
		want   string // in the text; empty: an answer that allows
	}{
		"a review":                   {body: strings.NewReader(review), status: 200},
		"a review of unknown length": {body: io.MultiReader(strings.NewReader(review)), status: 200},
		"a content type with more":   {body: strings.NewReader(review), kind: "application/json; charset=utf-8", status: 200},
		"the largest":                {body: strings.NewReader(padded(limits.Body)), status: 200},
		"too many bytes":             {body: strings.NewReader(padded(limits.Body + 1)), status: 413, want: "more than 4194304 bytes"},
		"too many bytes, of unknown length": {
			body: io.MultiReader(strings.NewReader(padded(limits.Body + 1))), status: 413, want: "more than 4194304 bytes",
		},
		"too many values": {
			body: strings.NewReader(`[` + strings.Repeat("{},", limits.Values) + `{}]`), status: 413, want: "more than 500000 JSON values",
		},
		"nothing":              {body: strings.NewReader(""), status: 400, want: "reading the review"},
		"no JSON":              {body: strings.NewReader("garbage"), status: 400, want: "reading the review"},
		"another version":      {body: strings.NewReader(strings.Replace(review, "k8s.io/v1", "k8s.io/v1beta1", 1)), status: 400, want: "AdmissionReview of admission.k8s.io/v1"},
		"no request":           {body: strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`), status: 400, want: "with a request"},
		"keys in another case": {body: strings.NewReader(strings.Replace(review, `"request"`, `"Request"`, 1)), status: 400, want: "with a request"},
		"another method":       {method: http.MethodGet, status: 405, want: "the method is GET"},
		"another content type": {body: strings.NewReader(review), kind: "application/yaml", status: 415, want: "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			server := serve(t, h.handler, limits)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, tc.body)
			if err != nil {
				t.Fatal(err)
			}
			if request.Header.Set("Content-Type", "application/json"); tc.kind != "" {
				request.Header.Set("Content-Type", tc.kind)
			}
			if tc.method != "" {
				request.Method = tc.method
			}
			response, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			text, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tc.status || !strings.Contains(string(text), tc.want) {
				t.Errorf("got status %d and %s", response.StatusCode, text)
			}
			if allows := strings.Contains(string(text), `"uid":"7","allowed":true`); allows != (tc.want == "") {
				t.Errorf("got %s", text)
			}
			if judged := len(h.requests) > 0; judged != (tc.want == "") {
				t.Errorf("judged: %t", judged)
			}
		})
	}
}

// TestGateBoundsTheReading sends a review that never ends. The API server must not report it as malformed.
func TestGateBoundsTheReading(t *testing.T) {
	limits := DefaultLimits()
	limits.Reading = time.Millisecond
	server := serve(t, newHarness(t).handler, limits)
	body, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	got, err := send(t.Context(), server, body)
	if err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.text, "has not arrived within 1ms") {
		t.Errorf("got status %d and %s", got.status, got.text)
	}
}

// TestValuesAreCountedWithoutDecoding compares the count with the text: every value but the first follows a comma
// or a colon, or is the first of a list.
func TestValuesAreCountedWithoutDecoding(t *testing.T) {
	for text, want := range map[string]int{
		``: 0, `7`: 0, `"a,b:[{"`: 0, `[1,2,3]`: 3, `{"a":1,"b":[{}]}`: 6, `"\\",`: 1, `"\",":`: 1, `["\"",{"\\":"}"}]`: 4,
	} {
		if got := countValues([]byte(text), 100); got != want {
			t.Errorf("%s has %d, want %d", text, got, want)
		}
	}
	if got := countValues(bytes.Repeat([]byte("{},"), 1000), 10); got != 11 {
		t.Errorf("counted on to %d", got)
	}
}

// TestAttackFlood sends forged reviews of four megabytes on forty connections from one address without end.
// Meanwhile real reviews, both small ones and deletions of large objects, are answered, and no forged one is
// judged.
func TestAttackFlood(t *testing.T) {
	large := withMembers(4000, func(g *accessv1alpha1.AccessGroup) { g.Name = "large" })
	oversize := withMembers(45_000)
	for i := range oversize.Spec.Members {
		oversize.Spec.Members[i].User += accessv1alpha1.UserName(strings.Repeat("x", 60))
	}
	h, r := realHandler(t, large)
	h.patience = 5 * time.Minute // the machine of a test may be slow
	limits := DefaultLimits()
	var judged, most atomic.Int32
	judge := h.Judge
	h.Judge = func(ctx context.Context, request *validation.Request) (*validation.Judgement, error) {
		most.Store(max(most.Load(), judged.Add(1)))
		defer judged.Add(-1)
		if request.New != nil && len(request.New.(*accessv1alpha1.AccessGroup).Spec.Members) > 5000 {
			t.Error("a forged object was judged")
		}
		return judge(ctx, request)
	}
	server := serve(t, h, limits)
	forgery := updating(t, large, oversize)
	forgery.Name = "france"
	forgery.Operation, forgery.OldObject = admissionv1.Create, runtime.RawExtension{}
	forged := encoded(t, &forgery)
	if len(forged) < 7<<19 || len(forged) > limits.Body {
		t.Fatalf("the forged review has %d bytes", len(forged))
	}
	attacker := &http.Client{Transport: &http.Transport{
		DialContext:     (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext,
		TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
	}}
	flood, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 40 {
		callers.Go(func() {
			for flood.Err() == nil {
				got, err := sendBy(flood, attacker, server, bytes.NewReader(forged))
				if err == nil && got.answer != nil && got.answer.Allowed {
					t.Error("a forged review was allowed")
				}
			}
		})
	}
	defer callers.Wait()
	defer stop()
	deletion := updating(t, large, large)
	deletion.Operation, deletion.Object = admissionv1.Delete, runtime.RawExtension{}
	creation := creating(t, func(r *admission.Request) {
		r.Object = raw(t, groupOf("acme", "france", "ana", "Viewer"))
	})
	for i := range 5 {
		for what, review := range map[string]*admission.Request{"the deletion": &deletion, "the creation": &creation} {
			got, err := send(t.Context(), server, bytes.NewReader(encoded(t, review)))
			if err != nil || got.answer == nil || !got.answer.Allowed {
				t.Fatalf("round %d, %s: got %+v, %v", i, what, got, err)
			}
		}
	}
	if got, within := most.Load(), limits.SmallJudged+limits.LargeJudged+limits.Deletions; int(got) > within {
		t.Errorf("%d were judged at the same time, want at most %d", got, within)
	}
	if r.View().Decision("acme", "ana") != nil {
		t.Error("something that was only judged is in the roster")
	}
}

func TestLane(t *testing.T) {
	l := newLane(3)
	enter := func(ctx context.Context, address string) func() {
		t.Helper()
		leave, err := l.enter(ctx, address)
		if err != nil {
			t.Fatalf("there is room for %s: %v", address, err)
		}
		return leave
	}
	refuses := func(address string) {
		t.Helper()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.enter(ended, address); !errors.Is(err, errBusy) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s got %v", address, err)
		}
	}
	first, second := enter(t.Context(), "a"), enter(t.Context(), "a")
	refuses("a") // it has its half
	third := enter(t.Context(), "b")
	refuses("b") // the lane is full
	refuses("c")
	entered := make(chan func())
	go func() {
		leave, _ := l.enter(t.Context(), "c")
		entered <- leave
	}()
	first()
	fourth := <-entered
	for _, leave := range []func(){second, third, fourth} {
		leave()
	}
	if len(l.inside) > 0 || len(l.shares) > 0 {
		t.Errorf("%d are inside, shares %v", len(l.inside), l.shares)
	}
}

// fill takes all places of a lane.
func fill(l *lane) {
	for range cap(l.inside) {
		l.inside <- struct{}{}
	}
}

// TestAGateThatIsFullSaysSo sends reviews of each class while all places of the class are taken, until they time
// out.
func TestAGateThatIsFullSaysSo(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	small, deletion := creating(t), deleting(t, newGroup(), "{}")
	for name, tc := range map[string]struct {
		review *admission.Request
		size   int
		full   func(*Gate) *lane
	}{
		"a small review": {&small, 1000, func(g *Gate) *lane { return g.small }},
		"a large review": {&small, 1_000_000, func(g *Gate) *lane { return g.large }},
		"a deletion":     {&deletion, 1_000_000, func(g *Gate) *lane { return g.deletions }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			g := NewGate(h.handler, DefaultLimits())
			fill(tc.full(g))
			got := g.judge(ended, &admissionv1.AdmissionReview{Request: &tc.review.AdmissionRequest}, tc.size, "other")
			if got.Allowed || got.Result.Code != http.StatusServiceUnavailable || got.UID != "1" ||
				!strings.Contains(got.Result.Message, errBusy.Error()) {
				t.Errorf("got %+v", got)
			}
			if len(h.requests) > 0 {
				t.Error("it was judged")
			}
		})
	}
	t.Run("a body that nobody may read", func(t *testing.T) {
		g := NewGate(newHarness(t).handler, Limits{Body: 1000})
		request := httptest.NewRequestWithContext(ended, http.MethodPost, Path, strings.NewReader("{}"))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		g.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusServiceUnavailable || !strings.Contains(recorder.Body.String(), errBusy.Error()) {
			t.Errorf("got %d %s", recorder.Code, recorder.Body)
		}
	})
}
