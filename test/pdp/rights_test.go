package pdp_test

import (
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

var _ = Describe("The rights of the decision point", func() {
	// As "kubectl auth can-i --list" does.
	DescribeTable("are to read what decides, and to ask for reviews", func(ctx SpecContext, namespace string) {
		rights := func(kubeconfig string) map[string]bool {
			GinkgoHelper()
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			Expect(err).NotTo(HaveOccurred())
			account, err := kubernetes.NewForConfig(config)
			Expect(err).NotTo(HaveOccurred())
			review, err := account.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
				Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
			}, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			Expect(review.Status.Incomplete).To(BeFalse())
			found := map[string]bool{}
			for _, rule := range review.Status.ResourceRules {
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						for _, verb := range rule.Verbs {
							found[strings.TrimSuffix(resource+"."+group, ".")+" "+verb+strings.Join(rule.ResourceNames, ",")] = true
						}
					}
				}
			}
			return found
		}
		kubeconfig, err := plane.PDPKubeconfig(ctx)
		Expect(err).NotTo(HaveOccurred())
		// What every service account may.
		anybody, err := plane.AccountKubeconfig(ctx, "rights", "anybody")
		Expect(err).NotTo(HaveOccurred())
		got, common := rights(kubeconfig), rights(anybody)
		maps.DeleteFunc(got, func(right string, _ bool) bool { return common[right] })
		want := []string{"subjectaccessreviews.authorization.k8s.io create", "tokenreviews.authentication.k8s.io create"}
		for _, resource := range []string{
			"accessgroups.access.usher.dev", "accesspolicies.access.usher.dev", "applicationaccesses.access.usher.dev",
			"useraccesses.access.usher.dev", "namespaces",
		} {
			for _, verb := range []string{"get", "list", "watch"} {
				want = append(want, resource+" "+verb)
			}
		}
		Expect(slices.Sorted(maps.Keys(got))).To(ConsistOf(want))
	},
		Entry("in an organization", "rights"),
		Entry("in its own namespace", pdpNamespace),
		Entry("in the system namespace", "access-system"),
	)

	BeforeEach(func(ctx SpecContext) {
		if _, err := clients.CoreV1().Namespaces().Get(ctx, "rights", metav1.GetOptions{}); err == nil {
			return
		}
		organization(ctx, "rights")
		newAccount(ctx, "rights", "anybody")
	})
})
