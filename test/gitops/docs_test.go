package gitops_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	argov1alpha1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// block matches the manifests that the documentation asks people to write.
var block = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumentation checks the manifests of docs/gitops.md against the types of the tools: every field must exist.
func TestDocumentation(t *testing.T) {
	types := map[string]func() any{
		kustomizev1.GroupVersion.String() + " Kustomization":               func() any { return &kustomizev1.Kustomization{} },
		sourcev1.GroupVersion.String() + " GitRepository":                  func() any { return &sourcev1.GitRepository{} },
		argov1alpha1.SchemeGroupVersion.String() + " Application":          func() any { return &argov1alpha1.Application{} },
		argov1alpha1.SchemeGroupVersion.String() + " AppProject":           func() any { return &argov1alpha1.AppProject{} },
		kustomize.KustomizationVersion + " " + kustomize.KustomizationKind: func() any { return &kustomize.Kustomization{} },
	}
	found := map[string]int{}
	for _, b := range block.FindAllStringSubmatch(read(t, filepath.Join("..", "..", "docs", "gitops.md")), -1) {
		for _, text := range strings.Split(b[1], "---\n") {
			var kind metav1.TypeMeta
			if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			known := kind.APIVersion + " " + kind.Kind
			found[known]++
			newObject := types[known]
			if newObject == nil {
				t.Errorf("no type is registered for %s:\n%s", known, text)
				continue
			}
			if err := yaml.UnmarshalStrict([]byte(text), newObject()); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
		}
	}
	for kind := range types {
		if found[kind] == 0 {
			t.Errorf("no %s is shown", kind)
		}
	}
}
