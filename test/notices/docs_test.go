package notices_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

var _ = Describe("docs/notices.md", func() {
	It("has examples that the API server accepts, with channels that Usher understands", func(ctx SpecContext) {
		text, err := os.ReadFile(filepath.Join(root, "docs", "notices.md"))
		Expect(err).NotTo(HaveOccurred())
		examples := yamlBlock.FindAllStringSubmatch(string(text), -1)
		Expect(len(examples)).To(BeNumerically(">=", 5))
		acme := newOrganization(ctx)
		for _, example := range examples {
			// The namespace of the examples belongs to another spec.
			manifests := strings.ReplaceAll(example[1], "namespace: acme", "namespace: "+acme.name)
			_, err := plane.KubectlInput(ctx, strings.NewReader(manifests), "apply", "--server-side", "--force-conflicts", "-f", "-")
			Expect(err).NotTo(HaveOccurred(), example[1])
		}
		acme.waitReady(ctx, "accessgroup", "france")
	}, NodeTimeout(2*patience))
})

var _ = Describe("kubectl access notify", func() {
	It("shows the recipients, asks, and sends the notices", func(ctx SpecContext) {
		program := filepath.Join(GinkgoT().TempDir(), "kubectl-access")
		build := exec.CommandContext(ctx, "go", "build", "-C", root, "-o", program, "./cmd/kubectl-access")
		out, err := build.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		server := newMailServer()
		acme := newOrganization(ctx)
		acme.mailPolicy(ctx, server)
		acme.apply(ctx, "AccessGroup", "france", viewers+silent(mailed))
		acme.waitReady(ctx, "accessgroup", "france")
		acme.waitTracked(ctx)
		notify := func(stdin string) string {
			command := exec.CommandContext(ctx, program, "notify", "--group=france", "--namespace="+acme.name)
			command.Env = append(os.Environ(), "KUBECONFIG="+plane.KubeconfigPath())
			command.Stdin = strings.NewReader(stdin)
			text, _ := command.CombinedOutput() // the test checks the output and the effect
			return string(text)
		}
		Expect(notify("n\n")).To(And(ContainSubstring("Together 2 people."), ContainSubstring("Tell 2 people of their access? [y/N]"),
			ContainSubstring("nothing was written")))
		Expect(notify("y\n")).To(ContainSubstring("AccessGroup/" + acme.name + "/france: applied"))
		Eventually(server.recipients).WithContext(ctx).Should(Equal(both))
		Expect(server.subjectsTo(both[0])).To(Equal([]string{"Your access in " + acme.name}))
	}, NodeTimeout(2*patience))
})
