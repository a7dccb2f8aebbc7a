package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// server answers LISTs page by page from the samples, as an API server does.
type server struct {
	*httptest.Server
	objects map[string][]map[string]any // by resource
	pages   int                         // the maximum of objects on a page; 0: the requested limit
	refuse  func(resource, namespace string) int

	mu    sync.Mutex
	lists []string // requests for first pages
}

var resources = map[string]string{
	"AccessGroup": "accessgroups", "UserAccess": "useraccesses", "ApplicationAccess": "applicationaccesses",
	"AccessPolicy": "accesspolicies", "Namespace": "namespaces",
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{objects: map[string][]map[string]any{}, refuse: func(string, string) int { return 0 }}
	files, err := filepath.Glob(filepath.Join(root(t), "config", "samples", "*", "*.yaml"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			if kind, ok := object["kind"].(string); ok && resources[kind] != "" {
				s.objects[resources[kind]] = append(s.objects[resources[kind]], object)
			}
		}
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.Close)
	return s
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	resource, namespace := parts[len(parts)-1], ""
	if len(parts) > 4 {
		namespace = parts[4]
	}
	w.Header().Set("Content-Type", "application/json")
	if code := s.refuse(resource, namespace); code != 0 {
		reason := map[int]string{http.StatusForbidden: "Forbidden", http.StatusNotFound: "NotFound"}[code]
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"refused"}`, reason, code)
		return
	}
	if len(parts) == 4 && parts[2] == "namespaces" {
		s.answerNamespace(w, parts[3])
		return
	}
	begin, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	if s.pages > 0 {
		limit = min(limit, s.pages)
	}
	s.mu.Lock()
	if begin == 0 {
		s.lists = append(s.lists, strings.Trim(namespace+"/"+resource, "/"))
	}
	s.mu.Unlock()
	var items []map[string]any
	for _, o := range s.objects[resource] {
		if in, _ := o["metadata"].(map[string]any)["namespace"].(string); namespace == "" || in == namespace {
			items = append(items, o)
		}
	}
	next := ""
	if rest := items[min(begin, len(items)):]; len(rest) > limit {
		items, next = rest[:limit], strconv.Itoa(begin+limit)
	} else {
		items = rest
	}
	kind, version := "", "access.usher.dev/v1alpha1"
	for name, plural := range resources {
		if plural == resource {
			kind = name + "List"
		}
	}
	if resource == "namespaces" {
		version = "v1"
	}
	// The client notices a failed write.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": kind, "apiVersion": version,
		"metadata": map[string]any{"continue": next}, "items": items,
	})
}

// answerNamespace answers a GET of one Namespace object.
func (s *server) answerNamespace(w http.ResponseWriter, name string) {
	s.mu.Lock()
	s.lists = append(s.lists, "namespaces/"+name)
	s.mu.Unlock()
	for _, o := range s.objects["namespaces"] {
		if o["metadata"].(map[string]any)["name"] == name {
			_ = json.NewEncoder(w).Encode(o) // the client notices a failed write
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not found"}`)
}

