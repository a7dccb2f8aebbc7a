package crd_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	notDeclarable = "NoAccess is built in, below every ladder, and may not be declared"
	notOnLadder   = "every applicationRole must be NoAccess or the name of a role in applicationRoles " +
		"(where that is absent: Administrator, RulesAdmin, Editor or Viewer)"
)

var _ = DescribeTable("AccessPolicy accepts", func(ctx SpecContext, spec string) {
	Expect(create(ctx, object("AccessPolicy", spec))).To(Succeed())
},
	Entry("no spec", ""),
	Entry("nothing in a spec", "{}"),
	Entry("every ladder", `
applicationRoles: [{name: Owner, permissions: ['orders:write', admin/users, a]}, {name: Reader, permissions: []}, {name: Guest}]
organizationRoles: [{name: Owner, applicationRole: Owner}, {name: Blocked, applicationRole: NoAccess}, {name: Member}]
systemRoles: [{name: Root, organizationRole: Elsewhere, applicationRole: Elsewhere}, {name: Nobody}]`),
	Entry("organization roles that mean built-in application roles", `
organizationRoles:
- {name: A, applicationRole: Administrator}
- {name: B, applicationRole: RulesAdmin}
- {name: C, applicationRole: Editor}
- {name: D, applicationRole: Viewer}
- {name: E, applicationRole: NoAccess}`),
	Entry("all else", `
conflictResolution: MostPermissive
individualAccess: Combined
administrators: Unprotected
exclusiveAccess: [{name: pay-and-audit, applications: [payments, audit], minimumRole: Elsewhere}]
revocationLimit: {users: 0, percent: 100}
crossObjectChecks: Deny
userConfigMaps: Disabled
notificationChannels:
- {name: mail, type: SMTP, smtp: {server: 'mail.acme.example:587', sender: usher@acme.example}}
- {name: mail6, type: SMTP, smtp: {server: '[2001:db8::1]:25', sender: usher@acme.example, tls: None}, secretRef: {name: mail}}
- {name: hook, type: Webhook, webhook: {url: 'https://hooks.acme.example/usher?a=b&c=d'}}
- {name: chat, type: Slack, secretRef: {name: slack.url}}`),
	Entry("a limit by number alone", "revocationLimit: {users: 10}"),
	Entry("a limit by share alone", "revocationLimit: {percent: 10}"),
)

