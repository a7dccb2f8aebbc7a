package edit

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func TestKeptBy(t *testing.T) {
	const instance = "app.kubernetes.io/instance"
	for name, tc := range map[string]struct {
		labels, annotations map[string]string
		manager             string
		subresource         string
		want                string
	}{
		"nobody":                         {manager: "kubectl-client-side-apply"},
		"Argo CD, by annotation":         {annotations: map[string]string{"argocd.argoproj.io/tracking-id": "a:b"}, want: "Argo CD (annotation"},
		"Argo CD, by manager":            {manager: "argocd-controller", want: "Argo CD (field manager argocd-controller)"},
		"Argo CD, by label and manager":  {labels: map[string]string{instance: "x"}, manager: "argocd-controller", want: "Argo CD (label " + instance + ": x, field"},
		"a label that anybody may put":   {labels: map[string]string{instance: "x"}, manager: "helm"},
		"Flux, by label":                 {labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "x"}, want: "Flux (label"},
		"Flux, by manager":               {manager: "kustomize-controller", want: "Flux (field"},
		"Flux with Helm":                 {labels: map[string]string{"helm.toolkit.fluxcd.io/name": "x"}, want: "Flux (Helm) (label"},
		"Flux with Helm, by manager":     {manager: "helm-controller", want: "Flux (Helm) (field"},
		"who only writes status, is not": {manager: "argocd-controller", subresource: "status"},
	} {
		t.Run(name, func(t *testing.T) {
			g := &accessv1alpha1.AccessGroup{}
			g.Labels, g.Annotations = tc.labels, tc.annotations
			g.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: tc.manager, Subresource: tc.subresource}}
			if got := KeptBy(g); !strings.HasPrefix(got, tc.want) || (got == "") != (tc.want == "") {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
