package gitops_test

import (
	"context"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/test/cluster"
)

// installation returns the manifests of Usher that a platform team keeps in git, without what this control plane cannot
// have twice: the webhooks that call a Service in the cluster.
func installation(ctx context.Context) []*unstructured.Unstructured {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	objects := render(ctx, filepath.Join(root, "config", "default"))
	return slices.DeleteFunc(objects, func(u *unstructured.Unstructured) bool {
		return slices.Contains([]string{
			"ValidatingWebhookConfiguration", "ValidatingAdmissionPolicyBinding", "Namespace", "Deployment",
		}, u.GetKind())
	})
}

var _ = Describe("Usher itself, from git", func() {
	It("shows no difference once it is applied, although its webhooks have a CA bundle", func(ctx SpecContext) {
		objects := installation(ctx)
		for _, each := range objects {
			Expect(kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(each.DeepCopy()),
				client.FieldOwner(argoManager), client.ForceOwnership)).To(Succeed(), subject(each))
		}
		root, err := cluster.Root()
		Expect(err).NotTo(HaveOccurred())
		for _, each := range render(ctx, filepath.Join(root, "config", "local", "webhook")) {
			if each.GetKind() == "ValidatingWebhookConfiguration" {
				objects = append(objects, where(ctx, each))
			}
		}
		for way, options := range diffs() {
			By(way)
			expectNoDifference(ctx, objects, options...)
		}
	})
})

// where returns the webhook configuration with the client configuration of this control plane. Everything else is
// compared.
func where(ctx context.Context, object *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(clientConfig(object)).NotTo(HaveKey("caBundle"))
	seen := clientConfig(live(ctx, object))
	Expect(seen).To(HaveKeyWithValue("caBundle", Not(BeEmpty())), "Usher wrote the bundle")
	clientConfig(object)["url"] = seen["url"]
	return object
}

// clientConfig returns the part of a webhook configuration with the address. Changing the result changes the object.
func clientConfig(object *unstructured.Unstructured) map[string]any {
	GinkgoHelper()
	hooks, ok := object.Object["webhooks"].([]any)
	Expect(ok).To(BeTrue())
	Expect(hooks).To(HaveLen(1))
	return hooks[0].(map[string]any)["clientConfig"].(map[string]any)
}
