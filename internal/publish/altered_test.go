package publish

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func TestDifferencesNameTheWriter(t *testing.T) {
	data := map[string]string{"access.json": "{}"}
	want := &Want{
		Key: types.NamespacedName{Namespace: "acme", Name: "application-access-red"}, Document: "application",
		Digest: Digest(data),
		Owner:  metav1.OwnerReference{APIVersion: "access.usher.dev/v1alpha1", Kind: "ApplicationAccess", Name: "red", UID: "1"},
	}
	// wrote has the manager own the fields.
	wrote := func(manager, fields string) func(*corev1.ConfigMap) {
		return func(cm *corev1.ConfigMap) {
			cm.ManagedFields = append(cm.ManagedFields,
				metav1.ManagedFieldsEntry{Manager: manager, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)})
		}
	}
	for name, tc := range map[string]struct {
		changes []func(*corev1.ConfigMap)
		want    []string
	}{
		"as written": {},
		"foreign parts": {changes: []func(*corev1.ConfigMap){func(cm *corev1.ConfigMap) {
			cm.Labels["cost-center"], cm.Annotations["cost-center"] = "4711", "4711"
			cm.OwnerReferences = append(cm.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: "s", UID: "2"})
		}}},
		"a label, by admission": {
			changes: []func(*corev1.ConfigMap){
				func(cm *corev1.ConfigMap) { cm.Labels[accessv1alpha1.LabelManagedBy] = "Helm" },
				wrote(FieldManager, `{"f:metadata":{"f:labels":{".":{},"f:app.kubernetes.io/managed-by":{}}},"f:data":{".":{},"f:access.json":{}}}`),
			},
			want: []string{`label app.kubernetes.io/managed-by is "Helm", written by a mutating admission policy or webhook`},
		},
		"data that nobody owns, by admission": {
			changes: []func(*corev1.ConfigMap){func(cm *corev1.ConfigMap) { cm.Data = map[string]string{"access.json": "{}", "more": ""} }},
			want:    []string{"data key more is added, written by a mutating admission policy or webhook"},
		},
		"a label that is not there": {
			changes: []func(*corev1.ConfigMap){func(cm *corev1.ConfigMap) { delete(cm.Labels, accessv1alpha1.LabelDocument) }},
			want:    []string{"label access.usher.dev/document is missing"},
		},
		"data, by two": {
			changes: []func(*corev1.ConfigMap){
				func(cm *corev1.ConfigMap) { cm.Data = map[string]string{"access.json": "[]", "more": ""} },
				wrote("kubectl-edit", `{"f:data":{"f:access.json":{}}}`),
				wrote("reflector", `{"f:data":{"f:access.json":{},"f:more":{}}}`),
			},
			want: []string{
				"data key access.json is changed, written by field manager kubectl-edit and field manager reflector",
				"data key more is added, written by field manager reflector",
			},
		},
		"an owner instead of ours": {
			changes: []func(*corev1.ConfigMap){
				func(cm *corev1.ConfigMap) {
					cm.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Secret", Name: "s", UID: "2"}}
				},
				wrote("argocd", `{"f:metadata":{"f:ownerReferences":{".":{},"k:{\"uid\":\"2\"}":{}}}}`),
			},
			want: []string{"the owner is Secret/s, written by field manager argocd"},
		},
		"immutable": {
			changes: []func(*corev1.ConfigMap){func(cm *corev1.ConfigMap) { cm.Immutable = new(true) }, wrote("x", `{"f:immutable":{}}`)},
			want:    []string{"field immutable is true, written by field manager x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cm := &corev1.ConfigMap{}
			want.fill(cm, data)
			for _, change := range tc.changes {
				change(cm)
			}
			if diff := cmp.Diff(tc.want, want.differences(cm, data)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
			Observe(cm)
			if holds := want.Holds(cm); holds != (len(tc.want) == 0) {
				t.Errorf("holds: %t", holds)
			}
			want.fill(cm, data)
			if again := want.differences(cm, data); name != "immutable" && len(again) > 0 {
				t.Errorf("written again it differs still: %q", again)
			}
		})
	}
}
