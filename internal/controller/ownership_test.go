package controller

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
)

// TestOrphanedDocumentIsNotGivenBack deletes a declared UserAccess with --cascade=orphan: the garbage collector removes
// the owner reference and then the finalizer. If a reference to the deleted object is written in between, the garbage
// collector deletes the document.
func TestOrphanedDocumentIsNotGivenBack(t *testing.T) {
	for name, late := range map[string]bool{
		"the watch shows the deletion first":        false,
		"the watch shows the document's loss first": true,
	} {
		t.Run(name, func(t *testing.T) { orphanDocument(t, late) })
	}
}

func orphanDocument(t *testing.T, late bool) {
	const ana = "ana@acme.example"
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}")
	declared := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{metav1.FinalizerOrphanDependents}}}
	w.declare(declared, "ana", "{user: ana@acme.example}")

	document := publish.UserDocumentName(identity.Name(ana))
	var owners []string
	w.alter = func(cm *corev1.ConfigMap) {
		for _, owner := range cm.OwnerReferences {
			owners = append(owners, owner.Name)
		}
	}
	w.late = late
	if err := w.kube.Delete(t.Context(), declared); err != nil {
		t.Fatal(err)
	}
	w.edit(document, func(cm *corev1.ConfigMap) { cm.OwnerReferences = nil })
	if w.late {
		w.reconcile(Output{UserDocument, "acme", identity.Name(ana)})
		w.late = false
		if err := w.kube.Get(t.Context(), client.ObjectKeyFromObject(declared), declared); err != nil {
			t.Fatal(err)
		}
		w.show(declared)
	}
	w.run()
	for _, owner := range owners {
		if owner == "ana" {
			t.Errorf("the document was written for the owners %v, want none of them to be the deleted UserAccess", owners)
		}
	}
	cm := &corev1.ConfigMap{}
	if err := w.kube.Get(t.Context(), types.NamespacedName{Namespace: "acme", Name: document}, cm); err != nil {
		t.Fatal(err)
	}
	if len(cm.OwnerReferences) != 1 || cm.OwnerReferences[0].Name != identity.Name(ana) {
		t.Errorf("the document has the owners %v, want the materialized UserAccess", cm.OwnerReferences)
	}
}
