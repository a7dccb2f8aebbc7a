package edit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

const manifests = `# Who edits finance.
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: editors, namespace: acme}
spec:
  members:
  - user: ana@acme.example # since May
  - user: ben@acme.example
  applicationAccess: [{application: finance, role: Editor}]
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: viewers, namespace: acme}
spec:
  members: [{user: ana@acme.example}]
  applicationAccess: [{application: finance, role: Viewer}]
  review: {everyDays: 30}
`

func quiet(string, ...any) {}

func load(t *testing.T) (w *source.World, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "groups.yaml")
	if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	s := source.Source{
		Filenames: []string{file}, SystemNamespace: "access-system",
		Input: input.NewReader(&bytes.Buffer{}, input.DefaultMaxBytes),
	}
	w, err := s.LoadToChange(t.Context(), june)
	if err != nil {
		t.Fatal(err)
	}
	return w, file
}

func find(t *testing.T, w *source.World, names ...string) []*objects.Object {
	t.Helper()
	groups, err := (&source.Target{Groups: names}).Find(w)
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// TestEffects removes members, and applies the change to the file.
func TestEffects(t *testing.T) {
	w, file := load(t)
	plan, err := edit.RemoveMembers(w, find(t, w, "editors"), []string{"aan@acme.example", "ben@acme.example", "ana@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	notes := []string{"aan@acme.example is not among the members of AccessGroup/acme/editors; did you mean ana@acme.example?"}
	if diff := cmp.Diff(notes, plan.Notes); diff != "" {
		t.Errorf("unexpected notes (-want +got):\n%s", diff)
	}
	for range 2 { // the second answer shows that the first has not changed the world
		found, err := edit.Effects(t.Context(), w, plan.Changed(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range found.Groups() {
			got = append(got, fmt.Sprintf("%s %s %v: %s -> %s", g.Change, g.User, g.Places, g.Before.State(), g.After.State()))
		}
		want := []string{"loses ben@acme.example [finance]: Editor -> NoAccess"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("unexpected changes (-want +got):\n%s", diff)
		}
		if len(found.Settled) != 1 || found.Settled[0].User != "ana@acme.example" {
			t.Errorf("unexpected settled conflicts: %v", found.Settled)
		}
	}
	files, err := edit.Files(t.Context(), plan.Changed(), input.NewReader(nil, input.DefaultMaxBytes))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(files[file]); strings.Contains(got, "ben@acme.example") || !strings.Contains(got, "# Who edits finance.") {
		t.Errorf("unexpected content:\n%s", got)
	}
}

// TestDeleteFromFiles deletes one object of two, then both.
func TestDeleteFromFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		groups []string
		want   string
	}{
		"the first":  {[]string{"editors"}, manifests[strings.Index(manifests, "---\n"):]},
		"the second": {[]string{"viewers"}, manifests[:strings.Index(manifests, "---\n")]},
		"both":       {[]string{"viewers", "editors"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, file := load(t)
			var changes []objects.Change
			for _, o := range find(t, w, tc.groups...) {
				changes = append(changes, objects.NewChange(o, nil))
			}
			files, err := edit.Files(t.Context(), changes, input.NewReader(nil, input.DefaultMaxBytes))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(files[file])); diff != "" {
				t.Errorf("unexpected content (-want +got):\n%s", diff)
			}
			if err := edit.ReplaceFile(file, files[file]); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(file); os.IsNotExist(err) != (tc.want == "") {
				t.Errorf("the file exists: %v", err)
			}
		})
	}
}

func TestConfirmReviews(t *testing.T) {
	w, _ := load(t)
	plan, err := edit.ConfirmReviews(find(t, w, "editors", "viewers"), june)
	if want := "AccessGroup/acme/editors has no spec.review"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	if got := len(plan.Changed()); got != 1 {
		t.Errorf("%d objects change, want 1", got)
	}
}

// apiServer records the writes, and refuses some of them.
type apiServer struct {
	refuse func(r *http.Request) bool
	writes []string
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	dryRun := r.URL.Query().Get("dryRun") != "" || strings.Contains(string(body), `"dryRun"`)
	a.writes = append(a.writes, fmt.Sprintf("%s %s dry run: %t", r.Method, filepath.Base(r.URL.Path), dryRun))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Warning", `299 - "think twice"`)
	if !a.refuse(r) {
		_, _ = io.WriteString(w, `{"apiVersion": "access.usher.dev/v1alpha1", "kind": "AccessGroup", "metadata": {"name": "x", "resourceVersion": "7"}}`)
		return
	}
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonInvalid,
		Code: http.StatusUnprocessableEntity, Message: "no such role",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "spec.applicationAccess[0].role", Message: "no such role"}}},
	})
}

// TestWrite writes three objects: one changes, one is deleted, and one stays as it is.
func TestWrite(t *testing.T) {
	none := func(*http.Request) bool { return false }
	isDelete := func(r *http.Request) bool { return r.Method == http.MethodDelete }
	isReal := func(r *http.Request) bool { return r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" }
	for name, tc := range map[string]struct {
		refuse func(*http.Request) bool
		write  func(*edit.Plan, context.Context, *objects.Writer, func(string, ...any)) []edit.Outcome
		states []edit.State
		writes []string
	}{
		"a dry run": {none, (*edit.Plan).DryRun, []edit.State{edit.StateServer, edit.StateServer, edit.StateUnchanged}, []string{
			"PATCH editors dry run: true", "DELETE viewers dry run: true",
		}},
		"a write": {none, (*edit.Plan).Write, []edit.State{edit.StateApplied, edit.StateApplied, edit.StateUnchanged}, []string{
			"PATCH editors dry run: true", "DELETE viewers dry run: true", "PATCH editors dry run: false", "DELETE viewers dry run: false",
		}},
		"a refusal in the dry run": {isDelete, (*edit.Plan).Write, []edit.State{edit.StateNotTried, edit.StateRefused, edit.StateUnchanged},
			[]string{"PATCH editors dry run: true", "DELETE viewers dry run: true"}},
		"a refusal after the dry run": {isReal, (*edit.Plan).Write, []edit.State{edit.StateRefused, edit.StateNotTried, edit.StateUnchanged},
			[]string{"PATCH editors dry run: true", "DELETE viewers dry run: true", "PATCH editors dry run: false"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := load(t)
			plan, err := edit.RemoveMembers(w, find(t, w, "editors"), []string{"ben@acme.example"})
			if err != nil {
				t.Fatal(err)
			}
			viewers := find(t, w, "viewers")[0]
			plan.Changes = append(plan.Changes, objects.NewChange(viewers, nil), objects.NewChange(viewers, viewers.Object))
			answers := &apiServer{refuse: tc.refuse}
			server := httptest.NewServer(answers)
			t.Cleanup(server.Close)
			writer, err := objects.NewWriter(&rest.Config{Host: server.URL}, objects.FieldManager)
			if err != nil {
				t.Fatal(err)
			}
			var states []edit.State
			for _, o := range tc.write(plan, t.Context(), writer, quiet) {
				states = append(states, o.State)
				switch {
				case o.State == edit.StateRefused && len(o.Causes()) != 1:
					t.Errorf("%s: the causes of the refusal are %v", o.Object, o.Causes())
				case o.State == edit.StateApplied && len(o.Warnings) != 1:
					t.Errorf("%s: the warnings are %v", o.Object, o.Warnings)
				}
			}
			if diff := cmp.Diff(tc.states, states); diff != "" {
				t.Errorf("unexpected states (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.writes, answers.writes); diff != "" {
				t.Errorf("unexpected requests (-want +got):\n%s", diff)
			}
		})
	}
}
