package gitops_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the objects that the health scripts are tested with")

// The test data of the health scripts is what the API server holds in these states. Only progressing_publishing.yaml is
// written by hand, because documents are published too fast here to observe that state.
var _ = Describe("The objects that health scripts are tested with", Ordered, func() {
	const (
		acme   = "acme"
		closed = "not-selected"
	)
	state := func(kind, namespace, name, reason, file string) {
		It("are what the API server holds: "+kind+" "+file, func(ctx SpecContext) {
			object := access(kind, namespace, name)
			Eventually(func() string { return readyReason(ctx, object) }).WithContext(ctx).Should(Equal(reason))
			expectGolden(kind, file, live(ctx, object))
		})
	}

	BeforeAll(func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, acme, closed) })
		for _, name := range []string{acme, closed} {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if name == acme {
				namespace.Labels = map[string]string{"access.usher.dev/organization": "enabled"}
			}
			Expect(kube.Create(ctx, namespace)).To(Succeed())
		}
		declare(ctx, `
kind: AccessPolicy
metadata: {name: default, namespace: acme}
spec: {}
---
kind: AccessPolicy
metadata: {name: default, namespace: not-selected}
spec: {}
---
kind: ApplicationAccess
metadata: {name: finance, namespace: acme}
spec: {displayName: Finance}
---
kind: ApplicationAccess
metadata: {name: finance, namespace: not-selected}
spec: {}
---
kind: AccessGroup
metadata: {name: administrators, namespace: acme}
spec: {members: [{user: ana@acme.example, notAfter: "2100-01-01T00:00:00Z"}], organizationRole: Administrator}
---
kind: AccessGroup
metadata: {name: editors, namespace: acme}
spec: {members: [{user: amelie@acme.example}], applicationAccess: [{application: finance, role: Editor}]}
---
kind: AccessGroup
metadata: {name: readers, namespace: acme}
spec: {members: [{user: bruno@acme.example}], applicationAccess: [{application: finance, role: Viewer}]}
---
kind: AccessGroup
metadata: {name: viewers, namespace: acme}
spec: {members: [{user: amelie@acme.example}], applicationAccess: [{application: finance, role: Viewer}]}
---
kind: AccessGroup
metadata: {name: mistyped, namespace: acme}
spec: {members: [{user: bruno@acme.example}], applicationAccess: [{application: finance, role: Edtior}]}
---
kind: AccessGroup
metadata: {name: contractors, namespace: acme}
spec:
  members: [{user: bruno@acme.example}]
  applicationAccess: [{application: finance, role: Viewer}]
  review: {everyDays: 90, ifMissed: End}
  reviewedAt: "2026-01-01T00:00:00Z"
---
kind: AccessGroup
metadata: {name: observers, namespace: acme}
spec: {type: System}
---
kind: UserAccess
metadata: {name: dana, namespace: acme}
spec: {user: dana@acme.example, applicationAccess: [{application: finance, role: Viewer}]}
---
kind: UserAccess
metadata: {name: dana-again, namespace: acme}
spec: {user: dana@acme.example}
---
kind: UserAccess
metadata: {name: eve, namespace: acme}
spec: {user: eve@acme.example, groups: [nobody]}
`)
	})

	state("AccessGroup", acme, "readers", "Published", "healthy.yaml")
	state("AccessGroup", acme, "viewers", "Published", "healthy_conflict.yaml")
	state("AccessGroup", acme, "contractors", "Published", "healthy_review_due.yaml")
	state("AccessGroup", acme, "mistyped", "UnresolvedReferences", "degraded_unresolved.yaml")
	state("AccessGroup", acme, "observers", "WrongNamespace", "degraded_wrong_namespace.yaml")
	state("UserAccess", acme, "dana", "Published", "healthy.yaml")
	state("UserAccess", acme, "dana-again", "DuplicateUser", "degraded_duplicate.yaml")
	state("UserAccess", acme, "eve", "UnresolvedReferences", "degraded_unresolved.yaml")
	state("ApplicationAccess", acme, "finance", "Published", "healthy.yaml")
	state("ApplicationAccess", closed, "finance", "NotAnOrganization", "degraded_not_an_organization.yaml")
	state("AccessPolicy", acme, "default", "Published", "healthy_administrator_expires.yaml")
	state("AccessPolicy", closed, "default", "NotAnOrganization", "degraded_not_an_organization.yaml")

	It("are what the API server holds: new and changed ones", func(ctx SpecContext) {
		for _, each := range []struct{ kind, name string }{
			{"AccessGroup", "readers"}, {"AccessPolicy", "default"}, {"ApplicationAccess", "finance"}, {"UserAccess", "dana"},
		} {
			changed := live(ctx, access(each.kind, acme, each.name))
			patch := client.RawPatch("application/merge-patch+json", []byte(changes[each.kind]))
			Expect(kube.Patch(ctx, changed, patch, client.DryRunAll)).To(Succeed())
			expectGolden(each.kind, "progressing_changed.yaml", changed)

			stored := access(each.kind, acme, each.name)
			if each.kind == "AccessPolicy" {
				stored.SetNamespace("default") // there is one in each namespace, with a fixed name
			} else {
				stored.SetName("new")
			}
			stored.Object["spec"] = changed.Object["spec"]
			Expect(kube.Create(ctx, stored, client.DryRunAll)).To(Succeed())
			expectGolden(each.kind, "progressing_new.yaml", stored)
		}
	})
})

// changes are patches that change the object, by kind.
var changes = map[string]string{
	"AccessGroup":       `{"spec":{"description":"Who reads."}}`,
	"AccessPolicy":      `{"spec":{"userConfigMaps":"Disabled"}}`,
	"ApplicationAccess": `{"spec":{"displayName":"Money"}}`,
	"UserAccess":        `{"spec":{"displayName":"Dana"}}`,
}

func declare(ctx context.Context, text string) {
	GinkgoHelper()
	for _, each := range objectsIn(strings.ReplaceAll(text, "\nkind: ", "\napiVersion: access.usher.dev/v1alpha1\nkind: ")) {
		Expect(kube.Create(ctx, each)).To(Succeed())
	}
}

func readyReason(ctx context.Context, object *unstructured.Unstructured) string {
	found, err := find(ctx, object)
	if err != nil {
		return err.Error()
	}
	conditions, _, _ := unstructured.NestedSlice(found.Object, "status", "conditions")
	for _, each := range conditions {
		if condition, ok := each.(map[string]any); ok && condition["type"] == "Ready" {
			return condition["reason"].(string)
		}
	}
	return ""
}

// expectGolden compares an object with the file, except for what differs from cluster to cluster.
func expectGolden(kind, file string, object *unstructured.Unstructured) {
	GinkgoHelper()
	const instant = "2026-01-01T00:00:00Z"
	object = object.DeepCopy()
	object.SetManagedFields(nil)
	object.SetResourceVersion("")
	object.SetUID("")
	Expect(unstructured.SetNestedField(object.Object, instant, "metadata", "creationTimestamp")).To(Succeed())
	conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	Expect(err).NotTo(HaveOccurred())
	for _, each := range conditions {
		each.(map[string]any)["lastTransitionTime"] = instant
	}
	if len(conditions) > 0 {
		Expect(unstructured.SetNestedSlice(object.Object, conditions, "status", "conditions")).To(Succeed())
	}
	got, err := yaml.Marshal(object.Object)
	Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(customizations, "access.usher.dev", kind, "testdata", file)
	if *update {
		Expect(os.WriteFile(path, got, 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred(), "run the test with -update")
	Expect(cmp.Diff(string(want), string(got))).To(BeEmpty(), path)
}
