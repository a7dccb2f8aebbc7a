package admission_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// administered has one holder of the top organization role, by a group. Object names contain the organization, because
// some ways to remove the role are through the system namespace.
const administered = `
AccessGroup bosses
spec:
  members: [{user: ana-$org}]
  organizationRole: Administrator
---
UserAccess ana
spec: {user: ana-$org}
`

// givenByHand has one holder by a UserAccess. With Protected administrators, no group can remove that role.
const givenByHand = `
UserAccess ana
spec: {user: ana-$org, organizationRole: Administrator}
`

// others are additional holders of the role, by objects that no change of the table touches.
const others = `
UserAccess second
spec: {user: second-$org, organizationRole: Administrator}
---
UserAccess third
spec: {user: third-$org, organizationRole: Owner}
`

var _ = Describe("The last administrator", func() {
	DescribeTable("cannot be removed under Deny, can with a warning under Warn, and without one if there is a second:",
		func(ctx SpecContext, before, change string) {
			organization, granter := newGranter(ctx)
			granter.allow(ctx, systemNamespace, mayWrite("accessgroups", "useraccesses"))
			change = expand(organization, change)
			text := expand(organization, "organization $org would have nobody with its top organization role Administrator")
			last := expand(organization, "ana-$org is the last who holds it. Give the role to somebody else first")
			says := And(ContainSubstring(text), ContainSubstring(last))

			declare(ctx, organization, before+"---\n"+checking("Deny"))
			causes := refused(granter.try(ctx, organization, under("Deny", change)))
			Expect(causes).To(HaveLen(1))
			Expect(causes[0].Message).To(says)
			Expect(refused(granter.do(ctx, organization, under("Deny", change)))).To(Equal(causes))

			declare(ctx, organization, checking("Warn"))
			granter.heard.take()
			Expect(granter.try(ctx, organization, under("Warn", change))).To(Succeed())
			Expect(granter.heard.take()).To(ContainElement(says))

			declare(ctx, organization, others+"---\n"+checking("Deny"))
			granter.heard.take()
			Expect(granter.do(ctx, organization, under("Deny", change))).To(Succeed())
			Expect(granter.heard.take()).NotTo(ContainElement(ContainSubstring("would have nobody")))
			if strings.Contains(change, systemNamespace) {
				remove(ctx, parse(organization, change)[0])
			}
		},
		Entry("deleted", givenByHand, "delete UserAccess ana", SpecTimeout(longest)),
		Entry("demoted", givenByHand, "UserAccess ana\nspec: {user: ana-$org, organizationRole: Editor}", SpecTimeout(longest)),
		Entry("demoted with the group", administered, "AccessGroup bosses\nspec: {members: [{user: ana-$org}], organizationRole: Editor}",
			SpecTimeout(longest)),
		Entry("expired", givenByHand, "UserAccess ana\nspec: {user: ana-$org, organizationRole: Administrator, notAfter: $past!}",
			SpecTimeout(longest)),
		Entry("to expire", givenByHand, "UserAccess ana\nspec: {user: ana-$org, organizationRole: Administrator, notAfter: $soon!}",
			SpecTimeout(longest)),
		Entry("to expire as a member", administered,
			"AccessGroup bosses\nspec: {members: [{user: ana-$org, notAfter: $later!}], organizationRole: Administrator}",
			SpecTimeout(longest)),
		Entry("suspended", givenByHand, "UserAccess ana\nspec: {user: ana-$org, organizationRole: Administrator, state: Suspended}",
			SpecTimeout(longest)),
		Entry("suspended by another object", givenByHand, "UserAccess zoe\nspec: {user: ana-$org, state: Suspended}",
			SpecTimeout(longest)),
		Entry("suspended everywhere", givenByHand,
			"UserAccess "+systemNamespace+"/$org-ana\nspec: {user: ana-$org, state: Suspended}", SpecTimeout(longest)),
		Entry("removed from the group", administered, "AccessGroup bosses\nspec: {organizationRole: Administrator}", SpecTimeout(longest)),
		Entry("in a group that is deleted", administered, "delete AccessGroup bosses", SpecTimeout(longest)),
		Entry("in a group that is deleted and lingers", administered, "delete AccessGroup bosses in the foreground", SpecTimeout(longest)),
		Entry("in a group without privileges", administered,
			"AccessGroup bosses\nspec: {members: [{user: ana-$org}], organizationRole: Administrator, privileges: Disabled}",
			SpecTimeout(longest)),
		Entry("below another top of the ladder", administered,
			"AccessPolicy default\nspec: {crossObjectChecks: MODE, organizationRoles: [{name: Owner}, {name: Administrator}]}",
			SpecTimeout(longest)),
		Entry("blocked above", administered+"---\nAccessGroup "+systemNamespace+"/$org-block\nspec: "+
			"{type: System, systemAccess: [{organization: $org, role: NoAccess}]}", "AccessGroup "+systemNamespace+"/$org-block\nspec: "+
			"{type: System, members: [{user: ana-$org}], systemAccess: [{organization: $org, role: NoAccess}]}", SpecTimeout(longest)),
	)

	It("cannot be removed if another group would restrict the role", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, administered+"---\n"+checking("Deny"))
		Expect(refused(granter.do(ctx, organization,
			"AccessGroup cap\nspec: {members: [{user: ana-$org}], organizationRole: Viewer}"))).To(ContainElement(
			HaveField("Message", ContainSubstring("would have nobody with its top organization role Administrator"))))
	}, SpecTimeout(longest))

	It("is warned of under Deny where the requester may grant the top system role", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		granter.allow(ctx, systemNamespace, mayGrant([]string{"systemroles"}, "SystemAdministrator"))
		declare(ctx, organization, administered+"---\n"+checking("Deny"))
		Expect(granter.do(ctx, organization, "delete AccessGroup bosses")).To(Succeed())
		Expect(granter.heard.take()).To(ContainElement(ContainSubstring("would have nobody")))
	}, SpecTimeout(longest))

	It("whose time ends is reported by the policy", func(ctx SpecContext) {
		organization, _ := newGranter(ctx)
		declare(ctx, organization, checking("Warn")+"\n---\n"+`
AccessGroup bosses
spec:
  members: [{user: ana-$org, notAfter: $later!}]
  organizationRole: Administrator
`)
		expires := func() (bool, error) {
			policy := &accessv1alpha1.AccessPolicy{}
			err := kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "default"}, policy)
			return apimeta.IsStatusConditionTrue(policy.Status.Conditions, "AdministratorExpires"), err
		}
		Eventually(expires).WithContext(ctx).Should(BeTrue())
		declare(ctx, organization, others)
		Eventually(expires).WithContext(ctx).Should(BeFalse())
	}, SpecTimeout(longest))
})

// under inserts the mode into a change of the policy.
func under(mode, change string) string { return strings.ReplaceAll(change, "MODE", mode) }
