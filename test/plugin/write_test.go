package plugin_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// manifest returns a group with one member and one role.
func manifest(namespace, name, user, role string) string {
	return fmt.Sprintf(`apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: %s, namespace: %s, labels: {team: finance}}
spec:
  members: [{user: %s}]
  applicationAccess: [{application: red, role: %s}]
---
`, name, namespace, user, role)
}

// managerOf returns the fields of the manager in the managed fields.
func managerOf(g *accessv1alpha1.AccessGroup, name string) string {
	for _, entry := range g.ManagedFields {
		if entry.Manager == name && entry.Subresource == "" {
			return entry.FieldsV1.GetRawString()
		}
	}
	return ""
}

// tenant creates a user who may edit groups of the organization and grant the roles.
func tenant(ctx context.Context, organization string, roles ...string) string {
	GinkgoHelper()
	name := "tenant-of-" + organization
	bind(ctx, organization, name,
		rbacv1.PolicyRule{
			APIGroups: []string{"access.usher.dev"}, Verbs: []string{"get", "list", "patch", "create", "update"},
			Resources: []string{"accessgroups", "useraccesses", "applicationaccesses", "accesspolicies"},
		},
		rbacv1.PolicyRule{
			APIGroups: []string{"grants.access.usher.dev"}, Verbs: []string{"grant"},
			Resources: []string{"applicationroles"}, ResourceNames: roles,
		})
	return name
}

