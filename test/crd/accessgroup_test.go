package crd_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const window = "notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-02-01T00:00:00Z'"

var _ = DescribeTable("AccessGroup accepts", func(ctx SpecContext, spec string) {
	Expect(create(ctx, object("AccessGroup", spec))).To(Succeed())
},
	Entry("no spec", ""),
	Entry("nothing in a spec", "{}"),
	Entry("empty lists", "{members: [], memberGroups: [], applicationAccess: [], dataPermissions: []}"),
	Entry("members with and without a window",
		"members: [{user: amelie@acme.example}, {user: ben, "+window+"}, {user: cy, notAfter: '2026-01-01T00:00:00Z'}]"),
	Entry("groups as members", "memberGroups: [france, team.a]"),
	Entry("itself as a member, which is a cycle", "memberGroups: [default]"),
	Entry("an empty selector", "memberSelector: {}"),
	Entry("a selector with labels", "memberSelector: {matchLabels: {team: a, example.org/site: ''}}"),
	Entry("a selector with every operator", `
memberSelector:
  matchExpressions:
  - {key: a, operator: In, values: [x, z]}
  - {key: b, operator: NotIn, values: [x]}
  - {key: c, operator: Exists}
  - {key: d, operator: DoesNotExist, values: []}`),
	Entry("privileges Disabled", "privileges: Disabled"),
	Entry("roles in an organization",
		"{organizationRole: Viewer, applicationAccess: [{application: '*', role: NoAccess}, {application: red, role: Editor, "+window+"}]}"),
	Entry("a System group with a role alone", "{type: System, systemAccess: [{organization: '*', role: Observer}]}"),
	Entry("a System group with an organization role alone",
		"{type: System, systemAccess: [{organization: acme, organizationRole: Viewer}]}"),
	Entry("a System group with application roles alone",
		"{type: System, systemAccess: [{organization: acme, applicationAccess: [{application: red, role: Editor, "+window+"}]}]}"),
	Entry("data permissions with every operator", `
dataPermissions:
- application: '*'
  anyOf:
  - allOf:
    - {attribute: country, operator: In, values: [France, Côte d'Ivoire, "R&D"]}
    - {attribute: _b, operator: NotIn, values: [x]}
  - allOf:
    - {attribute: price, operator: GreaterThan, values: ['10.5']}
    - {attribute: created, operator: LessThan, values: ['2026-01-01T00:00:00Z']}`),
	Entry("applications by label", `
applicationSelectors:
- {selector: {matchLabels: {suite: finance, example.org/site: ''}}, role: Editor, `+window+`}
- {selector: {matchLabels: {suite: finance}}, role: NoAccess}
- selector:
    matchExpressions:
    - {key: a, operator: In, values: [x, '']}
    - {key: b, operator: NotIn, values: [x]}
    - {key: example.org/c, operator: Exists}
    - {key: d, operator: DoesNotExist}
  role: Viewer`),
	Entry("organizations by label", `
type: System
systemAccess: [{organization: acme, applicationSelectors: [{selector: {matchLabels: {suite: finance}}, role: Editor}]}]
systemAccessSelectors:
- {selector: {matchLabels: {stage: prod}}, role: Observer}
- {selector: {matchLabels: {stage: prod}}, organizationRole: Viewer}
- {selector: {matchLabels: {stage: prod}}, applicationAccess: [{application: red, role: Editor}]}
- {selector: {matchLabels: {stage: prod}}, applicationSelectors: [{selector: {matchLabels: {suite: finance}}, role: Editor}]}`),
	Entry("data permissions that refer to attributes of the user", `
dataPermissions:
- application: red
  anyOf:
  - allOf:
    - {attribute: country, operator: In, userAttribute: countries}
    - {attribute: level, operator: LessThan, userAttribute: _clearance}`),
	Entry("a review", "{review: {everyDays: 1826}, reviewedAt: '2026-01-01T00:00:00+01:00'}"),
	Entry("a review that was never made", "review: {everyDays: 1, ifMissed: Keep}"),
	Entry("a review that ends access", "{review: {everyDays: 90, ifMissed: End}, reviewedAt: '1970-01-01T00:00:00Z'}"),
	Entry("the instant of a review alone", "reviewedAt: '2026-01-01T00:00:00Z'"),
	Entry("notification that is switched off", "notification: {mode: Disabled}"),
	Entry("notification", "notification: {mode: OnChange, channels: [mail, chat], message: 'Ask Zoë.', expiryNoticeDays: 0}"),
)

