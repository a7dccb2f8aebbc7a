package decision

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// namedUsers authenticates a token as the user with that name, except for the token "invalid".
var namedUsers = authenticator.TokenFunc(func(_ context.Context, token string) (*authenticator.Response, bool, error) {
	if token == "invalid" {
		return nil, false, errors.New("it is invalid")
	}
	return &authenticator.Response{User: &user.DefaultInfo{Name: token}}, true, nil
})

func TestCheck(t *testing.T) {
	v := viewOf(t, acme)
	for name, tc := range map[string]struct {
		method, path, user string
		prepare            func(*fixture)
		code               int
		want               http.Header // of X-Usher-*
	}{
		"the permission": {
			path: "/check/v1/acme/finance/edit", user: "ben", code: 200,
			want: http.Header{"X-Usher-User": {"ben"}, "X-Usher-Role": {"Editor"}, "X-Usher-Rows": {"all"}},
		},
		"filters": {
			path: "/check/v1/acme/finance/view", user: "amelie", code: 200,
			want: http.Header{"X-Usher-User": {"amelie"}, "X-Usher-Role": {"Viewer"}, "X-Usher-Rows": {"filtered"}},
		},
		"any method and a path behind": {
			method: http.MethodPut, path: "/check/v1/acme/finance/edit/a%20b/c%2Fd//e?f=/../g", user: "ben", code: 200,
			want: http.Header{"X-Usher-User": {"ben"}, "X-Usher-Role": {"Editor"}, "X-Usher-Rows": {"all"}},
		},
		"no user":                      {path: "/check/v1/acme/finance/edit", code: 401},
		"an invalid token":             {path: "/check/v1/acme/finance/edit", user: "invalid", code: 401},
		"another permission":           {path: "/check/v1/acme/finance/administer", user: "ben", code: 403},
		"an unknown user":              {path: "/check/v1/acme/finance/view", user: "zoe", code: 403},
		"an unknown application":       {path: "/check/v1/acme/other/view", user: "dee", code: 403},
		"an unknown organization":      {path: "/check/v1/nowhere/finance/view", user: "ben", code: 403},
		"filters that leave no row":    {path: "/check/v1/acme/sealed/view", user: "cy", code: 403},
		"an end":                       {path: "/check/v1/acme/finance/view", user: "eve", prepare: func(f *fixture) { f.now = june.Add(time.Hour) }, code: 403},
		"no permission":                {path: "/check/v1/acme/finance", user: "ben", code: 403},
		"an empty permission":          {path: "/check/v1/acme/finance/", user: "ben", code: 403},
		"another version":              {path: "/check/v2/acme/finance/edit", user: "ben", code: 403},
		"a second slash":               {path: "/check/v1//acme/finance/edit", user: "ben", code: 403},
		"a second slash before":        {path: "/check//v1/acme/finance/edit", user: "ben", code: 403},
		"a second slash at first":      {path: "//check/v1/acme/finance/edit", user: "ben", code: 404},
		"a dot segment":                {path: "/check/v1/acme/finance/../finance/edit", user: "ben", code: 403},
		"a dot segment as permission":  {path: "/check/v1/acme/finance/./edit", user: "ben", code: 403},
		"a dot segment behind":         {path: "/check/v1/acme/finance/edit/../administer", user: "ben", code: 403},
		"an encoded dot segment":       {path: "/check/v1/acme/finance/edit/%2e%2E/administer", user: "ben", code: 403},
		"an encoded application":       {path: "/check/v1/acme/f%69nance/edit", user: "ben", code: 403},
		"an encoded slash":             {path: "/check/v1/acme%2Ffinance/edit/x", user: "ben", code: 403},
		"an encoded permission":        {path: "/check/v1/acme/finance/edit%2Fadminister", user: "ben", code: 403},
		"the path of another endpoint": {path: "/check/v1/access/v1/evaluation", user: "ben", code: 403},
		"objects have not been read":   {path: "/check/v1/acme/finance/edit", user: "ben", prepare: func(f *fixture) { f.options.Ready = make(chan struct{}) }, code: 503},
		"the view is too old":          {path: "/check/v1/acme/finance/edit", user: "ben", prepare: func(f *fixture) { f.age = time.Hour }, code: 503},
		"any age": {
			path: "/check/v1/acme/finance/edit", user: "ben", prepare: func(f *fixture) { f.age, f.options.MaxStaleness = time.Hour, 0 }, code: 200,
			want: http.Header{"X-Usher-User": {"ben"}, "X-Usher-Role": {"Editor"}, "X-Usher-Rows": {"all"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, v)
			f.options.Users.Tokens = namedUsers
			if tc.prepare != nil {
				tc.prepare(f)
			}
			if tc.method == "" {
				tc.method = http.MethodGet
			}
			r := httptest.NewRequest(tc.method, "https://pdp.example"+tc.path, strings.NewReader("a body"))
			r.Header.Set("X-Request-ID", "an id")
			if tc.user != "" {
				r.Header.Set("Authorization", "Bearer "+tc.user)
			}
			w := f.do(r)
			if w.Code != tc.code || w.Header().Get("X-Request-ID") != "an id" {
				t.Errorf("got %d %q with headers %v, want %d", w.Code, text(w), w.Header(), tc.code)
			}
			got := http.Header{}
			for key, values := range w.Header() {
				if strings.HasPrefix(key, "X-Usher-") {
					got[key] = values
				}
			}
			if tc.want == nil {
				tc.want = http.Header{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}
