package admission_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// mostMembers is the maximum that the schema permits.
const mostMembers = 5000

// large returns a group of many users with a role in many applications that starts soon. Nothing is published for them
// before that.
func large(group, role string, users, applications int) string {
	var text strings.Builder
	text.WriteString("AccessGroup " + group + "\nspec:\n  members:\n")
	for i := range users {
		fmt.Fprintf(&text, "  - {user: user-%04d, notBefore: $later!}\n", i)
	}
	text.WriteString("  applicationAccess:\n")
	for i := range applications {
		fmt.Fprintf(&text, "  - {application: application-%03d, role: %s}\n", i, role)
	}
	return text.String()
}

// inTime returns the answer to the change, and asks again where there was none in time: on a busy machine the timeout of a
// review may come first. That is an error and never an approval.
func inTime(ctx SpecContext, who *requester, organization, change string) error {
	GinkgoHelper()
	var answer error
	Eventually(func() bool {
		answer = who.do(ctx, organization, change)
		status := apierrors.APIStatus(nil)
		return !errors.As(answer, &status) || status.Status().Code != http.StatusServiceUnavailable
	}).WithContext(ctx).WithTimeout(longest).Should(BeTrue())
	return answer
}

var _ = Describe("A large group", func() {
	DescribeTable("gets a clear answer in time if it conflicts everywhere:", func(ctx SpecContext, users, applications int) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, "AccessPolicy default\nspec: {crossObjectChecks: Deny, userConfigMaps: Disabled}")
		Expect(inTime(ctx, granter, organization, large("editors", "Editor", users, applications))).To(Succeed())
		settled(ctx, organization)

		causes := refused(inTime(ctx, granter, organization, large("viewers", "Viewer", users, applications)))
		Expect(causes).To(HaveLen(11))
		Expect(causes[0].Message).To(ContainSubstring("role conflict of user-0000 in application application-000"))
		// After a million evaluations, conflicts of the remaining users that begin later are not searched for.
		Expect(causes[10].Message).To(MatchRegexp(`and [0-9]{6} more like these`))
	},
		Entry("5,000 members, 100 applications", mostMembers, 100, SpecTimeout(longest)),
	)

	It("gets a clear answer if the requester lacks every right", func(ctx SpecContext) {
		organization, team := newTeam(ctx, teamWrites)
		causes := refused(inTime(ctx, team, organization, large("editors", "Editor", mostMembers, 100)))
		Expect(causes).To(HaveLen(11))
		Expect(causes[10].Message).To(ContainSubstring(fmt.Sprintf("and %d more rights that %s lacks", 90, team.name)))
	}, SpecTimeout(longest))

	It("cannot be larger", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		err := administrator().do(ctx, organization, large("editors", "Editor", mostMembers+1, 100))
		Expect(err).To(MatchError(apierrors.IsInvalid, "invalid"))
		Expect(err).To(MatchError(ContainSubstring("spec.members: Too many: 5001: must have at most 5000 items")))
	}, SpecTimeout(longest))
})

var _ = Describe("An object that the schema cannot check", func() {
	DescribeTable("gets a clear answer:", func(ctx SpecContext, fields, message string) {
		organization := newOrganization(ctx)
		said, err := kubectl(ctx, fmt.Sprintf("apiVersion: %s\nkind: AccessGroup\nmetadata: {namespace: %s, name: new}\n%s\n",
			accessv1alpha1.GroupVersion, organization, fields), "apply", "--server-side", "--filename=-")
		Expect(err).To(HaveOccurred())
		Expect(said.stderr).To(ContainSubstring(message))
	},
		Entry("a field", "spec: {memebers: [{user: pat}]}", ".spec.memebers: field not declared in schema", SpecTimeout(longest)),
		Entry("a type", "spec: {members: pat}", "spec.members", SpecTimeout(longest)),
		Entry("a kind of element", "spec: {members: [pat]}", "spec.members", SpecTimeout(longest)),
		Entry("a value", "spec: {privileges: Perhaps}", `Unsupported value: "Perhaps"`, SpecTimeout(longest)),
		Entry("a spec", "spec: []", "spec", SpecTimeout(longest)),
	)
})

