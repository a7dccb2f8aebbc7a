package v1alpha1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"
)

// Limits bound the total cost of reviews, even if their sender is not the API server. A review from the API server
// stays far below the limits of one review: it has two objects of at most 1.5 MiB, the limit of etcd.
type Limits struct {
	// Body bounds the bytes of one review, Values its JSON values.
	Body, Values int
	// Small is the size in bytes up to which a review is small. Small and large reviews do not wait for each other.
	Small int
	// SmallReaders and LargeReaders bound the reviews in memory.
	SmallReaders, LargeReaders int
	// SmallJudged, LargeJudged and Deletions bound the reviews that are judged at the same time. Deletions of any
	// size have their own share: a request that takes access away does not wait for one that gives it.
	SmallJudged, LargeJudged, Deletions int
	// Reading bounds how long the body of a review may take to arrive.
	Reading time.Duration
}

// DefaultLimits returns the limits of the manager. One review uses one processor. Large reviews leave one
// processor for everything else.
func DefaultLimits() Limits {
	return Limits{
		Body: 4 << 20, Values: 500_000, Small: 64 << 10,
		SmallReaders: 128, LargeReaders: 8,
		SmallJudged: 32, LargeJudged: min(4, max(1, runtime.GOMAXPROCS(0)-1)), Deletions: 4,
		Reading: 3 * time.Second,
	}
}

// Gate is the HTTP handler of the webhook. It bounds the cost of reviews before it passes them on: their bytes,
// their JSON values, and how many are read and judged at the same time. One address gets at most half of these
// places. A review waits for a place until its context ends.
type Gate struct {
	limits  Limits
	webhook *admission.Webhook
	metrics *Metrics
	within  time.Duration // how long a review may take, including waiting

	smallReaders, largeReaders *lane
	small, large, deletions    *lane
}

// NewGate returns a gate in front of the handler.
func NewGate(handler *Handler, limits Limits) *Gate {
	return &Gate{
		limits: limits, metrics: handler.Metrics, within: handler.within(),
		webhook:      &admission.Webhook{Handler: handler, LogConstructor: logReview},
		smallReaders: newLane(limits.SmallReaders), largeReaders: newLane(limits.LargeReaders),
		small: newLane(limits.SmallJudged), large: newLane(limits.LargeJudged), deletions: newLane(limits.Deletions),
	}
}

// logReview adds the values of a review to log lines. It shortens them because a forged review may contain long
// values.
func logReview(base logr.Logger, review *admission.Request) logr.Logger {
	if review == nil {
		return base
	}
	return base.WithValues("namespace", shortened(review.Namespace), "name", shortened(review.Name),
		"resource", shortened(review.Resource.Resource), "requesterByReview", shortened(review.UserInfo.Username),
		"requestID", shortened(string(review.UID)))
}

// statusError is the reason why a review is not judged, with an HTTP status.
type statusError struct {
	error

	status int
}

func refuse(status int, format string, args ...any) error {
	return &statusError{fmt.Errorf(format, args...), status}
}

// errBusy is returned if a review has waited, or would have to wait, too long.
var errBusy = errors.New("too many reviews at the same time: try again in a moment")

// ServeHTTP answers one review.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), g.within)
	defer cancel()
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	leave, err := g.admit(ctx, r, address)
	if err != nil {
		g.turnAway(w, err)
		return
	}
	defer leave()
	review, size, err := g.read(w, r)
	if err != nil {
		g.turnAway(w, err)
		return
	}
	g.answer(w, review, g.judge(ctx, review, size, address))
}

// admit checks the headers of the request and waits for a reader.
func (g *Gate) admit(ctx context.Context, r *http.Request, address string) (leave func(), err error) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "the method is %s; reviews are sent by POST", shortened(r.Method))
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "the content type must be application/json")
	}
	if r.ContentLength > int64(g.limits.Body) {
		return nil, g.tooLarge()
	}
	readers := g.smallReaders
	if r.ContentLength < 0 || r.ContentLength > int64(g.limits.Small) {
		readers = g.largeReaders
	}
	return readers.enter(ctx, address)
}

func (g *Gate) tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "the review has more than %d bytes", g.limits.Body)
}

// read returns the review and its size.
func (g *Gate) read(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionReview, int, error) {
	reading, cancel := context.WithTimeout(r.Context(), g.limits.Reading)
	defer cancel()
	inTime := context.AfterFunc(reading, func() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // in the past: reads fail at once
	})
	body, err := readBody(w, r, g.limits.Body)
	inTime()
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, 0, g.tooLarge()
	}
	if err != nil && reading.Err() != nil {
		return nil, 0, refuse(http.StatusServiceUnavailable, "the review has not arrived within %s: try again in a moment",
			g.limits.Reading)
	}
	if err != nil {
		return nil, 0, refuse(http.StatusBadRequest, "reading the review: %w", err)
	}
	if count := countValues(body, g.limits.Values); count > g.limits.Values {
		return nil, 0, refuse(http.StatusRequestEntityTooLarge, "the review has more than %d JSON values", g.limits.Values)
	}
	review := &admissionv1.AdmissionReview{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, review); err != nil {
		return nil, 0, refuse(http.StatusBadRequest, "reading the review: %w", err)
	}
	if gvk := admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"); review.GroupVersionKind() != gvk || review.Request == nil {
		return nil, 0, refuse(http.StatusBadRequest, "the body must be an AdmissionReview of %s with a request",
			admissionv1.SchemeGroupVersion)
	}
	return review, len(body), nil
}

func readBody(w http.ResponseWriter, r *http.Request, most int) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, int64(most)))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

// judge waits until the review may be judged, and then passes it to the handler.
func (g *Gate) judge(
	ctx context.Context, review *admissionv1.AdmissionReview, size int, address string,
) admission.Response {
	way := g.large
	switch {
	case review.Request.Operation == admissionv1.Delete:
		way = g.deletions
	case size <= g.limits.Small:
		way = g.small
	}
	leave, err := way.enter(ctx, address)
	if err != nil {
		g.metrics.answered(outcomeError)
		response := admission.Errored(http.StatusServiceUnavailable, err)
		response.UID = review.Request.UID
		return response
	}
	defer leave()
	return g.webhook.Handle(ctx, admission.Request{AdmissionRequest: *review.Request})
}

// answer sends the answer to the review.
func (g *Gate) answer(w http.ResponseWriter, review *admissionv1.AdmissionReview, response admission.Response) {
	answer := admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: &response.AdmissionResponse}
	answer.Response.UID = types.UID(shortened(string(answer.Response.UID)))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(&answer) // fails only if the client has gone
}

// turnAway answers a request that has no valid review, or a review that has waited too long. It closes the
// connection, which discards the unread part of the request.
func (g *Gate) turnAway(w http.ResponseWriter, err error) {
	g.metrics.answered(outcomeError)
	status := http.StatusServiceUnavailable
	if r := (*statusError)(nil); errors.As(err, &r) {
		status = r.status
	}
	w.Header().Set("Connection", "close")
	http.Error(w, err.Error(), status)
}

// countValues returns the number of values and keys in JSON text, or a number above most if there are more. It
// allocates no memory. Decoding many short values takes a multiple of the size of the text.
func countValues(text []byte, most int) int {
	count, inString := 0, false
	for i := 0; i < len(text) && count <= most; i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':' || c == '{' || c == '['):
			count++
		}
	}
	return count
}
