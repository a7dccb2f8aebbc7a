package console

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestForgedRequests withholds or forges what protects the console. Every request is refused, and nothing changes.
func TestForgedRequests(t *testing.T) {
	s := openSite(t, samples)
	page := s.get("o/analytics/groups/france")
	token := formToken.FindStringSubmatch(page.text)[1]
	before := s.file("analytics/groups.yaml")
	edit := "o/analytics/groups/france/edit"
	form := url.Values{formParameter: {token}}
	for name, c := range map[string]struct {
		method, path string
		form         url.Values
		forge        func(*http.Request)
		status       int
		says         string
	}{
		"without the cookie":             {path: "o/analytics/groups", forge: func(r *http.Request) { r.Header.Del("Cookie") }, status: 403, says: "has not opened the console"},
		"another cookie":                 {path: "o/analytics/groups", forge: func(r *http.Request) { r.Header.Set("Cookie", cookieName+"=x") }, status: 403, says: "has not opened the console"},
		"two cookies":                    {path: "o/analytics/groups", forge: func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: "x"}) }, status: 403, says: "has not opened the console"},
		"the token a second time":        {path: "?token=" + s.server.session.token, forge: func(r *http.Request) { r.Header.Del("Cookie") }, status: 403, says: "It was used before"},
		"another token":                  {path: "?token=x", forge: func(r *http.Request) { r.Header.Del("Cookie") }, status: 403, says: "has not opened the console"},
		"without the secret path":        {path: "/o/analytics/groups", status: 404, says: "by the address that the command printed"},
		"with another path":              {path: "/" + newSecret() + "/o/analytics/groups", status: 404, says: "by the address that the command printed"},
		"another host":                   {path: "o/analytics/groups", forge: func(r *http.Request) { r.Host = "attacker.example" }, status: 403, says: "for another host"},
		"a name of this machine":         {path: "o/analytics/groups", forge: func(r *http.Request) { _, port, _ := net.SplitHostPort(r.Host); r.Host = "localhost:" + port }, status: 403, says: "for another host"},
		"another port":                   {path: "o/analytics/groups", forge: func(r *http.Request) { r.Host = "127.0.0.1:1" }, status: 403, says: "for another host"},
		"without Sec-Fetch-Site":         {path: "o/analytics/groups", forge: func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }, status: 403, says: "comes from elsewhere"},
		"from another site":              {path: "o/analytics/groups", forge: func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, status: 403, says: "comes from elsewhere"},
		"from another port of this host": {path: "o/analytics/groups", forge: func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, status: 403, says: "comes from elsewhere"},
		"read from another origin":       {path: "o/analytics/groups", forge: func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, status: 403, says: "another origin"},
		"PUT":                            {method: http.MethodPut, path: "o/analytics/groups", status: 405, says: "GET, HEAD and POST"},
		"OPTIONS":                        {method: http.MethodOptions, path: "o/analytics/groups", status: 405, says: "GET, HEAD and POST"},
		"a form that a person opens":     {method: http.MethodPost, path: edit, form: form, forge: func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, status: 403, says: "comes from elsewhere"},
		"a form of another origin":       {method: http.MethodPost, path: edit, form: form, forge: func(r *http.Request) { r.Header.Set("Origin", "http://attacker.example") }, status: 403, says: "Nothing was done"},
		"a form of a hidden origin":      {method: http.MethodPost, path: edit, form: form, forge: func(r *http.Request) { r.Header.Set("Origin", "null") }, status: 403, says: "Nothing was done"},
		"a form without an origin":       {method: http.MethodPost, path: edit, form: form, forge: func(r *http.Request) { r.Header.Del("Origin") }, status: 403, says: "Nothing was done"},
		"a form without its token":       {method: http.MethodPost, path: edit, form: url.Values{}, status: 409, says: "Nothing was done now"},
		"a form with another token":      {method: http.MethodPost, path: edit, form: url.Values{formParameter: {newSecret()}}, status: 409, says: "Nothing was done now"},
		"a token in the address":         {method: http.MethodPost, path: edit + "?" + formParameter + "=" + token, form: url.Values{}, status: 409, says: "Nothing was done now"},
		"a form that is too large":       {method: http.MethodPost, path: edit, form: url.Values{"x": {strings.Repeat("x", largestForm)}}, status: 400, says: "Nothing was done"},
	} {
		t.Run(name, func(t *testing.T) {
			method := c.method
			if method == "" {
				method = http.MethodGet
			}
			r := s.request(method, c.path, c.form)
			if c.forge != nil {
				c.forge(r)
			}
			a := s.send(r)
			if a.status != c.status {
				t.Errorf("status %d, want %d", a.status, c.status)
			}
			a.has(t, c.says)
			if strings.Contains(a.text, "amelie") {
				t.Error("the answer contains data")
			}
		})
	}
	if s.file("analytics/groups.yaml") != before {
		t.Error("a file has changed")
	}
	if a := s.send(s.request(http.MethodPost, edit, form)); a.status != http.StatusSeeOther {
		t.Fatalf("the form itself: %d", a.status)
	}
	again := s.send(s.request(http.MethodPost, edit, form))
	if again.status != http.StatusConflict {
		t.Errorf("the form a second time: %d", again.status)
	}
	again.has(t, "This form was sent before", "Nothing was done now")
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	s := openSite(t, samples)
	for name, path := range map[string]string{
		"page": "o/analytics/groups", "asset": "assets/style.css", "problem": "nothing", "download": "o/analytics/matrix.csv", "outside": "/",
		"suggestion": "suggest?q=a",
	} {
		t.Run(name, func(t *testing.T) {
			h := s.send(s.request(http.MethodGet, path, nil)).header
			policy := h.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
				t.Errorf("Content-Security-Policy: %s", policy)
			}
			for header, want := range map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
			} {
				if got := h.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
		})
	}
}

