package pdp_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("While the API server is gone, the decision point", Serial, func() {
	It("authenticates nobody, and decides for users by what it knows", func(ctx SpecContext) {
		c := finance(ctx, "gone")
		check := func(user string) int {
			GinkgoHelper()
			answer, err := caller{token: provider.token(user)}.do(ctx, http.MethodGet, "/check/v1/gone/finance/view", "")
			Expect(err).NotTo(HaveOccurred())
			return answer.code
		}
		Eventually(check).WithArguments("ana").WithContext(ctx).Should(Equal(http.StatusOK))

		Expect(plane.KillAPIServer(ctx)).To(Succeed())
		down := true
		DeferCleanup(func(ctx SpecContext) {
			if down { // other specs need it, also after a failure
				Expect(plane.StartAPIServer(ctx)).To(Succeed())
			}
		})
		By("asking until the reviews of the caller are forgotten")
		Eventually(func(g Gomega) {
			answer := c.post(ctx, "/gone/access/v1/evaluation", viewFinance)
			g.Expect(answer.code).To(Equal(http.StatusServiceUnavailable), answer.body)
			g.Expect(answer.header.Get("Retry-After")).NotTo(BeEmpty())
		}).WithContext(ctx).Should(Succeed())
		Expect(check("ana")).To(Equal(http.StatusOK))
		Expect(check("ben")).To(Equal(http.StatusForbidden))

		Expect(plane.StartAPIServer(ctx)).To(Succeed())
		down = false
		c.waitFor(ctx, "gone", true)
	})
})
