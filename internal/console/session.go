package console

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
)

const (
	// cookieName is the name of the cookie. Its path is the secret path.
	cookieName = "usher-console"
	// tokenParameter carries the token that opens the console.
	tokenParameter = "token"
	// formParameter carries the token of a form.
	formParameter = "form-token"
	// openForms is the maximum number of forms that a browser may still send. A new form displaces the oldest.
	openForms = 4096
)

// session is the secrets of one run of the console.
type session struct {
	// base is the secret path, with a slash at both ends.
	base          string
	token, cookie string

	mu     sync.Mutex
	opened bool
	forms  map[string]bool
	order  []string // of forms
}

func newSession() *session {
	return &session{base: "/" + newSecret() + "/", token: newSecret(), cookie: newSecret(), forms: map[string]bool{}}
}

// newSecret returns 128 random bits as text for a URL.
func newSecret() string {
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails
	return base64.RawURLEncoding.EncodeToString(secret)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// contains reports whether the path is below the secret path.
func (s *session) contains(path string) bool {
	return len(path) >= len(s.base) && same(path[:len(s.base)], s.base)
}

// isMember reports whether the request has the cookie.
func (s *session) isMember(r *http.Request) bool {
	return len(r.CookiesNamed(cookieName)) == 1 && same(r.CookiesNamed(cookieName)[0].Value, s.cookie)
}

// open exchanges the token for the cookie. It reports whether the token was right and unused.
func (s *session) open(w http.ResponseWriter, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened || !same(token, s.token) {
		return false
	}
	s.opened = true
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: s.cookie, Path: strings.TrimSuffix(s.base, "/"), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return true
}

// newForm returns a token for the forms of one page. Only one of them can be sent.
func (s *session) newForm() string {
	token := newSecret()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) == openForms {
		delete(s.forms, s.order[0])
		s.order = s.order[1:]
	}
	s.forms[token] = true
	s.order = append(s.order, token)
	return token
}

// takeForm reports whether the token is that of a form that was not sent before, and invalidates it.
func (s *session) takeForm(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forms[token] {
		return false
	}
	delete(s.forms, token)
	return true
}
