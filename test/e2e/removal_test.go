package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func removal() {
	It("leaves no object and no access behind when it is uninstalled", func(ctx SpecContext) {
		kubectl(ctx, "delete", "--filename="+plane.path("install.yaml"), "--timeout=3m")
		Expect(kubectl(ctx, "get", "customresourcedefinitions", "--output=name")).NotTo(ContainSubstring("access.usher.dev"))
		Eventually(func(g Gomega) {
			var left corev1.ConfigMapList
			g.Expect(kube.List(ctx, &left, client.MatchingLabels{"app.kubernetes.io/managed-by": "usher"})).To(Succeed())
			for _, cm := range left.Items {
				g.Expect(role([]byte(cm.Data["access.json"]))).To(Equal("NoAccess"), "ConfigMap %s/%s still gives access", cm.Namespace, cm.Name)
			}
		}).WithContext(ctx).Should(Succeed())
		Expect(kubectl(ctx, "get", "validatingwebhookconfigurations,validatingadmissionpolicies,clusterroles,clusterrolebindings",
			"--selector=app.kubernetes.io/name=usher", "--output=name")).To(BeEmpty())
	}, SpecTimeout(8*time.Minute))
}
