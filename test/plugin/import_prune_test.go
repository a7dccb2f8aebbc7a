package plugin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/test/cluster"
)

// documentedImport returns the manifests of the regular import in docs/scim.md for an organization, and the arguments of
// the plugin in its CronJob.
func documentedImport(organization string) (manifests string, args []string) {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(filepath.Join(root, "docs", "scim.md"))
	Expect(err).NotTo(HaveOccurred())
	_, section, _ := strings.Cut(string(page), "\n## Import from a directory regularly\n")
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(section)
	Expect(found).To(HaveLen(2))
	manifests = strings.ReplaceAll(found[1], "analytics", organization)
	line := regexp.MustCompile(`(?m)^ *kubectl-access (.*)$`).FindStringSubmatch(manifests)
	Expect(line).To(HaveLen(2))
	return manifests, strings.Fields(line[1])
}

var _ = Describe("A regular import with --prune", func() {
	// imported runs the import of a CSV with the arguments, and shows the file under the name in them.
	imported := func(ctx context.Context, csv string, args ...string) answer {
		GinkgoHelper()
		file := filepath.Join(GinkgoT().TempDir(), "people.csv")
		Expect(os.WriteFile(file, []byte(csv), 0o600)).To(Succeed())
		for i, each := range args {
			if strings.HasSuffix(each, ".csv") {
				args[i] = file
			}
		}
		return askWith(ctx, "", args...)
	}
	exists := func(ctx context.Context, o client.Object, organization, name string) bool {
		GinkgoHelper()
		err := kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: name}, o)
		Expect(err == nil || apierrors.IsNotFound(err)).To(BeTrue(), "%v", err)
		return err == nil
	}

	It("removes leavers with the documented rights, and nothing that others declare", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		manifests, documented := documentedImport(organization)
		apply(ctx, "somebody", manifests)
		kubeconfig, err := plane.AccountKubeconfig(ctx, organization, "directory")
		Expect(err).NotTo(HaveOccurred())
		run := func(csv string) answer {
			GinkgoHelper()
			return imported(ctx, csv, append(strings.Fields(strings.Join(documented, " ")), "--kubeconfig="+kubeconfig)...)
		}
		// Git gives the imported group finance-team a role, and has a group of its own with a member.
		apply(ctx, "somebody", fmt.Sprintf(`apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: finance, namespace: %[1]s}
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: viewers, namespace: %[1]s}
spec: {memberGroups: [finance-team], members: [{user: chief}], applicationAccess: [{application: finance, role: Viewer}]}
`, organization))

		Eventually(func() string { // the API server takes a moment to know new rights
			return run("group,user\nfinance-team,ana\nfinance-team,ben\nsales,cleo\nviewers,dan\n,eve\n").out
		}).WithContext(ctx).Should(ContainSubstring("AccessGroup/%s/finance-team: applied\n", organization))
		Expect(membersOf(ctx, organization, "finance-team")).To(ConsistOf("ana", "ben"))
		Expect(membersOf(ctx, organization, "viewers")).To(ConsistOf("chief", "dan"))
		Expect(exists(ctx, &accessv1alpha1.UserAccess{}, organization, identity.Name("eve"))).To(BeTrue())
		waitReady(ctx, organization)

		By("leaving everything as it is without --prune")
		file := "group,user\nfinance-team,ana\nfinance-team,new\n"
		kept := imported(ctx, file, "import", "people.csv", "-n", organization, "--apply", "--yes", "--kubeconfig="+kubeconfig)
		Expect(kept.code).To(BeZero())
		Expect(membersOf(ctx, organization, "finance-team")).To(ConsistOf("ana", "ben", "new"))
		waitReady(ctx, organization)

		By("showing who would lose what, and writing nothing without a yes")
		declined := imported(ctx, file, "import", "people.csv", "-n", organization, "--apply", "--prune", "--kubeconfig="+kubeconfig)
		Expect(declined.code).To(Equal(1))
		Expect(declined.out).To(MatchRegexp(`- loses +ben +\S+ +finance`))
		Expect(membersOf(ctx, organization, "finance-team")).To(ConsistOf("ana", "ben", "new"))

		By("removing who has left")
		pruned := run(file)
		Expect(pruned.code).To(BeZero())
		Expect(pruned.out).To(And(MatchRegexp(`- loses +ben +\S+ +finance`), MatchRegexp(`- loses +dan +\S+ +finance`), Not(ContainSubstring("chief"))))
		Expect(membersOf(ctx, organization, "finance-team")).To(ConsistOf("ana", "new"))
		Expect(membersOf(ctx, organization, "viewers")).To(Equal([]string{"chief"}))
		Expect(exists(ctx, &accessv1alpha1.AccessGroup{}, organization, "sales")).To(BeFalse())
		Expect(exists(ctx, &accessv1alpha1.UserAccess{}, organization, identity.Name("eve"))).To(BeFalse())

		By("writing nothing the next time")
		Expect(run(file).out).NotTo(Or(ContainSubstring(": applied"), ContainSubstring(": deleted")))

		By("refusing a CSV without a line")
		empty := run("group,user\n")
		Expect(empty.code).To(Equal(2))
		Expect(empty.errOut).To(ContainSubstring("it has no line"))
		Expect(membersOf(ctx, organization, "finance-team")).To(ConsistOf("ana", "new"))
	}, SpecTimeout(patience*3))

	It("is refused as a whole by the revocation brake, and by the right to grant", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		apply(ctx, "somebody", fmt.Sprintf("apiVersion: access.usher.dev/v1alpha1\nkind: AccessPolicy\n"+
			"metadata: {name: default, namespace: %s}\nspec: {revocationLimit: {users: 1}}\n", organization))
		args := func(more ...string) []string {
			return append([]string{"import", "people.csv", "-n", organization, "--apply", "--prune", "--yes"}, more...)
		}
		const all = "group,user,application,role\nteam,ana,,\nteam,ben,,\nteam,cleo,,\nteam,,red,Viewer\nother,dan,,\n"
		Expect(imported(ctx, all, args()...).code).To(BeZero())
		waitReady(ctx, organization)
		braked := imported(ctx, "group,user,application,role\nteam,ana,,\nteam,,red,Viewer\n", args()...)
		Expect(braked.code).To(Equal(1))
		Expect(braked.out).To(And(MatchRegexp(`team: refused: .*2 users would lose all access to application red`),
			MatchRegexp(`other: not tried`)))
		Expect(membersOf(ctx, organization, "team")).To(ConsistOf("ana", "ben", "cleo"))
		Expect(membersOf(ctx, organization, "other")).To(Equal([]string{"dan"}))

		as := tenant(ctx, organization, "Viewer")
		refused := imported(ctx, strings.ReplaceAll(all, "Viewer", "Editor"), args("--as", as)...)
		Expect(refused.code).To(Equal(1))
		Expect(refused.out).To(MatchRegexp(`team: refused: .*the right to grant`))
		Expect(string(group(ctx, organization, "team").Spec.ApplicationAccess[0].Role)).To(Equal("Viewer"))
	}, SpecTimeout(patience*2))
})
