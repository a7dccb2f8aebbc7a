package admission_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("A team that may grant Viewer and Editor, and no more,", func() {
	DescribeTable("may", func(ctx SpecContext, before, change string) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, standing+"---\n"+before)
		Expect(team.do(ctx, organization, change)).To(Succeed())
		Expect(team.heard.take()).To(BeEmpty())
	},
		Entry("add members to an Editor group", "", `
AccessGroup editors
spec:
  members: [{user: ed}, {user: pat}, {user: sam}]
  applicationAccess: [{application: finance, role: Editor}]
`, SpecTimeout(longest)),
		Entry("nest a group in it", "", `
AccessGroup editors
spec:
  members: [{user: ed}]
  memberGroups: [people]
  applicationAccess: [{application: finance, role: Editor}]
`, SpecTimeout(longest)),
		Entry("put it among a user's groups", "", `
UserAccess pat
spec: {user: pat, groups: [editors]}
`, SpecTimeout(longest)),
		Entry("give a role in the organization and in every application", "", `
AccessGroup new
spec:
  members: [{user: sam}]
  organizationRole: Viewer
  applicationAccess: [{application: "*", role: Viewer}]
`, SpecTimeout(longest)),
		Entry("take a member from the administrators", "", `
AccessGroup administrators
spec:
  applicationAccess: [{application: finance, role: Administrator}]
`, SpecTimeout(longest)),
		Entry("take the role from the administrators", "", `
AccessGroup administrators
spec:
  members: [{user: ana}]
  applicationAccess: [{application: finance, role: Editor}]
`, SpecTimeout(longest)),
		Entry("end what an administrator has", "", `
AccessGroup administrators
spec:
  members: [{user: ana, notAfter: $soon!}]
  applicationAccess: [{application: finance, role: Administrator}]
`, SpecTimeout(longest)),
		Entry("suspend somebody", "", `
UserAccess pat
spec: {user: pat, state: Suspended}
`, SpecTimeout(longest)),
		Entry("delete the group of the administrators", "", "delete AccessGroup administrators", SpecTimeout(longest)),
		Entry("delete a group that restricts nobody", givingAndRestricting, "delete AccessGroup people", SpecTimeout(longest)),
		Entry("change a text of a group that gives more than it may", "", `
AccessGroup administrators
spec:
  description: Those who may do everything
  members: [{user: ana}]
  applicationAccess: [{application: finance, role: Administrator}]
`, SpecTimeout(longest)),
	)

	It("may deny access, and is warned of the users that its selector selects", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, standing)
		Expect(team.do(ctx, organization, `
AccessGroup blocked
spec:
  memberSelector: {}
  applicationAccess: [{application: "*", role: NoAccess}]
`)).To(Succeed())
		Expect(team.heard.take()).To(ConsistOf("AccessGroup/" + organization + "/blocked gives what it gives to 1 user who is not " +
			"in its spec.members: pat (spec.memberSelector)"))
	}, SpecTimeout(longest))

	It("is refused Administrator of the organization", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, standing)
		const change = `
AccessGroup people
spec:
  members: [{user: pat}]
  organizationRole: Administrator
`
		causes := refused(team.do(ctx, organization, change))
		Expect(causes[0].Field).To(Equal("spec.organizationRole"))
		line := lineOf(causes[0], `grant organizationroles.grants.access.usher.dev "Administrator" in namespace "`+organization+`"`)
		Expect(shows(ctx, line, "grant", "Administrator")).To(BeFalse())
		// Whoever may grant the role may grant what it includes.
		team.allow(ctx, organization, mayGrant([]string{"organizationroles"}, "Administrator"))
		Expect(team.do(ctx, organization, change)).To(Succeed())
	}, SpecTimeout(longest))

	It("cannot delete a restriction together with everything else", func(ctx SpecContext) {
		organization, team := newTeam(ctx, teamWrites, teamGrants, rule(accessGroup, []string{"deletecollection"}, []string{"accessgroups"}))
		declare(ctx, organization, standing+"---\n"+givingAndRestricting)
		Expect(kube.Patch(ctx, newGroup(organization, "restricting"), patch(`{"metadata":{"labels":{"of":"it"}}}`))).To(Succeed())
		all := func() error {
			return team.DeleteAllOf(ctx, newGroup(organization, ""), client.InNamespace(organization), client.MatchingLabels{"of": "it"})
		}
		lineOf(refused(all())[0], grantIn(organization))
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "restricting"}, newGroup(organization, ""))).To(Succeed())
		team.allow(ctx, organization, mayGrant([]string{"applicationroles/finance"}, "Administrator"))
		Expect(all()).To(Succeed())
	}, SpecTimeout(longest))

	It("cannot make the garbage collector delete a restriction", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, standing+"---\n"+givingAndRestricting)
		const owned = `
AccessGroup restricting
metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: none, uid: 11111111-2222-3333-4444-555555555555}]}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Viewer}]
`
		for _, change := range []string{owned, strings.Replace(owned, "restricting", "new", 1)} {
			causes := refused(team.do(ctx, organization, change))
			Expect(len(causes)).To(BeNumerically(">=", 3), "any role of each of the three ladders")
			for i, resource := range []string{"applicationroles", "organizationroles", "systemroles"} {
				Expect(causes[i].Field).To(Equal("metadata.ownerReferences"))
				Expect(causes[i].Message).To(ContainSubstring(
					`requires the right to grant ` + resource + `.grants.access.usher.dev in namespace "` + organization + `"`))
			}
		}
	}, SpecTimeout(longest))

	It("cannot remove the last finalizer of an object that somebody else deleted", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, standing+"---\n"+`
AccessGroup giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Administrator}]
---
AccessGroup blocking
metadata: {finalizers: [example.org/held, example.org/kept]}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: NoAccess}]
`)
		Expect(kube.Delete(ctx, newGroup(organization, "blocking"))).To(Succeed())
		settled(ctx, organization)
		finalizers := func(names string) error {
			return team.Patch(ctx, newGroup(organization, "blocking"),
				client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":[`+names+`]}}`)))
		}
		Expect(finalizers(`"example.org/kept"`)).To(Succeed())

		causes := refused(finalizers(""))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Message).To(ContainSubstring("pat would get Administrator in application finance"))
		line := lineOf(causes[0], grantIn(organization))
		team.allow(ctx, organization, mayGrant([]string{"applicationroles/finance"}, "Administrator"))
		Expect(shows(ctx, line, "grant", "Administrator")).To(BeTrue())
		Expect(finalizers("")).To(Succeed())
	}, SpecTimeout(longest))

	DescribeTable("cannot", func(ctx SpecContext, before, change, field string) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, before)
		causes := refused(team.do(ctx, organization, change))
		Expect(causes).To(HaveLen(3))
		for i, resource := range everyRole {
			Expect(causes[i].Field).To(Equal(field))
			lineOf(causes[i], fmt.Sprintf("grant %s.grants.access.usher.dev in namespace %q", resource, organization))
		}
		team.allow(ctx, organization, mayGrant(everyRole))
		Expect(team.do(ctx, organization, change)).To(Succeed())
	},
		Entry("write a policy", "", "AccessPolicy default\nspec: {conflictResolution: MostPermissive}", "spec", SpecTimeout(longest)),
		Entry("change a policy", "AccessPolicy default", "AccessPolicy default\nspec: {individualAccess: Combined}",
			"spec.individualAccess", SpecTimeout(longest)),
		Entry("turn checks off", "AccessPolicy default\nspec: {crossObjectChecks: Deny}",
			"AccessPolicy default\nspec: {crossObjectChecks: Ignore}", "spec.crossObjectChecks", SpecTimeout(longest)),
		Entry("delete a policy", "AccessPolicy default\nspec: {individualAccess: Combined}", "delete AccessPolicy default",
			"metadata.name", SpecTimeout(longest)),
	)

	It("may change unused parts of a policy", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, "AccessPolicy default")
		Expect(team.do(ctx, organization, "AccessPolicy default\nspec: {userConfigMaps: Disabled}")).To(Succeed())
	}, SpecTimeout(longest))

	DescribeTable("cannot write a System group, which requires", func(ctx SpecContext, entry, right string) {
		organization, team := newTeam(ctx)
		team.allow(ctx, systemNamespace, mayWrite("accessgroups"))
		declare(ctx, organization, standing)
		change := "AccessGroup " + systemNamespace + "/$org-new\nspec:\n  type: System\n  members: [{user: sam}]\n  systemAccess: [" +
			entry + "]"
		rights := []string{`grant systemroles.grants.access.usher.dev "SystemAdministrator" in namespace "access-system"`}
		if right != "" {
			rights = append(rights, expand(organization, right))
		}
		causes := refused(team.do(ctx, organization, change))
		Expect(causes[0].Field).To(Equal("spec.type"))
		for i, right := range rights {
			lineOf(causes[i], right)
		}
	},
		Entry("the right to the top system role", "{organization: $org, organizationRole: Editor}", "", SpecTimeout(longest)),
		Entry("it where the group only takes", "{organization: $org, role: NoAccess}", "", SpecTimeout(longest)),
		Entry("the right to a system role", "{organization: $org, role: Observer}",
			`grant systemroles.grants.access.usher.dev "Observer" in namespace "access-system"`, SpecTimeout(longest)),
		Entry("the right in every organization", `{organization: "*", applicationAccess: [{application: finance, role: Editor}]}`,
			`grant applicationroles.grants.access.usher.dev "Editor", subresource "finance", in all namespaces`, SpecTimeout(longest)),
		Entry("the right in another organization", "{organization: somewhere, organizationRole: Editor}",
			`grant organizationroles.grants.access.usher.dev "Editor" in namespace "somewhere"`, SpecTimeout(longest)),
		Entry("the right to the role", "{organization: $org, organizationRole: Administrator}",
			`grant organizationroles.grants.access.usher.dev "Administrator" in namespace "$org"`, SpecTimeout(longest)),
	)

	DescribeTable("cannot name a group without the right to join it:", func(ctx SpecContext, change, field string) {
		organization, team := newTeam(ctx, teamWrites, teamGrants, mayJoin("editors"))
		declare(ctx, organization, standing)
		causes := refused(team.do(ctx, organization, change))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Field).To(Equal(field))
		line := lineOf(causes[0], `join accessgroups.access.usher.dev "tomorrow" in namespace "`+organization+`"`)
		Expect(shows(ctx, line, "join", "tomorrow")).To(BeFalse(), line)
		team.allow(ctx, organization, mayJoin("tomorrow"))
		Expect(shows(ctx, line, "join", "tomorrow")).To(BeTrue(), line)
		Expect(team.do(ctx, organization, change)).To(Succeed())
	},
		Entry("a user's groups", "UserAccess pat\nspec: {user: pat, groups: [editors, tomorrow]}", "spec.groups[1]", SpecTimeout(longest)),
		Entry("nested groups", `
AccessGroup people
spec:
  members: [{user: pat}]
  memberGroups: [tomorrow]
`, "spec.memberGroups[0]", SpecTimeout(longest)),
	)
})

