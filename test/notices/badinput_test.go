package notices_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	viewers = "members: [{user: ana@acme.example}, {user: ben@acme.example}]\napplicationAccess: [{application: finance, role: Viewer}]\n"
	editors = "members: [{user: ana@acme.example}, {user: ben@acme.example}]\napplicationAccess: [{application: finance, role: Editor}]\n"
)

var both = []string{"ana@acme.example", "ben@acme.example"}

// changeAndWait changes the access of two members and waits until it is published.
func (o organization) changeAndWait(ctx SpecContext, notification string) {
	GinkgoHelper()
	o.apply(ctx, "AccessGroup", "france", viewers+silent(notification))
	o.waitTracked(ctx)
	o.apply(ctx, "AccessGroup", "france", editors+notification)
	o.waitReady(ctx, "accessgroup", "france")
}

// changeUnready is like tell, for a group that does not become ready.
func (o organization) changeUnready(ctx SpecContext, notification string) {
	GinkgoHelper()
	o.apply(ctx, "AccessGroup", "france", viewers+silent(notification))
	o.waitTracked(ctx)
	o.apply(ctx, "AccessGroup", "france", editors+notification)
}

// silent returns a notification that does not send notices yet. What the group gives before counts as announced.
func silent(notification string) string {
	return strings.Replace(notification, "OnChange", "Disabled", 1)
}