var _ = Describe("A requester", func() {
	DescribeTable("needs only their own rights:", func(ctx SpecContext, name string) {
		organization := newOrganization(ctx)
		declare(ctx, organization, standing)
		bare := impersonated(name)
		bare.allow(ctx, organization, teamWrites, teamGrants)
		const named = "UserAccess pat\nspec: {user: pat, groups: [editors]}"
		causes := refused(bare.do(ctx, organization, named))
		Expect(causes).To(HaveLen(1))
		line := lineOf(causes[0], `join accessgroups.access.usher.dev "editors" in namespace "`+organization+`"`)
		Expect(shows(ctx, line, "join", "editors")).To(BeFalse(), line)
		bare.allow(ctx, organization, mayJoin("editors"))
		Expect(shows(ctx, line, "join", "editors")).To(BeTrue(), line)
		Expect(bare.do(ctx, organization, named)).To(Succeed())
	},
		Entry("without groups", "somebody@acme.example", SpecTimeout(longest)),
		Entry("of a name that a shell would read", `o'brien "$(exit 1)" & co`, SpecTimeout(longest)),
		Entry("of a name in another script", "søren", SpecTimeout(longest)),
	)

	It("of a group has what its group has", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		member := impersonated("somebody", "system:masters")
		Expect(member.do(ctx, organization, gives("new", "organizationRole: Administrator"))).To(Succeed())
	}, SpecTimeout(longest))
})

// post sends a body, which may or may not be a valid review, directly to the manager.
func post(ctx context.Context, body []byte) (int, *admissionv1.AdmissionResponse) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"https://"+manager.WebhookAddress()+"/validate-access-usher-dev-v1alpha1", bytes.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Content-Type", "application/json")
	pool, err := trusted(ctx)
	Expect(err).NotTo(HaveOccurred())
	caller := http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{ServerName: "localhost", RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	response, err := caller.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	review := &admissionv1.AdmissionReview{}
	if json.Unmarshal(text, review) != nil || review.Response == nil {
		return response.StatusCode, nil
	}
	return response.StatusCode, review.Response
}

// review returns a review that would be allowed, modified by change.
func review(organization string, change func(request map[string]any)) []byte {
	GinkgoHelper()
	kind := map[string]any{"group": "access.usher.dev", "version": "v1alpha1", "kind": "AccessGroup"}
	resource := map[string]any{"group": "access.usher.dev", "version": "v1alpha1", "resource": "accessgroups"}
	request := map[string]any{
		"uid": "1", "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
		"name": "new", "namespace": organization, "operation": "CREATE",
		"userInfo": map[string]any{"username": "somebody", "groups": []any{"system:masters"}},
		"object":   group(organization, "Administrator"),
	}
	change(request)
	text, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
	Expect(err).NotTo(HaveOccurred())
	return text
}

func group(namespace, role string) map[string]any {
	return map[string]any{
		"apiVersion": "access.usher.dev/v1alpha1", "kind": "AccessGroup",
		"metadata": map[string]any{"namespace": namespace, "name": "new"},
		"spec":     map[string]any{"organizationRole": role},
	}
}

