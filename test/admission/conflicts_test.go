package admission_test

import (
	"context"

	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
)

// sample returns most objects of one organization of the security sample, moved to another organization.
func sample(organization string, without ...string) string {
	GinkgoHelper()
	var text strings.Builder
	for _, file := range []string{"applications.yaml", "emea.yaml"} {
		content, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", "security", file))
		Expect(err).NotTo(HaveOccurred())
		for part := range strings.SplitSeq(string(content), "\n---\n") {
			leftOut := slices.ContainsFunc(without, func(name string) bool { return strings.Contains(part, "name: "+name+"\n") })
			if strings.Contains(part, "namespace: security-emea") && !leftOut {
				text.WriteString(strings.ReplaceAll(part, "namespace: security-emea", "namespace: "+organization) + "\n---\n")
			}
		}
	}
	return text.String()
}

// bringing are the groups of the sample that cause the conflicts if the others exist.
var bringing = []string{"viewers", "red-administrators", "red-blocked"}

// conflicts lists the conflicts of the sample: user, place, roles by group, and result.
func conflicts(organization string) []string {
	warning := func(user, where, left, right, result string) string {
		side := func(groupAndRole string) string {
			group, role, _ := strings.Cut(groupAndRole, " ")
			return fmt.Sprintf("AccessGroup/%s/%s gives %s", organization, group, role)
		}
		return fmt.Sprintf("role conflict of %s in %s of organization %s: %s, %s; the result is %s. "+
			"Give both the same role, or remove one grant", user, where, organization, side(left), side(right), result)
	}
	return []string{
		warning("eve@acme.example", "all applications", "viewers Viewer", "editors Editor", "Viewer (MostRestrictive)"),
		warning("farid@acme.example", "all applications", "staff Viewer", "red-administrators Editor", "Viewer (MostRestrictive)"),
		warning("grace@acme.example", "application red", "red-blocked NoAccess", "red-rules RulesAdmin", "NoAccess (MostRestrictive)"),
	}
}

// newGranter returns a requester who may do everything in its organization except what exempts from checks.
func newGranter(ctx context.Context, rules ...rbacv1.PolicyRule) (string, *requester) {
	GinkgoHelper()
	return newTeam(ctx, append(rules, rule(accessGroup, []string{"*"}, []string{"*"}),
		mayGrant([]string{"applicationroles", "organizationroles", "systemroles", "datapermissions"}))...)
}

func checking(mode string) string {
	return "AccessPolicy default\nspec: {crossObjectChecks: " + mode + "}"
}

var _ = Describe("The conflicts of the security sample", func() {
	applied := func(ctx context.Context, r *requester, organization string) (*spoken, error) {
		// On a busy machine, the watch may lag behind an apply, so the other sides are applied first.
		_, err := kubectl(ctx, sample(organization, bringing...), "apply", "--server-side", "--filename=-")
		Expect(err).NotTo(HaveOccurred())
		settled(ctx, organization)
		return kubectl(ctx, sample(organization), "apply", "--server-side", "--filename=-", "--as="+r.name)
	}

	It("are warned of under Warn", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, checking("Warn"))
		said, err := applied(ctx, granter, organization)
		Expect(err).NotTo(HaveOccurred())
		for _, text := range conflicts(organization) {
			Expect(said.stderr).To(ContainSubstring("Warning: " + text))
		}
		Expect(strings.Count(said.stderr, "role conflict")).To(Equal(len(bringing)), said.stderr)
	}, SpecTimeout(longest))

	It("are refused under Deny", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, checking("Deny"))
		said, err := applied(ctx, granter, organization)
		Expect(err).To(HaveOccurred())
		for i, text := range conflicts(organization) {
			Expect(said.stderr).To(ContainSubstring("Forbidden: " + text))
			Expect(said.stderr).To(ContainSubstring(fmt.Sprintf("%q is invalid", bringing[i])))
		}
		Expect(strings.Count(said.stderr, "role conflict")).To(Equal(len(bringing)), said.stderr)
		Expect(said.stdout).To(ContainSubstring("red-rules serverside-applied"))
	}, SpecTimeout(longest))

	It("pass without a warning under Ignore", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, checking("Ignore"))
		said, err := applied(ctx, granter, organization)
		Expect(err).NotTo(HaveOccurred())
		Expect(said.stderr).To(BeEmpty())
	}, SpecTimeout(longest))

	It("are warned of under Deny where the requester may grant the top system role", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		granter.allow(ctx, systemNamespace, mayGrant([]string{"systemroles"}, "SystemAdministrator"))
		declare(ctx, organization, checking("Deny"))
		said, err := applied(ctx, granter, organization)
		Expect(err).NotTo(HaveOccurred())
		for _, text := range conflicts(organization) {
			Expect(said.stderr).To(MatchRegexp("Warning: .*" + regexp.QuoteMeta(text)))
		}
	}, SpecTimeout(longest))
})