var _ = Describe("A right to grant", func() {
	It("for one application is none for another, nor for all", func(ctx SpecContext) {
		organization, team := newTeam(ctx, teamWrites, mayGrant([]string{"applicationroles/finance"}, "Editor"))
		declare(ctx, organization, standing)
		gives := func(application, role string) error {
			return team.try(ctx, organization, fmt.Sprintf(`
AccessGroup new
spec:
  members: [{user: sam}]
  applicationAccess: [{application: %q, role: %s}]
`, application, role))
		}
		Expect(gives("finance", "Editor")).To(Succeed())
		for _, c := range []struct{ application, role, right string }{
			{"finance", "Viewer", `grant applicationroles.grants.access.usher.dev "Viewer", subresource "finance", in namespace`},
			{"sales", "Editor", `grant applicationroles.grants.access.usher.dev "Editor", subresource "sales", in namespace`},
			{"*", "Editor", `grant applicationroles.grants.access.usher.dev "Editor" in namespace`},
		} {
			lineOf(refused(gives(c.application, c.role))[0], c.right+` "`+organization+`"`)
		}
	}, SpecTimeout(longest))

	It("is not included in every verb on Usher's own API group", func(ctx SpecContext) {
		organization, team := newTeam(ctx, rule(accessGroup, []string{"*"}, []string{"*"}))
		declare(ctx, organization, standing)
		lineOf(refused(team.do(ctx, organization, `
AccessGroup editors
spec:
  members: [{user: ed}, {user: pat}]
  applicationAccess: [{application: finance, role: Editor}]
`))[0], `grant applicationroles.grants.access.usher.dev "Editor", subresource "finance", in namespace "`+organization+`"`)
	}, SpecTimeout(longest))
})