var _ = Describe("A review that the API server does not send", func() {
	// The manager still answers as before.
	serves := func(ctx context.Context, organization string) {
		GinkgoHelper()
		code, answer := post(ctx, review(organization, func(map[string]any) {}))
		Expect(code).To(Equal(http.StatusOK))
		Expect(answer).NotTo(BeNil())
		Expect(answer.Allowed).To(BeTrue(), "%+v", answer.Result)
	}
	isNoYes := func(ctx context.Context, body []byte) {
		GinkgoHelper()
		code, answer := post(ctx, body)
		if answer == nil {
			Expect(code).To(BeNumerically(">=", 400))
			return
		}
		Expect(answer.Allowed).To(BeFalse())
		Expect(answer.Result.Code).To(BeNumerically(">=", 400))
		Expect(answer.Result.Message).NotTo(Or(BeEmpty(), ContainSubstring("panic")))
	}

	DescribeTable("is never allowed:", func(ctx SpecContext, change func(request map[string]any)) {
		organization := newOrganization(ctx)
		serves(ctx, organization)
		isNoYes(ctx, review(organization, change))
		serves(ctx, organization)
	},
		Entry("of another kind", func(r map[string]any) {
			r["kind"] = map[string]any{"group": "", "version": "v1", "kind": "ConfigMap"}
		}, SpecTimeout(longest)),
		Entry("of another version", func(r map[string]any) {
			r["kind"] = map[string]any{"group": "access.usher.dev", "version": "v9", "kind": "AccessGroup"}
		}, SpecTimeout(longest)),
		Entry("with an object of another kind", func(r map[string]any) {
			r["object"].(map[string]any)["kind"] = "UserAccess"
		}, SpecTimeout(longest)),
		Entry("without an object", func(r map[string]any) { delete(r, "object") }, SpecTimeout(longest)),
		Entry("with null for an object", func(r map[string]any) { r["object"] = nil }, SpecTimeout(longest)),
		Entry("with a text for an object", func(r map[string]any) { r["object"] = "AccessGroup" }, SpecTimeout(longest)),
		Entry("with a spec of another type", func(r map[string]any) {
			r["object"].(map[string]any)["spec"] = []any{"members"}
		}, SpecTimeout(longest)),
		Entry("of another namespace than its object", func(r map[string]any) { r["namespace"] = "elsewhere" }, SpecTimeout(longest)),
		Entry("of an update without an old object", func(r map[string]any) { r["operation"] = "UPDATE" }, SpecTimeout(longest)),
		Entry("of a deletion without an old object", func(r map[string]any) { r["operation"] = "DELETE" }, SpecTimeout(longest)),
		Entry("of a connection", func(r map[string]any) { r["operation"] = "CONNECT" }, SpecTimeout(longest)),
		Entry("of no operation", func(r map[string]any) { delete(r, "operation") }, SpecTimeout(longest)),
		Entry("by nobody", func(r map[string]any) { delete(r, "userInfo") }, SpecTimeout(longest)),
		Entry("by somebody without groups", func(r map[string]any) {
			r["userInfo"] = map[string]any{"username": "somebody"}
		}, SpecTimeout(longest)),
	)

	It("and that is not a review is never allowed", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		for _, body := range []string{
			"", "garbage", "null", "[]", "{}", `{"request":null}`, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`,
			`{"apiVersion":"v1","kind":"Pod"}`, `{"request":{"uid":7}}`, strings.Repeat("[", 100_000), "\x00\xff",
		} {
			By(fmt.Sprintf("posting %.40q", body))
			isNoYes(ctx, []byte(body))
		}
		serves(ctx, organization)
	}, SpecTimeout(longest))
})

// An object that today's rules would refuse is written while the webhook is off.
var _ = Describe("An object from before the webhook was installed", func() {
	It("may change in its valid parts, and can be corrected", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		Expect(plane.RemoveWebhooks(ctx)).To(Succeed())
		restore := func(ctx context.Context) { Expect(plane.InstallWebhooks(ctx)).To(Succeed()) }
		DeferCleanup(func(ctx SpecContext) { restore(ctx) })
		const wrong = `
AccessGroup old
metadata: {labels: {access.usher.dev/protected: "perhaps"}, annotations: {access.usher.dev/allow-revocation: "all"}}
spec:
  members: [{user: pat}]
  memberGroups: [unknown]
  memberSelector: {matchExpressions: [{key: "-key", operator: Exists}]}
  applicationAccess: [{application: finance, role: Administrator}]
`
		declare(ctx, organization, wrong)
		restore(ctx)
		Eventually(func(g Gomega) {
			g.Expect(apierrors.IsInvalid(team.try(ctx, organization, gives("new", "organizationRole: Administrator")))).To(BeTrue())
		}).WithContext(ctx).Should(Succeed())

		Expect(team.Patch(ctx, newGroup(organization, "old"), patch(`{"spec":{"description":"Old"}}`))).To(Succeed())
		refused(team.Patch(ctx, newGroup(organization, "old"), patch(`{"spec":{"members":[{"user":"pat"},{"user":"sam"}]}}`)))
		Expect(team.Patch(ctx, newGroup(organization, "old"), patch(`{"spec":{"memberSelector":null},`+
			`"metadata":{"labels":null,"annotations":null}}`))).To(Succeed())
		Expect(team.Delete(ctx, newGroup(organization, "old"))).To(Succeed())
	}, SpecTimeout(longest))
})
