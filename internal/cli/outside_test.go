package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// clusterOfTools returns a server with four groups that tools have marked, and with the inventories of these tools.
func clusterOfTools(t *testing.T, forbidden string) *server {
	t.Helper()
	answers := map[string]string{
		"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/acme-gitops/kustomizations/access-acme": `{"status":{"inventory":{"entries":[
			{"id":"acme_kept_access.usher.dev_AccessGroup","v":"v1alpha1"},{"id":"acme_one_access.usher.dev_UserAccess","v":"v1alpha1"}]}}}`,
		"/apis/argoproj.io/v1alpha1/applications": `{"items":[{"metadata":{"name":"access","namespace":"argocd"},"status":{"resources":[
			{"group":"access.usher.dev","kind":"AccessGroup","namespace":"acme","name":"kept-by-argo"}]}}]}`,
	}
	s := &server{objects: map[string][]map[string]any{}, refuse: func(string, string) int { return 0 }}
	group := func(name string, labels, annotations map[string]any) {
		s.objects["accessgroups"] = append(s.objects["accessgroups"], map[string]any{
			"metadata": map[string]any{"namespace": "acme", "name": name, "labels": labels, "annotations": annotations},
			"spec":     map[string]any{},
		})
	}
	flux := func(name string) map[string]any {
		return map[string]any{
			"kustomize.toolkit.fluxcd.io/name": name, "kustomize.toolkit.fluxcd.io/namespace": "acme-gitops",
		}
	}
	argo := func(application, name string) map[string]any {
		return map[string]any{"argocd.argoproj.io/tracking-id": application + ":access.usher.dev/AccessGroup:acme/" + name}
	}
	group("by-hand", nil, nil)
	group("copied", nil, argo("access", "kept-by-argo"))
	group("kept", flux("access-acme"), nil)
	group("kept-by-argo", nil, argo("access", "kept-by-argo"))
	group("one", flux("access-acme"), nil)
	group("orphan", flux("was-removed"), nil)
	group("two", nil, argo("access", "two"))
	group("three", nil, argo("argocd_was-removed", "three"))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/apis/kustomize") && !strings.HasPrefix(r.URL.Path, "/apis/argo") {
			s.answer(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		switch text, found := answers[r.URL.Path]; {
		case forbidden != "" && strings.Contains(r.URL.Path, forbidden):
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"refused"}`))
		case !found:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"none"}`))
		default:
			_, _ = w.Write([]byte(text))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestReportListsWhatIsInNoInventory(t *testing.T) {
	type outside struct {
		Object, KeptBy string
		Gone           bool
	}
	one := outside{"AccessGroup/acme/one", "Kustomization acme-gitops/access-acme", false}
	orphan := outside{"AccessGroup/acme/orphan", "Kustomization acme-gitops/was-removed", true}
	two := outside{"AccessGroup/acme/two", "Application access", false}
	three := outside{"AccessGroup/acme/three", "Application argocd/was-removed", true}
	for name, tc := range map[string]struct {
		forbidden string
		want      []outside
		notRead   []string
	}{
		"all may be read": {want: []outside{one, orphan, three, two}},
		"no Kustomization may be read": {
			forbidden: "kustomizations", want: []outside{three, two},
			notRead: []string{
				"Kustomization acme-gitops/access-acme may not be read: it takes the verb get on kustomizations.kustomize.toolkit.fluxcd.io in namespace acme-gitops",
				"Kustomization acme-gitops/was-removed may not be read: it takes the verb get on kustomizations.kustomize.toolkit.fluxcd.io in namespace acme-gitops",
			},
		},
		"no Application may be read": {
			forbidden: "applications", want: []outside{one, orphan},
			notRead: []string{
				"the Applications of Argo CD may not be read: it takes the verb list on applications.argoproj.io in all namespaces",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := clusterOfTools(t, tc.forbidden).config(t, "acme")
			result := call{args: []string{"report", "-o", "json", "--kubeconfig", config}}.run(t)
			var got struct {
				OutsideInventory   []outside
				InventoriesNotRead []string
			}
			if err := json.Unmarshal([]byte(result.out), &got); err != nil || result.code != 0 {
				t.Fatalf("exit code %d, %v: %s%s", result.code, err, result.out, result.errOut)
			}
			if diff := cmp.Diff(tc.want, got.OutsideInventory); diff != "" {
				t.Errorf("outside (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.notRead, got.InventoriesNotRead); diff != "" {
				t.Errorf("not read (-want +got):\n%s", diff)
			}
			text := call{args: []string{"report", "--kubeconfig", config}}.run(t)
			for _, o := range tc.want {
				if !strings.Contains(text.out, o.Object) {
					t.Errorf("the report for people does not have %s:\n%s", o.Object, text.out)
				}
			}
		})
	}
}
