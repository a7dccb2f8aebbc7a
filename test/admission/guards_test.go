package admission_test

import (
	"fmt"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func patch(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }

// viewers returns a group that gives access to finance.
func viewers(users ...string) string {
	members := make([]string, len(users))
	for i, user := range users {
		members[i] = "{user: " + user + "}"
	}
	return "AccessGroup viewers\nspec:\n  members: [" + strings.Join(members, ", ") +
		"]\n  applicationAccess: [{application: finance, role: Viewer}]\n"
}

var allowance = regexp.MustCompile(`annotate the object with access\.usher\.dev/allow-revocation: ("[^"]+")`)

var _ = Describe("The revocation brake", func() {
	const limit = "ApplicationAccess finance\n---\nAccessPolicy default\nspec: {revocationLimit: {users: 2}}\n---\n"

	// allowed sets the annotation that the refusal names.
	allowed := func(err error) string {
		GinkgoHelper()
		causes := refused(err)
		Expect(causes).NotTo(BeEmpty())
		match := allowance.FindStringSubmatch(causes[0].Message)
		Expect(match).NotTo(BeNil(), "%s", causes[0].Message)
		return match[1]
	}

	It("stops a change that takes access from too many users, until the object declares that it is intended", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, limit+viewers("a", "b", "c", "d"))
		value := allowed(granter.do(ctx, organization, viewers("a")))
		Expect(granter.do(ctx, organization, strings.Replace(viewers("a"), "\nspec:",
			"\nmetadata: {annotations: {access.usher.dev/allow-revocation: "+value+"}}\nspec:", 1))).To(Succeed())
	}, SpecTimeout(longest))

	It("stops the cluster's administrator and deletions, too", func(ctx SpecContext) {
		organization, _ := newGranter(ctx)
		declare(ctx, organization, limit+viewers("a", "b", "c"))
		everything := administrator()
		value := allowed(everything.do(ctx, organization, "delete AccessGroup viewers"))
		Expect(everything.Patch(ctx, newGroup(organization, "viewers"),
			patch(`{"metadata":{"annotations":{"access.usher.dev/allow-revocation":`+value+`}}}`))).To(Succeed())
		Expect(everything.do(ctx, organization, "delete AccessGroup viewers")).To(Succeed())
	}, SpecTimeout(longest))

	It("counts small successive losses together", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, limit+viewers("a", "b", "c", "d"))
		for _, left := range [][]string{{"a", "b", "c"}, {"a", "b"}} {
			Expect(granter.do(ctx, organization, viewers(left...))).To(Succeed())
			settled(ctx, organization)
		}
		causes := refused(granter.do(ctx, organization, viewers("a")))
		Expect(causes[0].Message).To(ContainSubstring("1 user would lose all access"))
		Expect(causes[0].Message).To(ContainSubstring("after 2 within the last ten minutes"))
	}, SpecTimeout(longest))
})

var _ = Describe("A protected group", func() {
	const kept = `
AccessGroup kept
metadata: {labels: {access.usher.dev/protected: "true"}}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Viewer}]
`

	DescribeTable("requires the verb unprotect to be", func(ctx SpecContext, change, field string) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, kept)
		causes := refused(team.do(ctx, organization, change))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Field).To(Equal(field))
		line := lineOf(causes[0], `unprotect accessgroups.access.usher.dev "kept" in namespace "`+organization+`"`)
		Expect(shows(ctx, line, "unprotect", "kept")).To(BeFalse())
		team.allow(ctx, organization, rule(accessGroup, []string{"unprotect"}, []string{"accessgroups"}, "kept"))
		Expect(shows(ctx, line, "unprotect", "kept")).To(BeTrue())
		Expect(team.do(ctx, organization, change)).To(Succeed())
	},
		Entry("deleted", "delete AccessGroup kept", "metadata.name", SpecTimeout(longest)),
		Entry("given another role", strings.Replace(kept, "Viewer", "Editor", 1), "spec.applicationAccess", SpecTimeout(longest)),
		Entry("protected no longer", strings.Replace(kept, `{access.usher.dev/protected: "true"}`, "{}", 1), "metadata.labels", SpecTimeout(longest)),
	)

	It("may change its members", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, kept)
		Expect(team.do(ctx, organization, strings.Replace(kept, "{user: pat}", "{user: sam}, {user: tim}", 1))).To(Succeed())
	}, SpecTimeout(longest))
})

