package gitops_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	argov1alpha1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const customizations = "../../config/argocd/resource_customizations"

// installedHealth returns the health scripts that are in argocd-cm after config/argocd has been applied, by group and
// kind.
func installedHealth(ctx context.Context) lua.ResourceHealthOverrides {
	GinkgoHelper()
	text, err := plane.Kubectl(ctx, "kustomize", filepath.Dir(customizations))
	Expect(err).NotTo(HaveOccurred())
	var cm corev1.ConfigMap
	Expect(yaml.UnmarshalStrict([]byte(text), &cm)).To(Succeed())
	const prefix = "resource.customizations.health."
	overrides := lua.ResourceHealthOverrides{}
	for key, script := range cm.Data {
		Expect(key).To(HavePrefix(prefix))
		group, kind, _ := strings.Cut(strings.TrimPrefix(key, prefix), "_")
		overrides[group+"/"+kind] = argov1alpha1.ResourceOverride{HealthLua: script}
	}
	return overrides
}

// healthTests is the content of a health_test.yaml, as in Argo CD.
type healthTests struct {
	Tests []struct {
		InputPath    string
		HealthStatus health.HealthStatus
	}
}

// TestHealthScripts runs the same test that Argo CD runs for the scripts in its repository.
func TestHealthScripts(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(customizations, "*", "*", "health.lua"))
	if err != nil || len(scripts) != 4 {
		t.Fatalf("got %v, %v, want one for each kind", scripts, err)
	}
	for _, path := range scripts {
		directory := filepath.Dir(path)
		kind := filepath.Base(directory)
		script := read(t, path)
		if diff := cmp.Diff(read(t, scripts[0]), script); diff != "" {
			t.Errorf("the scripts of two kinds differ (-%s, +%s):\n%s", scripts[0], path, diff)
		}
		var tests healthTests
		if err := yaml.UnmarshalStrict([]byte(read(t, filepath.Join(directory, "health_test.yaml"))), &tests); err != nil {
			t.Fatal(err)
		}
		tested := map[string]bool{}
		for _, tc := range tests.Tests {
			tested[filepath.Join(directory, tc.InputPath)] = true
			t.Run(kind+"/"+filepath.Base(tc.InputPath), func(t *testing.T) {
				var object unstructured.Unstructured
				if err := yaml.Unmarshal([]byte(read(t, filepath.Join(directory, tc.InputPath))), &object.Object); err != nil {
					t.Fatal(err)
				}
				if object.GetKind() != kind {
					t.Errorf("the object is a %s", object.GetKind())
				}
				// Installed scripts run without the open libraries, which only the scripts in Argo CD itself have.
				got, err := (lua.VM{}).ExecuteHealthLua(&object, script)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(&tc.HealthStatus, got); diff != "" {
					t.Errorf("health (-want +got):\n%s", diff)
				}
			})
		}
		data, err := filepath.Glob(filepath.Join(directory, "testdata", "*.yaml"))
		if err != nil || len(data) == 0 {
			t.Fatalf("%s: got %v, %v", directory, data, err)
		}
		for _, path := range data {
			if !tested[path] {
				t.Errorf("no test reads %s", path)
			}
		}
	}
}

func read(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
