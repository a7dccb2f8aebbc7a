package decision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-logr/logr"

	"github.com/usher-dev/usher/internal/roster"
)

const (
	// mostBodyBytes is the maximum size of a request body.
	mostBodyBytes = 1 << 20
	// smallBodyBytes is the maximum size of a small body. At most mostLargeBodies larger bodies are read at the same
	// time, so large bodies neither fill the memory nor delay small ones.
	smallBodyBytes  = 16 << 10
	mostLargeBodies = 64
	// retryAfter is the number of seconds after which a caller may retry a request that has no answer now.
	retryAfter = "1"

	jsonType        = "application/json"
	requestIDHeader = "X-Request-ID"
)

// Options are the sources and settings of a [Server].
type Options struct {
	// View returns the newest view.
	View func() *roster.View
	// Ready is closed when the view contains all objects.
	Ready <-chan struct{}
	// Age returns the maximum age of the view: it contains every change that the API server had that long ago.
	Age func() time.Duration
	// MaxStaleness is the maximum age of the view for which questions are answered; 0 means no limit.
	MaxStaleness time.Duration
	// ApplicationTypes are additional names of the resource type application.
	ApplicationTypes []string
	Callers          *Callers
	Users            *Users
	Metrics          *Metrics
	Now              func() time.Time
	Log              logr.Logger
}

// Server answers questions over HTTP.
type Server struct {
	options Options
	types   map[string]bool // names of the resource type application
	mux     *http.ServeMux
	large   chan struct{}
}

// NewServer returns a server with the options.
func NewServer(options Options) *Server {
	s := &Server{
		options: options, types: map[string]bool{TypeApplication: true}, mux: http.NewServeMux(),
		large: make(chan struct{}, mostLargeBodies),
	}
	for _, name := range options.ApplicationTypes {
		s.types[name] = true
	}
	for _, each := range []struct {
		path, endpoint string
		answer         answerer
	}{
		{"evaluation", endpointEvaluation, s.evaluation},
		{"evaluations", endpointEvaluations, s.evaluations},
		{"search/subject", endpointSearchSubject, s.searchSubject},
		{"search/resource", endpointSearchResource, s.searchResource},
		{"search/action", endpointSearchAction, s.searchAction},
	} {
		s.mux.Handle("POST /{organization}/access/v1/"+each.path, named(each.endpoint, s.question(each.answer)))
	}
	s.mux.Handle("GET /.well-known/authzen-configuration/{organization}", named(endpointDiscovery, s.discovery))
	return s
}

// ServeHTTP answers a request. If a request panics, it responds with an error, and other requests are not affected.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.options.Now()
	if id := r.Header.Get(requestIDHeader); id != "" {
		w.Header().Set(requestIDHeader, id)
	}
	recorder := &recorder{ResponseWriter: w, endpoint: endpointOther}
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it this way
				panic(p)
			}
			s.options.Log.Error(fmt.Errorf("%v", p), "A request panicked", "stack", string(debug.Stack()))
			if recorder.code != 0 {
				panic(http.ErrAbortHandler) // the response has begun and must not look complete
			}
			fail(recorder, errors.New("the question could not be answered"))
		}
		s.options.Metrics.answered(recorder.endpoint, recorder.code, s.options.Now().Sub(began))
	}()
	path := r.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, checkPrefix):
		recorder.endpoint = endpointCheck
		s.check(recorder, r, path)
	case !isClean(path):
		// A mux would redirect to the clean path, and a gateway would follow or forward the redirect.
		fail(recorder, &failure{code: http.StatusNotFound, message: "the path has an empty or a dot segment"})
	default:
		s.mux.ServeHTTP(recorder, r)
	}
}

// Current returns an error if questions cannot be answered, because the view is incomplete or too old.
func (s *Server) Current() error {
	select {
	case <-s.options.Ready:
	default:
		return errors.New("the objects have not been read yet")
	}
	if age := s.options.Age(); s.options.MaxStaleness > 0 && age > s.options.MaxStaleness {
		return fmt.Errorf("the API server last sent data %s ago, which is longer than %s (--max-staleness)",
			age.Round(time.Second), s.options.MaxStaleness)
	}
	return nil
}

// asked is the request of an authenticated caller to an organization.
type asked struct {
	who          *caller
	organization string
	body         []byte
}

// answerer authorizes the caller and returns the answer.
type answerer func(context.Context, *asked) (any, error)

// question returns a handler that authenticates the caller, reads the body and writes the answer.
func (s *Server) question(answer answerer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		made, err := s.answer(w, r, answer)
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		s.write(w, made)
	}
}

// write writes an answer.
func (s *Server) write(w http.ResponseWriter, made any) {
	w.Header().Set("Content-Type", jsonType)
	if err := json.MarshalWrite(w, made); err != nil {
		s.options.Log.V(1).Info("An answer was not written whole", "error", err.Error())
	}
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, answer answerer) (any, error) {
	if err := s.Current(); err != nil {
		return nil, unavailable(err)
	}
	who, err := s.options.Callers.authenticate(r)
	if err != nil {
		return nil, unavailable(err)
	}
	if who == nil {
		return nil, &failure{
			code: http.StatusUnauthorized, challenge: true,
			message: "send a service account's token for the audience " + Audience + " as bearer token",
		}
	}
	organization := r.PathValue("organization")
	if !isLabel(organization) {
		return nil, noOrganization(organization)
	}
	body, done, err := s.body(w, r)
	if err != nil {
		return nil, err
	}
	defer done()
	return answer(r.Context(), &asked{who, organization, body})
}

// body reads the body of a request. The caller must call done after using it.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset, given := parameters["charset"]; err != nil || media != jsonType || (given && !strings.EqualFold(charset, "utf-8")) {
		return nil, nil, badRequest(fmt.Errorf("the Content-Type is %q: must be %s", r.Header.Get("Content-Type"), jsonType))
	}
	done = func() {}
	if r.ContentLength < 0 || r.ContentLength > smallBodyBytes {
		select {
		case s.large <- struct{}{}:
			done = func() { <-s.large }
		default:
			return nil, nil, unavailable(errors.New("too many large bodies at the same time"))
		}
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, mostBodyBytes))
	if err != nil {
		done()
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, nil, &failure{
				code: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("the body has more than %d bytes", mostBodyBytes),
			}
		}
		return nil, nil, badRequest(errors.New("the body could not be read"))
	}
	return body, done, nil
}

// isClean reports whether a path contains neither empty nor dot segments.
func isClean(path string) bool {
	return !strings.Contains(path, "//") && !hasDotSegment(strings.Split(path, "/"))
}

// recorder records the status code of an answer.
type recorder struct {
	http.ResponseWriter

	endpoint string
	code     int
}

// WriteHeader records the status code and writes the header.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write writes a part of the body.
func (r *recorder) Write(text []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return r.ResponseWriter.Write(text)
}

// Unwrap returns the writer below, for an http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// named returns a handler whose responses are measured under the name of the endpoint.
func named(endpoint string, handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if recorder, ok := w.(*recorder); ok {
			recorder.endpoint = endpoint
		}
		handler(w, r)
	})
}
