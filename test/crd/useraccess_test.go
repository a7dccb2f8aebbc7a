package crd_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("UserAccess accepts", func(ctx SpecContext, spec string) {
	Expect(create(ctx, object("UserAccess", spec))).To(Succeed())
},
	Entry("a user alone", "user: amelie@acme.example"),
	Entry("a user with everything that an organization has", `
user: amelie@acme.example
displayName: Amélie
email: amelie@acme.example
state: Suspended
notBefore: '2026-01-01T00:00:00Z'
notAfter: '2026-01-01T00:00:01Z'
groups: [france, team.a]
organizationRole: Viewer
applicationAccess: [{application: red, role: Viewer, `+window+`}]`),
	Entry("roles across organizations",
		"{user: a, systemAccess: [{organization: '*', role: SystemAdministrator}, {organization: acme, organizationRole: Viewer}]}"),
	Entry("empty lists", "{user: a, groups: [], applicationAccess: [], applicationSelectors: [], systemAccess: [], "+
		"systemAccessSelectors: [], attributes: []}"),
	Entry("applications and organizations by label", `
user: a
applicationSelectors: [{selector: {matchLabels: {suite: finance}}, role: Viewer}]
systemAccessSelectors: [{selector: {matchLabels: {stage: prod}}, role: Observer}]`),
	Entry("attributes", "{user: a, attributes: [{name: countries, values: [France, Côte d'Ivoire]}, {name: _level, values: ['3']}]}"),
)

var _ = DescribeTable("UserAccess refuses", func(ctx SpecContext, spec string, causes ...string) {
	Expect(create(ctx, object("UserAccess", spec))).To(beRefused(causes...))
},
	Entry("no spec", "", "spec: Required value"),
	Entry("no user", "state: Active", "spec.user: Required value"),
	Entry("an unknown state", "{user: a, state: Gone}", `spec.state: supported values: "Active", "Suspended"`),
	Entry("a window that is empty", "{user: a, notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-01-01T00:00:00Z'}",
		"spec.notAfter: notBefore must be before notAfter"),
	Entry("a group twice", "{user: a, groups: [x, x]}", `spec.groups[1]: "x"`),
	Entry("an application twice", "{user: a, applicationAccess: [{application: red, role: A}, {application: red, role: B}]}",
		`spec.applicationAccess[1]: {"application":"red"}`),
	Entry("an organization that gets nothing", "{user: a, systemAccess: [{organization: acme}]}",
		"spec.systemAccess[0]: at least one of role, organizationRole, applicationAccess and applicationSelectors must be given"),
	Entry("an organization's window that is empty",
		"{user: a, systemAccess: [{organization: acme, applicationAccess: [{application: red, role: Viewer, notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-01-01T00:00:00Z'}]}]}",
		"spec.systemAccess[0].applicationAccess[0].notAfter: notBefore must be before notAfter"),
	Entry("an attribute twice", "{user: a, attributes: [{name: x, values: [a]}, {name: x, values: [b]}]}",
		`spec.attributes[1]: {"name":"x"}`),
	Entry("a value twice", "{user: a, attributes: [{name: x, values: [a, b, a]}]}", `spec.attributes[0].values[2]: "a"`),
	Entry("an attribute without values", "{user: a, attributes: [{name: x, values: []}]}",
		"spec.attributes[0].values: should have at least 1 items"),
	Entry("an attribute whose name is not a name", "{user: a, attributes: [{name: a-b, values: [x]}]}",
		"spec.attributes[0].name: '^[A-Za-z_][A-Za-z0-9_]{0,62}$'"),
	Entry("an e-mail address with a name", "{user: a, email: 'Amélie <amelie@acme.example>'}",
		`spec.email: '^[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+@[^\p{Z}\p{Cc}\p{Cf}@,;:<>()\[\]"\\]+$'`),
)

var _ = Describe("UserAccess", func() {
	It("keeps its user", func(ctx SpecContext) {
		user := object("UserAccess", "user: amelie@acme.example")
		user.SetName("user-is-kept")
		Expect(k8sClient.Create(ctx, user)).To(Succeed())

		Expect(setAndUpdate(ctx, user, "Amélie", "spec", "displayName")).To(Succeed())
		Expect(setAndUpdate(ctx, user, "Amelie@acme.example", "spec", "user")).To(
			beRefused("spec.user: user cannot be changed: delete the object and create another"))
	})
})