func TestCookie(t *testing.T) {
	s := openSite(t, samples)
	other := &site{t: t, server: New(&Options{Backend: s.server.backend, Clock: s.server.clock}), host: s.host, client: s.client}
	other.server.host = s.host
	recorder := httptest.NewRecorder()
	other.server.ServeHTTP(recorder, other.request(http.MethodGet, "?token="+other.server.session.token, nil))
	cookie := recorder.Header().Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=" + strings.TrimSuffix(other.server.session.base, "/")} {
		if !strings.Contains(cookie, want) {
			t.Errorf("%s is missing in %s", want, cookie)
		}
	}
	const bits128 = 22 // characters of base64
	if got := len(other.server.session.base) - len("//"); got != bits128 {
		t.Errorf("the secret path has %d characters", got)
	}
}

func TestOldestFormsAreForgotten(t *testing.T) {
	s := newSession()
	first := s.newForm()
	second := s.newForm()
	for range openForms - 1 {
		s.newForm()
	}
	if s.takeForm(first) {
		t.Error("the oldest form is accepted")
	}
	if !s.takeForm(second) {
		t.Error("the second form is not accepted")
	}
	if len(s.forms) > openForms {
		t.Errorf("%d forms are kept", len(s.forms))
	}
}

func TestOnlyLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "0.0.0.0": false, "192.0.2.1": false, "::": false,
	} {
		err := checkLoopback(&net.TCPAddr{IP: net.ParseIP(address), Port: 80})
		if (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := checkLoopback(&net.UnixAddr{Name: "x"}); err == nil {
		t.Error("a socket is accepted")
	}
}

func TestConsoleEndsWithoutUse(t *testing.T) {
	s := openSite(t, samples)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	idle := New(&Options{Backend: s.server.backend, Clock: s.server.clock, Idle: time.Millisecond})
	if err := idle.Serve(context.Background(), l); err != nil {
		t.Error(err)
	}
}