var _ = Describe("An object that is being deleted", func() {
	It("may change its finalizers and annotations, and nothing else, whoever asks", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		declare(ctx, organization, `
AccessGroup leaving
metadata: {finalizers: [example.org/held, example.org/kept]}
spec: {members: [{user: pat}]}
`)
		everything := administrator()
		leaving := func(text string) error { return everything.Patch(ctx, newGroup(organization, "leaving"), patch(text)) }
		Expect(everything.do(ctx, organization, "delete AccessGroup leaving")).To(Succeed())
		for text, field := range map[string]string{
			`{"spec":{"members":[]}}`:                       "spec.members",
			`{"spec":{"organizationRole":"Administrator"}}`: "spec.organizationRole",
			`{"metadata":{"labels":{"team":"red"}}}`:        "metadata.labels",
		} {
			causes := refused(leaving(text))
			Expect(causes).To(HaveLen(1))
			Expect(causes[0].Field).To(Equal(field))
			Expect(causes[0].Message).To(ContainSubstring("the object is being deleted"))
		}
		Expect(leaving(`{"metadata":{"annotations":{"why":"because"}}}`)).To(Succeed())
		Expect(everything.do(ctx, organization, "delete AccessGroup leaving")).To(Succeed())
		Expect(leaving(`{"metadata":{"finalizers":["example.org/kept"]}}`)).To(Succeed())
		Expect(leaving(`{"metadata":{"finalizers":[]}}`)).To(Succeed())
		Expect(leaving(`{}`)).To(MatchError(apierrors.IsNotFound, "not found"))
	}, SpecTimeout(longest))
})

var _ = Describe("A warning", func() {
	DescribeTable("tells of", func(ctx SpecContext, before, change string, parts ...string) {
		organization := newOrganization(ctx)
		declare(ctx, organization, before)
		everything := administrator()
		if made := named(organization, strings.SplitN(expand(organization, strings.TrimSpace(change)), "\n", 2)[0]); made.GetNamespace() != organization {
			DeferCleanup(remove, made)
		}
		Expect(everything.do(ctx, organization, change)).To(Succeed())
		warnings := everything.heard.take()
		for _, part := range parts {
			Expect(warnings).To(ContainElement(ContainSubstring(expand(organization, part))))
		}
		if len(parts) == 0 {
			Expect(warnings).To(BeEmpty())
		}
	},
		Entry("another UserAccess of the user", "UserAccess a\nspec: {user: sam}", "UserAccess b\nspec: {user: sam}",
			"spec.user: sam has another UserAccess in $org (a); only a counts", SpecTimeout(longest)),
		Entry("a System group in an organization", "", "AccessGroup above\nspec: {type: System}",
			"a System group counts only in the namespace access-system; AccessGroup/$org/above has no effect", SpecTimeout(longest)),
		Entry("an Organization group above all", "", "AccessGroup access-system/$org-below\nspec: {}",
			"an Organization group counts only in an organization", SpecTimeout(longest)),
		Entry("an application above all", "", "ApplicationAccess access-system/$org-finance\nspec: {}",
			"access-system is not an organization", SpecTimeout(longest)),
		Entry("roles across organizations from within one", "",
			"UserAccess pat\nspec: {user: pat, systemAccess: [{organization: $org, role: Observer}]}",
			"spec.systemAccess has no effect outside access-system", SpecTimeout(longest)),
		Entry("a group that is not there", "AccessGroup editors", "UserAccess pat\nspec: {user: pat, groups: [editers]}",
			"there is no AccessGroup editers in $org; did you mean editors?", SpecTimeout(longest)),
		Entry("a role that is not there", "AccessGroup editors",
			"AccessGroup new\nspec: {applicationAccess: [{application: finance, role: Editr}]}",
			"there is no application role Editr in $org; did you mean Editor?", SpecTimeout(longest)),
		Entry("those who name a new group already", "UserAccess pat\nspec: {user: pat, groups: [tomorrow]}", "AccessGroup tomorrow",
			"AccessGroup/$org/tomorrow gives what it gives to 1 user who is not in its spec.members: pat (spec.groups of the user's UserAccess)", SpecTimeout(longest)),
		Entry("nothing where nothing is wrong", "", viewers("pat"), SpecTimeout(longest)),
	)
})