var _ = Describe("Members", func() {
	It("are added and removed one by one, without taking ownership of others", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		file := manifest(organization, "editors", "ana", "Editor") + manifest(organization, "viewers", "ana", "Viewer")
		apply(ctx, "somebody", file)

		added := ask(ctx, "members add ben ana -l team=finance -n %s --yes", organization)
		Expect(added.code).To(BeZero())
		Expect(added.out).To(MatchRegexp(`\+ gains +ben`))
		Expect(added.out).To(HaveSuffix(fmt.Sprintf("AccessGroup/%[1]s/editors: applied\nAccessGroup/%[1]s/viewers: applied\n", organization)))
		g := group(ctx, organization, "editors")
		Expect(managerOf(g, "kubectl-access")).To(SatisfyAll(ContainSubstring(`ben`), Not(ContainSubstring(`ana`)), Not(ContainSubstring("red"))))
		again := ask(ctx, "members add ben -l team=finance -n %s --yes", organization)
		Expect(again.code).To(BeZero())
		Expect(again.out).To(Equal(fmt.Sprintf("AccessGroup/%[1]s/editors: unchanged\nAccessGroup/%[1]s/viewers: unchanged\n", organization)))

		By("leaving what was added when the others apply again")
		apply(ctx, "somebody", file)
		Expect(membersOf(ctx, organization, "editors")).To(ConsistOf("ana", "ben"))

		By("adding one more, without giving up the first")
		Expect(ask(ctx, "members add cleo -g editors -n %s -y", organization).code).To(BeZero())
		Expect(membersOf(ctx, organization, "editors")).To(ConsistOf("ana", "ben", "cleo"))

		By("removing what was added here")
		removed := ask(ctx, "members remove ben -g editors -n %s -y", organization)
		Expect(removed.code).To(BeZero())
		Expect(removed.errOut).NotTo(ContainSubstring("somebody"))
		Expect(membersOf(ctx, organization, "editors")).To(ConsistOf("ana", "cleo"))

		By("removing a member of another field manager, and naming the manager")
		removed = ask(ctx, "members remove ana cleo -g editors -n %s -y", organization)
		Expect(removed.code).To(BeZero())
		Expect(removed.errOut).To(ContainSubstring("was set by somebody"))
		Expect(membersOf(ctx, organization, "editors")).To(BeEmpty())
	}, SpecTimeout(patience))

	It("are refused object by object if admission refuses them, and then nothing is written", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "somebody", manifest(organization, "admins", "ana", "Administrator")+manifest(organization, "viewers", "ana", "Viewer"))
		as := tenant(ctx, organization, "Viewer")

		refused := ask(ctx, "members add zoe -g viewers,admins -n %s --yes --as %s", organization, as)
		Expect(refused.code).To(Equal(1))
		Expect(refused.out).To(ContainSubstring("AccessGroup/%s/viewers: not tried: another object was not accepted\n", organization))
		Expect(refused.out).To(MatchRegexp(`AccessGroup/%s/admins: refused: .*zoe would be given Administrator.*the right to grant.*%s lacks`, organization, as))
		Expect(refused.errOut).To(ContainSubstring("may not be read")) // the system namespace
		Expect(membersOf(ctx, organization, "viewers")).To(Equal([]string{"ana"}))

		dry := ask(ctx, "members add zoe -g viewers -n %s --dry-run=server --as %s", organization, as)
		Expect(dry.code).To(BeZero())
		Expect(dry.out).To(ContainSubstring("viewers: applied (server dry run)"))
		Expect(membersOf(ctx, organization, "viewers")).To(Equal([]string{"ana"}))
		Expect(ask(ctx, "members add zoe -g viewers -n %s --yes --as %s", organization, as).code).To(BeZero())
		Expect(membersOf(ctx, organization, "viewers")).To(ConsistOf("ana", "zoe"))

		role := ask(ctx, "set-role -g viewers -a red --role Editor -n %s --yes --as %s", organization, as)
		Expect(role.code).To(Equal(1))
		Expect(role.out).To(MatchRegexp(`viewers: refused: .*Editor`))
		Expect(string(group(ctx, organization, "viewers").Spec.ApplicationAccess[0].Role)).To(Equal("Viewer"))

		none := ask(ctx, "members add zoe -g viewers -n %s --yes --as nobody", organization)
		Expect(none.code).To(Equal(2))
		Expect(none.errOut).To(ContainSubstring("it takes the verb list"))
	}, SpecTimeout(patience*2))

	It("are not written to an object that has changed since it was shown", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "somebody", manifest(organization, "editors", "ana", "Editor"))
		answerAfter := func(meanwhile func()) (*gbytes.Buffer, int) {
			command := pluginCommand(ctx, "members", "add", "ben", "-g", "editors", "-n", organization)
			asked, out := gbytes.NewBuffer(), gbytes.NewBuffer()
			command.Stderr, command.Stdout = asked, out
			in, err := command.StdinPipe()
			Expect(err).NotTo(HaveOccurred())
			Expect(command.Start()).To(Succeed())
			Eventually(asked).WithContext(ctx).Should(gbytes.Say(`Write 1 object to .*\[y/N\]`))
			meanwhile()
			_, err = io.WriteString(in, "yes\n")
			Expect(err).NotTo(HaveOccurred())
			_ = command.Wait() // the test checks its exit code
			return out, command.ProcessState.ExitCode()
		}
		out, code := answerAfter(func() { apply(ctx, "somebody", manifest(organization, "editors", "cleo", "Editor")) })
		Expect(code).To(Equal(1))
		Expect(out).To(gbytes.Say("editors: changed meanwhile: somebody changed it"))
		Expect(membersOf(ctx, organization, "editors")).To(Equal([]string{"cleo"}))

		By("writing if only the version differs from what was shown")
		_, code = answerAfter(func() {
			_, err := plane.Kubectl(ctx, "annotate", "accessgroup", "editors", "-n", organization, "seen=today")
			Expect(err).NotTo(HaveOccurred())
		})
		Expect(code).To(BeZero())
		Expect(membersOf(ctx, organization, "editors")).To(ConsistOf("ben", "cleo"))

		By("reporting that it was deleted")
		Expect(ask(ctx, "members remove ben -g editors -n %s -y", organization).code).To(BeZero())
		out, code = answerAfter(func() { Expect(kube.Delete(ctx, group(ctx, organization, "editors"))).To(Succeed()) })
		Expect(code).To(Equal(1))
		Expect(out).To(gbytes.Say("it was deleted while this command ran"))
	}, SpecTimeout(patience))

	It("are left to git where a GitOps tool keeps the group", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "argocd-controller", manifest(organization, "editors", "ana", "Editor"))

		warned := ask(ctx, "members add ben -g editors -n %s --yes", organization)
		Expect(warned.code).To(Equal(1))
		Expect(warned.errOut).To(SatisfyAll(
			ContainSubstring("Argo CD (field manager argocd-controller): its next sync undoes this edit"),
			ContainSubstring("-o yaml prints the manifests"), ContainSubstring("--overrule-gitops")))
		Expect(membersOf(ctx, organization, "editors")).To(Equal([]string{"ana"}))

		printed := ask(ctx, "members add ben -g editors -n %s -o yaml", organization)
		Expect(printed.code).To(BeZero())
		Expect(printed.out).To(SatisfyAll(HavePrefix("apiVersion: access.usher.dev/v1alpha1\n"), ContainSubstring("- user: ben\n"),
			Not(ContainSubstring("managedFields")), Not(ContainSubstring("status"))))
		file := filepath.Join(GinkgoT().TempDir(), "editors.yaml")
		Expect(os.WriteFile(file, []byte(printed.out), 0o600)).To(Succeed())
		Expect(ask(ctx, "diff -f %s", file).out).To(MatchRegexp(`\+ gains +ben`))

		overruled := ask(ctx, "members add ben -g editors -n %s --yes --overrule-gitops", organization)
		Expect(overruled.code).To(BeZero())
		Expect(membersOf(ctx, organization, "editors")).To(ConsistOf("ana", "ben"))
		declined := askWith(ctx, "n\n", "members", "remove", "ana", "-g", "editors", "-n", organization)
		Expect(declined.code).To(Equal(1))
		Expect(declined.errOut).To(SatisfyAll(ContainSubstring("undoes this edit"), ContainSubstring("nothing was written")))
	}, SpecTimeout(patience))
})

