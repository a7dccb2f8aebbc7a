package console

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/source"
)

// now is the instant of the tests.
var now = time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)

// site is a console over a copy of files, and the browser of its user.
type site struct {
	t         *testing.T
	server    *Server
	directory string
	host      string
	cookie    string
	client    *http.Client
}

// samples are the files of config/samples.
const samples = "../../config/samples"

// openSite opens a console over a copy of the directory.
func openSite(t *testing.T, directory string) *site {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(directory)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	backend, err := NewFiles(ctx, source.Source{
		Filenames: []string{copied}, Recursive: true, SystemNamespace: "access-system", Input: input.NewReader(nil, input.DefaultMaxBytes),
	}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, ctx, cancel, backend)
	s.directory = copied
	return s
}

func serve(t *testing.T, ctx context.Context, cancel context.CancelFunc, backend Backend) *site {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, server: New(&Options{Backend: backend, Clock: func() time.Time { return now }}), host: l.Addr().String()}
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, l) }()
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	answer := s.send(s.request(http.MethodGet, "?"+tokenParameter+"="+s.server.session.token, nil)) //nolint:contextcheck // requests outlive the start
	if len(answer.cookies) != 1 {
		t.Fatalf("opening: %d, %d cookies", answer.status, len(answer.cookies))
	}
	s.cookie = answer.cookies[0].Value
	return s
}

// answer is the answer to a request.
type answer struct {
	status   int
	location string
	header   http.Header
	cookies  []*http.Cookie
	text     string
}

// request returns a request as the browser sends it.
func (s *site) request(method, path string, form url.Values) *http.Request {
	s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	if !strings.HasPrefix(path, "/") {
		path = s.server.session.base + path
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.host+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "none")
	if method == http.MethodPost {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", "http://"+s.host)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if s.cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: s.cookie})
	}
	return r
}

func (s *site) send(r *http.Request) *answer {
	s.t.Helper()
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &answer{response.StatusCode, response.Header.Get("Location"), response.Header, response.Cookies(), string(text)}
}

// get returns the page. It follows redirects.
func (s *site) get(path string) *answer {
	s.t.Helper()
	for range 5 {
		a := s.send(s.request(http.MethodGet, path, nil))
		if a.location == "" {
			return a
		}
		path = a.location
	}
	s.t.Fatal("too many redirects")
	return nil
}

var formToken = regexp.MustCompile(`name="form-token" value="([^"]+)"`)

// post sends a form with the token of the page, and returns where it leads.
func (s *site) post(page *answer, path string, form url.Values) *answer {
	s.t.Helper()
	found := formToken.FindStringSubmatch(page.text)
	if found == nil {
		s.t.Fatalf("no form in %s", text(page.text))
	}
	sent := url.Values{formParameter: {found[1]}}
	for name, values := range form {
		sent[name] = values
	}
	return s.send(s.request(http.MethodPost, path, sent))
}

// follow sends a form and returns the page to which it leads.
func (s *site) follow(page *answer, path string, form url.Values) (to string, made *answer) {
	s.t.Helper()
	a := s.post(page, path, form)
	if a.status != http.StatusSeeOther {
		s.t.Fatalf("%s: %d %s", path, a.status, text(a.text))
	}
	return strings.TrimPrefix(a.location, s.server.session.base), s.get(a.location)
}

// file returns the content of a file of the console.
func (s *site) file(name string) string {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.directory, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

var tags = regexp.MustCompile(`(?s)<[^>]*>`)

// text returns the text of a page.
func text(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

// has checks that the text of the page contains each text.
func (a *answer) has(t *testing.T, all ...string) {
	t.Helper()
	seen := text(a.text)
	for _, each := range all {
		if !strings.Contains(seen, each) {
			t.Errorf("%q is missing in: %s", each, seen)
		}
	}
}
