package pdp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The cases of the certification levels Basic Core, Batch Core, Search Core and Discovery of the AuthZEN Authorization API 1.0,
// with data that gives the decisions which the levels ask for: in records, alice may read and write record-1, and bob may
// read it.
var _ = Describe("Conformance to AuthZEN", Ordered, func() {
	const (
		one       = "/authzen/access/v1/evaluation"
		many      = "/authzen/access/v1/evaluations"
		whoMay    = "/authzen/access/v1/search/subject"
		whereMay  = "/authzen/access/v1/search/resource"
		whatMay   = "/authzen/access/v1/search/action"
		alice     = `{"type":"user","id":"alice"}`
		bob       = `{"type":"user","id":"bob"}`
		user      = `{"type":"user"}`
		read      = `{"name":"read"}`
		write     = `{"name":"write"}`
		record    = `{"type":"record"}`
		record1   = `{"type":"record","id":"record-1"}`
		record2   = `{"type":"record","id":"record-2"}`
		aliceMay  = `{"subject":` + alice + `,"action":` + read + `,"resource":` + record1 + `}`
		anybody   = `{"subject":` + user + `,"action":` + read + `,"resource":` + record1 + `}`
		anything  = `{"subject":` + alice + `,"action":` + read + `,"resource":` + record + `}`
		anyAction = `{"subject":` + alice + `,"resource":` + record1 + `}`
		context1  = `"context":{"time":"2026-06-27T18:03-07:00","ip":"192.0.2.1"}`
	)
	var pep caller

	BeforeAll(func(ctx SpecContext) {
		organization(ctx, "authzen")
		apply(ctx, "authzen", "AccessPolicy", "default", `
applicationRoles:
- {name: Writer, permissions: [write]}
- {name: Reader, permissions: [read]}
`)
		apply(ctx, "authzen", "AccessGroup", "writers", `
members: [{user: alice}]
applicationAccess: [{application: record-1, role: Writer}, {application: record-2, role: Reader}]
`)
		apply(ctx, "authzen", "AccessGroup", "readers", `
members: [{user: bob}]
applicationAccess: [{application: record-1, role: Reader}]
`)
		newCaller(ctx, "authzen", "pep")
		pep = caller{token: token(ctx, "authzen", "pep", audience)}
		Eventually(func(g Gomega) {
			answer := pep.post(ctx, many, `{"resource":`+record1+`,"action":`+read+`,"evaluations":[{"subject":`+alice+`},{"subject":`+bob+`}]}`)
			g.Expect(answer.decisions()).To(Equal([]bool{true, true}))
		}).WithContext(ctx).Should(Succeed())
	})

	answered := func(ctx context.Context, path, body string) reply {
		GinkgoHelper()
		answer := pep.post(ctx, path, body, "X-Request-ID", "the id")
		Expect(answer.code).To(Equal(http.StatusOK), answer.body)
		Expect(answer.header.Get("Content-Type")).To(Equal("application/json"))
		Expect(answer.header.Get("X-Request-ID")).To(Equal("the id"))
		return answer
	}

	DescribeTable("decides", func(ctx SpecContext, path, body string, want ...bool) {
		for range 2 { // the same question has the same answer
			Expect(answered(ctx, path, body).decisions()).To(Equal(want))
		}
	},
		Entry("a permit", one, aliceMay, true),
		Entry("a denial", one, `{"subject":`+bob+`,"action":`+write+`,"resource":`+record1+`}`, false),
		Entry("with a context", one, `{`+context1+`,`+aliceMay[1:], true),
		Entry("with further properties", one, `{"subject":{"type":"user","id":"alice","properties":{"department":"Sales","role":"manager"}},`+
			`"action":{"name":"read","properties":{"method":"GET"}},`+
			`"resource":{"type":"record","id":"record-1","properties":{"status":"active","owner":"bob"}}}`, true),
		Entry("with unknown members", one, `{"foo":"bar","futureField":{"nested":true},`+aliceMay[1:], true),

		Entry("a batch", many, `{"subject":`+alice+`,"action":`+read+`,"evaluations":[{"resource":`+record1+`},{"resource":`+record2+`}]}`, true, true),
		Entry("a batch in its order", many, `{"subject":`+bob+`,"resource":`+record1+`,"evaluations":[{"action":`+read+`},{"action":`+write+`}]}`, true, false),
		Entry("a batch without defaults", many, `{"evaluations":[`+aliceMay+`,{"subject":`+bob+`,"action":`+write+`,"resource":`+record1+`}]}`, true, false),
		Entry("a batch with contexts", many, `{"subject":`+alice+`,"action":`+read+`,`+context1+`,"evaluations":[{"resource":`+record1+`},`+
			`{"resource":`+record2+`,"context":{"source":"item"}}]}`, true, true),
		Entry("a batch with an item that lacks a member", many, `{"subject":`+alice+`,"action":`+read+`,"options":{"evaluations_semantic":"execute_all"},`+
			`"evaluations":[{"resource":`+record1+`},{}]}`, true, false),
		Entry("a batch without a list", many, aliceMay, true),
		Entry("a batch with an empty list", many, `{"evaluations":[],`+aliceMay[1:], true),
	)

	DescribeTable("finds", func(ctx SpecContext, path, body string, want ...string) {
		var answer struct {
			Results []struct{ Type, ID, Name string }
		}
		Expect(json.Unmarshal([]byte(answered(ctx, path, body).body), &answer)).To(Succeed())
		found := []string{}
		for _, each := range answer.Results {
			found = append(found, strings.Trim(each.Type+" "+each.ID+" "+each.Name, " "))
		}
		if want == nil {
			want = []string{}
		}
		Expect(found).To(Equal(want))
		Expect(answer.Results).NotTo(BeNil())
	},
		Entry("subjects", whoMay, anybody, "user alice", "user bob"),
		Entry("subjects with a context", whoMay, `{`+context1+`,`+anybody[1:], "user alice", "user bob"),
		Entry("subjects, whatever the identifier", whoMay, aliceMay, "user alice", "user bob"),
		Entry("resources", whereMay, anything, "record record-1", "record record-2"),
		Entry("resources with a context", whereMay, `{`+context1+`,`+anything[1:], "record record-1", "record record-2"),
		Entry("resources, whatever the identifier", whereMay, aliceMay, "record record-1", "record record-2"),
		Entry("actions", whatMay, anyAction, "read", "write"),
		Entry("actions with a context", whatMay, `{`+context1+`,`+anyAction[1:], "read", "write"),
		Entry("no action of an unknown subject", whatMay, strings.Replace(anyAction, "alice", "nobody", 1)),
		Entry("no resource of an unknown subject", whereMay, strings.Replace(anything, "alice", "nobody", 1)),
		Entry("no subject of an unknown resource", whoMay, strings.Replace(anybody, "record-1", "record-9", 1)),
		Entry("no subject of an unknown type", whoMay, strings.Replace(anybody, "user", "spaceship", 1)),
		Entry("no resource of an unknown type", whereMay, strings.Replace(anything, "record", "spaceship", 1)),
		Entry("no action on an unknown type", whatMay, strings.Replace(anyAction, `"record"`, `"spaceship"`, 1)),
	)

	DescribeTable("refuses", func(ctx SpecContext, path, body string) {
		answer := pep.post(ctx, path, body, "X-Request-ID", "the id")
		Expect(answer.code).To(Equal(http.StatusBadRequest), answer.body)
		Expect(answer.body).NotTo(BeEmpty())
		Expect(answer.header.Get("X-Request-ID")).To(Equal("the id"))
	},
		Entry("a question without a subject", one, `{"action":`+read+`,"resource":`+record1+`}`),
		Entry("a question without an action", one, `{"subject":`+alice+`,"resource":`+record1+`}`),
		Entry("a question without a resource", one, `{"subject":`+alice+`,"action":`+read+`}`),
		Entry("a subject without a type", one, `{"subject":{"id":"alice"},"action":`+read+`,"resource":`+record1+`}`),
		Entry("a subject without an identifier", one, `{"subject":`+user+`,"action":`+read+`,"resource":`+record1+`}`),
		Entry("an action without a name", one, `{"subject":`+alice+`,"action":{},"resource":`+record1+`}`),
		Entry("a resource without a type", one, `{"subject":`+alice+`,"action":`+read+`,"resource":{"id":"record-1"}}`),
		Entry("a resource without an identifier", one, anything),
		Entry("what is not a JSON", one, `{"subject":`),
		Entry("an empty body", one, ``),
		Entry("a subject that is a string", one, `{"subject":"alice","action":`+read+`,"resource":`+record1+`}`),
		Entry("a name that is a number", one, `{"subject":`+alice+`,"action":{"name":123},"resource":`+record1+`}`),
		Entry("an unknown semantic", many, `{"options":{"evaluations_semantic":"some"},"evaluations":[{}],`+aliceMay[1:]),
		Entry("a subject search without an action", whoMay, `{"subject":`+user+`,"resource":`+record1+`}`),
		Entry("a resource search without a subject", whereMay, `{"action":`+read+`,"resource":`+record+`}`),
		Entry("an action search without a resource", whatMay, `{"subject":`+alice+`}`),
		Entry("a subject search without the resource's identifier", whoMay, `{"subject":`+user+`,"action":`+read+`,"resource":`+record+`}`),
		Entry("a resource search without the subject's identifier", whereMay, `{"subject":`+user+`,"action":`+read+`,"resource":`+record+`}`),
		Entry("an action search without the subject's identifier", whatMay, `{"subject":`+user+`,"resource":`+record1+`}`),
	)

	It("refuses another content type", func(ctx SpecContext) {
		answer := pep.post(ctx, one, aliceMay, "Content-Type", "text/plain")
		Expect(answer.code).To(Equal(http.StatusBadRequest), answer.body)
	})

	It("answers without an identifier of the request", func(ctx SpecContext) {
		Expect(pep.post(ctx, one, aliceMay).code).To(Equal(http.StatusOK))
	})

	It("gives searches in pages", func(ctx SpecContext) {
		type page struct {
			Page struct {
				NextToken *string `json:"next_token"`
				Count     int
			}
			Results []struct{ ID string }
		}
		var first, second page
		Expect(json.Unmarshal([]byte(answered(ctx, whoMay, `{"page":{"limit":1},`+anybody[1:]).body), &first)).To(Succeed())
		Expect(first.Results).To(HaveLen(1))
		Expect(first.Page.NextToken).To(HaveValue(Not(BeEmpty())))
		body := `{"page":{"token":"` + *first.Page.NextToken + `"},` + anybody[1:]
		Expect(json.Unmarshal([]byte(answered(ctx, whoMay, body).body), &second)).To(Succeed())
		Expect(second.Results).To(Equal([]struct{ ID string }{{"bob"}}))
		Expect(second.Page.NextToken).To(HaveValue(BeEmpty()))
		other := pep.post(ctx, whoMay, strings.Replace(body, `"read"`, `"write"`, 1))
		Expect(other.code).To(Equal(http.StatusBadRequest), other.body)
	})

	It("describes itself to everybody", func(ctx SpecContext) {
		base := "https://" + pdp.Address() + "/authzen"
		answer, err := caller{}.do(ctx, http.MethodGet, "/.well-known/authzen-configuration/authzen", "")
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.code).To(Equal(http.StatusOK), answer.body)
		Expect(answer.header.Get("Content-Type")).To(Equal("application/json"))
		var metadata map[string]string
		Expect(json.Unmarshal([]byte(answer.body), &metadata)).To(Succeed())
		Expect(metadata).To(HaveKeyWithValue("policy_decision_point", base))
		for _, endpoint := range []string{
			"access_evaluation_endpoint", "access_evaluations_endpoint", "search_subject_endpoint", "search_resource_endpoint", "search_action_endpoint",
		} {
			u, err := url.Parse(metadata[endpoint])
			Expect(err).NotTo(HaveOccurred(), endpoint)
			Expect(u.Scheme).To(Equal("https"), endpoint)
			Expect(pep.post(ctx, u.Path, aliceMay).code).To(Equal(http.StatusOK), endpoint)
		}
		nowhere, err := caller{}.do(ctx, http.MethodGet, "/.well-known/authzen-configuration/nowhere", "")
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.ReplaceAll(nowhere.body, "nowhere", "authzen")).To(Equal(answer.body))
	})
})
