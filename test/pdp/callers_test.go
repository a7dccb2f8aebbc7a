package pdp_test

import (
	"context"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const viewFinance = `{"subject":{"type":"user","id":"ana"},"action":{"name":"view"},"resource":{"type":"application","id":"finance"}}`

// finance makes an organization in which ana may view finance, and returns a caller who may ask there.
func finance(ctx context.Context, name string) caller {
	GinkgoHelper()
	organization(ctx, name)
	apply(ctx, name, "AccessGroup", "viewers", `
members: [{user: ana}]
applicationAccess: [{application: finance, role: Viewer}]
`)
	newCaller(ctx, name, "pep")
	c := caller{token: token(ctx, name, "pep", audience)}
	c.waitFor(ctx, name, true)
	return c
}

// waitFor waits until the answer is so, for ana in finance.
func (c caller) waitFor(ctx context.Context, organization string, want bool) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(c.post(ctx, "/"+organization+"/access/v1/evaluation", viewFinance).decisions()).To(Equal([]bool{want}))
	}).WithContext(ctx).Should(Succeed())
}

var _ = Describe("Callers", func() {
	It("are told of a revocation without a document being published", func(ctx SpecContext) {
		c := finance(ctx, "revoked")
		Expect(kube.Delete(ctx, &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "revoked", Name: "viewers"}})).To(Succeed())
		Eventually(func(g Gomega) { // nothing is left of the organization
			g.Expect(c.post(ctx, "/revoked/access/v1/evaluation", viewFinance).code).To(Equal(http.StatusNotFound))
		}).WithContext(ctx).Should(Succeed())
	})

	It("may ask in their own organization only", func(ctx SpecContext) {
		finance(ctx, "north")
		south := finance(ctx, "south")
		var answers []string
		for _, path := range []string{"/north/", "/nowhere/"} {
			for _, user := range []string{"ana", "nobody"} {
				for _, endpoint := range []string{"evaluation", "evaluations", "search/subject", "search/resource", "search/action"} {
					answer := south.post(ctx, path+"access/v1/"+endpoint, strings.Replace(viewFinance, "ana", user, 1))
					Expect(answer.code).To(Equal(http.StatusForbidden), answer.body)
					if path == "/north/" {
						answers = append(answers, answer.body)
					} else {
						Expect(answers).To(ContainElement(strings.ReplaceAll(answer.body, "nowhere", "north")))
					}
				}
			}
		}
	})

	It("need a token for the audience", func(ctx SpecContext) {
		finance(ctx, "audience")
		for name, c := range map[string]caller{
			"none":                {},
			"of the API server":   {token: token(ctx, "audience", "pep")},
			"for another program": {token: token(ctx, "audience", "pep", "other")},
			"changed":             {token: token(ctx, "audience", "pep", audience) + "x"},
		} {
			answer := c.post(ctx, "/audience/access/v1/evaluation", viewFinance)
			Expect(answer.code).To(Equal(http.StatusUnauthorized), name)
			Expect(answer.header.Get("WWW-Authenticate")).To(HavePrefix("Bearer"), name)
		}
		several := caller{token: token(ctx, "audience", "pep", "other", audience)}
		Expect(several.post(ctx, "/audience/access/v1/evaluation", viewFinance).code).To(Equal(http.StatusOK))
	})

	It("see rows by the properties that they send", func(ctx SpecContext) {
		c := finance(ctx, "rows")
		apply(ctx, "rows", "AccessGroup", "viewers", `
members: [{user: ana}]
applicationAccess: [{application: finance, role: Viewer}]
dataPermissions: [{application: finance, anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}]}]}]
`)
		row := func(country string) string {
			return strings.Replace(viewFinance, `{"type":"application","id":"finance"}`,
				`{"type":"row","id":"finance/7","properties":{"country":"`+country+`"}}`, 1)
		}
		Eventually(func(g Gomega) {
			body := `{"evaluations":[` + row("France") + `,` + row("Spain") + `,` + viewFinance + `]}`
			g.Expect(c.post(ctx, "/rows/access/v1/evaluations", body).decisions()).To(Equal([]bool{true, false, true}))
		}).WithContext(ctx).Should(Succeed())
		answer := c.post(ctx, "/rows/access/v1/evaluation", viewFinance)
		Expect(answer.body).To(ContainSubstring(`"filters":[{"anyOf":[{"allOf":[{"attribute":"country","operator":"In","values":["France"]}]}]}]`))
	})

	It("may send bodies of a bounded size", func(ctx SpecContext) {
		c := finance(ctx, "sizes")
		large := `{"context":{"a":"` + strings.Repeat("x", 1<<20) + `"},` + viewFinance[1:]
		Expect(c.post(ctx, "/sizes/access/v1/evaluation", large).code).To(Equal(http.StatusRequestEntityTooLarge))
		many := `{"evaluations":[` + strings.Repeat("{},", 1000) + `{}],` + viewFinance[1:]
		Expect(c.post(ctx, "/sizes/access/v1/evaluations", many).code).To(Equal(http.StatusRequestEntityTooLarge))
		Expect(c.post(ctx, "/sizes/access/v1/evaluation", viewFinance).code).To(Equal(http.StatusOK))
	})

	It("are counted", func(ctx SpecContext) {
		finance(ctx, "counted")
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, pdp.MetricsURL(), http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		response, err := http.DefaultClient.Do(request)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(And(
			MatchRegexp(`(?m)^usher_pdp_requests_total\{code="200",endpoint="evaluation"\} [1-9]`),
			MatchRegexp(`(?m)^usher_pdp_request_duration_seconds_count\{endpoint="evaluation"\} [1-9]`),
			MatchRegexp(`(?m)^usher_pdp_reviews_total\{kind="TokenReview",result="success"\} [1-9]`),
			MatchRegexp(`(?m)^usher_pdp_view_age_seconds [0-9]{1,2}(\.|$)`), // less than a hundred seconds
		))
	})
})
