package admission_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// attempt is an action of the holder of a shipped role. It is allowed, refused by admission because of a missing right,
// or forbidden by RBAC.
type attempt struct{ what, change, outcome string }

const (
	passes       = "passes"
	isRefused    = "is refused by Usher"
	isDisallowed = "is refused by RBAC"
)

func gives(group, access string) string {
	return "AccessGroup " + group + "\nspec: {members: [{user: sam}], " + access + "}"
}

func givesAbove(entry string) string {
	return "AccessGroup " + systemNamespace + "/$org-new\nspec: {type: System, members: [{user: sam}], systemAccess: [{" + entry + "}]}"
}

// holder binds a shipped role to an account, in an organization in the standard state or everywhere.
func holder(ctx context.Context, role string, everywhere bool) (string, *requester) {
	GinkgoHelper()
	organization := newOrganization(ctx)
	declare(ctx, organization, standing+"---\n"+`
AccessGroup kept
metadata: {labels: {access.usher.dev/protected: "true"}}
spec: {description: kept}
`)
	account := newRequester(ctx, organization, "holder")
	namespace := organization
	if everywhere {
		namespace = ""
	}
	account.bind(ctx, namespace, "ClusterRole", "usher-"+role)
	Eventually(func() (bool, error) {
		return account.may(ctx, &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "list", Group: accessGroup, Resource: "accessgroups",
		})
	}).WithContext(ctx).Should(BeTrue())
	return organization, account
}

// writesStatus writes a status, which only Usher may do.
func (r *requester) writesStatus(ctx context.Context, organization string) error {
	return r.Status().Patch(ctx, newGroup(organization, "people"),
		client.RawPatch(types.MergePatchType, []byte(`{"status":{"members":7}}`)))
}

var _ = Describe("The shipped role", func() {
	DescribeTable("for", func(ctx SpecContext, role string, everywhere bool, attempts []attempt) {
		organization, account := holder(ctx, role, everywhere)
		for _, a := range attempts {
			By(role + ": " + a.what)
			err := account.try(ctx, organization, a.change)
			switch a.outcome {
			case passes:
				Expect(err).NotTo(HaveOccurred(), a.what)
			case isRefused:
				Expect(refused(err)).NotTo(BeEmpty(), a.what)
			default:
				Expect(err).To(MatchError(apierrors.IsForbidden, "forbidden"), a.what)
				Expect(err).NotTo(MatchError(ContainSubstring("admission webhook")), a.what)
			}
		}
		Expect(account.writesStatus(ctx, organization)).To(MatchError(apierrors.IsForbidden, "forbidden"))
		list := newList("AccessGroup")
		Expect(account.List(ctx, list, client.InNamespace(organization))).To(Succeed())
		Expect(list.Items).NotTo(BeEmpty())
	},
		Entry("super-administrators", "super-administrator", true, []attempt{
			{"the top role", gives("new", "organizationRole: Administrator"), passes},
			{"a role that no ladder has", gives("new", "organizationRole: Emperor"), passes},
			{"a system role", givesAbove("organization: $org, role: SystemAdministrator"), passes},
			{"every organization", givesAbove(`organization: "*", organizationRole: Administrator`), passes},
			{"a policy", "AccessPolicy default\nspec: {conflictResolution: MostPermissive}", passes},
			{"the policy above all", "AccessPolicy " + systemNamespace + "/default\nspec: {conflictResolution: MostPermissive}", passes},
			{"what is protected", "delete AccessGroup kept", passes},
			{"a group's name", "UserAccess pat\nspec: {user: pat, groups: [tomorrow]}", passes},
			{"rows", rows("editors", "France"), passes},
		}, SpecTimeout(longest)),
		Entry("administrators of an organization", "organization-administrator", false, []attempt{
			{"the top role", gives("new", "organizationRole: Administrator"), passes},
			{"the top role in every application", gives("new", `applicationAccess: [{application: "*", role: Administrator}]`), passes},
			{"a policy", "AccessPolicy default\nspec: {conflictResolution: MostPermissive}", passes},
			{"what is protected", "delete AccessGroup kept", passes},
			{"a group's name", "UserAccess pat\nspec: {user: pat, groups: [tomorrow]}", passes},
			{"a system role", givesAbove("organization: $org, role: Observer"), isDisallowed},
			{"the policy above all", "AccessPolicy " + systemNamespace + "/default", isDisallowed},
		}, SpecTimeout(longest)),
		Entry("editors of an organization", "organization-editor", false, []attempt{
			{"a role", gives("new", "organizationRole: RulesAdmin"), passes},
			{"a role in every application", gives("new", `applicationAccess: [{application: "*", role: Editor}]`), passes},
			{"a group's name", "UserAccess pat\nspec: {user: pat, groups: [tomorrow]}", passes},
			{"fewer rows", rows("editors", "France"), passes},
			{"the top role", gives("new", "organizationRole: Administrator"), isRefused},
			{"the top role in an application", gives("new", `applicationAccess: [{application: finance, role: Administrator}]`), isRefused},
			{"a member of those who have it", "UserAccess pat\nspec: {user: pat, groups: [administrators]}", isRefused},
			{"what is protected", "delete AccessGroup kept", isRefused},
			{"a policy", "AccessPolicy default", isDisallowed},
			{"an application", "ApplicationAccess sales", isDisallowed},
			{"a system role", givesAbove("organization: $org, role: Observer"), isDisallowed},
		}, SpecTimeout(longest)),
		Entry("auditors", "auditor", false, []attempt{
			{"a member", "AccessGroup people\nspec: {members: [{user: pat}, {user: sam}]}", isDisallowed},
			{"the end of a group", "delete AccessGroup people", isDisallowed},
			{"a policy", "AccessPolicy default", isDisallowed},
		}, SpecTimeout(longest)),
	)

	It("for administrators of an organization is limited to that organization", func(ctx SpecContext) {
		organization, account := holder(ctx, "organization-administrator", false)
		account.allow(ctx, systemNamespace, mayWrite("accessgroups"))
		lineOf(refused(account.try(ctx, organization, givesAbove("organization: $org, role: Observer")))[0],
			`grant systemroles.grants.access.usher.dev "SystemAdministrator" in namespace "access-system"`)
	}, SpecTimeout(longest))
})
