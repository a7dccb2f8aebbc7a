package controller

import (
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
)

// alterations are what a mutating admission policy may do to a published ConfigMap.
var alterations = map[string]struct {
	alter func(cm *corev1.ConfigMap)
	// says is part of the reason why the document cannot be published. It is empty if the document is published.
	says string
}{
	"a label of somebody else": {
		alter: func(cm *corev1.ConfigMap) { cm.Labels["acme.example/cost-center"] = "4711" },
	},
	"an annotation of somebody else": {
		alter: func(cm *corev1.ConfigMap) { cm.Annotations["acme.example/cost-center"] = "4711" },
	},
	"a finalizer": {
		alter: func(cm *corev1.ConfigMap) { cm.Finalizers = []string{"acme.example/hold"} },
	},
	"a second owner": {
		alter: func(cm *corev1.ConfigMap) {
			if len(cm.OwnerReferences) < 2 {
				cm.OwnerReferences = append(cm.OwnerReferences,
					metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "backup", UID: "another"})
			}
		},
	},
	"another owner": {
		alter: func(cm *corev1.ConfigMap) {
			cm.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "backup", UID: "another"}}
		},
		says: "the owner is ConfigMap/backup",
	},
	"a data key": {
		alter: func(cm *corev1.ConfigMap) {
			cm.Data = map[string]string{"more": "", "access.json": cm.Data["access.json"]}
		},
		says: "data key more is added",
	},
	"a data key with another value each time": {
		alter: func() func(cm *corev1.ConfigMap) {
			n := 0
			return func(cm *corev1.ConfigMap) {
				n++
				cm.Data = map[string]string{"more": strconv.Itoa(n), "access.json": cm.Data["access.json"]}
			}
		}(),
		says: "data key more is added",
	},
	"other data": {
		alter: func(cm *corev1.ConfigMap) { cm.Data = map[string]string{"access.json": "{}"} },
		says:  "data key access.json is changed",
	},
	"no data": {
		alter: func(cm *corev1.ConfigMap) { cm.Data = nil },
		says:  "data key access.json is missing",
	},
	"binary data": {
		alter: func(cm *corev1.ConfigMap) { cm.BinaryData = map[string][]byte{"more": {0}} },
		says:  "binary data key more is added",
	},
	"another kind of document": {
		alter: func(cm *corev1.ConfigMap) { cm.Labels[accessv1alpha1.LabelDocument] = "other" },
		says:  `label access.usher.dev/document is "other"`,
	},
	"no digest": {
		alter: func(cm *corev1.ConfigMap) { delete(cm.Annotations, accessv1alpha1.AnnotationDigest) },
		says:  "annotation access.usher.dev/digest is missing",
	},
	"immutable": {
		alter: func(cm *corev1.ConfigMap) { cm.Immutable = new(true) },
		says:  "field immutable is true",
	},
}