var _ = Describe("Roles", func() {
	It("are set and removed in many groups, naming their field managers", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "somebody", manifest(organization, "editors", "ana", "Editor")+manifest(organization, "viewers", "ben", "Viewer"))
		done := ask(ctx, "set-role -l team=finance -a red --role RulesAdmin -n %s -y", organization)
		Expect(done.code).To(BeZero())
		Expect(done.errOut).To(ContainSubstring("was set by somebody"))
		Expect(done.out).To(MatchRegexp(`\+ raised +ana`))
		Expect(string(group(ctx, organization, "editors").Spec.ApplicationAccess[0].Role)).To(Equal("RulesAdmin"))

		unknown := ask(ctx, "set-role -g editors -a blue --role Edtor -n %s -y", organization)
		Expect(unknown.code).To(BeZero())
		Expect(unknown.errOut).To(ContainSubstring("warning: AccessGroup/%s/editors: spec.applicationAccess[blue].role", organization))
		Expect(unknown.errOut).To(ContainSubstring("did you mean Editor?"))

		removed := ask(ctx, "remove-role -l team=finance -a red -n %s -y", organization)
		Expect(removed.code).To(BeZero())
		Expect(group(ctx, organization, "viewers").Spec.ApplicationAccess).To(BeEmpty())
		Expect(group(ctx, organization, "editors").Spec.ApplicationAccess).To(HaveLen(1))
	}, SpecTimeout(patience))

	It("are set organization by organization in a System group", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "somebody", manifest(organization, "editors", "ana", "Editor"))
		name := "of-" + organization
		apply(ctx, "somebody", fmt.Sprintf("apiVersion: access.usher.dev/v1alpha1\nkind: AccessGroup\n"+
			"metadata: {name: %s, namespace: access-system}\nspec: {type: System, members: [{user: zoe}]}\n", name))
		DeferCleanup(func(ctx SpecContext) { Expect(kube.Delete(ctx, group(ctx, "access-system", name))).To(Succeed()) })
		set := ask(ctx, "set-role -g %s -n access-system --organization %s -a red --role Viewer -y", name, organization)
		Expect(set.code).To(BeZero())
		Expect(set.out).To(MatchRegexp(`\+ gains +zoe +%s +red`, organization))
		Expect(ask(ctx, "set-role -g %s -n access-system --organization %s -a blue --role Editor -y", name, organization).code).To(BeZero())
		Expect(group(ctx, "access-system", name).Spec.SystemAccess[0].ApplicationAccess).To(HaveLen(2))
		for _, application := range []string{"red", "blue"} {
			Expect(ask(ctx, "remove-role -g %s -n access-system --organization %s -a %s -y", name, organization, application).code).To(BeZero())
		}
		Expect(group(ctx, "access-system", name).Spec.SystemAccess).To(BeEmpty())
	}, SpecTimeout(patience))
})

var _ = Describe("Import", func() {
	It("applies the changes that it has shown, all or none", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "somebody", manifest(organization, "editors", "ana", "Editor"))
		const text = "record,group,user,application,role,displayName\n" +
			"group,spain,,,,Spain\nmember,spain,zoe,,,\nrole,spain,,red,Viewer,\nmember,editors,zoe,,,\nuser,,zoe,,,Zoe\n"
		args := []string{"import", "-", "--apply", "-n", organization}
		Expect(askWith(ctx, text, args...).code).To(Equal(2)) // there is nobody to ask
		broken := askWith(ctx, text+"member,span,x,,,\n", append(args, "-y")...)
		Expect(broken.code).To(Equal(2))
		Expect(broken.errOut).To(ContainSubstring("standard input:7:8: column group: there is no group span"))
		as := tenant(ctx, organization, "Viewer")
		refused := askWith(ctx, text, append(args, "-y", "--as", as)...)
		Expect(refused.code).To(Equal(1))
		Expect(refused.out).To(SatisfyAll(ContainSubstring("spain: not tried"), MatchRegexp("editors: refused: .*Editor")))
		Expect(client.IgnoreNotFound(kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "spain"}, &accessv1alpha1.AccessGroup{}))).
			To(Succeed())

		done := askWith(ctx, text, append(args, "-y")...)
		Expect(done.code).To(BeZero())
		Expect(strings.Count(done.out, ": applied\n")).To(Equal(3))
		Expect(membersOf(ctx, organization, "editors")).To(ConsistOf("ana", "zoe"))
		again := askWith(ctx, text, append(args, "-y")...)
		Expect(again.code).To(BeZero())
		Expect(strings.Count(again.out, ": unchanged\n")).To(Equal(3))
		exported := ask(ctx, "export -n %s", organization)
		Expect(askWith(ctx, exported.out, append(args, "-y")...).out).NotTo(ContainSubstring("applied"))
	}, SpecTimeout(patience))
})
