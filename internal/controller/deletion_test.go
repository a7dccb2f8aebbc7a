package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/publish"
)

// TestDeletionEmptiesTheDocument deletes the owner of a document. Whatever the garbage collector does, a kubelet must find
// the document empty for the grace period: a mount that is not optional keeps the last content.
func TestDeletionEmptiesTheDocument(t *testing.T) {
	const ana = "ana@acme.example"
	application, user := publish.ApplicationName("red", 0), publish.UserDocumentName(identity.Name(ana))
	empty := map[string]string{
		application: publish.EmptyApplication("acme", "red", 0)[document.AccessKey],
		user:        publish.UserData(publish.EmptyUser("acme", ana))[document.AccessKey],
	}
	collect := func(w *world, name string) { w.delete(&corev1.ConfigMap{}, name) }
	unlabel := func(w *world, name string) { w.edit(name, func(cm *corev1.ConfigMap) { cm.Labels = nil }) }
	for name, tc := range map[string]struct {
		document string
		owner    client.Object
		name     string
		then     func(w *world, name string)
		want     string // what is left for the grace period
	}{
		"Usher is first": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: func(*world, string) {}, want: empty[application],
		},
		"the garbage collector is first": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: collect, want: empty[application],
		},
		"the garbage collector is first, and another replica that saw it becomes the leader": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: func(w *world, name string) {
				collect(w, name)
				w.startLeader(w.reconciler.Publisher.Observed)
			},
			want: empty[application],
		},
		"the garbage collector is first, and nobody saw it": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: func(w *world, name string) {
				collect(w, name)
				w.restart()
			},
			want: "",
		},
		"the garbage collector was first longer ago than the grace period": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: func(w *world, name string) {
				collect(w, name)
				w.pass(2 * w.reconciler.Publisher.Grace)
			},
			want: "",
		},
		"the garbage collector deletes the empty document": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: func(w *world, name string) {
				w.run()
				collect(w, name)
			},
			want: empty[application],
		},
		"somebody removes the label before Usher is first": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: unlabel, want: empty[application],
		},
		"somebody removes the label of the empty document": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: func(w *world, name string) {
				w.run()
				unlabel(w, name)
			},
			want: empty[application],
		},
		"somebody removes the label of an immutable document": {
			document: application, owner: &accessv1alpha1.ApplicationAccess{}, name: "red",
			then: func(w *world, name string) {
				w.edit(name, func(cm *corev1.ConfigMap) { cm.Labels, cm.Immutable = nil, new(true) })
			},
			want: empty[application],
		},
		"the document of a user, and Usher is first": {
			document: user, owner: &accessv1alpha1.UserAccess{}, name: "ana",
			then: func(*world, string) {}, want: empty[user],
		},
		"the document of a user, and the garbage collector is first": {
			document: user, owner: &accessv1alpha1.UserAccess{}, name: "ana",
			then: collect, want: empty[user],
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
			w.declare(&accessv1alpha1.UserAccess{}, "ana",
				"{user: ana@acme.example, applicationAccess: [{application: red, role: Editor}]}")
			if got := w.published(tc.document, document.AccessKey); got == "" || got == tc.want {
				t.Fatalf("the document gives nothing before the deletion: %s", got)
			}
			w.delete(tc.owner, tc.name)
			tc.then(w, tc.document)
			w.run()

			if diff := cmp.Diff(tc.want, w.published(tc.document, document.AccessKey)); diff != "" {
				t.Errorf("the document after the deletion (-want +got):\n%s", diff)
			}
			if owners := w.owners(tc.document); len(owners) > 0 {
				t.Errorf("the garbage collector may take the document before the grace period is over: its owners are %v", owners)
			}
			for range 2 { // what was removed is not written again
				w.pass(2 * w.reconciler.Publisher.Grace)
				w.run()
				if got := w.published(tc.document, document.AccessKey); got != "" {
					t.Errorf("the document is still there after the grace period: %s", got)
				}
			}
		})
	}
}

// owners returns the owner references of the ConfigMap in acme, or none if it does not exist.
func (w *world) owners(name string) []metav1.OwnerReference {
	w.t.Helper()
	cm := &corev1.ConfigMap{}
	if err := w.kube.Get(w.t.Context(), types.NamespacedName{Namespace: "acme", Name: name}, cm); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return cm.OwnerReferences
}
