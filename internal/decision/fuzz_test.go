package decision

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"k8s.io/apiserver/pkg/authentication/authenticator"
)

// FuzzQuestions sends any body to any endpoint. It checks that the status code is one of the endpoint's, that the
// view confirms every permit, and that nothing panics.
func FuzzQuestions(f *testing.F) {
	paths := []string{
		onePath, manyPath, "/acme/access/v1/search/subject", "/acme/access/v1/search/resource", "/acme/access/v1/search/action",
	}
	for i, body := range []string{
		question, `{"evaluations":[{},{"resource":{"type":"row","id":"finance/1","properties":{"country":"France"}}}],` + question[1:],
		`{"page":{"limit":1,"token":"e30"},` + question[1:], `[`, `null`, `{"subject":{"type":"user","id":"amelie","id":"ben"}}`,
	} {
		f.Add(uint8(i), body)
	}
	s := newFixture(f, viewOf(f, acme))
	codes := []int{http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge}
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		w := s.post("all", paths[int(path)%len(paths)], body)
		if !slices.Contains(codes, w.Code) {
			t.Fatalf("got %d %s", w.Code, text(w))
		}
		if w.Code != http.StatusOK {
			return
		}
		var answer struct {
			Answer

			Evaluations []Answer `json:"evaluations"`
			Results     []result `json:"results"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%v in %s", err, w.Body)
		}
		for _, each := range append(answer.Evaluations, answer.Answer) {
			if each.Decision && (each.Context == nil || each.Context.Role == "" || each.Context.Role == "NoAccess" || each.Context.Error != nil) {
				t.Errorf("a permit without a role: %s", w.Body)
			}
		}
	})
}

// noPeer authenticates no peer.
var noPeer = authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) { return nil, false, nil })

// FuzzCheck sends any path and headers as the user ben, who may view and edit finance and view sales. It checks
// that no path permits anything else, including paths that a gateway could confuse with another one.
func FuzzCheck(f *testing.F) {
	for _, path := range []string{
		"/check/v1/acme/finance/edit", "/check/v1/acme/finance/view/../administer", "/check/v1/acme/finance/edit%2f..%2fadminister",
		"/check/v1/acme//finance/edit", "//check/v1/acme/finance/edit", "/check/v1/acme/%66inance/edit", "/CHECK/v1/acme/finance/edit",
	} {
		f.Add(path, "Bearer ben", "")
		f.Add(path, "", "ben")
	}
	s := newFixture(f, viewOf(f, acme))
	s.options.Users = &Users{Tokens: namedUsers, Header: "X-Forwarded-User", Peers: noPeer}
	permitted := []string{"finance/edit", "finance/view", "sales/view"}
	f.Fuzz(func(t *testing.T, path, authorization, header string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://pdp.example"+path, http.NoBody)
		if err != nil {
			return // a server would never receive it
		}
		r.Header.Set("Authorization", authorization)
		if header != "" {
			r.Header.Set("X-Forwarded-User", header)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return
		}
		rest, isCheck := strings.CutPrefix(r.URL.EscapedPath(), "/check/v1/acme/")
		segments := strings.SplitN(rest, "/", 3)
		if strings.HasPrefix(path, "/.well-known/") {
			return
		}
		if header != "" || !isCheck || len(segments) < 2 {
			t.Fatalf("permitted %q with header %q", path, header)
		}
		if user := w.Header().Get("X-Usher-User"); user == "ben" && !slices.Contains(permitted, strings.Join(segments[:2], "/")) {
			t.Fatalf("permitted %q", path)
		}
	})
}
