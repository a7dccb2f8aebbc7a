package plugin_test

import (
	"encoding/json"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// reviewOf is a review as "review -o json" lists it.
type reviewOf struct {
	Group, State string
	Members      []string
	Gives        []string
	ChangedBy    struct{ Manager string }
}

var _ = Describe("Reviews", func() {
	It("are listed with who changed the group last, and a confirmation gives back what a missed one has ended", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "somebody", fmt.Sprintf(`apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: red, namespace: %[1]s}
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: editors, namespace: %[1]s}
spec:
  members: [{user: ana}, {user: ben}]
  applicationAccess: [{application: red, role: Editor}]
  review: {everyDays: 30, ifMissed: End}
  reviewedAt: "2020-01-01T00:00:00Z"
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: viewers, namespace: %[1]s}
spec:
  members: [{user: cleo}]
  applicationAccess: [{application: red, role: Viewer}]
  review: {everyDays: 60}
`, organization))
		waitReady(ctx, organization)
		Expect(ask(ctx, "can ana red edit -n %s", organization).code).To(Equal(1))
		due := func() *metav1.Condition {
			return meta.FindStatusCondition(group(ctx, organization, "editors").Status.Conditions, accessv1alpha1.ConditionReviewDue)
		}
		Eventually(due).WithContext(ctx).Should(HaveField("Reason", accessv1alpha1.ReasonAccessEnded))

		listed := ask(ctx, "review -n %s --within 90d -o json", organization)
		Expect(listed.code).To(BeZero(), listed.errOut)
		var reviews []reviewOf
		Expect(json.Unmarshal([]byte(listed.out), &reviews)).To(Succeed())
		Expect(reviews).To(HaveLen(2))
		Expect(reviews[0]).To(Equal(reviewOf{
			"editors", "Ended", []string{"ana", "ben"}, []string{"Editor of red"}, struct{ Manager string }{"somebody"},
		}))
		Expect(reviews[1].Group).To(Equal("viewers"))
		Expect(reviews[1].State).To(Equal("Coming"))

		By("refusing who may not grant what the group gives")
		as := tenant(ctx, organization, "Viewer")
		refused := ask(ctx, "review editors -n %s --confirm --yes --as %s", organization, as)
		Expect(refused.code).To(Equal(1))
		Expect(refused.out).To(MatchRegexp(`AccessGroup/%s/editors: refused: .*Editor`, organization))
		Expect(ask(ctx, "review viewers -n %s --confirm --yes --as %s", organization, as).code).To(BeZero())

		By("confirming it")
		before := time.Now().Add(-time.Minute)
		confirmed := ask(ctx, "review editors -n %s --confirm --yes", organization)
		Expect(confirmed.code).To(BeZero(), confirmed.errOut)
		Expect(confirmed.out).To(SatisfyAll(
			MatchRegexp(`\+ gains +ana`), HaveSuffix(fmt.Sprintf("AccessGroup/%s/editors: applied\n", organization))))
		made := group(ctx, organization, "editors")
		Expect(made.Spec.ReviewedAt.Time).To(BeTemporally(">", before))
		Expect(managerOf(made, "kubectl-access")).To(SatisfyAll(ContainSubstring("reviewedAt"), Not(ContainSubstring("members"))))
		Eventually(due).WithContext(ctx).Should(BeNil())
		Expect(ask(ctx, "can ana red edit -n %s", organization).code).To(BeZero())
	}, SpecTimeout(patience*2))
})

var _ = Describe("Selectors of organizations", func() {
	It("are answered from the labels of namespaces, and incompletely to who may not read these", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		_, err := plane.Kubectl(ctx, "label", "namespace", organization, "access.usher.dev/suite="+organization)
		Expect(err).NotTo(HaveOccurred())
		apply(ctx, "somebody", fmt.Sprintf(`apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: red, namespace: %[1]s}
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: observers-of-%[1]s, namespace: access-system}
spec:
  type: System
  members: [{user: iris}]
  systemAccessSelectors:
  - selector: {matchLabels: {access.usher.dev/suite: %[1]s}}
    role: Observer
`, organization))
		DeferCleanup(func(ctx SpecContext) {
			_, err := plane.Kubectl(ctx, "delete", "accessgroup", "observers-of-"+organization, "-n", "access-system")
			Expect(err).NotTo(HaveOccurred())
		})
		waitReady(ctx, organization)
		Expect(ask(ctx, "can iris red view -n %s", organization).code).To(BeZero())
		for _, scope := range []string{"-n " + organization, "-A"} {
			listed := ask(ctx, "matrix iris -o csv %s", scope)
			Expect(listed.code).To(BeZero(), listed.errOut)
			Expect(listed.out).To(ContainSubstring(organization + ",iris,Viewer,"))
		}
		explained := ask(ctx, "explain iris -n %s", organization)
		Expect(explained.out).To(ContainSubstring("selects %[1]s (access.usher.dev/suite=%[1]s)", organization))

		as := "reader-of-" + organization
		for _, namespace := range []string{organization, "access-system"} {
			bind(ctx, namespace, as, rbacv1.PolicyRule{
				APIGroups: []string{"access.usher.dev"}, Verbs: []string{"get", "list", "patch"},
				Resources: []string{"accessgroups", "useraccesses", "applicationaccesses", "accesspolicies"},
			})
		}
		limited := ask(ctx, "list iris -n %s --as %s", organization, as)
		Expect(limited.code).To(Equal(1))
		Expect(limited.errOut).To(ContainSubstring("what systemAccessSelectors give by labels of namespaces is left out"))
	}, SpecTimeout(patience*2))
})