// config writes a kubeconfig for the server, with a namespace in its context.
func (s *server) config(t *testing.T, namespace string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, path, fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"it",
"clusters":[{"name":"it","cluster":{"server":%q}}],"users":[{"name":"it","user":{}}],
"contexts":[{"name":"it","context":{"cluster":"it","user":"it","namespace":%q}}]}`, s.URL, namespace))
	return path
}

func TestAClusterAnswersAsFilesDo(t *testing.T) {
	s := newServer(t)
	s.pages = 2
	config := s.config(t, "analytics")
	for _, question := range []string{
		"matrix -A", "matrix -A -o json", "matrix -n analytics -o wide", "matrix -n security-emea", "list hugo@acme.example -o wide",
		"list amelie@acme.example -n analytics", "who-can red --role Editor -A", "explain iris@acme.example -A",
		"explain jonas@acme.example -n security-emea", "report -A -o json", "report -n security-apac",
		"can jonas@acme.example red view -n security-emea", "can amelie@acme.example finance edit -n analytics",
	} {
		live := call{args: append(strings.Fields(question), "--kubeconfig", config)}.run(t)
		files := call{args: strings.Fields(question + samples)}.run(t)
		if live.out != files.out || live.code != files.code {
			t.Errorf("%s\non the cluster, exit code %d\n%s%s\nin files, exit code %d\n%s", question, live.code, live.out, live.errOut,
				files.code, files.out)
		}
	}
	// Without -n, the namespace of the context applies.
	live := call{args: []string{"matrix", "--kubeconfig", config}}.run(t)
	files := call{args: strings.Fields("matrix -n analytics" + samples)}.run(t)
	if live.out != files.out {
		t.Errorf("without -n\n%s\nwant\n%s", live.out, files.out)
	}
}

// TestEachKindIsListedOnce checks the requests to a cluster. Namespace objects are read because a group of the
// samples selects organizations by label.
func TestEachKindIsListedOnce(t *testing.T) {
	everywhere := []string{"accessgroups", "accesspolicies", "applicationaccesses", "namespaces", "useraccesses"}
	for question, want := range map[string][]string{
		"matrix -A":                     everywhere,
		"list ana@acme.example":         everywhere,
		"matrix -n access-system":       append(withNamespace("access-system"), "namespaces/access-system"),
		"explain ana@acme.example":      append(append(withNamespace("access-system"), withNamespace("analytics")...), "namespaces/analytics"),
		"diff -f config/samples/system": everywhere,
		"matrix -A --organization-selector access.usher.dev/organization=enabled": everywhere,
	} {
		s := newServer(t)
		s.pages = 1
		call{args: append(strings.Fields(question), "--kubeconfig", s.config(t, "analytics"))}.run(t)
		slices.Sort(s.lists)
		if !slices.Equal(s.lists, want) {
			t.Errorf("%s lists %v, want %v", question, s.lists, want)
		}
	}
}

func withNamespace(namespace string) []string {
	var all []string
	for _, resource := range []string{"accessgroups", "accesspolicies", "applicationaccesses", "useraccesses"} {
		all = append(all, namespace+"/"+resource)
	}
	return all
}

func TestWhatAClusterDoesNotSay(t *testing.T) {
	for name, tc := range map[string]struct {
		refuse   func(resource, namespace string) int
		question string
		code     int
		out      bool
		errOut   []string
	}{
		"no right to one kind": {
			refuse: func(resource, _ string) int {
				if resource == "accesspolicies" {
					return http.StatusForbidden
				}
				return 0
			},
			question: "matrix -n analytics", code: 1,
			errOut: []string{"AccessPolicy objects in namespace analytics may not be read", "list on accesspolicies.access.usher.dev"},
		},
		"no right in all namespaces": {
			refuse: func(_, namespace string) int {
				if namespace == "" {
					return http.StatusForbidden
				}
				return 0
			},
			question: "can amelie@acme.example finance edit -A", code: 2,
			errOut: []string{"in all namespaces may not be read", "with -n it is asked in one namespace only"},
		},
		"no right in the system namespace": {
			refuse: func(_, namespace string) int {
				if namespace == "access-system" {
					return http.StatusForbidden
				}
				return 0
			},
			question: "matrix -n security-emea", code: 1, out: true,
			errOut: []string{"what the system namespace gives and takes is left out", "the answer is incomplete"},
		},
		"no such kinds": {
			refuse:   func(string, string) int { return http.StatusNotFound },
			question: "list ana@acme.example", code: 1, errOut: []string{"the cluster does not have the kind AccessPolicy"},
		},
		"nothing to compare": {question: "diff", code: 2, errOut: []string{"give the objects with -f or -k"}},
		"a namespace without objects": {
			question: "matrix -n default", code: 0, errOut: []string{"No access objects found in namespace default"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			if tc.refuse != nil {
				s.refuse = tc.refuse
			}
			got := call{args: append(strings.Fields(tc.question), "--kubeconfig", s.config(t, "analytics"))}.run(t)
			if got.code != tc.code || (got.out != "") != tc.out {
				t.Errorf("got %+v", got)
			}
			for _, want := range tc.errOut {
				if !strings.Contains(got.errOut, want) {
					t.Errorf("got %q, want %q in it", got.errOut, want)
				}
			}
		})
	}
}

func TestNoAnswerFromACluster(t *testing.T) {
	s := newServer(t)
	config := s.config(t, "analytics")
	s.Close()
	got := call{args: []string{"matrix", "--kubeconfig", config}}.run(t)
	if got.code != 1 || !strings.Contains(got.errOut, "no answer from the cluster; check --context, or give files") {
		t.Errorf("got %+v", got)
	}
}

func TestDiffAgainstACluster(t *testing.T) {
	s := newServer(t)
	config := s.config(t, "analytics")
	for question, want := range map[string]int{
		"diff -f config/samples -R":                            0,
		"diff -k config/samples --prune":                       0,
		"diff -f config/samples/analytics/policy.yaml":         0,
		"diff -f internal/cli/testdata/branch":                 1,
		"diff -f internal/cli/testdata/branch --prune":         1,
		"diff --prune -f config/samples/analytics/policy.yaml": 1,
	} {
		got := call{args: append(strings.Fields(question), "--kubeconfig", config)}.run(t)
		if got.code != want {
			t.Errorf("%s: exit code %d, want %d\n%s%s", question, got.code, want, got.out, got.errOut)
		}
		// The group that the branch omits is removed only with --prune.
		if lost := strings.Contains(got.out, "clara@acme.example"); lost != strings.Contains(question, "--prune") && want == 1 {
			t.Errorf("%s:\n%s", question, got.out)
		}
	}
}

// TestANamespaceThatTheManagerDoesNotSelect uses objects on which the manager reports that it does not select their
// namespace.
func TestANamespaceThatTheManagerDoesNotSelect(t *testing.T) {
	s := newServer(t)
	for _, objects := range s.objects {
		for _, o := range objects {
			if o["metadata"].(map[string]any)["namespace"] == "security-emea" {
				o["status"] = map[string]any{"conditions": []any{map[string]any{
					"type": "Ready", "status": "False", "reason": "NotAnOrganization", "message": "", "lastTransitionTime": "2026-06-01T00:00:00Z",
				}}}
			}
		}
	}
	got := call{args: []string{"list", "hugo@acme.example", "--kubeconfig", s.config(t, "analytics")}}.run(t)
	if strings.Contains(got.out, "security-emea") || !strings.Contains(got.errOut, "namespace security-emea is left out") {
		t.Errorf("got %+v", got)
	}
}
