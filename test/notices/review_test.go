package notices_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A review", func() {
	It("is announced to administrators alone, before it is due and when it is, once", func(ctx SpecContext) {
		server := newMailServer()
		acme := newOrganization(ctx)
		acme.mailPolicy(ctx, server)
		acme.apply(ctx, "UserAccess", "boss", "{user: boss, email: boss@acme.example, organizationRole: Administrator}")
		// The group is reviewed every hundred days, and was so many days ago.
		reviewed := func(name string, days int) {
			acme.apply(ctx, "AccessGroup", name, viewers+silent(mailed)+fmt.Sprintf("review: {everyDays: 100, ifMissed: End}\nreviewedAt: %q\n",
				time.Now().AddDate(0, 0, -days).UTC().Format(time.RFC3339)))
		}
		texts := func(g Gomega, count int) (all []string) {
			g.Expect(server.all()).To(HaveLen(count))
			for _, m := range server.all() {
				g.Expect(m.to).To(Equal("boss@acme.example"))
				g.Expect(m.header("Subject")).To(Equal("Groups in " + acme.name + " must be reviewed"))
				all = append(all, m.parts()["text/plain"])
			}
			return all
		}

		reviewed("france", 85)
		acme.waitTracked(ctx)
		reviewed("france", 90)
		Eventually(func(g Gomega) {
			g.Expect(texts(g, 1)[0]).To(And(ContainSubstring("- france: The review is due on "),
				ContainSubstring("If it is missed, the access that the group gives ends."),
				ContainSubstring("kubectl access review GROUP --namespace="+acme.name+" --confirm")))
		}).WithContext(ctx).Should(Succeed())

		reviewed("france", 101)
		Eventually(func(g Gomega) {
			g.Expect(texts(g, 2)[1]).To(And(ContainSubstring("- france: The review was due on "),
				ContainSubstring("The access that the group gave has ended.")))
		}).WithContext(ctx).Should(Succeed())
		Eventually(waiting).WithContext(ctx).Should(BeZero())

		Expect(manager.Stop()).To(Succeed())
		manager.Start(ctx)
		// The notice of another group takes the same path as a repetition would.
		reviewed("spain", 90)
		Eventually(func(g Gomega) {
			g.Expect(texts(g, 3)[2]).To(And(ContainSubstring("- spain: "), Not(ContainSubstring("france"))))
		}).WithContext(ctx).Should(Succeed())
	}, NodeTimeout(2*patience))
})
