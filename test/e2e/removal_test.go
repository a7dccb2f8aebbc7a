package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
)

func removal() {
	It("leaves no object and no access behind when it is uninstalled", func(ctx SpecContext) {
		kubectl(ctx, "delete", "--filename="+plane.path("install.yaml"), "--timeout=3m")
		isRemoved(ctx)
	}, SpecTimeout(8*time.Minute))
}

// isRemoved checks that nothing of Usher is left but documents that it has emptied, which have no owner.
func isRemoved(ctx context.Context) {
	GinkgoHelper()
	Expect(kubectl(ctx, "get", "customresourcedefinitions", "--output=name")).NotTo(ContainSubstring("access.usher.dev"))
	Eventually(func(g Gomega) {
		var left corev1.ConfigMapList
		g.Expect(kube.List(ctx, &left, client.MatchingLabels{"app.kubernetes.io/managed-by": "usher"})).To(Succeed())
		for _, cm := range left.Items {
			g.Expect(cm.OwnerReferences).To(BeEmpty(), "ConfigMap %s/%s waits for the garbage collector", cm.Namespace, cm.Name)
			g.Expect(role([]byte(cm.Data[document.AccessKey]))).To(Equal(document.NoAccess), "ConfigMap %s/%s still gives access", cm.Namespace, cm.Name)
		}
	}).WithContext(ctx).Should(Succeed())
	Expect(kubectl(ctx, "get", "validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings",
		"--selector=app.kubernetes.io/name=usher", "--output=name")).To(BeEmpty())
}

// otherMethods tests the other ways to install Usher. Each spec starts without Usher, and ends so.
func otherMethods() {
	It("starts from an overlay of config/default, publishes, and is uninstalled", func(ctx SpecContext) {
		started := time.Now()
		kubectl(ctx, "apply", "--server-side", "--kustomize="+plane.path("overlay"))
		available(ctx, usherNamespace, deployment)
		measured.add("both replicas are ready after kustomize", time.Since(started))
		runsRestrictedAndSpread(ctx)
		publishesAnew(ctx, "after kustomize")
		kubectl(ctx, "delete", "--kustomize="+plane.path("overlay"), "--timeout=3m")
		isRemoved(ctx)
	}, SpecTimeout(8*time.Minute))

	It("starts from the chart, publishes, and keeps kinds and documents when the chart is uninstalled", func(ctx SpecContext) {
		started := time.Now()
		kubectl(ctx, "create", "namespace", usherNamespace)
		kubectl(ctx, "label", "namespace", usherNamespace, "pod-security.kubernetes.io/enforce=restricted")
		helm(ctx, "install", "usher", plane.Root+"/config/helm/usher", "--set=image.repository=usher", "--set=image.tag=latest")
		available(ctx, usherNamespace, deployment)
		measured.add("both replicas are ready after the chart", time.Since(started))
		runsRestrictedAndSpread(ctx)
		publishesAnew(ctx, "after the chart")
		published := publishedRole(ctx)
		helm(ctx, "uninstall", "usher", "--wait")
		Expect(publishedRole(ctx)).To(Equal(published), "the role in the document after the chart is uninstalled")
		for _, kind := range []string{"accessgroups", "accesspolicies", "applicationaccesses", "useraccesses"} {
			kubectl(ctx, "delete", "customresourcedefinition", kind+".access.usher.dev", "--timeout=3m")
		}
		isRemoved(ctx)
	}, SpecTimeout(8*time.Minute))
}

// publishesAnew declares the organization of the documents in a cluster whose kinds are new.
func publishesAnew(ctx context.Context, when string) {
	GinkgoHelper()
	Eventually(func() error { // kube-proxy learns of the replicas a moment after they are ready
		_, err := tryApply(ctx, organizationManifest)
		return err
	}).WithContext(ctx).Should(Succeed())
	publishes(ctx, when)
}

// helm runs Helm in the namespace of Usher. It must succeed.
func helm(ctx context.Context, args ...string) {
	GinkgoHelper()
	env := []string{"HELM_CACHE_HOME=" + plane.path("helm"), "HELM_CONFIG_HOME=" + plane.path("helm"), "HELM_DATA_HOME=" + plane.path("helm")}
	_, err := run(ctx, plane.Dir, env, plane.Root+"/bin/helm",
		append(args, "--namespace="+usherNamespace, "--kubeconfig="+plane.kubeconfig("admin"))...)
	Expect(err).NotTo(HaveOccurred())
}
