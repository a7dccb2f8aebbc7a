package notices_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// members returns a list of that many members.
func members(count int) (users []string, list string) {
	var b strings.Builder
	for i := range count {
		user := fmt.Sprintf("user-%04d@acme.example", i)
		users = append(users, user)
		fmt.Fprintf(&b, "- {user: %s}\n", user)
	}
	return users, "members:\n" + b.String()
}

const mailed = "notification: {mode: OnChange, channels: [mail]}\n"

var _ = Describe("A manager that is killed", func() {
	It("in the middle of a thousand deliveries loses none and repeats hardly any", func(ctx SpecContext) {
		const people, atMostTwice = 1000, 10
		server := newMailServer()
		acme := newOrganization(ctx)
		acme.mailPolicy(ctx, server)
		users, list := members(people)
		acme.apply(ctx, "AccessGroup", "all", list+"applicationAccess: [{application: finance, role: Viewer}]\n"+silent(mailed))
		// A thousand users need a UserAccess, a document and a status each.
		_, err := plane.Kubectl(ctx, "-n", acme.name, "wait", "--for=condition=Ready", "accessgroup/all", "--timeout="+(4*patience).String())
		Expect(err).NotTo(HaveOccurred())
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "all", list+"applicationAccess: [{application: finance, role: Editor}]\n"+mailed)
		Eventually(func() int { return len(server.all()) }).WithContext(ctx).Should(BeNumerically(">=", people/2))
		Expect(manager.Kill()).To(Succeed())
		Expect(len(server.all())).To(BeNumerically("<", people), "it was not in the middle")
		manager.Start(ctx)
		Eventually(func() int { return len(distinct(server.recipients())) }).WithContext(ctx).WithTimeout(2 * patience).
			Should(Equal(people))
		Eventually(waiting).WithContext(ctx).Should(BeZero())
		all := server.recipients()
		Expect(keys(distinct(all))).To(ConsistOf(users))
		GinkgoWriter.Printf("%d of %d came twice\n", len(all)-people, people)
		Expect(len(all) - people).To(BeNumerically("<=", atMostTwice))
	}, NodeTimeout(4*time.Minute))
})

var _ = Describe("A settled cluster", func() {
	It("sends nothing after a restart", func(ctx SpecContext) {
		server := newMailServer()
		acme := newOrganization(ctx)
		acme.mailPolicy(ctx, server)
		_, list := members(20)
		acme.apply(ctx, "AccessGroup", "all", list+"applicationAccess: [{application: finance, role: Viewer}]\n"+silent(mailed))
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "all", list+"applicationAccess: [{application: finance, role: Editor}]\n"+mailed)
		Eventually(server.recipients).WithContext(ctx).Should(HaveLen(20))
		Eventually(waiting).WithContext(ctx).Should(BeZero())

		Expect(manager.Stop()).To(Succeed())
		manager.Start(ctx)
		// Later changes take the same path as everything that would have been sent at the start, and after it.
		acme.apply(ctx, "AccessGroup", "later",
			"members: [{user: late@acme.example}]\napplicationAccess: [{application: hr, role: Viewer}]\n"+mailed)
		Eventually(server.recipients).WithContext(ctx).Should(ContainElement("late@acme.example"))
		Expect(server.recipients()).To(HaveLen(21))
	}, NodeTimeout(2*patience))

	It("sends nothing when Usher is installed on existing objects", func(ctx SpecContext) {
		Expect(manager.Stop()).To(Succeed())
		server := newMailServer()
		acme := newOrganization(ctx)
		acme.mailPolicy(ctx, server)
		_, list := members(20)
		acme.apply(ctx, "AccessGroup", "all", list+
			"applicationAccess: [{application: finance, role: Viewer, notAfter: '2099-01-01T00:00:00Z'}]\n"+mailed)
		manager.Start(ctx)
		acme.waitTracked(ctx)
		acme.apply(ctx, "AccessGroup", "later",
			"members: [{user: late@acme.example}]\napplicationAccess: [{application: hr, role: Viewer}]\n"+mailed)
		Eventually(server.recipients).WithContext(ctx).Should(Equal([]string{"late@acme.example"}))
	}, NodeTimeout(2*patience))
})

func distinct(list []string) map[string]bool {
	found := map[string]bool{}
	for _, each := range list {
		found[each] = true
	}
	return found
}

func keys(of map[string]bool) []string {
	var list []string
	for each := range of {
		list = append(list, each)
	}
	return list
}