var _ = Describe("An error in one object", func() {
	DescribeTable("is refused, whoever asks:", func(ctx SpecContext, change, field, message string) {
		organization := newOrganization(ctx)
		causes := refused(administrator().do(ctx, organization, change))
		Expect(causes).To(ConsistOf(And(HaveField("Field", field), HaveField("Message", ContainSubstring(message)))))
	},
		Entry("a label key that no object can have", `
AccessGroup new
spec: {memberSelector: {matchExpressions: [{key: "-key", operator: Exists}]}}
`, "spec.memberSelector.matchExpressions[0].key", "-key", SpecTimeout(longest)),
		Entry("an allowance of another form", `
AccessGroup new
metadata: {annotations: {access.usher.dev/allow-revocation: "as many as you like"}}
`, "metadata.annotations[access.usher.dev/allow-revocation]", `must be "<users>@<RFC 3339 deadline>"`, SpecTimeout(longest)),
		Entry("a protection of another value", `
AccessGroup new
metadata: {labels: {access.usher.dev/protected: "yes"}}
`, "metadata.labels[access.usher.dev/protected]", `supported values: "true"`, SpecTimeout(longest)),
	)
})

var _ = Describe("A dry run on the server", func() {
	manifest := func(organization, name, spec string) string {
		return fmt.Sprintf("apiVersion: %s\nkind: AccessGroup\nmetadata: {namespace: %s, name: %s}\nspec: %s\n",
			accessv1alpha1.GroupVersion, organization, name, spec)
	}
	const dry = "--dry-run=server"

	DescribeTable("answers as the real call does:", func(ctx SpecContext, name, spec string, passes bool, flags ...string) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, standing+"---\n"+checking("Deny"))
		if passes {
			declare(ctx, organization, checking("Warn"))
		}
		args := append([]string{"apply", "--filename=-", "--as=" + granter.name}, flags...)
		tried, first := kubectl(ctx, manifest(organization, name, spec), append(args, dry)...)
		done, second := kubectl(ctx, manifest(organization, name, spec), args...)
		Expect(tried.stderr).NotTo(BeEmpty())
		Expect(tried.stderr).To(Equal(done.stderr))
		Expect(first == nil).To(Equal(passes), "%v", first)
		Expect(second == nil).To(Equal(passes), "%v", second)
	},
		Entry("a conflict refused", "viewers", "{members: [{user: ed}], applicationAccess: [{application: finance, role: Viewer}]}",
			false, "--server-side", SpecTimeout(longest)),
		Entry("a conflict warned of", "viewers", "{members: [{user: ed}], applicationAccess: [{application: finance, role: Viewer}]}",
			true, "--server-side", SpecTimeout(longest)),
		Entry("a conflict refused, applied by the client", "viewers",
			"{members: [{user: ed}], applicationAccess: [{application: finance, role: Viewer}]}", false, SpecTimeout(longest)),
		Entry("an existing group that conflicts", "people",
			"{members: [{user: ed}], applicationAccess: [{application: finance, role: Viewer}]}",
			false, "--server-side", "--force-conflicts", SpecTimeout(longest)),
	)

	It("of a deletion answers as the real call does, and changes nothing", func(ctx SpecContext) {
		organization, team := newTeam(ctx)
		declare(ctx, organization, standing+"---\n"+givingAndRestricting)
		args := []string{"--namespace=" + organization, "delete", "accessgroup", "--as=" + team.name}
		tried, first := kubectl(ctx, "", append(args, "restricting", dry)...)
		done, second := kubectl(ctx, "", append(args, "restricting")...)
		Expect(first).To(HaveOccurred())
		Expect(second).To(HaveOccurred())
		Expect(tried.stderr).To(Equal(done.stderr))
		Expect(tried.stderr).To(ContainSubstring("pat would get Administrator"))

		_, err := kubectl(ctx, "", append(args, "people", dry)...)
		Expect(err).NotTo(HaveOccurred())
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "people"}, newGroup(organization, ""))).To(Succeed())
	}, SpecTimeout(longest))
})