// rows returns a group of Viewers of finance who see the rows of the countries, or all rows if there are none.
func rows(group, countries string) string {
	return `
AccessGroup ` + group + `
spec:
  members: [{user: ed}]
  applicationAccess: [{application: finance, role: Editor}]
  dataPermissions: [{application: finance, anyOf: [{allOf: [{attribute: country, operator: In, values: [` + countries + `]}]}]}]
`
}

var _ = Describe("Rows", func() {
	DescribeTable("cannot be widened without the right to:", func(ctx SpecContext, change, field string) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, "ApplicationAccess finance\n---\n"+rows("editors", "France")+"---\n"+rows("more", "France, Spain"))
		causes := refused(team.do(ctx, organization, change))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Field).To(Equal(field))
		Expect(causes[0].Message).To(ContainSubstring("ed would see more rows of application finance of organization " + organization))
		line := lineOf(causes[0], `grant datapermissions.grants.access.usher.dev "finance" in namespace "`+organization+`"`)
		Expect(shows(ctx, line, "grant", "finance")).To(BeFalse())
		team.allow(ctx, organization, mayGrant([]string{"datapermissions"}, "finance"))
		Expect(shows(ctx, line, "grant", "finance")).To(BeTrue())
		Expect(team.do(ctx, organization, change)).To(Succeed())
	},
		Entry("another value", rows("editors", "France, Germany"), "spec.dataPermissions", SpecTimeout(longest)),
		Entry("no filter any more", `
AccessGroup editors
spec:
  members: [{user: ed}]
  applicationAccess: [{application: finance, role: Editor}]
`, "spec.dataPermissions", SpecTimeout(longest)),
		Entry("a membership that restricts rows", `
AccessGroup editors
spec:
  applicationAccess: [{application: finance, role: Editor}]
  dataPermissions: [{application: finance, anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}]}]}]
`, "spec.members[ed]", SpecTimeout(longest)),
		Entry("a group that restricts rows", "delete AccessGroup editors", "metadata.name", SpecTimeout(longest)),
	)

	It("cannot be shown to users without a filter unless the requester has the right to", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, "ApplicationAccess finance\nspec: {unmatchedRows: None}\n---\n"+viewers("pat"))
		right := `grant datapermissions.grants.access.usher.dev "finance" in namespace "` + organization + `"`
		for change, field := range map[string]string{
			"ApplicationAccess finance\nspec: {unmatchedRows: All}": "spec.unmatchedRows",
			"delete ApplicationAccess finance":                      "metadata.name",
		} {
			causes := refused(team.do(ctx, organization, change))
			Expect(causes).To(HaveLen(1))
			Expect(causes[0].Field).To(Equal(field))
			lineOf(causes[0], right)
		}
		team.allow(ctx, organization, mayGrant([]string{"datapermissions"}, "finance"))
		Expect(team.do(ctx, organization, "delete ApplicationAccess finance")).To(Succeed())
	}, SpecTimeout(longest))

	It("may be narrowed", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, "ApplicationAccess finance\n---\n"+rows("editors", "France, Spain"))
		Expect(team.do(ctx, organization, rows("editors", "France"))).To(Succeed())
		Expect(team.do(ctx, organization, rows("more", "Spain"))).To(Succeed())
	}, SpecTimeout(longest))
})