// twoRoles returns a group that causes a conflict for each of that many users.
func twoRoles(group, role string, users int) string {
	var members []string
	for i := range users {
		members = append(members, fmt.Sprintf("{user: user-%02d}", i))
	}
	return "AccessGroup " + group + "\nspec:\n  members: [" + strings.Join(members, ", ") +
		"]\n  applicationAccess: [{application: finance, role: " + role + "}]\n"
}

var _ = Describe("A conflict of two objects", func() {
	It("is reported ten times, and the rest is counted", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, checking("Deny")+"\n---\n"+twoRoles("editors", "Editor", 25))
		causes := refused(granter.do(ctx, organization, twoRoles("viewers", "Viewer", 25)))
		Expect(causes).To(HaveLen(11))
		Expect(causes[0].Message).To(ContainSubstring("role conflict of user-00 in application finance"))
		Expect(causes[10].Message).To(ContainSubstring("and 15 more like these"))

		declare(ctx, organization, checking("Warn"))
		Expect(granter.do(ctx, organization, twoRoles("viewers", "Viewer", 25))).To(Succeed())
		Expect(strings.Join(granter.heard.take(), "\n")).To(And(
			ContainSubstring("role conflict of user-00"), MatchRegexp(`and \d+ more`)))
	}, SpecTimeout(longest))

	It("does not prevent an edit that does not cause it", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, twoRoles("editors", "Editor", 3)+"---\n"+twoRoles("viewers", "Viewer", 3))
		declare(ctx, organization, checking("Deny"))
		Expect(granter.do(ctx, organization, twoRoles("viewers", "Viewer", 3)+"  displayName: Viewers")).To(Succeed())
		Expect(granter.heard.take()).To(BeEmpty())
	}, SpecTimeout(longest))

	It("is exclusive access, too", func(ctx SpecContext) {
		organization, granter := newGranter(ctx)
		policy := func(mode string) string {
			return checking(mode)[:len(checking(mode))-1] +
				", exclusiveAccess: [{name: apart, applications: [pay, audit], minimumRole: Editor}]}"
		}
		const second = `
AccessGroup auditors
spec:
  members: [{user: sam}]
  applicationAccess: [{application: audit, role: Editor}]
`
		declare(ctx, organization, policy("Deny")+`
---
AccessGroup payers
spec:
  members: [{user: sam}]
  applicationAccess: [{application: pay, role: Editor}]
`)
		text := "exclusive access: sam would hold audit and pay in organization " + organization + ", which rule apart of AccessPolicy/" +
			organization + "/default excludes"
		causes := refused(granter.try(ctx, organization, second))
		Expect(causes).To(HaveLen(1))
		Expect(causes[0].Message).To(ContainSubstring(text))
		declare(ctx, organization, policy("Ignore"))
		Expect(granter.try(ctx, organization, second)).To(Succeed())
		Expect(granter.heard.take()).To(BeEmpty())
		declare(ctx, organization, policy("Warn"))
		Expect(granter.do(ctx, organization, second)).To(Succeed())
		Expect(granter.heard.take()).To(ContainElement(ContainSubstring(text)))
	}, SpecTimeout(longest))
})
