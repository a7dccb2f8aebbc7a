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

	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

// printedRoles returns the manifests of docs/security.md, in order.
func printedRoles() []string {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	Expect(err).NotTo(HaveOccurred())
	var blocks []string
	for _, found := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(found[1], "kind: Role\n") {
			blocks = append(blocks, found[1])
		}
	}
	return blocks
}

// financeManifests are the objects that the tenants and accounts of docs/security.md use.
const financeManifests = `apiVersion: access.usher.dev/v1alpha1
kind: AccessPolicy
metadata: {name: default, namespace: acme}
spec:
  notificationChannels: [{name: mail, type: SMTP, smtp: {server: "smtp.acme.example:587", sender: access@acme.example}}]
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: finance, namespace: acme}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: finance-editors, namespace: acme}
spec:
  members: [{user: ana@acme.example}]
  applicationAccess: [{application: finance, role: Editor}]
  notification: {mode: Disabled, channels: [mail]}
`

// caller is a user, with whether the user may access the system namespace and write.
type caller struct {
	flags               string
	readsSystem, writes bool
}

// pluginCommands are one call of each command on the manifests above. FILE stands for a file with them.
var pluginCommands = []struct {
	line string
	// writes is true if the call requires write permissions.
	writes bool
	// whole is true if there is no answer at all without the system namespace.
	whole bool
}{
	{line: "list ana@acme.example"},
	{line: "explain ana@acme.example"},
	{line: "who-can finance"},
	{line: "matrix"},
	{line: "report -o json"},
	{line: "export"},
	{line: "can ana@acme.example finance edit", whole: true},
	{line: "diff -f FILE", whole: true},
	{line: "notify -g finance-editors --dry-run=client", writes: true},
	{line: "members add ben@acme.example -g finance-editors --dry-run=server", writes: true},
	{line: "members remove ana@acme.example -g finance-editors --dry-run=server", writes: true},
	{line: "set-role -g finance-editors -a finance --role Viewer --dry-run=server", writes: true},
	{line: "remove-role -g finance-editors -a finance --dry-run=server", writes: true},
	{line: "import CSV --apply --dry-run=server", writes: true},
}

// askEach runs every command of the plugin as the caller. The API server may need a moment to apply new permissions.
func askEach(ctx context.Context, who caller) {
	GinkgoHelper()
	directory := GinkgoT().TempDir()
	file, table := filepath.Join(directory, "finance.yaml"), filepath.Join(directory, "finance.csv")
	Expect(os.WriteFile(file, []byte(financeManifests), 0o600)).To(Succeed())
	Expect(os.WriteFile(table, []byte("record,group,user\nmember,finance-editors,cleo@acme.example\n"), 0o600)).To(Succeed())
	for _, c := range pluginCommands {
		line := strings.NewReplacer("FILE", file, "CSV", table).Replace(c.line) + " -n acme " + who.flags
		want := 0
		switch {
		case c.writes && !who.writes && !strings.HasPrefix(c.line, "notify"):
			want = 1 // refused by the dry run
		case c.writes:
		case c.whole && !who.readsSystem:
			want = 2
		case !who.readsSystem:
			want = 1 // answered, and reported as incomplete
		}
		var got answer
		Eventually(func() int { got = ask(ctx, "%s", line); return got.code }).WithContext(ctx).Should(Equal(want), "%s", line)
		if !c.whole || who.readsSystem {
			// diff prints nothing if nothing differs.
			Expect(got.out+got.errOut).NotTo(BeEmpty(), line)
			Expect(got.out != "" || strings.HasPrefix(c.line, "diff")).To(BeTrue(), line)
		}
		incomplete := ContainSubstring("what the system namespace gives and takes is left out")
		if who.readsSystem {
			Expect(got.errOut).NotTo(incomplete, line)
		} else {
			Expect(got.errOut).To(incomplete, line)
		}
	}
}

var _ = Describe("The printed roles", Ordered, func() {
	const (
		tenantFlags  = "--as clara@acme.example --as-group finance-team"
		applierFlags = "--as system:serviceaccount:acme-gitops:access-applier"
	)
	var blocks []string

	BeforeAll(func(ctx SpecContext) {
		blocks = printedRoles()
		Expect(blocks).To(HaveLen(4), "the tenant, the tenant of named groups, the account of GitOps, the reader of the system namespace")
		suite.CreateNamespace(ctx, kube, "acme", nil)
		apply(ctx, "somebody", financeManifests)
		DeferCleanup(func(ctx SpecContext) {
			for _, name := range []string{"acme", "acme-gitops"} {
				suite.DeleteNamespace(ctx, kube, name)
			}
			_, err := plane.Kubectl(ctx, "delete", "--ignore-not-found", "-n", "access-system", "role,rolebinding", "access-reader")
			Expect(err).NotTo(HaveOccurred())
		})
	})

	It("let a tenant of one application use every command", func(ctx SpecContext) {
		apply(ctx, "somebody", blocks[0])
		askEach(ctx, caller{flags: tenantFlags, writes: true})
	}, SpecTimeout(patience*2))

	It("let a tenant of named groups use every command", func(ctx SpecContext) {
		apply(ctx, "somebody", blocks[1])
		Eventually(func() string {
			// kubectl exits with 1 if the answer is no.
			out, _ := plane.Kubectl(ctx, append(strings.Fields("auth can-i create accessgroups.access.usher.dev -n acme"), strings.Fields(tenantFlags)...)...)
			return out
		}).WithContext(ctx).Should(HavePrefix("no"))
		askEach(ctx, caller{flags: tenantFlags, writes: true})
	}, SpecTimeout(patience*2))

	It("let the account of a GitOps tool use every command", func(ctx SpecContext) {
		apply(ctx, "somebody", blocks[2])
		askEach(ctx, caller{flags: applierFlags, writes: true})
	}, SpecTimeout(patience*2))

	It("give complete answers to callers who may also read the system namespace", func(ctx SpecContext) {
		apply(ctx, "somebody", blocks[3])
		askEach(ctx, caller{flags: tenantFlags, readsSystem: true, writes: true})
		askEach(ctx, caller{flags: applierFlags, readsSystem: true, writes: true})
	}, SpecTimeout(patience*4))

	It("are four ClusterRoles that the plugin works with as well", func(ctx SpecContext) {
		for role, who := range map[string]caller{
			"usher-organization-administrator": {writes: true},
			"usher-organization-editor":        {writes: true},
			"usher-auditor":                    {},
			"usher-super-administrator":        {writes: true, readsSystem: true},
		} {
			who.flags = "--as " + role
			binding := "rolebinding"
			args := []string{"create", binding, "is-" + role, "--clusterrole=" + role, "--user=" + role, "-n", "acme"}
			if who.readsSystem {
				args = []string{"create", "clusterrolebinding", "is-" + role, "--clusterrole=" + role, "--user=" + role}
				DeferCleanup(func(ctx SpecContext) {
					_, err := plane.Kubectl(ctx, "delete", "clusterrolebinding", "is-"+role)
					Expect(err).NotTo(HaveOccurred())
				})
			}
			_, err := plane.Kubectl(ctx, args...)
			Expect(err).NotTo(HaveOccurred(), fmt.Sprint(args))
			askEach(ctx, who)
		}
	}, SpecTimeout(patience*6))
})