var _ = Describe("The delivery of a notice fails because of", func() {
	var server *mailServer
	var acme organization
	BeforeEach(func(ctx SpecContext) {
		server = newMailServer()
		acme = newOrganization(ctx)
		acme.mailPolicy(ctx, server)
	})
	failing := func(ctx SpecContext, part string) {
		GinkgoHelper()
		Eventually(acme.condition(ctx, "france")).WithContext(ctx).Should(ContainSubstring(part))
	}
	// delivered checks that delivery has recovered: both members have received the notice once.
	delivered := func(ctx SpecContext) {
		GinkgoHelper()
		Eventually(server.recipients).WithContext(ctx).Should(Equal(both))
		Eventually(acme.condition(ctx, "france")).WithContext(ctx).Should(BeEmpty())
	}

	It("a Secret that is missing", func(ctx SpecContext) {
		Expect(kube.Delete(ctx, &corev1.Secret{ObjectMeta: metaOf(acme, "mail")})).To(Succeed())
		acme.changeAndWait(ctx, mailed)
		failing(ctx, fmt.Sprintf("ChannelFailing: Channel mail delivers nothing, and is tried again: Secret %s/mail does not exist", acme.name))
		acme.mailSecret(ctx, server)
		delivered(ctx)
	}, NodeTimeout(2*patience))

	It("a Secret that is not for channels, or for another server", func(ctx SpecContext) {
		acme.secret(ctx, "mail", corev1.SecretTypeOpaque, map[string]string{accessv1alpha1.ChannelKeyPassword: password})
		acme.changeAndWait(ctx, mailed)
		failing(ctx, `mail has type "Opaque", but a channel needs type access.usher.dev/channel`)
		acme.secret(ctx, "mail", accessv1alpha1.SecretTypeChannel, map[string]string{
			accessv1alpha1.ChannelKeyServer: "mail.elsewhere.example:587", accessv1alpha1.ChannelKeyPassword: password,
		})
		failing(ctx, "mail is not for this channel: its key server must be \""+server.address+`"`)
		acme.mailSecret(ctx, server)
		delivered(ctx)
	}, NodeTimeout(2*patience))

	It("a namespace in which Usher may not read Secrets", func(ctx SpecContext) {
		_, err := plane.Kubectl(ctx, "-n", acme.name, "delete", "rolebinding", "usher-channel-reader")
		Expect(err).NotTo(HaveOccurred())
		acme.changeAndWait(ctx, mailed)
		failing(ctx, "mail cannot be read: apply config/notices in namespace "+acme.name)
	}, NodeTimeout(patience))

	It("a wrong password", func(ctx SpecContext) {
		server.change(func(s *mailServer) { s.password = "another" })
		acme.changeAndWait(ctx, mailed)
		failing(ctx, "535")
		server.change(func(s *mailServer) { s.password = password })
		delivered(ctx)
	}, NodeTimeout(2*patience))

	It("a server that hangs, next to one that does not", func(ctx SpecContext) {
		hangs, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(hangs.Close)
		acme.apply(ctx, "AccessPolicy", "default", fmt.Sprintf(`
notificationChannels:
- {name: mail, type: SMTP, secretRef: {name: mail}, smtp: {server: %q, sender: access@acme.example}}
- {name: hangs, type: SMTP, smtp: {server: %q, sender: access@acme.example}}
`, server.address, hangs.Addr()))
		acme.changeAndWait(ctx, "notification: {mode: OnChange, channels: [hangs, mail]}\n")
		Eventually(server.recipients).WithContext(ctx).Should(Equal(both))
		failing(ctx, "Channel hangs delivers nothing")
	}, NodeTimeout(patience))

	It("a server that accepts no mail temporarily", func(ctx SpecContext) {
		server.change(func(s *mailServer) {
			s.connect = func() error { return &smtp.SMTPError{Code: 421, Message: "Try later"} }
		})
		acme.changeAndWait(ctx, mailed)
		failing(ctx, "421")
		server.change(func(s *mailServer) { s.connect = nil })
		delivered(ctx)
	}, NodeTimeout(2*patience))

	It("an address that is refused permanently, next to one that is not", func(ctx SpecContext) {
		server.change(func(s *mailServer) {
			s.rcpt = func(to string) error {
				if to == "ana@acme.example" {
					return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
				}
				return nil
			}
		})
		acme.changeAndWait(ctx, mailed)
		Eventually(server.recipients).WithContext(ctx).Should(Equal(both[1:]))
		failing(ctx, "NotDelivered: Notices were refused or given up for ana@acme.example: channel mail:")
	}, NodeTimeout(patience))

	It("an address that is refused temporarily, next to one that is not", func(ctx SpecContext) {
		refusals := 0
		server.change(func(s *mailServer) {
			s.rcpt = func(to string) error {
				if to == "ana@acme.example" && refusals == 0 {
					refusals++
					return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "Greylisted"}
				}
				return nil
			}
		})
		acme.changeAndWait(ctx, mailed)
		delivered(ctx)
	}, NodeTimeout(2*patience))

	It("a server that closes in the middle of a mail", func(ctx SpecContext) {
		r := newReceiver() // of HTTP, which closes as well
		closes := newClosingServer()
		acme.secret(ctx, "hook", accessv1alpha1.SecretTypeChannel, map[string]string{
			accessv1alpha1.ChannelKeyURL: r.url, accessv1alpha1.ChannelKeyCertificateAuthority: ca.pem,
		})
		acme.apply(ctx, "AccessPolicy", "default", fmt.Sprintf(`
notificationChannels:
- {name: mail, type: SMTP, smtp: {server: %q, sender: access@acme.example}}
- {name: hook, type: Webhook, secretRef: {name: hook}, webhook: {url: %q}}
`, closes, r.url))
		acme.changeAndWait(ctx, "notification: {mode: OnChange, channels: [hook, mail]}\n")
		Eventually(r.count).Should(Equal(2))
		failing(ctx, "Channel mail delivers nothing, and is tried again: connecting to the mail server")
	}, NodeTimeout(patience))

	It("a redirect to an address that is not allowed", func(ctx SpecContext) {
		r, inside := newReceiver(), newReceiver()
		r.answer = func(int) int { return http.StatusTemporaryRedirect }
		r.moved = inside.url
		acme.webhookPolicy(ctx, r)
		acme.changeAndWait(ctx, hooked)
		failing(ctx, "307 Temporary Redirect: redirects are not followed")
		Expect(inside.count()).To(BeZero())
	}, NodeTimeout(patience))

	It("an address that is not allowed, as a number or a name", func(ctx SpecContext) {
		acme.apply(ctx, "AccessPolicy", "default", `
notificationChannels: [{name: hook, type: Webhook, webhook: {url: "https://169.254.169.254/latest/meta-data"}}]`)
		acme.changeAndWait(ctx, hooked)
		failing(ctx, "169.254.169.254 is a loopback, link-local, private or otherwise special address")
		acme.apply(ctx, "AccessPolicy", "default", `
notificationChannels: [{name: hook, type: Webhook, webhook: {url: "http://127.0.0.1/"}}]`)
		failing(ctx, "it does not begin with https://, and plaintext is refused unless --notice-plaintext=Allowed")
	}, NodeTimeout(patience))

	It("a template that fails: mail uses the built-in template", func(ctx SpecContext) {
		acme.apply(ctx, "AccessPolicy", "default", fmt.Sprintf(`
notificationChannels:
- name: mail
  type: SMTP
  secretRef: {name: mail}
  smtp:
    server: %q
    sender: access@acme.example
    template: {subject: 'News for {{.Name}}', text: '{{.Password}}'}
`, server.address))
		acme.changeAndWait(ctx, mailed)
		Eventually(server.recipients).WithContext(ctx).Should(Equal(both))
		Expect(server.subjectsTo(both[0])).To(Equal([]string{"News for ana@acme.example"}))
		Expect(server.all()[0].parts()).To(HaveKeyWithValue("text/plain", ContainSubstring("Your role is now Editor, it was Viewer")))
		failing(ctx, "TemplateFailing: Channel mail sends mail with Usher's own text: smtp.template.text:")
	}, NodeTimeout(patience))

	It("a channel that is in no policy", func(ctx SpecContext) {
		acme.changeUnready(ctx, "notification: {mode: OnChange, channels: [mial]}\n")
		failing(ctx, `ChannelFailing: Channel mial delivers nothing, and is tried again: no notification channel "mial"`)
		acme.apply(ctx, "AccessGroup", "france", editors+mailed)
	}, NodeTimeout(patience))

	It("users without an address", func(ctx SpecContext) {
		acme.apply(ctx, "AccessGroup", "france", "members: [{user: '4711'}, {user: '4712'}]\napplicationAccess: [{application: finance, role: Viewer}]\n"+silent(mailed))
		acme.apply(ctx, "UserAccess", "known", "{user: '4712', email: known@acme.example}")
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "france", "members: [{user: '4711'}, {user: '4712'}]\napplicationAccess: [{application: finance, role: Editor}]\n"+mailed)
		failing(ctx, "NoAddress: No notice was mailed to 4711: the e-mail address is unknown.")
		Eventually(server.recipients).WithContext(ctx).Should(Equal([]string{"known@acme.example"}))
	}, NodeTimeout(patience))

	It("an invalid instant in the annotation", func(ctx SpecContext) {
		acme.apply(ctx, "AccessGroup", "france", viewers+mailed)
		acme.waitTracked(ctx)
		annotate(ctx, acme, "accessgroup", "france", "tomorrow")
		Eventually(func() (string, error) {
			return plane.Kubectl(ctx, "-n", acme.name, "get", "events", "--field-selector=reason=NotifyIgnored", "-o", "jsonpath={.items[*].message}")
		}).WithContext(ctx).Should(ContainSubstring(`is "tomorrow", and nobody is told: it is not an RFC 3339 timestamp`))
	}, NodeTimeout(patience))

	It("a foreign ConfigMap with the name of the record", func(ctx SpecContext) {
		foreign := &corev1.ConfigMap{ObjectMeta: metaOf(acme, "access-notices-index")}
		Expect(kube.Create(ctx, foreign)).To(Succeed())
		acme.apply(ctx, "AccessGroup", "france", viewers+silent(mailed))
		failing(ctx, "RecordFailing: Nobody is told while Usher cannot keep its record")
		Expect(kube.Delete(ctx, foreign)).To(Succeed())
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "france", editors+mailed)
		delivered(ctx)
	}, NodeTimeout(2*patience))
})

