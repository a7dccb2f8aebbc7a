package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Specs run in the order of the files' containers, because each continues with what the one before has installed.
var _ = Describe("Usher as it is shipped", Ordered, func() {
	installation()
	documents()
	disruptions()
	removal()
	otherMethods()
})

func installation() {
	It("starts from install.yaml, restricted and spread over the nodes", core, func(ctx SpecContext) {
		kubectl(ctx, "create", "namespace", systemNamespace)
		started := time.Now()
		kubectl(ctx, "apply", "--server-side", "--filename="+plane.path("install.yaml"))
		available(ctx, usherNamespace, deployment)
		measured.add("both replicas are ready after install.yaml", time.Since(started))
		runsRestrictedAndSpread(ctx)
	})

	It("logs only lines of JSON, and says why it was not ready", core, func(ctx SpecContext) {
		for _, pod := range managers(ctx) {
			log := kubectl(ctx, "--namespace="+usherNamespace, "logs", pod.Name)
			for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
				line := map[string]any{}
				Expect(json.Unmarshal(lines.Bytes(), &line)).To(Succeed(), "Pod %s logged %s", pod.Name, lines.Text())
				Expect(line["msg"]).NotTo(Equal("healthz check failed"), "Pod %s logged a failed probe without a reason", pod.Name)
			}
		}
	}, SpecTimeout(time.Minute))

	It("serves metrics with a token that may read them, and not without", core, func(ctx SpecContext) {
		kubectl(ctx, "create", "serviceaccount", "scraper", "--namespace=default")
		kubectl(ctx, "create", "clusterrolebinding", "scraper", "--clusterrole=usher-metrics-reader", "--serviceaccount=default:scraper")
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "scraper"}}
		request := &authenticationv1.TokenRequest{}
		Expect(kube.SubResource("token").Create(ctx, account, request)).To(Succeed())
		for _, pod := range managers(ctx) {
			url := "https://" + net.JoinHostPort(pod.Status.PodIP, "8443") + "/metrics"
			code, _ := get(ctx, url, "")
			Expect(code).To(Equal(http.StatusUnauthorized), "without a token")
			code, body := get(ctx, url, request.Status.Token)
			Expect(code).To(Equal(http.StatusOK), "with a token")
			Expect(body).To(ContainSubstring(`usher_build_info{version="e2e"} 1`))
		}
	}, SpecTimeout(time.Minute))

	It("admits and publishes the samples, and the sample workloads read their documents", core, func(ctx SpecContext) {
		started := time.Now()
		kubectl(ctx, "apply", "--server-side", "--kustomize="+plane.Root+"/config/samples")
		for workload, reads := range map[string]string{"finance": "a mount", "finance-api": "the files of the sidecar"} {
			available(ctx, "analytics", "deployment/"+workload)
			var pods corev1.PodList
			Expect(kube.List(ctx, &pods, client.InNamespace("analytics"), client.MatchingLabels{"app.kubernetes.io/name": workload})).To(Succeed())
			Expect(pods.Items).To(HaveLen(1))
			url := "http://" + net.JoinHostPort(pods.Items[0].Status.PodIP, "8080") + "/invoices"
			Eventually(func(g Gomega) {
				code, _ := getAs(ctx, url, "amelie@acme.example")
				g.Expect(code).To(Equal(http.StatusOK))
			}).WithContext(ctx).Should(Succeed())
			measured.add("the sample workload that reads "+reads+" serves a user of its document", time.Since(started))
			code, _ := getAs(ctx, url, "nobody@acme.example")
			Expect(code).To(Equal(http.StatusForbidden))
		}
		available(ctx, "analytics", "deployment/sales")
		Eventually(func() string {
			return kubectl(ctx, "--namespace=analytics", "logs", "deployment/sales")
		}).WithContext(ctx).Should(ContainSubstring("amelie@acme.example"))
	}, SpecTimeout(5*time.Minute))

	It("has a NetworkPolicy, which this cluster's network does not enforce", func(ctx SpecContext) {
		Expect(kubectl(ctx, "--namespace="+usherNamespace, "get", "networkpolicies", "--output=name")).NotTo(BeEmpty())
		measured.note("network policies", "not enforced by the bridge plugin, so not tested")
	}, SpecTimeout(time.Minute))

	It("renews the certificate of the webhook without refusing a change", func(ctx SpecContext) {
		secret := client.ObjectKey{Namespace: usherNamespace, Name: "usher-webhook-certificate"}
		var before, after corev1.Secret
		Expect(kube.Get(ctx, secret, &before)).To(Succeed())
		asking := ask(ctx)
		kubectl(ctx, "--namespace="+usherNamespace, "patch", "secret", secret.Name, "--type=json", `--patch=[{"op": "remove", "path": "/data"}]`)
		started := time.Now()
		Eventually(func(g Gomega) {
			g.Expect(kube.Get(ctx, secret, &after)).To(Succeed())
			g.Expect(after.Data[corev1.TLSCertKey]).NotTo(BeEmpty())
			g.Expect(after.Data[corev1.TLSCertKey]).NotTo(Equal(before.Data[corev1.TLSCertKey]))
		}).WithContext(ctx).Should(Succeed())
		measured.add("a lost certificate is issued again", time.Since(started))
		asking.moreAndStop(ctx, 20)
		measured.note("admission while the certificate was renewed", asking.String())
		Expect(asking.failures()).To(BeEmpty())
	}, SpecTimeout(5*time.Minute))
}

// runsRestrictedAndSpread checks that both replicas are ready, in a namespace with restricted Pods, on different nodes.
func runsRestrictedAndSpread(ctx context.Context) {
	GinkgoHelper()
	var namespace corev1.Namespace
	Expect(kube.Get(ctx, client.ObjectKey{Name: usherNamespace}, &namespace)).To(Succeed())
	Expect(namespace.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
	on := map[string]bool{}
	for _, pod := range managers(ctx) {
		Expect(isReady(&pod)).To(BeTrue(), "Pod %s is ready", pod.Name)
		on[pod.Spec.NodeName] = true
	}
	Expect(on).To(HaveLen(len(nodes)), "the replicas are on different nodes")
}

// get requests a URL with a bearer token, if there is one, and returns the code and the body.
func get(ctx context.Context, url, token string) (int, string) {
	GinkgoHelper()
	return request(ctx, url, "Authorization", "Bearer "+token, token != "")
}

// getAs requests a URL of the sample workload as the user.
func getAs(ctx context.Context, url, user string) (int, string) {
	GinkgoHelper()
	return request(ctx, url, "X-User", user, true)
}

func request(ctx context.Context, url, header, value string, set bool) (int, string) {
	GinkgoHelper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	Expect(err).NotTo(HaveOccurred())
	if set {
		r.Header.Set(header, value)
	}
	transport := &http.Transport{
		// The metrics are served with a certificate that no authority has signed.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}
	answer, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return 0, fmt.Sprint(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	return answer.StatusCode, string(body)
}
