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

// Limits bound what reviews cost together, whoever sends them. A review of the API server's stays far below those of one
// review: it has two objects of at most 1.5 MiB, which is what etcd takes.
type Limits struct {
	// Body bounds the bytes of one review, Values its JSON values.
	Body, Values int
	// Small is up to how many bytes a review is small. Small and large reviews do not wait for each other.
	Small int
	// SmallReaders and LargeReaders bound the reviews that are in memory.
	SmallReaders, LargeReaders int
	// SmallJudged, LargeJudged and Deletions bound the reviews that are judged at the same time. Deletions of any size
	// have a share of their own: what takes access away does not wait for what gives it.
	SmallJudged, LargeJudged, Deletions int
	// Reading bounds how long the body of a review may take to arrive.
	Reading time.Duration
}

// DefaultLimits are those of the manager. A review is judged on one processor; large ones leave one for everything else.
func DefaultLimits() Limits {
	return Limits{
		Body: 4 << 20, Values: 500_000, Small: 64 << 10,
		SmallReaders: 128, LargeReaders: 8,
		SmallJudged: 32, LargeJudged: min(4, max(1, runtime.GOMAXPROCS(0)-1)), Deletions: 4,
		Reading: 3 * time.Second,
	}
}

// Gate is the HTTP handler of the webhook. It bounds what reviews cost before it hands them on: bytes, JSON values, and
// how many are read and judged at the same time, of which one address has at most half. A review that has to wait does so
// until its context ends.
type Gate struct {
	limits  Limits
	webhook *admission.Webhook
	metrics *Metrics
	within  time.Duration // how long a review may take, with what it waits

	smallReaders, largeReaders *lane
	small, large, deletions    *lane
}

// NewGate returns a gate before the handler.
func NewGate(handler *Handler, limits Limits) *Gate {
	return &Gate{
		limits: limits, metrics: handler.Metrics, within: handler.within(),
		webhook:      &admission.Webhook{Handler: handler, LogConstructor: logReview},
		smallReaders: newLane(limits.SmallReaders), largeReaders: newLane(limits.LargeReaders),
		small: newLane(limits.SmallJudged), large: newLane(limits.LargeJudged), deletions: newLane(limits.Deletions),
	}
}

// logReview adds what log lines say of a review. Nothing in a review is trusted to be short.
func logReview(base logr.Logger, review *admission.Request) logr.Logger {
	if review == nil {
		return base
	}
	return base.WithValues("namespace", shortened(review.Namespace), "name", shortened(review.Name),
		"resource", shortened(review.Resource.Resource), "requesterByReview", shortened(review.UserInfo.Username),
		"requestID", shortened(string(review.UID)))
}

// statusError says why a review is not judged, with an HTTP status.
type statusError struct {
	error

	status int
}

func refuse(status int, format string, args ...any) error {
	return &statusError{fmt.Errorf(format, args...), status}
}

// errBusy says that a review waited too long, or would have to.
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

// admit waits for a reader.
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

// read reads the review, and returns its size.
func (g *Gate) read(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionReview, int, error) {
	reading, cancel := context.WithTimeout(r.Context(), g.limits.Reading)
	defer cancel()
	inTime := context.AfterFunc(reading, func() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // long ago: whoever reads gets an error
	})
	body, err := readBody(w, r, g.limits.Body)
	inTime()
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, 0, g.tooLarge()
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

// judge waits until the review may be judged, and has it judged.
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
	_ = json.NewEncoder(w).Encode(&answer) // who does not read it has gone
}

// turnAway answers what is no review, or one that nobody has time for. What was not read of it ends with the connection.
func (g *Gate) turnAway(w http.ResponseWriter, err error) {
	g.metrics.answered(outcomeError)
	status := http.StatusServiceUnavailable
	if r := (*statusError)(nil); errors.As(err, &r) {
		status = r.status
	}
	w.Header().Set("Connection", "close")
	http.Error(w, err.Error(), status)
}

// countValues returns the number of values and keys in JSON text, or a number above most where there are more. It takes no
// memory: decoding takes a multiple of the text where values are many and short.
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
