package controller

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
)

const viewer = "ana@acme.example"

func viewersAs(role string) string {
	return "{members: [{user: " + viewer + "}], applicationAccess: [{application: finance, role: " + role + "}]}"
}

func TestANewLeaderReportsWhatDiffers(t *testing.T) {
	// The documents are of the application and of the user, and the user's document of organizations, which must not exist.
	for name, tc := range map[string]struct {
		meanwhile func(w *world) // while no replica leads
		documents float64
		differing []any
	}{
		"nothing changes": {func(*world) {}, 3, []any{}},
		"a role changes": {
			func(w *world) { w.write(&accessv1alpha1.AccessGroup{}, "team", viewersAs("Editor")) }, 3,
			[]any{"application/acme/finance", "user/acme/" + identity.Name(viewer)},
		},
		"an application goes": {
			func(w *world) {
				aa := &accessv1alpha1.ApplicationAccess{}
				if err := w.kube.Get(w.t.Context(), client.ObjectKey{Namespace: "acme", Name: "finance"}, aa); err != nil {
					w.t.Fatal(err)
				}
				if err := w.kube.Delete(w.t.Context(), aa); err != nil {
					w.t.Fatal(err)
				}
			}, 3, []any{"application/acme/finance"},
		},
		"a document cannot be written": {
			func(w *world) {
				w.write(&accessv1alpha1.AccessGroup{}, "team", viewersAs("Editor"))
				w.refuse = func(o client.Object) error {
					if o.GetName() == "application-access-finance" {
						return apierrors.NewForbidden(accessv1alpha1.GroupVersion.WithResource("x").GroupResource(), o.GetName(), errors.New("no"))
					}
					return nil
				}
			}, 3, []any{"application/acme/finance", "user/acme/" + identity.Name(viewer)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(&accessv1alpha1.ApplicationAccess{}, "finance", "{}")
			w.declare(&accessv1alpha1.AccessGroup{}, "team", viewersAs("Viewer"))
			tc.meanwhile(w)
			var lines []map[string]any
			w.audit = NewAudit(funcr.NewJSON(func(line string) {
				var fields map[string]any
				if err := json.Unmarshal([]byte(line), &fields); err != nil {
					t.Error(err)
				}
				lines = append(lines, fields)
			}, funcr.Options{}), nil, NewMetrics(prometheus.NewRegistry()))
			w.restart()
			want := []map[string]any{{
				"logger": "", "level": 0.0, "msg": "Leadership taken over", "lastLed": "2026-05-31T23:00:00Z",
				"documents": tc.documents, "differing": float64(len(tc.differing)), "differingDocuments": tc.differing,
			}}
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Errorf("unexpected lines (-want +got):\n%s", diff)
			}
		})
	}
}
