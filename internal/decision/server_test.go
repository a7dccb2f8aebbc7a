package decision

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const (
	question = `{"subject":{"type":"user","id":"ben"},"action":{"name":"view"},"resource":{"type":"application","id":"finance"}}`
	permit   = `{"decision":true,"context":{"role":"Editor","rule":"OnlyGrant","source":"AccessGroup/acme/editors"}}`
	onePath  = "/acme/access/v1/evaluation"
	manyPath = "/acme/access/v1/evaluations"
)

func TestAnswers(t *testing.T) {
	france := `{"anyOf":[{"allOf":[{"attribute":"amount","operator":"LessThan","values":["1000"]},{"attribute":"country","operator":"In","values":["France"]}]}]}`
	v := viewOf(t, acme)
	for name, tc := range map[string]struct {
		caller, path, body string
		want               string
	}{
		"a permit": {"all", onePath, question, permit},
		"a caller with the right to one application": {"finance", onePath, question, permit},
		"unknown members":       {"all", onePath, `{"other":[1,{"deep":true}],` + question[1:], permit},
		"members that are null": {"all", onePath, `{"context":null,` + question[1:], permit},
		"context and properties": {
			"all", onePath, `{"subject":{"type":"user","id":"ben","properties":{"a":[1]}},"action":{"name":"view","properties":{}},` +
				`"resource":{"type":"application","id":"finance","properties":{"b":{}}},"context":{"time":"now"}}`, permit,
		},
		"another name of the type": {"all", onePath, strings.Replace(question, "application", "app", 1), permit},
		"filters": {
			"all", onePath, strings.Replace(question, "ben", "amelie", 1),
			`{"decision":true,"context":{"role":"Viewer","rule":"OnlyGrant","source":"AccessGroup/acme/france","filters":[` + france + `]}}`,
		},
		"an end": {
			"all", onePath, strings.Replace(question, "ben", "eve", 1),
			`{"decision":true,"context":{"role":"Viewer","rule":"OnlyGrant","source":"AccessGroup/acme/today","notAfter":"2026-06-01T13:00:00Z"}}`,
		},
		"an unknown user": {
			"all", onePath, strings.Replace(question, "ben", "zoe", 1), `{"decision":false,"context":{"role":"NoAccess","rule":"NoGrant"}}`,
		},
		"an unknown application": {"all", onePath, strings.Replace(question, "finance", "other", 1), `{"decision":false}`},
		"an unknown type": {
			"all", onePath, strings.Replace(question, "application", "spaceship", 1), `{"decision":false}`,
		},
		"what is not an application": {"all", onePath, strings.Replace(question, "finance", "No/../Application", 1), `{"decision":false}`},
		"a visible row": {
			"all", onePath, `{"subject":{"type":"user","id":"amelie"},"action":{"name":"view"},"resource":{"type":"row","id":"finance/7",` +
				`"properties":{"country":"France","amount":9.99e2,"tags":["a"],"open":true,"none":null}}}`,
			`{"decision":true,"context":{"role":"Viewer","rule":"OnlyGrant","source":"AccessGroup/acme/france"}}`,
		},
		"a row whose property is not a scalar": {
			"all", onePath, `{"subject":{"type":"user","id":"amelie"},"action":{"name":"view"},"resource":{"type":"row","id":"finance/7",` +
				`"properties":{"country":["France"],"amount":1}}}`,
			`{"decision":false,"context":{"role":"Viewer","rule":"OnlyGrant","source":"AccessGroup/acme/france"}}`,
		},
		"a row with a number of many digits": {
			"all", onePath, `{"subject":{"type":"user","id":"amelie"},"action":{"name":"view"},"resource":{"type":"row","id":"finance/7",` +
				`"properties":{"country":"France","amount":1000.00000000000000000001}}}`,
			`{"decision":false,"context":{"role":"Viewer","rule":"OnlyGrant","source":"AccessGroup/acme/france"}}`,
		},
		"a row without an application": {"all", onePath, strings.Replace(question, "application", "row", 1), `{"decision":false}`},

		"a batch": {
			"all", manyPath, `{"subject":{"type":"user","id":"ben"},"action":{"name":"view"},"evaluations":[` +
				`{"resource":{"type":"application","id":"finance"}},{"resource":{"type":"application","id":"other"}},{},` +
				`{"action":{"name":"edit"},"resource":{"type":"application","id":"finance"}}]}`,
			`{"evaluations":[` + permit + `,{"decision":false},{"decision":false,"context":{"error":{"status":400,"message":"resource.type is missing"}}},` +
				permit + `]}`,
		},
		"a batch without items":  {"all", manyPath, `{"evaluations":[],` + question[1:], permit},
		"a batch without a list": {"all", manyPath, question, permit},
		"a batch until the first denial": {
			"all", manyPath, `{"options":{"evaluations_semantic":"deny_on_first_deny"},"evaluations":[{},{"action":{"name":"other"}},{}],` + question[1:],
			`{"evaluations":[` + permit + `,` + strings.Replace(permit, "true", "false", 1) + `]}`,
		},
		"a batch until the first permit": {
			"all", manyPath, `{"options":{"evaluations_semantic":"permit_on_first_permit"},"evaluations":[{"action":{"name":"other"}},{},{}],` + question[1:],
			`{"evaluations":[` + strings.Replace(permit, "true", "false", 1) + `,` + permit + `]}`,
		},
		"a batch with one item that is refused": {
			"finance", manyPath, `{"subject":{"type":"user","id":"ben"},"action":{"name":"view"},"evaluations":[` +
				`{"resource":{"type":"application","id":"finance"}},{"resource":{"type":"application","id":"sales"}}]}`,
			`{"evaluations":[` + permit + `,{"decision":false,"context":{"error":{"status":403,"message":"the caller needs the verb evaluate on ` +
				`applications.decisions.access.usher.dev, for application sales, in namespace acme"}}}]}`,
		},

		"users": {
			"finance", "/acme/access/v1/search/subject", `{"subject":{"type":"user","id":"ignored"},"action":{"name":"edit"},"resource":{"type":"application","id":"finance"}}`,
			`{"page":{"next_token":"","count":2},"results":[{"type":"user","id":"ben"},{"type":"user","id":"dee"}]}`,
		},
		"users of another type": {
			"all", "/acme/access/v1/search/subject", `{"subject":{"type":"spaceship"},"action":{"name":"edit"},"resource":{"type":"application","id":"finance"}}`,
			`{"page":{"next_token":"","count":0},"results":[]}`,
		},
		"applications": {
			"all", "/acme/access/v1/search/resource", `{"subject":{"type":"user","id":"ben"},"action":{"name":"view"},"resource":{"type":"app","id":"ignored"}}`,
			`{"page":{"next_token":"","count":2},"results":[{"type":"app","id":"finance"},{"type":"app","id":"sales"}]}`,
		},
		"permissions": {
			"finance", "/acme/access/v1/search/action", `{"subject":{"type":"user","id":"ben"},"resource":{"type":"application","id":"finance"}}`,
			`{"page":{"next_token":"","count":2},"results":[{"name":"edit"},{"name":"view"}]}`,
		},
		"permissions of an unknown user": {
			"all", "/acme/access/v1/search/action", `{"subject":{"type":"user","id":"zoe"},"resource":{"type":"application","id":"finance"}}`,
			`{"page":{"next_token":"","count":0},"results":[]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, v).post(tc.caller, tc.path, tc.body, "X-Request-ID", "an id")
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Request-ID") != "an id" {
				t.Errorf("got %d with headers %v", w.Code, w.Header())
			}
			if diff := cmp.Diff(tc.want, text(w)); diff != "" {
				t.Errorf("unexpected answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	large := `{"context":{"a":"` + strings.Repeat("x", 1<<20) + `"},` + question[1:]
	many := `{"evaluations":[` + strings.Repeat("{},", 1000) + `{}],` + question[1:]
	v := viewOf(t, acme)
	const subjectPath, resourcePath, actionPath = "/acme/access/v1/search/subject", "/acme/access/v1/search/resource", "/acme/access/v1/search/action"
	for name, tc := range map[string]struct {
		caller, path, body string
		headers            []string
		prepare            func(*fixture)
		code               int
		want               string // in the body
	}{
		"no token":            {path: onePath, body: question, code: 401, want: "token"},
		"an expired token":    {caller: "expired", path: onePath, body: question, code: 401},
		"another scheme":      {path: onePath, body: question, headers: []string{"Authorization", "Basic YTpi"}, code: 401},
		"an empty token":      {path: onePath, body: question, headers: []string{"Authorization", "Bearer "}, code: 401},
		"another audience":    {path: onePath, body: question, headers: []string{"Authorization", "Bearer " + token("all", "other")}, code: 401},
		"no audience":         {path: onePath, body: question, headers: []string{"Authorization", "Bearer a.e30.b"}, code: 401},
		"what is not a token": {path: onePath, body: question, headers: []string{"Authorization", "Bearer x"}, code: 401},
		"an API server that does not know audiences": {
			caller: "all", path: onePath, body: question, prepare: func(f *fixture) { f.api.audience = "https://kubernetes.default.svc" }, code: 401,
		},
		"the API server is gone": {caller: "all", path: onePath, body: question, prepare: func(f *fixture) { f.api.gone = true }, code: 503},
		"objects have not been read": {
			caller: "all", path: onePath, body: question, prepare: func(f *fixture) { f.options.Ready = make(chan struct{}) }, code: 503, want: "not been read",
		},
		"the view is too old": {
			caller: "all", path: onePath, body: question, prepare: func(f *fixture) { f.age = 5*time.Minute + time.Second }, code: 503, want: "--max-staleness",
		},

		"no right":                                {caller: "globex", path: onePath, body: question, code: 403, want: "evaluate"},
		"no right to the application":             {caller: "finance", path: onePath, body: strings.Replace(question, "finance", "sales", 1), code: 403, want: "sales"},
		"no right to an unknown type":             {caller: "finance", path: onePath, body: strings.Replace(question, "application", "x", 1), code: 403, want: "all applications"},
		"no right to a batch":                     {caller: "globex", path: manyPath, body: `{"evaluations":[{}],` + question[1:], code: 403},
		"no right to applications":                {caller: "finance", path: resourcePath, body: question, code: 403, want: "all applications"},
		"no right to search":                      {caller: "nobody", path: subjectPath, body: question, code: 403, want: "search"},
		"no right in what is not an organization": {caller: "finance", path: "/empty/access/v1/evaluation", body: question, code: 403},
		"no organization":                         {caller: "all", path: "/empty/access/v1/evaluation", body: question, code: 404, want: "not an organization"},
		"no organization, for a batch":            {caller: "all", path: "/empty/access/v1/evaluations", body: `{"evaluations":[{}],` + question[1:], code: 404},
		"no organization, for a search":           {caller: "all", path: "/empty/access/v1/search/subject", body: question, code: 404},
		"no namespace":                            {caller: "all", path: "/nowhere/access/v1/evaluation", body: question, code: 404},
		"no name of a namespace":                  {caller: "all", path: "/A_B/access/v1/evaluation", body: question, code: 404},
		"an encoded slash":                        {caller: "all", path: "/acme%2Faccess/access/v1/evaluation", body: question, code: 404},
		"a second slash":                          {caller: "all", path: "/acme//access/v1/evaluation", body: question, code: 404},
		"a dot segment":                           {caller: "all", path: "/x/../acme/access/v1/evaluation", body: question, code: 404},
		"an encoded dot segment":                  {caller: "all", path: "/x/%2e%2E/acme/access/v1/evaluation", body: question, code: 404},
		"another path":                            {caller: "all", path: "/acme/access/v2/evaluation", body: question, code: 404},
		"no content type":                         {caller: "all", path: onePath, body: question, headers: []string{"Content-Type", ""}, code: 400, want: "Content-Type"},
		"another content type":                    {caller: "all", path: onePath, body: question, headers: []string{"Content-Type", "text/plain"}, code: 400},
		"another character set":                   {caller: "all", path: onePath, body: question, headers: []string{"Content-Type", "application/json; charset=latin1"}, code: 400},
		"a large body":                            {caller: "all", path: onePath, body: large, code: 413, want: "1048576"},
		"many evaluations":                        {caller: "all", path: manyPath, body: many, code: 413, want: "1000"},
		"no body":                                 {caller: "all", path: onePath, code: 400, want: "empty"},
		"no JSON":                                 {caller: "all", path: onePath, body: `{"subject"`, code: 400, want: "JSON"},
		"more than one value":                     {caller: "all", path: onePath, body: question + question, code: 400, want: "JSON"},
		"no object":                               {caller: "all", path: onePath, body: `[]`, code: 400},
		"null":                                    {caller: "all", path: onePath, body: ` null`, code: 400, want: "not a JSON object"},
		"no UTF-8":                                {caller: "all", path: onePath, body: strings.Replace(question, "ben", "b\xff", 1), code: 400},
		"a duplicate key":                         {caller: "all", path: onePath, body: `{"action":{"name":"edit"},` + question[1:], code: 400, want: "duplicate"},
		"a duplicate key of a property":           {caller: "all", path: onePath, body: `{"context":{"a":1,"\u0061":2},` + question[1:], code: 400, want: "duplicate"},
		"no subject":                              {caller: "all", path: onePath, body: strings.Replace(question, "subject", "Subject", 1), code: 400, want: "subject.type is missing"},
		"a subject that is null":                  {caller: "all", path: onePath, body: `{"subject":null,"action":{"name":"view"},"resource":{"type":"application","id":"finance"}}`, code: 400},
		"a subject without an id":                 {caller: "all", path: onePath, body: strings.Replace(question, `,"id":"ben"`, "", 1), code: 400, want: "subject.id"},
		"a subject without a type":                {caller: "all", path: onePath, body: strings.Replace(question, `"type":"user",`, "", 1), code: 400, want: "subject.type"},
		"a subject that is a string":              {caller: "all", path: onePath, body: strings.Replace(question, `{"type":"user","id":"ben"}`, `"ben"`, 1), code: 400, want: "/subject"},
		"no action":                               {caller: "all", path: onePath, body: strings.Replace(question, `"action"`, `"act"`, 1), code: 400, want: "action.name"},
		"an action without a name":                {caller: "all", path: onePath, body: strings.Replace(question, `{"name":"view"}`, `{}`, 1), code: 400, want: "action.name"},
		"an action whose name is a number":        {caller: "all", path: onePath, body: strings.Replace(question, `"view"`, `123`, 1), code: 400, want: "/action/name"},
		"no resource":                             {caller: "all", path: onePath, body: strings.Replace(question, `"resource"`, `"res"`, 1), code: 400, want: "resource.type"},
		"properties that are a list":              {caller: "all", path: onePath, body: strings.Replace(question, `"id":"ben"`, `"id":"ben","properties":[]`, 1), code: 400, want: "subject.properties"},
		"a context that is a string":              {caller: "all", path: onePath, body: `{"context":"x",` + question[1:], code: 400, want: "context"},
		"an unknown semantic":                     {caller: "all", path: manyPath, body: `{"options":{"evaluations_semantic":"any"},"evaluations":[{}],` + question[1:], code: 400, want: `"any"`},
		"evaluations that are an object":          {caller: "all", path: manyPath, body: `{"evaluations":{},` + question[1:], code: 400, want: "/evaluations"},
		"an item that is a string":                {caller: "all", path: manyPath, body: `{"evaluations":["x"],` + question[1:], code: 400},

		"users: no action":                      {caller: "all", path: subjectPath, body: `{"subject":{"type":"user"},"resource":{"type":"application","id":"finance"}}`, code: 400, want: "action.name"},
		"users: a resource without an id":       {caller: "all", path: subjectPath, body: `{"subject":{"type":"user"},"action":{"name":"view"},"resource":{"type":"application"}}`, code: 400, want: "resource.id"},
		"applications: no subject":              {caller: "all", path: resourcePath, body: `{"action":{"name":"view"},"resource":{"type":"application"}}`, code: 400, want: "subject.type"},
		"applications: a subject without an id": {caller: "all", path: resourcePath, body: `{"subject":{"type":"user"},"action":{"name":"view"},"resource":{"type":"application"}}`, code: 400, want: "subject.id"},
		"permissions: no resource":              {caller: "all", path: actionPath, body: `{"subject":{"type":"user","id":"ben"}}`, code: 400, want: "resource.type"},
		"permissions: a subject without an id":  {caller: "all", path: actionPath, body: `{"subject":{"type":"user"},"resource":{"type":"application","id":"finance"}}`, code: 400, want: "subject.id"},
		"rows":                                  {caller: "all", path: resourcePath, body: strings.Replace(question, "application", "row", 1), code: 400, want: "rows"},
		"a negative limit":                      {caller: "all", path: subjectPath, body: `{"page":{"limit":-1},` + question[1:], code: 400, want: "page.limit"},
		"half a limit":                          {caller: "all", path: subjectPath, body: `{"page":{"limit":1.5},` + question[1:], code: 400, want: "/page/limit"},
		"a page that is a list":                 {caller: "all", path: subjectPath, body: `{"page":[],` + question[1:], code: 400, want: "/page"},
		"what is not a token of a page":         {caller: "all", path: subjectPath, body: `{"page":{"token":"e30"},` + question[1:], code: 400, want: "page.token"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, v)
			if tc.prepare != nil {
				tc.prepare(f)
			}
			w := f.post(tc.caller, tc.path, tc.body, append([]string{"X-Request-ID", "an id"}, tc.headers...)...)
			got := text(w)
			if w.Code != tc.code || !strings.Contains(got, tc.want) {
				t.Errorf("got %d %q, want %d and %q", w.Code, got, tc.code, tc.want)
			}
			if id := w.Header().Get("X-Request-ID"); id != "an id" {
				t.Errorf("X-Request-ID is %q", id)
			}
			if has := w.Header().Get("WWW-Authenticate") != ""; has != (tc.code == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate is there: %t", has)
			}
			if has := w.Header().Get("Retry-After") != ""; has != (tc.code == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After is there: %t", has)
			}
		})
	}
}

// TestNothingIsLearned asks in an organization in which the caller has no right. The answer is the same whether or
// not the user and the other entities exist.
func TestNothingIsLearned(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	for _, path := range []string{"evaluation", "evaluations", "search/subject", "search/resource", "search/action"} {
		answers := map[string]bool{}
		for _, organization := range []string{"acme", "empty", "nowhere"} {
			for _, user := range []string{"ben", "zoe"} {
				w := f.post("globex", "/"+organization+"/access/v1/"+path, strings.Replace(question, "ben", user, 1))
				answers[fmt.Sprint(w.Code, strings.ReplaceAll(text(w), organization, "ORGANIZATION"))] = true
			}
		}
		if len(answers) != 1 {
			t.Errorf("%s gives different answers: %v", path, answers)
		}
	}
}

func TestPages(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	const path = "/acme/access/v1/search/subject"
	ask := func(page string) string { return text(f.post("all", path, `{"page":{`+page+`},`+question[1:])) }
	token := func(answer string) string {
		_, rest, _ := strings.Cut(answer, `"next_token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		return token
	}
	first := ask(`"limit":3`)
	next := token(first)
	want := `{"page":{"next_token":"` + next + `","count":3},"results":[{"type":"user","id":"amelie"},{"type":"user","id":"ben"},{"type":"user","id":"dee"}]}`
	if diff := cmp.Diff(want, first); diff != "" || next == "" {
		t.Errorf("first page (-want +got):\n%s", diff)
	}
	want = `{"page":{"next_token":"","count":1},"results":[{"type":"user","id":"eve"}]}`
	for _, page := range []string{`"token":"` + next + `"`, `"limit":3,"token":"` + next + `"`} {
		if diff := cmp.Diff(want, ask(page)); diff != "" {
			t.Errorf("second page by {%s} (-want +got):\n%s", page, diff)
		}
	}
	for name, tc := range map[string][2]string{
		"another limit":        {path, `{"page":{"limit":2,"token":"` + next + `"},` + question[1:]},
		"another permission":   {path, strings.Replace(`{"page":{"token":"`+next+`"},`+question[1:], "view", "edit", 1)},
		"another application":  {path, strings.Replace(`{"page":{"token":"`+next+`"},`+question[1:], "finance", "sales", 1)},
		"another organization": {"/empty/access/v1/search/subject", `{"page":{"token":"` + next + `"},` + question[1:]},
		"another search":       {"/acme/access/v1/search/resource", `{"page":{"token":"` + next + `"},` + question[1:]},
	} {
		if w := f.post("all", tc[0], tc[1]); w.Code != http.StatusBadRequest || !strings.Contains(text(w), "page.token") {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
	if got := ask(`"limit":5000`); !strings.Contains(got, `"count":4`) {
		t.Errorf("a limit above the highest one: got %s", got)
	}
	if got := ask(`"limit":0`); !strings.Contains(got, `"count":0`) || token(got) == "" {
		t.Errorf("a limit of 0: got %s", got)
	}
}

func TestDiscovery(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	get := func(path, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "https://pdp.example"+path, http.NoBody)
		r.Host = host
		r.Header.Set("X-Request-ID", "an id")
		return f.do(r)
	}
	for _, organization := range []string{"acme", "empty", "nowhere"} {
		w := get("/.well-known/authzen-configuration/"+organization, "pdp.example:8443")
		base := "https://pdp.example:8443/" + organization
		want := `{"policy_decision_point":"` + base + `","access_evaluation_endpoint":"` + base + `/access/v1/evaluation",` +
			`"access_evaluations_endpoint":"` + base + `/access/v1/evaluations","search_subject_endpoint":"` + base + `/access/v1/search/subject",` +
			`"search_resource_endpoint":"` + base + `/access/v1/search/resource","search_action_endpoint":"` + base + `/access/v1/search/action"}`
		if diff := cmp.Diff(want, text(w)); diff != "" || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" ||
			w.Header().Get("X-Request-ID") != "an id" {
			t.Errorf("got %d with headers %v (-want +got):\n%s", w.Code, w.Header(), diff)
		}
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"no name of a namespace": get("/.well-known/authzen-configuration/A_B", "pdp.example"),
		"not an organization":    get("/.well-known/authzen-configuration", "pdp.example"),
	} {
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
	for _, host := range []string{"", "pdp.example/path", "user@pdp.example", "pdp.example?a"} {
		if w := get("/.well-known/authzen-configuration/acme", host); w.Code != http.StatusBadRequest {
			t.Errorf("host %q: got %d", host, w.Code)
		}
	}
}

func TestOtherMethods(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	if w := f.do(httptest.NewRequest(http.MethodGet, "https://pdp.example"+onePath, http.NoBody)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("got %d", w.Code)
	}
}

// TestMetrics counts requests by endpoint and code, and reviews.
func TestMetrics(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	f.post("all", onePath, question)
	f.post("all", onePath, question)
	f.post("", onePath, question)
	f.post("all", manyPath, "{}")
	f.post("all", "/other", question)
	f.do(httptest.NewRequest(http.MethodGet, "https://pdp.example/check/v1/acme/finance/view", http.NoBody))
	f.age = 90 * time.Second
	want := `
# HELP usher_pdp_requests_total Requests to the decision point, by endpoint and status code.
# TYPE usher_pdp_requests_total counter
usher_pdp_requests_total{code="200",endpoint="evaluation"} 2
usher_pdp_requests_total{code="400",endpoint="evaluations"} 1
usher_pdp_requests_total{code="401",endpoint="check"} 1
usher_pdp_requests_total{code="401",endpoint="evaluation"} 1
usher_pdp_requests_total{code="404",endpoint="other"} 1
# HELP usher_pdp_reviews_total Reviews of callers that the API server was asked for, by kind and result.
# TYPE usher_pdp_reviews_total counter
usher_pdp_reviews_total{kind="SubjectAccessReview",result="error"} 0
usher_pdp_reviews_total{kind="SubjectAccessReview",result="success"} 1
usher_pdp_reviews_total{kind="TokenReview",result="error"} 0
usher_pdp_reviews_total{kind="TokenReview",result="success"} 1
# HELP usher_pdp_view_age_seconds Time since the watch of a kind last received data from the API server. The watch that has been silent longest counts.
# TYPE usher_pdp_view_age_seconds gauge
usher_pdp_view_age_seconds 90
`
	for _, endpoint := range []string{
		"check", "discovery", "evaluation", "evaluations", "other", "search/action", "search/resource", "search/subject",
	} {
		for _, code := range []string{"200", "500", "503"} {
			if line := fmt.Sprintf("usher_pdp_requests_total{code=%q,endpoint=%q}", code, endpoint); !strings.Contains(want, line) {
				want = strings.Replace(want, "# HELP usher_pdp_reviews_total", line+" 0\n# HELP usher_pdp_reviews_total", 1)
			}
		}
	}
	err := testutil.GatherAndCompare(f.registry, strings.NewReader(want),
		"usher_pdp_requests_total", "usher_pdp_reviews_total", "usher_pdp_view_age_seconds")
	if err != nil {
		t.Error(err)
	}
}

// TestAPanicIsAnError uses a question that panics. The response is an error, and the next question is answered
// normally.
func TestAPanicIsAnError(t *testing.T) {
	f := newFixture(t, viewOf(t, acme))
	view := f.options.View
	f.options.View = nil
	if w := f.post("all", onePath, question); w.Code != http.StatusInternalServerError {
		t.Errorf("got %d", w.Code)
	}
	f.options.View = view
	if w := f.post("all", onePath, question); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
}
