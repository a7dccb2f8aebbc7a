package admission_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
)

var _ = Describe("A value that is probably a mistake", func() {
	const france = "AccessGroup france\nspec: {members: [{user: $org-amelie}], applicationAccess: [{application: finance, role: Editor}]}"

	DescribeTable("is admitted, and warned of", func(ctx SpecContext, before, change string, warnings ...string) {
		organization := newOrganization(ctx)
		declare(ctx, organization, before)
		everything := administrator()
		Expect(everything.try(ctx, organization, change)).To(Succeed())
		expected := make([]string, len(warnings))
		for i := range warnings {
			expected[i] = expand(organization, warnings[i])
		}
		Expect(everything.heard.take()).To(ConsistOf(expected))
	},
		Entry("a suspension of a user who differs in case", france,
			"UserAccess access-system/$org-amelie\nspec: {user: $org-Amelie, state: Suspended}",
			"spec.user: nothing gives $org-Amelie a membership or a role, so the suspension bars nobody; did you mean $org-amelie, "+
				"whom AccessGroup/$org/france names and who differs only in case?", SpecTimeout(longest)),
		Entry("a member who differs in case from one of another group", france,
			"AccessGroup germany\nspec: {members: [{user: $org-AMELIE}]}",
			"spec.members[$org-AMELIE]: $org-AMELIE differs only in case from $org-amelie, whom AccessGroup/$org/france names, and is "+
				"another user", SpecTimeout(longest)),
		Entry("an organization that does not exist", france,
			"AccessGroup access-system/$org-sre\nspec: {type: System, systemAccess: [{organization: $orge, role: Observer}]}",
			"spec.systemAccess[$orge]: there is no organization $orge; did you mean $org? The entry has no effect until it exists",
			SpecTimeout(longest)),
		Entry("the system namespace as an organization", france,
			"AccessGroup access-system/$org-sre\nspec: {type: System, systemAccess: [{organization: access-system, role: Observer}]}",
			"spec.systemAccess[access-system]: access-system is the system namespace, which is never an organization; the entry has "+
				"no effect", SpecTimeout(longest)),
		Entry("a misspelled application", france, "AccessGroup temps\nspec: {applicationAccess: [{application: finanse, role: Viewer}]}",
			"spec.applicationAccess[finanse]: nothing else in $org names the application finanse; did you mean finance?", SpecTimeout(longest)),
		Entry("a member whose time has passed", france, "AccessGroup temps\nspec: {members: [{user: b, notAfter: \"2025-12-31T00:00:00Z\"}]}",
			"spec.members[b].notAfter: 2025-12-31T00:00:00Z has passed; the user is not a member by this entry", SpecTimeout(longest)),
		Entry("none of these where the user is known", france,
			"UserAccess access-system/$org-amelie\nspec: {user: $org-amelie, state: Suspended}", SpecTimeout(longest)),
	)

	It("is reported with names of another namespace only to users who may read them there", func(ctx SpecContext) {
		other := newOrganization(ctx)
		declare(ctx, other, france)
		organization, team := newTeam(ctx)
		change := strings.ReplaceAll("AccessGroup new\nspec: {members: [{user: OTHER-Amelie}]}", "OTHER", other)
		Expect(team.try(ctx, organization, change)).To(Succeed())
		Expect(team.heard.take()).To(BeEmpty())

		team.allow(ctx, other, rule(accessGroup, []string{"list"}, []string{"accessgroups"}))
		Expect(team.try(ctx, organization, change)).To(Succeed())
		Expect(team.heard.take()).To(ConsistOf(strings.ReplaceAll(
			"spec.members[OTHER-Amelie]: OTHER-Amelie differs only in case from OTHER-amelie, whom AccessGroup/OTHER/france names, and is "+
				"another user", "OTHER", other)))
	}, SpecTimeout(longest))

	It("is reported without the name to users who may only write in the system namespace", func(ctx SpecContext) {
		other := newOrganization(ctx)
		declare(ctx, other, france)
		above := newRequester(ctx, newOrganization(ctx), "above")
		above.allow(ctx, systemNamespace, rbacv1.PolicyRule{
			APIGroups: []string{accessGroup}, Verbs: writing, Resources: []string{"useraccesses"},
		})
		Expect(above.try(ctx, systemNamespace, strings.ReplaceAll(
			"UserAccess OTHER-amelie\nspec: {user: OTHER-Amelie, state: Suspended}", "OTHER", other))).To(Succeed())
		Expect(above.heard.take()).To(ConsistOf("spec.user: nothing gives " + other +
			"-Amelie a membership or a role, so the suspension bars nobody"))
	}, SpecTimeout(longest))
})

var _ = Describe("Objects that are applied in order", func() {
	It("cause no warnings, however far the watch is behind", func(ctx SpecContext) {
		everything := administrator()
		for range 20 {
			organization := newOrganization(ctx)
			for _, change := range []string{
				"AccessPolicy default\nspec: {organizationRoles: [{name: admin}, {name: user}]}",
				"AccessGroup team\nspec: {members: [{user: $org-a}], organizationRole: user}",
				"UserAccess b\nspec: {user: $org-b, groups: [team]}",
				"UserAccess a\nspec: {user: $org-a, state: Suspended}",
			} {
				Expect(everything.do(ctx, organization, change)).To(Succeed())
				Expect(everything.heard.take()).To(BeEmpty(), change)
			}
		}
	}, SpecTimeout(longest))
})