// TestAltered has a mutating admission policy change every write of one document, for a document created under the
// policy and for one updated under it. The result is Ready or a reason, without endless writes, and no other document
// is delayed.
func TestAltered(t *testing.T) {
	const viewer, editor = "{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}, " +
		"{application: blue, role: Viewer}]}", "{members: [{user: ana@acme.example}], applicationAccess: [{application: red, " +
		"role: Editor}, {application: blue, role: Editor}]}"
	red := publish.ApplicationName("red", 0)
	for name, tc := range alterations {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			onlyRed := func(cm *corev1.ConfigMap) {
				if cm.Name == red {
					tc.alter(cm)
				}
			}
			holds := func(role string) {
				t.Helper()
				if tc.says == "" {
					w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)
				} else {
					reason := w.condition(ApplicationStatus, "red", accessv1alpha1.ConditionReady)
					if reason.Status != metav1.ConditionFalse || reason.Reason == accessv1alpha1.ReasonPublishing ||
						!strings.Contains(reason.Message, red+" does not stay as Usher writes it: ") ||
						!strings.Contains(reason.Message, tc.says) {
						t.Errorf("Ready is %s, %s: %s", reason.Status, reason.Reason, reason.Message)
					}
				}
				w.ready(ApplicationStatus, "blue", accessv1alpha1.ReasonPublished)
				w.ready(GroupStatus, "team", accessv1alpha1.ReasonPublished)
				if text := w.published(publish.ApplicationName("blue", 0), document.AccessKey); !strings.Contains(text, role) {
					t.Errorf("the other document does not give %s: %s", role, text)
				}
			}

			w.alter = onlyRed
			w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
			w.declare(&accessv1alpha1.ApplicationAccess{}, "blue", "{}")
			w.declare(&accessv1alpha1.AccessGroup{}, "team", viewer)
			holds("Viewer")
			w.alter = nil
			w.settles(repairsForgottenFor)
			w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)

			w.alter = onlyRed
			w.declare(&accessv1alpha1.AccessGroup{}, "team", editor)
			holds("Editor")
			w.writes = map[string]int{}
			w.settles(5 * time.Minute)
			if n := w.writes[red]; n > 20 {
				t.Errorf("%d writes in five minutes", n)
			}
			holds("Editor")
			w.alter = nil
			w.settles(repairsForgottenFor)
			w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)
		})
	}
}

// repairsForgottenFor is the time after which even a repair that deletes a document temporarily is tried again.
const repairsForgottenFor = 6 * time.Minute

// settles advances the clock second by second.
func (w *world) settles(total time.Duration) {
	w.t.Helper()
	for end := w.now.Add(total); w.now.Before(end); {
		w.run()
	}
}

// TestDispute has a third party change a document again after each repair.
func TestDispute(t *testing.T) {
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.declare(&accessv1alpha1.ApplicationAccess{}, "blue", "{}")
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}")
	red := publish.ApplicationName("red", 0)
	w.writes = map[string]int{}
	disputes := 0
	for end := w.now.Add(5 * time.Minute); w.now.Before(end); w.run() {
		if !strings.Contains(w.published(red, document.AccessKey), "Viewer") {
			continue
		}
		disputes++
		w.edit(red, func(cm *corev1.ConfigMap) { cm.Data = map[string]string{document.AccessKey: "{}"} })
	}
	if n := w.writes[red] - disputes; n < 20 || n > 60 {
		t.Errorf("%d repairs in five minutes, want one about every ten seconds", n)
	}
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonLossNotPublished, "data key access.json is changed")
	w.ready(ApplicationStatus, "blue", accessv1alpha1.ReasonPublished)

	// A change of the declared objects is still written at once.
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}")
	if text := w.published(red, document.AccessKey); !strings.Contains(text, "Editor") {
		t.Errorf("a change waits for the dispute to end: %s", text)
	}
	w.settles(time.Minute)
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)
}

// TestDeletedButHeld deletes a document that has a finalizer of a third party.
func TestDeletedButHeld(t *testing.T) {
	w := newWorld(t)
	w.declare(&accessv1alpha1.ApplicationAccess{}, "red", "{}")
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		"{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}")
	red := publish.ApplicationName("red", 0)
	w.edit(red, func(cm *corev1.ConfigMap) { cm.Finalizers = []string{"acme.example/hold"} })
	w.run()
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)
	w.deleteMap(red)
	w.settles(2 * patience)
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublishFailed, "its finalizers (acme.example/hold) block the deletion: remove them")
	w.ready(GroupStatus, "team", accessv1alpha1.ReasonPublished)
	w.edit(red, func(cm *corev1.ConfigMap) { cm.Finalizers = nil })
	w.settles(lastBlocked)
	w.ready(ApplicationStatus, "red", accessv1alpha1.ReasonPublished)
}

// deleteMap deletes a published ConfigMap as a third party would.
func (w *world) deleteMap(name string) {
	w.t.Helper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
	if err := w.kube.Delete(w.t.Context(), cm); err != nil {
		w.t.Fatal(err)
	}
}