var _ = DescribeTable("AccessGroup refuses", func(ctx SpecContext, spec string, causes ...string) {
	Expect(create(ctx, object("AccessGroup", spec))).To(beRefused(causes...))
},
	Entry("an unknown type", "type: Global",
		`spec.type: supported values: "Organization", "System"`),
	Entry("a member without a user", "members: [{notAfter: '2026-01-01T00:00:00Z'}]",
		"spec.members[0].user: Required value"),
	Entry("a user twice", "members: [{user: a}, {user: b}, {user: a}]",
		`spec.members[2]: {"user":"a"}`),
	Entry("a member whose window is empty", "members: [{user: a, notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-01-01T00:00:00Z'}]",
		"spec.members[0].notAfter: notBefore must be before notAfter"),
	Entry("a window that ends before it begins, across time zones",
		"members: [{user: a, notBefore: '2026-01-01T01:00:00+01:00', notAfter: '2025-12-31T23:59:59Z'}]",
		"spec.members[0].notAfter: notBefore must be before notAfter"),
	Entry("an application's window that is empty",
		"applicationAccess: [{application: red, role: Viewer, notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-01-01T00:00:00Z'}]",
		"spec.applicationAccess[0].notAfter: notBefore must be before notAfter"),
	Entry("a window that is empty across organizations",
		"{type: System, systemAccess: [{organization: acme, applicationAccess: [{application: red, role: Viewer, notBefore: '2026-01-02T00:00:00Z', notAfter: '2026-01-01T00:00:00Z'}]}]}",
		"spec.systemAccess[0].applicationAccess[0].notAfter: notBefore must be before notAfter"),
	Entry("a group twice", "memberGroups: [a, a]", `spec.memberGroups[1]: "a"`),
	Entry("an application twice", "applicationAccess: [{application: red, role: A}, {application: red, role: B}]",
		`spec.applicationAccess[1]: {"application":"red"}`),
	Entry("an application without a role", "applicationAccess: [{application: red}]",
		"spec.applicationAccess[0].role: Required value"),
	Entry("systemAccess of an Organization group", "systemAccess: [{organization: acme, role: Observer}]",
		"spec.systemAccess: only a group of type System may have systemAccess"),
	Entry("what only an Organization group gives", `
type: System
organizationRole: Viewer
applicationAccess: [{application: red, role: Viewer}]
dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: a, operator: In, values: [x]}]}]}]`,
		"spec.organizationRole: a group of type System gives organization roles in systemAccess[].organizationRole",
		"spec.applicationAccess: a group of type System gives application roles in systemAccess[].applicationAccess",
		"spec.dataPermissions: a group of type System may not have dataPermissions"),
	Entry("an organization that gets nothing", "{type: System, systemAccess: [{organization: acme}]}",
		"spec.systemAccess[0]: at least one of role, organizationRole, applicationAccess and applicationSelectors must be given"),
	Entry("an organization that gets an empty list", "{type: System, systemAccess: [{organization: acme, applicationAccess: []}]}",
		"spec.systemAccess[0].applicationAccess: should have at least 1 items"),
	Entry("an organization twice", "{type: System, systemAccess: [{organization: acme, role: A}, {organization: acme, role: B}]}",
		`spec.systemAccess[1]: {"organization":"acme"}`),
	Entry("alternatives, requirements and values that are missing", `
dataPermissions:
- {application: a, anyOf: []}
- {application: b, anyOf: [{allOf: []}]}
- {application: c, anyOf: [{allOf: [{attribute: a, operator: In, values: []}]}]}`,
		"spec.dataPermissions[0].anyOf: should have at least 1 items",
		"spec.dataPermissions[1].anyOf[0].allOf: should have at least 1 items",
		"spec.dataPermissions[2].anyOf[0].allOf[0].values: should have at least 1 items"),
	Entry("GreaterThan two values",
		"dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: a, operator: GreaterThan, values: ['1', '2']}]}]}]",
		"spec.dataPermissions[0].anyOf[0].allOf[0].values: GreaterThan and LessThan take exactly one value"),
	Entry("LessThan two values",
		"dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: a, operator: LessThan, values: ['1', '2']}]}]}]",
		"spec.dataPermissions[0].anyOf[0].allOf[0].values: GreaterThan and LessThan take exactly one value"),
	Entry("an empty selector of applications", "applicationSelectors: [{selector: {}, role: Viewer}]",
		"spec.applicationSelectors[0].selector: should have at least 1 properties",
		"spec.applicationSelectors[0].selector: a selector takes matchLabels or matchExpressions; "+
			"to select everything, give the name '*' in applicationAccess or systemAccess"),
	Entry("selectors whose parts are empty", `
applicationSelectors:
- {selector: {matchLabels: {}}, role: Viewer}
- {selector: {matchExpressions: []}, role: Viewer}`,
		"spec.applicationSelectors[0].selector.matchLabels: should have at least 1 properties",
		"spec.applicationSelectors[1].selector.matchExpressions: should have at least 1 items"),
	Entry("no selector, and no role", "applicationSelectors: [{role: Viewer}, {selector: {matchLabels: {suite: finance}}}]",
		"spec.applicationSelectors[0].selector: Required value", "spec.applicationSelectors[1].role: Required value"),
	Entry("a selector's window that is empty",
		"applicationSelectors: [{selector: {matchLabels: {a: b}}, role: Viewer, notBefore: '2026-01-01T00:00:00Z', notAfter: '2026-01-01T00:00:00Z'}]",
		"spec.applicationSelectors[0].notAfter: notBefore must be before notAfter"),
	Entry("an operator that no label selector has",
		"applicationSelectors: [{selector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}, role: Viewer}]",
		`spec.applicationSelectors[0].selector.matchExpressions[0].operator: supported values: "In", "NotIn", "Exists", "DoesNotExist"`),
	Entry("values that do not go with the operator", `
applicationSelectors:
- selector: {matchExpressions: [{key: a, operator: In}, {key: b, operator: Exists, values: [x]}]}
  role: Viewer`,
		"spec.applicationSelectors[0].selector.matchExpressions[0].values: In and NotIn take at least one value, Exists and DoesNotExist take none",
		"spec.applicationSelectors[0].selector.matchExpressions[1].values: In and NotIn take at least one value, Exists and DoesNotExist take none"),
	Entry("systemAccessSelectors of an Organization group",
		"systemAccessSelectors: [{selector: {matchLabels: {stage: prod}}, role: Observer}]",
		"spec.systemAccessSelectors: only a group of type System may have systemAccessSelectors"),
	Entry("applicationSelectors of a System group",
		"{type: System, applicationSelectors: [{selector: {matchLabels: {suite: finance}}, role: Viewer}]}",
		"spec.applicationSelectors: a group of type System gives application roles by label in systemAccess[].applicationSelectors"),
	Entry("organizations by label that get nothing", "{type: System, systemAccessSelectors: [{selector: {matchLabels: {stage: prod}}}]}",
		"spec.systemAccessSelectors[0]: at least one of role, organizationRole, applicationAccess and applicationSelectors must be given"),
	Entry("a requirement with values and an attribute of the user, and one with neither", `
dataPermissions:
- application: red
  anyOf:
  - allOf: [{attribute: a, operator: In, values: [x], userAttribute: b}, {attribute: a, operator: In}]`,
		"spec.dataPermissions[0].anyOf[0].allOf[0]: exactly one of values and userAttribute must be given",
		"spec.dataPermissions[0].anyOf[0].allOf[1]: exactly one of values and userAttribute must be given"),
	Entry("a review that ends access and was never made", "review: {everyDays: 90, ifMissed: End}",
		"spec.reviewedAt: a review with ifMissed End takes reviewedAt: the instant of the last review"),
	Entry("a review at no time", "review: {everyDays: 0}", "spec.review.everyDays: should be greater than or equal to 1"),
	Entry("a review after more than five years", "review: {everyDays: 1827}",
		"spec.review.everyDays: should be less than or equal to 1826"),
	Entry("a review that does something else", "{review: {everyDays: 1, ifMissed: Delete}, reviewedAt: '2026-01-01T00:00:00Z'}",
		`spec.review.ifMissed: supported values: "Keep", "End"`),
	Entry("notification through nothing", "notification: {mode: OnChange}",
		"spec.notification.channels: OnChange takes at least one channel"),
	Entry("notification without a mode", "notification: {channels: [mail]}",
		"spec.notification.mode: Required value"),
	Entry("notice longer than a year ahead", "notification: {mode: Disabled, expiryNoticeDays: 366}",
		"spec.notification.expiryNoticeDays: should be less than or equal to 365"),
	Entry("a selector with an unknown operator", "memberSelector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}",
		"spec.memberSelector.matchExpressions: In and NotIn take 1 to 20 values, Exists and DoesNotExist none; there are no other operators"),
	Entry("a selector In nothing", "memberSelector: {matchExpressions: [{key: a, operator: In}]}",
		"spec.memberSelector.matchExpressions: In and NotIn take 1 to 20 values, Exists and DoesNotExist none; there are no other operators"),
	Entry("a selector where a value Exists", "memberSelector: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}",
		"spec.memberSelector.matchExpressions: In and NotIn take 1 to 20 values, Exists and DoesNotExist none; there are no other operators"),
)

