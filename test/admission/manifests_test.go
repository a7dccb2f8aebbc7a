package admission_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/usher-dev/usher/test/suite"
)

// directory returns the manifests of a sample, without its namespace and other files, moved to an organization.
func directory(sample, organization string) []string {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", sample, "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	moved := GinkgoT().TempDir()
	var paths []string
	for _, file := range files {
		name := filepath.Base(file)
		if name == "kustomization.yaml" || strings.HasPrefix(name, "namespace") {
			continue
		}
		content, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		text := string(content)
		for from, to := range map[string]string{
			"namespace: analytics": "namespace: " + organization, "namespace: security-emea": "namespace: " + organization,
			"namespace: security-apac": "namespace: " + organization + "-2", "organization: security-emea": "organization: " + organization,
			"organization: security-apac": "organization: " + organization + "-2",
		} {
			text = strings.ReplaceAll(text, from, to)
		}
		path := filepath.Join(moved, name)
		Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
		paths = append(paths, path)
	}
	return paths
}

var _ = Describe("A directory of manifests", func() {
	DescribeTable("applies at first try, in any order of its files:", func(ctx SpecContext, sample string) {
		for turn := range len(directory(sample, "any")) + 1 {
			organization := newOrganization(ctx)
			suite.CreateNamespace(ctx, kube, organization+"-2", nil)
			DeferCleanup(suite.DeleteNamespace, kube, organization+"-2")
			paths := directory(sample, organization)
			if turn == len(paths) {
				slices.Reverse(paths)
			} else {
				paths = append(slices.Clone(paths[turn:]), paths[:turn]...)
			}
			By(fmt.Sprintf("applying %v", paths))
			args := []string{"apply"}
			for _, path := range paths {
				args = append(args, "--filename="+path)
			}
			said, err := kubectl(ctx, "", args...)
			Expect(err).NotTo(HaveOccurred())
			Expect(said.stdout).NotTo(ContainSubstring("unchanged"))

			By("applying it again, to no effect")
			said, err = kubectl(ctx, "", args...)
			Expect(err).NotTo(HaveOccurred())
			Expect(said.stdout).NotTo(Or(ContainSubstring("created"), ContainSubstring("configured")))

			By("deleting it")
			args[0] = "delete"
			_, err = kubectl(ctx, "", args...)
			Expect(err).NotTo(HaveOccurred())
		}
	},
		Entry("analytics", "analytics", SpecTimeout(longest)),
		Entry("security", "security", SpecTimeout(longest)),
	)

	It("applies with its namespaces as one, and goes again", func(ctx SpecContext) {
		samples := filepath.Join("..", "..", "config", "samples")
		for _, sample := range []string{"analytics", "security"} {
			// All specs use the system namespace, so it stays.
			DeferCleanup(func(ctx SpecContext) {
				_, err := kubectl(ctx, "", "delete", "--ignore-not-found", "--wait=false", "--kustomize="+filepath.Join(samples, sample))
				Expect(err).NotTo(HaveOccurred())
			})
			_, err := kubectl(ctx, "", "apply", "--kustomize="+filepath.Join(samples, sample))
			Expect(err).NotTo(HaveOccurred())
		}
	}, SpecTimeout(longest))
})

var _ = Describe("An organization with a last administrator and a protected group", func() {
	const protected = administered + "---\n" + `
AccessGroup kept
metadata: {labels: {access.usher.dev/protected: "true"}}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: finance, role: Viewer}]
---
ApplicationAccess finance
---
AccessPolicy default
spec: {crossObjectChecks: Deny, revocationLimit: {users: 1}}
`

	DescribeTable("goes with its namespace", func(ctx SpecContext, up bool) {
		organization, granter := newGranter(ctx)
		declare(ctx, organization, protected)
		refused(granter.try(ctx, organization, "delete AccessGroup bosses"))
		if !up {
			Expect(manager.Stop()).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { manager.Start(ctx) })
		}
		_, err := kubectl(ctx, "", "delete", "namespace", organization, "--timeout=30s")
		Expect(err).NotTo(HaveOccurred())
	},
		Entry("while the manager is up", true, SpecTimeout(longest)),
		Entry("while the manager is stopped", false, SpecTimeout(longest)),
	)
})
