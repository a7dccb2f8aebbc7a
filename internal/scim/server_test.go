package scim

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var errServer = apierrors.NewInternalError(errors.New("etcd is gone"))

// TestCallers sends tokens that the server refuses, and paths that it does not have.
func TestCallers(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	own := "Bearer " + testToken(testOrganization, testProvider)
	for name, tc := range map[string]struct {
		path          string
		authorization []string
		code          int
	}{
		"its own":                 {"/acme/v2/Users", []string{own}, http.StatusOK},
		"any case":                {"/acme/v2/Users", []string{"bearer " + testToken(testOrganization, testProvider)}, http.StatusOK},
		"no token":                {"/acme/v2/Users", nil, http.StatusUnauthorized},
		"no token for discovery":  {"/acme/v2/ServiceProviderConfig", nil, http.StatusUnauthorized},
		"two tokens":              {"/acme/v2/Users", []string{own, own}, http.StatusUnauthorized},
		"another scheme":          {"/acme/v2/Users", []string{"Basic YTpi"}, http.StatusUnauthorized},
		"an empty token":          {"/acme/v2/Users", []string{"Bearer "}, http.StatusUnauthorized},
		"no service account's":    {"/acme/v2/Users", []string{"Bearer abc"}, http.StatusUnauthorized},
		"of another organization": {"/acme/v2/Users", []string{"Bearer " + testToken("other", testProvider)}, http.StatusForbidden},
		"a long name":             {"/acme/v2/Users", []string{"Bearer " + testToken(testOrganization, strings.Repeat("a", 64))}, http.StatusForbidden},
		"no organization":         {"/v2/Users", []string{own}, http.StatusNotFound},
		"no label":                {"/A_B/v2/Users", []string{own}, http.StatusNotFound},
		"another version":         {"/acme/v1/Users", []string{own}, http.StatusNotFound},
		"dots":                    {"/acme/v2/../../other/v2/Users", []string{own}, http.StatusNotFound},
		"encoded":                 {"/acme/v2/Users/%2e%2e", []string{own}, http.StatusNotFound},
		"an unknown endpoint":     {"/acme/v2/Things", []string{own}, http.StatusNotFound},
		"bulk":                    {"/acme/v2/Bulk", []string{own}, http.StatusNotImplemented},
		"me":                      {"/acme/v2/Me", []string{own}, http.StatusNotImplemented},
		"configuration":           {"/acme/v2/ServiceProviderConfig", []string{own}, http.StatusOK},
		"types":                   {"/acme/v2/ResourceTypes", []string{own}, http.StatusOK},
		"schemas":                 {"/acme/v2/Schemas", []string{own}, http.StatusOK},
		"a schema":                {"/acme/v2/Schemas/" + enterpriseSchema, []string{own}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://scim.example"+tc.path, http.NoBody)
			r.Header["Authorization"] = tc.authorization
			w := httptest.NewRecorder()
			c.server.ServeHTTP(w, r)
			if w.Code != tc.code {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tc.code)
			}
			if (w.Code == http.StatusUnauthorized) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("the header is %v", w.Header())
			}
			if strings.Contains(w.Body.String(), testToken(testOrganization, testProvider)) {
				t.Error("the answer has the token")
			}
		})
	}
}

// TestOnlyTheCallersToken reaches the API server: neither the Pod's credentials nor other headers of the request do.
func TestOnlyTheCallersToken(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	c.do(http.MethodGet, "/Users", "", "Impersonate-User", "system:admin", "Impersonate-Group", "system:masters", "X-Remote-User", "admin")
	if diff := cmp.Diff([]string{"Bearer " + c.token}, c.api.tokens); diff != "" {
		t.Errorf("tokens differ (-want +got):\n%s", diff)
	}
	for header := range c.api.headers {
		if strings.HasPrefix(header, "Impersonate") || strings.HasPrefix(header, "X-Remote") {
			t.Errorf("header %s has passed", header)
		}
	}
	// A token that the API server does not take ends the request, whoever it claims to be.
	c.api.refuse = func(*http.Request) error { return apierrors.NewUnauthorized("no") }
	c.must(http.StatusUnauthorized, http.MethodGet, "/Users", "")
}

// TestBodies sends bodies that the server does not take.
func TestBodies(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	for name, tc := range map[string]struct {
		body string
		code int
	}{
		"no JSON":     {"userName=ana", http.StatusBadRequest},
		"a list":      {"[]", http.StatusBadRequest},
		"null":        {"null", http.StatusBadRequest},
		"two values":  {"{}{}", http.StatusBadRequest},
		"no schema":   {`{"userName":"ana"}`, http.StatusBadRequest},
		"no userName": {`{"schemas":["` + coreUser.ID + `"]}`, http.StatusBadRequest},
		"17 MiB":      {`{"userName":"` + strings.Repeat("a", 17<<20) + `"}`, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(*testing.T) { c.must(tc.code, http.MethodPost, "/Users", tc.body) })
	}
	// It is asked who the caller is before a large body is read, and nothing else.
	if diff := cmp.Diff([]string{"GET accessgroups"}, c.api.take()); diff != "" {
		t.Errorf("requests differ (-want +got):\n%s", diff)
	}
	c.api.refuse = func(*http.Request) error { return apierrors.NewUnauthorized("no") }
	c.must(http.StatusUnauthorized, http.MethodPost, "/Users", strings.Repeat("a", 1<<20))
}

// TestAPIServerIsGone gets no answer from the API server.
func TestAPIServerIsGone(t *testing.T) {
	c := newClient(t, UserAttributeUserName)
	c.api.refuse = func(*http.Request) error { panic(http.ErrAbortHandler) }
	a := c.must(http.StatusServiceUnavailable, http.MethodPost, "/Users", entraUser)
	if a.header.Get("Retry-After") == "" || strings.Contains(a.text("detail"), c.token) || strings.Contains(a.text("detail"), "127.0.0.1") {
		t.Errorf("got %v with %v", a.body, a.header)
	}
}