var _ = DescribeTable("A member selector is bounded", func(ctx SpecContext, labels, expressions, values, key, value int, causes ...string) {
	selector := metav1.LabelSelector{MatchLabels: map[string]string{}}
	for n := range labels {
		selector.MatchLabels[longest(n, key)] = longest(n, value)
	}
	for range expressions {
		selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: longest(0, key), Operator: metav1.LabelSelectorOpIn,
			Values: many(values, func(n int) string { return longest(n, value) }),
		})
	}
	err := create(ctx, typed("AccessGroup", &accessv1alpha1.AccessGroupSpec{MemberSelector: &selector}))
	if len(causes) == 0 {
		Expect(err).NotTo(HaveOccurred())
		return
	}
	Expect(err).To(beRefused(causes...))
},
	Entry("and takes all that a label may be", 20, 20, 20, 317, 63),
	Entry("in labels", 21, 0, 0, 63, 63, "spec.memberSelector.matchLabels: must have at most 20 items"),
	Entry("in expressions", 0, 21, 1, 63, 63, "spec.memberSelector.matchExpressions: must have at most 20 items"),
	Entry("in values", 0, 1, 21, 63, 63, "spec.memberSelector.matchExpressions: In and NotIn take 1 to 20 values, "+
		"Exists and DoesNotExist none; there are no other operators"),
	Entry("in the length of a key", 1, 1, 1, 318, 63,
		"spec.memberSelector.matchLabels: a label key has at most 317 characters and a label value at most 63",
		"spec.memberSelector.matchExpressions: a label key has at most 317 characters and a label value at most 63"),
	Entry("in the length of a value", 1, 1, 20, 317, 64,
		"spec.memberSelector.matchLabels: a label key has at most 317 characters and a label value at most 63",
		"spec.memberSelector.matchExpressions: a label key has at most 317 characters and a label value at most 63"),
)

