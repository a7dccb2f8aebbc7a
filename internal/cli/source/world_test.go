package source_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

const manifests = `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: editors, namespace: acme}
spec:
  members: [{user: ana@acme.example}, {user: ben@acme.example, notAfter: 2026-07-01T00:00:00Z}]
  applicationAccess: [{application: finance, role: Editor}]
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: viewers, namespace: globex}
spec:
  members: [{user: zoe@globex.example}]
  applicationAccess: [{application: "*", role: Viewer}]
`

func load(t *testing.T, namespace string) *source.World {
	t.Helper()
	path := filepath.Join(t.TempDir(), "groups.yaml")
	if err := os.WriteFile(path, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	s := source.Source{
		Filenames: []string{path}, Namespace: namespace, SystemNamespace: "access-system",
		Input: input.NewReader(&bytes.Buffer{}, input.DefaultMaxBytes),
	}
	w, err := s.Load(t.Context(), june)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestScope(t *testing.T) {
	for namespace, want := range map[string][]string{
		"": {"acme", "globex"}, "acme": {"acme"}, "access-system": nil, "initech": nil,
	} {
		t.Run(namespace, func(t *testing.T) {
			if diff := cmp.Diff(want, load(t, namespace).Asked()); diff != "" {
				t.Errorf("unexpected organizations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWithLeavesTheWorldAlone changes, creates and deletes objects, and compares with the world before.
func TestWithLeavesTheWorldAlone(t *testing.T) {
	w := load(t, "")
	for i := range w.Set.Objects {
		w.Set.Objects[i].SetGeneration(1) // as the API server does: a change that is not written yet has it, too
	}
	groups := w.GroupObjects("")
	edited := groups[0].DeepCopyObject().(*accessv1alpha1.AccessGroup)
	edited.Spec.Members = edited.Spec.Members[1:]
	created := &accessv1alpha1.UserAccess{}
	created.Name, created.Namespace, created.Spec.User = "max", "acme", "max@acme.example"
	created.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{Application: "sales", Role: "Viewer"}}
	after, err := w.With([]objects.Change{
		objects.NewChange(groups[0], edited), objects.NewChange(nil, created), objects.NewChange(groups[1], nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	roles := func(w *source.World) map[string]string {
		made := map[string]string{}
		for _, organization := range w.Organizations() {
			for user, d := range w.Decisions(organization) {
				made[organization+" "+user+" finance"] = d.Application("finance").Role
				made[organization+" "+user+" sales"] = d.Application("sales").Role
			}
		}
		return made
	}
	if diff := cmp.Diff(map[string]string{
		"acme ben@acme.example finance": "Editor", "acme ben@acme.example sales": "NoAccess",
		"acme max@acme.example finance": "NoAccess", "acme max@acme.example sales": "Viewer",
	}, roles(after)); diff != "" {
		t.Errorf("unexpected roles after the change (-want +got):\n%s", diff)
	}
	if end := after.Decision("acme", "ben@acme.example").Application("finance").NotAfter; !end.Equal(june.AddDate(0, 1, 0)) {
		t.Errorf("the role of ben ends at %s", end)
	}
	if got, want := len(after.Set.Objects), 2; got != want {
		t.Errorf("the set after the change has %d objects, want %d", got, want)
	}
	if diff := cmp.Diff(roles(load(t, "")), roles(w)); diff != "" {
		t.Errorf("the world before the change differs (-want +got):\n%s", diff)
	}
	if got, want := len(source.ChangesBetween(w.Set, after.Set)), 3; got != want {
		t.Errorf("%d objects differ, want %d", got, want)
	}
}
