package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// idleLimit is the time without use after which the console ends.
const idleLimit = time.Hour

// Options are the settings of a [Server].
type Options struct {
	Backend Backend
	// Clock returns the present instant.
	Clock func() time.Time
	// Idle is the time without use after which the console ends. Zero means an hour.
	Idle time.Duration
}

// Server serves the pages to one person.
type Server struct {
	backend  Backend
	clock    func() time.Time
	idle     time.Duration
	session  *session
	renderer *renderer
	routes   *http.ServeMux
	changes  *ledger
	host     string
	ended    chan struct{} // closed when the console ends

	mu    sync.Mutex
	timer *time.Timer // of the time without use
}

// New returns a server for one run of the console.
func New(o *Options) *Server {
	s := &Server{
		backend: o.Backend, clock: o.Clock, idle: o.Idle, session: newSession(), changes: newLedger(), ended: make(chan struct{}),
	}
	if s.idle == 0 {
		s.idle = idleLimit
	}
	s.renderer = newRenderer(s.session.base)
	s.routes = s.newRoutes()
	return s
}

// Address returns the address that opens the console once.
func (s *Server) Address(l net.Listener) string {
	return (&url.URL{
		Scheme: "http", Host: l.Addr().String(), Path: s.session.base,
		RawQuery: url.Values{tokenParameter: {s.session.token}}.Encode(),
	}).String()
}

// Serve serves until the context ends, or until the console was not used for the idle time.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := checkLoopback(l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	s.host = l.Addr().String()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.timer = time.AfterFunc(s.idle, cancel)
	s.mu.Unlock()
	defer s.timer.Stop()
	const patience = 10 * time.Second
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: patience, ReadTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		close(s.ended)
		return fmt.Errorf("serve the console: %w", err)
	case <-ctx.Done():
	}
	close(s.ended) // ends the streams
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	return server.Shutdown(ending)
}

// touch restarts the time without use.
func (s *Server) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Reset(s.idle)
	}
}

// liveHeader marks the requests by which the script follows changes. They are no use by a person.
const liveHeader = "Usher-Live"

// ServeHTTP checks the request and answers it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	if p := s.check(w, r); p != nil {
		s.answer(w, r, nil, p)
		return
	}
	if !s.session.isMember(r) {
		s.enter(w, r)
		return
	}
	if r.Header.Get(liveHeader) == "" {
		s.touch()
	}
	if r.Method == http.MethodPost {
		if p := s.checkForm(r); p != nil {
			s.answer(w, r, nil, p)
			return
		}
	}
	http.StripPrefix(s.session.base[:len(s.session.base)-1], s.routes).ServeHTTP(w, r)
}

// check returns a problem if the request is not from the console's own pages, or not below the secret path.
func (s *Server) check(w http.ResponseWriter, r *http.Request) *problem {
	if p := checkRequest(r, s.host); p != nil {
		return p
	}
	if !s.session.contains(r.URL.Path) {
		return notFound("Not found", "Open the console by the address that the command printed.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, largestForm)
	return nil
}

// enter exchanges the token of the address for the cookie.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get(tokenParameter)
	if r.Method == http.MethodGet && r.URL.Path == s.session.base && s.session.open(w, token) {
		s.touch()
		http.Redirect(w, r, s.session.base, http.StatusSeeOther)
		return
	}
	s.answer(w, r, nil, forbidden("This browser has not opened the console",
		"The address with the token opens it once, in one browser. It was used before, or the token is missing. "+
			"End the command and run kubectl access ui again."))
}

// checkForm returns a problem if the token of the form is missing or was used.
func (s *Server) checkForm(r *http.Request) *problem {
	if err := r.ParseForm(); err != nil {
		return &problem{Status: http.StatusBadRequest, Title: "The form cannot be read", Text: err.Error() + ". Nothing was done."}
	}
	if s.session.takeForm(r.PostForm.Get(formParameter)) {
		return nil
	}
	return &problem{Status: http.StatusConflict, Title: "This form was sent before",
		Text: "A form is accepted once. This one was sent before, or its page is too old. Nothing was done now. Open the page again."}
}

// A handler answers a request with a page, or with an error.
type handler func(r *http.Request) (reply, error)

func (s *Server) handle(mux *http.ServeMux, pattern string, h handler) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		made, err := h(r)
		s.answer(w, r, made, err)
	})
}

// answer writes the reply, or a page about the error.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, made reply, err error) {
	if err != nil {
		made = s.failure(r, err)
	}
	made.write(s, w, r)
}

func (s *Server) failure(r *http.Request, err error) reply {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{Status: http.StatusInternalServerError, Title: "The console could not do this", Text: err.Error()}
	}
	return &page{frame: s.newFrame(r, p.Title), template: "problem", status: p.Status, data: p}
}
