package publish

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func TestObservingAgainChangesNothing(t *testing.T) {
	data := map[string]string{"access.json": "{}"}
	for name, cm := range map[string]*corev1.ConfigMap{
		"as written": {
			ObjectMeta: metav1.ObjectMeta{
				Annotations:   map[string]string{accessv1alpha1.AnnotationDigest: Digest(data), "other": "stays"},
				ManagedFields: []metav1.ManagedFieldsEntry{{Manager: FieldManager}},
			},
			Data: data,
		},
		"edited": {
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{accessv1alpha1.AnnotationDigest: Digest(data)}},
			Data:       map[string]string{"access.json": "[]"},
		},
		"emptied": {
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{accessv1alpha1.AnnotationDigest: Digest(data)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, keeps := map[string]bool{"as written": true}[name]
			Observe(cm)
			if _, has := cm.Annotations[accessv1alpha1.AnnotationDigest]; has != keeps {
				t.Errorf("digest after observing: %v, want it to be there: %v", cm.Annotations, keeps)
			}
			once := cm.DeepCopy()
			Observe(cm)
			if diff := cmp.Diff(once, cm); diff != "" {
				t.Errorf("observed again (-once +twice):\n%s", diff)
			}
		})
	}
}
