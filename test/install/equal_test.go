package install

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// created makes the chart create the namespace too. It cannot do that if Helm stores the release in this namespace.
var created = values{"namespace": values{"create": true}}

// TestTheChartIsConfig compares whole objects. The only addition of the chart is that the definitions of the kinds
// outlive the release.
func TestTheChartIsConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		set  values
		want []string // directories of config
	}{
		"as shipped": {set: created, want: []string{"default"}},
		"with certificates by cert-manager": {
			set:  with(created, values{"certificates": values{"issuedBy": "CertManager"}}),
			want: []string{"certmanager"},
		},
		"with a ServiceMonitor": {
			set:  with(created, values{"metrics": values{"serviceMonitor": values{"enabled": true}}}),
			want: []string{"default", "prometheus"},
		},
		"with alert rules": {
			set:  with(created, values{"metrics": values{"prometheusRule": values{"enabled": true}}}),
			want: []string{"default", "alerts"},
		},
		"with the decision point": {
			set:  with(created, values{"pdp": values{"enabled": true}}),
			want: []string{"default", "pdp"},
		},
		"with the decision point and certificates by cert-manager": {
			set:  with(created, values{"pdp": values{"enabled": true}, "certificates": values{"issuedBy": "CertManager"}}),
			want: []string{"certmanager", "certmanager/pdp"},
		},
		"with the decision point and ServiceMonitors": {
			set:  with(created, values{"pdp": values{"enabled": true}, "metrics": values{"serviceMonitor": values{"enabled": true}}}),
			want: []string{"default", "prometheus", "pdp", "pdp/prometheus"},
		},
		"with the SCIM server": {
			set:  with(created, values{"scim": values{"enabled": true}}),
			want: []string{"default", "scim"},
		},
		"with the SCIM server and certificates by cert-manager": {
			set:  with(created, values{"scim": values{"enabled": true}, "certificates": values{"issuedBy": "CertManager"}}),
			want: []string{"certmanager", "certmanager/scim"},
		},
		"with the SCIM server and ServiceMonitors": {
			set:  with(created, values{"scim": values{"enabled": true}, "metrics": values{"serviceMonitor": values{"enabled": true}}}),
			want: []string{"default", "prometheus", "scim", "scim/prometheus"},
		},
		"with the Secrets of channels": {
			set:  with(created, values{"notices": values{"namespaces": []any{"acme"}}}),
			want: []string{"default", "notices"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := objects{}
			for _, dir := range tc.want {
				for _, content := range kustomize(t, dir) {
					// config leaves the namespace to --namespace.
					if object := (unstructured.Unstructured{Object: content}); dir == "notices" {
						object.SetNamespace("acme")
					}
					want.add(t, content)
				}
			}
			got := mustRender(t, tc.set)
			for key, content := range got {
				if strings.HasPrefix(key, "CustomResourceDefinition/") {
					takeKeep(t, key, content)
				}
			}
			same(t, want, got)
		})
	}
}

// same compares object by object.
func same(t *testing.T, want, got objects) {
	t.Helper()
	if diff := cmp.Diff(want.names(), got.names()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for _, key := range want.names() {
		if diff := cmp.Diff(want[key], got[key]); diff != "" && got[key] != nil {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

// takeKeep removes the annotation that keeps a definition, and fails if there is none.
func takeKeep(t *testing.T, key string, content map[string]any) {
	t.Helper()
	object := unstructured.Unstructured{Object: content}
	annotations := object.GetAnnotations()
	if annotations["helm.sh/resource-policy"] != "keep" {
		t.Errorf("%s goes with the release, and every declared object with it", key)
	}
	delete(annotations, "helm.sh/resource-policy")
	object.SetAnnotations(annotations)
}

// TestOnlyTheNamespaceIsOmitted compares the default values with config/default.
func TestOnlyTheNamespaceIsOmitted(t *testing.T) {
	got, want := mustRender(t, nil), mustRender(t, created)
	delete(want, "Namespace/"+shippedIn)
	same(t, want, got)
}

// TestAnotherNamespace finds fields that still contain the namespace of config.
func TestAnotherNamespace(t *testing.T) {
	for name, set := range map[string]values{
		"by Usher":        created,
		"by cert-manager": with(created, values{"certificates": values{"issuedBy": "CertManager"}}),
		"by cert-manager, with the decision point and the SCIM server": with(created, values{
			"certificates": values{"issuedBy": "CertManager"}, "pdp": values{"enabled": true}, "scim": values{"enabled": true},
		}),
		"by Usher, with the decision point and the SCIM server": with(created, values{
			"pdp": values{"enabled": true}, "scim": values{"enabled": true},
		}),
	} {
		t.Run(name, func(t *testing.T) {
			const elsewhere = "access-manager"
			shipped := mustRender(t, set)
			moved, _, err := render(t, elsewhere, set)
			if err != nil {
				t.Fatal(err)
			}
			want := objects{}
			for _, content := range shipped {
				want.add(t, replaced(content, shippedIn, elsewhere).(map[string]any))
			}
			if strings.HasPrefix(name, "by Usher") {
				// The defaults of these flags contain the namespace.
				appendArgs(t, want[deployment], "--pdp-certificate-configmap="+elsewhere+"/usher-pdp-ca",
					"--pdp-dns-names=usher-pdp."+elsewhere+".svc",
					"--scim-certificate-configmap="+elsewhere+"/usher-scim-ca",
					"--scim-dns-names=usher-scim."+elsewhere+".svc",
					"--webhook-certificate-secret="+elsewhere+"/usher-webhook-certificate",
					"--webhook-dns-names=usher-webhook-service."+elsewhere+".svc")
			}
			same(t, want, moved)
		})
	}
}

// replaced returns a copy of JSON with the text replaced in every string.
func replaced(content any, before, after string) any {
	switch content := content.(type) {
	case map[string]any:
		copied := map[string]any{}
		for key, value := range content {
			copied[key] = replaced(value, before, after)
		}
		return copied
	case []any:
		copied := make([]any, 0, len(content))
		for _, value := range content {
			copied = append(copied, replaced(value, before, after))
		}
		return copied
	case string:
		return strings.ReplaceAll(content, before, after)
	default:
		return content
	}
}

func container(t *testing.T, deployment map[string]any) map[string]any {
	t.Helper()
	containers, found, err := unstructured.NestedSlice(deployment, "spec", "template", "spec", "containers")
	if err != nil || !found || len(containers) != 1 {
		t.Fatalf("the Deployment has not one container: %v", err)
	}
	return containers[0].(map[string]any)
}

func args(t *testing.T, deployment map[string]any) []string {
	t.Helper()
	found, _, err := unstructured.NestedStringSlice(container(t, deployment), "args")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func appendArgs(t *testing.T, deployment map[string]any, more ...string) {
	t.Helper()
	manager := container(t, deployment)
	for _, arg := range more {
		manager["args"] = append(manager["args"].([]any), arg)
	}
	if err := unstructured.SetNestedSlice(deployment, []any{manager}, "spec", "template", "spec", "containers"); err != nil {
		t.Fatal(err)
	}
}

// with returns the values of below, overridden by those of above.
func with(below, above values) values {
	merged := maps.Clone(below)
	for key, value := range above {
		inner, isMap := value.(values)
		if before, ok := merged[key].(values); ok && isMap {
			value = with(before, inner)
		}
		merged[key] = value
	}
	return merged
}
