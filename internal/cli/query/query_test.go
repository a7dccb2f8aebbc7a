package query_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-dev/usher/internal/cli/input"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

const manifests = `apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: editors, namespace: acme}
spec:
  members: [{user: ana@acme.example}, {user: ben@acme.example, notAfter: 2026-05-01T00:00:00Z}]
  applicationAccess: [{application: finance, role: Editor}]
---
apiVersion: access.usher.dev/v1alpha1
kind: UserAccess
metadata: {name: ana, namespace: acme}
spec: {user: ana@acme.example, organizationRole: Viewer}
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: finance, namespace: acme}
spec: {displayName: Finance & Control}
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
	path := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(path, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	s := source.Source{
		Filenames: []string{path}, Namespace: namespace, SystemNamespace: "access-system",
		Input: input.NewReader(&bytes.Buffer{}, input.DefaultMaxBytes),
	}
	w, err := s.Load(t.Context(), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestUnknownNames(t *testing.T) {
	w := load(t, "acme")
	who := func(c query.WhoCan) error { _, err := c.Find(w); return err }
	matrix := func(m query.MatrixOptions) error { _, err := m.Find(w); return err }
	list := func(user string) error { _, err := query.List(w, user); return err }
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a user":             {list("aan@acme.example"), "no user aan@acme.example; did you mean ana@acme.example?"},
		"a role":             {who(query.WhoCan{Application: "finance", Role: "Edtor"}), `"Edtor" is neither a role nor a permission of applications in acme. Did you mean Editor?`},
		"a pattern of users": {matrix(query.MatrixOptions{Users: []string{"zoe*"}}), "no user zoe* among the 1 user of acme"},
		"an application":     {matrix(query.MatrixOptions{Applications: []string{"finanse"}}), "no organization names application finanse; did you mean finance?"},
		"a display name":     {matrix(query.MatrixOptions{Applications: []string{"finance & control"}}), "it is the displayName of finance"},
		"a sort order":       {matrix(query.MatrixOptions{Sort: "role"}), `invalid value "role" for --sort: use user, organization, default or the name of an application`},
		"a group":            {matrix(query.MatrixOptions{Groups: []string{"editor"}}), "--group editor: there is no such AccessGroup; did you mean editors?"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) {
				t.Errorf("got error %v, want %q", tc.err, tc.want)
			}
		})
	}
}