var _ = DescribeTable("AccessPolicy refuses", func(ctx SpecContext, spec string, causes ...string) {
	Expect(create(ctx, object("AccessPolicy", spec))).To(beRefused(causes...))
},
	Entry("ladders without a rung", "{applicationRoles: [], organizationRoles: [], systemRoles: []}",
		"spec.applicationRoles: should have at least 1 items",
		"spec.organizationRoles: should have at least 1 items",
		"spec.systemRoles: should have at least 1 items"),
	Entry("NoAccess on a ladder",
		"{applicationRoles: [{name: NoAccess}], organizationRoles: [{name: NoAccess}], systemRoles: [{name: NoAccess}]}",
		"spec.applicationRoles[0].name: "+notDeclarable,
		"spec.organizationRoles[0].name: "+notDeclarable,
		"spec.systemRoles[0].name: "+notDeclarable),
	Entry("a role twice", "applicationRoles: [{name: A}, {name: A}]", `spec.applicationRoles[1]: {"name":"A"}`),
	Entry("a permission twice", "applicationRoles: [{name: A, permissions: [x, x]}]",
		`spec.applicationRoles[0].permissions[1]: "x"`),
	Entry("an organization role that means nothing on its own ladder",
		"{applicationRoles: [{name: Owner}], organizationRoles: [{name: A, applicationRole: Viewer}]}",
		"spec.organizationRoles: "+notOnLadder),
	Entry("an organization role that means nothing on the built-in ladder",
		"organizationRoles: [{name: A, applicationRole: Owner}]",
		"spec.organizationRoles: "+notOnLadder),
	Entry("a rule for one application", "exclusiveAccess: [{name: a, applications: [red], minimumRole: Viewer}]",
		"spec.exclusiveAccess[0].applications: should have at least 2 items"),
	Entry("a rule for one application twice", "exclusiveAccess: [{name: a, applications: [red, red], minimumRole: Viewer}]",
		`spec.exclusiveAccess[0].applications[1]: "red"`),
	Entry("a rule for all applications", "exclusiveAccess: [{name: a, applications: [red, '*'], minimumRole: Viewer}]",
		"spec.exclusiveAccess[0].applications[1]: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'",
		"spec.exclusiveAccess[0].applications[1]: an application is a DNS label: lower-case letters, digits and -"),
	Entry("a rule without a role", "exclusiveAccess: [{name: a, applications: [red, blue]}]",
		"spec.exclusiveAccess[0].minimumRole: Required value"),
	Entry("a limit of nothing", "revocationLimit: {}",
		"spec.revocationLimit: should have at least 1 properties",
		"spec.revocationLimit: at least one of users and percent must be given"),
	Entry("a limit past the whole", "revocationLimit: {percent: 101}",
		"spec.revocationLimit.percent: should be less than or equal to 100"),
	Entry("mail without settings, and with another's",
		"notificationChannels: [{name: a, type: SMTP, webhook: {url: 'https://a.example'}}]",
		"spec.notificationChannels[0].smtp: smtp must be given exactly when type is SMTP",
		"spec.notificationChannels[0].webhook: webhook must be given exactly when type is Webhook"),
	Entry("a webhook with another's settings",
		"notificationChannels: [{name: a, type: Webhook, smtp: {server: 'a:25', sender: a@b}}]",
		"spec.notificationChannels[0].smtp: smtp must be given exactly when type is SMTP",
		"spec.notificationChannels[0].webhook: webhook must be given exactly when type is Webhook"),
	Entry("Slack without a Secret", "notificationChannels: [{name: a, type: Slack}]",
		"spec.notificationChannels[0].secretRef: Slack takes a secretRef: the address to post to is secret"),
	Entry("a rate that delivers nothing",
		"notificationChannels: [{name: a, type: Slack, secretRef: {name: a}, perMinute: -1}]",
		"spec.notificationChannels[0].perMinute: should be greater than or equal to 1"),
	Entry("a template that says nothing",
		"notificationChannels: [{name: a, type: SMTP, smtp: {server: 'a:25', sender: a@b, template: {}}}]",
		"spec.notificationChannels[0].smtp.template: should have at least 1 properties"),
	Entry("a subject of two lines",
		"notificationChannels: [{name: a, type: SMTP, smtp: {server: 'a:25', sender: a@b, template: {subject: \"a\\nb\"}}}]",
		"spec.notificationChannels[0].smtp.template.subject: '^[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]+$'"),
	Entry("an address that is none", "notificationChannels: [{name: a, type: Webhook, webhook: {url: 'file:///etc/passwd'}}]",
		`spec.notificationChannels[0].webhook.url: '^https?://[A-Za-z0-9.\[\]:_-]+([/?][^\p{Z}\p{Cc}\p{Cf}"\\]*)?$'`),
	Entry("a password in an address",
		"notificationChannels: [{name: a, type: Webhook, webhook: {url: 'https://user:secret@a.example/'}}]",
		`spec.notificationChannels[0].webhook.url: '^https?://[A-Za-z0-9.\[\]:_-]+([/?][^\p{Z}\p{Cc}\p{Cf}"\\]*)?$'`),
	Entry("a mail server without a port",
		"notificationChannels: [{name: a, type: SMTP, smtp: {server: mail.acme.example, sender: a@b}}]",
		`spec.notificationChannels[0].smtp.server: '^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$'`),
)

var _ = Describe("AccessPolicy", func() {
	It("is named default", func(ctx SpecContext) {
		policy := object("AccessPolicy", "")
		policy.SetName("other")
		Expect(create(ctx, policy)).To(
			beRefused("metadata: an AccessPolicy must be named default: a namespace has at most one"))
	})
})