var _ = DescribeTable("A selector of applications is bounded", func(ctx SpecContext, labels, expressions, values, key, value int, causes ...string) {
	selector := labelSelector(labels, expressions, values, key, value)
	err := create(ctx, typed("AccessGroup", &accessv1alpha1.AccessGroupSpec{
		ApplicationSelectors: []accessv1alpha1.ApplicationSelectorGrant{{Selector: selector, Role: "Viewer"}},
	}))
	if len(causes) == 0 {
		Expect(err).NotTo(HaveOccurred())
		return
	}
	Expect(err).To(beRefused(causes...))
},
	Entry("and takes all that a label may be", 10, 10, 20, 63, 63),
	Entry("in labels", 11, 0, 0, 63, 63, "spec.applicationSelectors[0].selector.matchLabels: must have at most 10 items"),
	Entry("in expressions", 0, 11, 1, 63, 63, "spec.applicationSelectors[0].selector.matchExpressions: must have at most 10 items"),
	Entry("in values", 0, 1, 21, 63, 63, "spec.applicationSelectors[0].selector.matchExpressions[0].values: must have at most 20 items"),
	Entry("in the length of a label's key", 1, 0, 0, 318, 63,
		"spec.applicationSelectors[0].selector.matchLabels: a label key has at most 317 characters"),
)

var _ = Describe("AccessGroup", func() {
	It("keeps its type", func(ctx SpecContext) {
		group := object("AccessGroup", "description: one")
		group.SetName("type-is-kept")
		Expect(k8sClient.Create(ctx, group)).To(Succeed())

		Expect(setAndUpdate(ctx, group, "Organization", "spec", "type")).To(Succeed())
		Expect(setAndUpdate(ctx, group, "two", "spec", "description")).To(Succeed())
		Expect(setAndUpdate(ctx, group, "System", "spec", "type")).To(
			beRefused("spec.type: type cannot be changed: delete the group and create another"))
	})
})