var _ = Describe("Asking", func() {
	It("notifies all members of a group, or one user, of their access", func(ctx SpecContext) {
		server := newMailServer()
		acme := newOrganization(ctx)
		acme.mailPolicy(ctx, server)
		acme.apply(ctx, "AccessGroup", "france", viewers+"notification: {mode: Disabled, channels: [mail], message: As asked.}\n")
		acme.waitTracked(ctx)
		annotate(ctx, acme, "accessgroup", "france", time.Now().UTC().Format(time.RFC3339))
		Eventually(server.recipients).WithContext(ctx).Should(Equal(both))
		golden("mail-asked", normalised(acme, server.all()[0].seen()))
		name, err := plane.Kubectl(ctx, "-n", acme.name, "get", "useraccess", "-o", `jsonpath={.items[?(@.spec.user=="ben@acme.example")].metadata.name}`)
		Expect(err).NotTo(HaveOccurred())
		annotate(ctx, acme, "useraccess", name, time.Now().UTC().Format(time.RFC3339))
		Eventually(server.recipients).WithContext(ctx).Should(Equal([]string{both[0], both[1], both[1]}))
	}, NodeTimeout(patience))
})

var _ = Describe("A mass change", func() {
	It("causes one digest to the administrators in addition to the single notices", func(ctx SpecContext) {
		manager.Replace(ctx, "--notice-mass=30", "--notice-window=1s")
		server := newMailServer()
		acme := newOrganization(ctx)
		acme.mailPolicy(ctx, server)
		acme.apply(ctx, "UserAccess", "boss", "{user: boss, email: boss@acme.example, organizationRole: Administrator}")
		_, list := members(30)
		acme.apply(ctx, "AccessGroup", "all", list+"applicationAccess: [{application: finance, role: Viewer}]\n"+silent(mailed))
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "all", list+"applicationAccess: [{application: finance, role: Editor}]\n"+mailed)
		Eventually(server.recipients).WithContext(ctx).Should(And(HaveLen(31), ContainElement("boss@acme.example")))
		for _, m := range server.all() {
			if m.to == "boss@acme.example" {
				golden("mail-digest", normalised(acme, m.seen()))
			}
		}
	}, NodeTimeout(2*patience))
})
