package notices_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A mail", func() {
	It("lists what was granted, changed, revoked and is about to end", func(ctx SpecContext) {
		server := newMailServer()
		acme := namedOrganization(ctx, "acme")
		acme.mailPolicy(ctx, server)
		acme.apply(ctx, "AccessGroup", "france", `
displayName: France & friends
members: [{user: amelie@acme.example}]
applicationAccess: [{application: finance, role: Viewer}, {application: hr, role: Viewer}]
notification: {mode: Disabled, channels: [mail], message: 'Questions? Ask <Ana> in room 4 & bring cake.'}
`)
		acme.apply(ctx, "UserAccess", "amelie", "{user: amelie@acme.example, displayName: Amélie <b>Dupont</b>}")
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "france", `
displayName: France & friends
members: [{user: amelie@acme.example}]
organizationRole: Viewer
applicationAccess:
- {application: finance, role: Editor, notAfter: "2099-01-01T00:00:00Z"}
- {application: payroll, role: NoAccess}
notification: {mode: OnChange, channels: [mail], message: 'Questions? Ask <Ana> in room 4 & bring cake.'}
`)
		Eventually(server.recipients).Should(Equal([]string{"amelie@acme.example"}))
		mails := server.all()
		golden("mail-changed", mails[0].seen())
	}, NodeTimeout(patience))
})
