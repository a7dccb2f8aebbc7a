package plugin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A prune of thirty groups under a revocation limit", func() {
	It("passes as a whole with the total that diff says, on every group", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		policy := fmt.Sprintf("apiVersion: access.usher.dev/v1alpha1\nkind: AccessPolicy\n"+
			"metadata: {name: default, namespace: %s}\nspec: {revocationLimit: {users: 5}}\n", organization)
		var groups []string
		for i := range 30 {
			groups = append(groups, manifest(organization, fmt.Sprintf("temporary-%02d", i), fmt.Sprintf("user-%02d}, {user: other-%02d", i, i), "Viewer"))
		}
		apply(ctx, "somebody", policy+"---\n"+strings.Join(groups, ""))
		waitReady(ctx, organization)
		names := func() string {
			out, err := plane.Kubectl(ctx, "get", "accessgroups", "-n", organization, "-l", "team=finance", "-o", "name")
			Expect(err).NotTo(HaveOccurred())
			return out
		}

		By("asking for the total on the branch that has none of them")
		file := filepath.Join(GinkgoT().TempDir(), "policy.yaml")
		Expect(os.WriteFile(file, []byte(policy), 0o600)).To(Succeed())
		said := ask(ctx, "diff -f %s --prune -n %s", file, organization)
		Expect(said.out).To(ContainSubstring(organization + ": 60 users lose all access to application red"))
		Expect(said.out).To(MatchRegexp(`allow-revocation: "60@[0-9TZ:-]+"`))

		By("annotating all of them in one step, and deleting them one after the other")
		_, err := plane.Kubectl(ctx, "annotate", "accessgroups", "-n", organization, "-l", "team=finance",
			"access.usher.dev/allow-revocation=60@2999-01-01T00:00:00Z")
		Expect(err).NotTo(HaveOccurred())
		_, err = plane.Kubectl(ctx, "delete", "accessgroups", "-n", organization, "-l", "team=finance")
		Expect(err).NotTo(HaveOccurred())
		Expect(names()).To(BeEmpty())
	}, SpecTimeout(patience*3))

	It("is refused after the limit without it", func(ctx SpecContext) {
		organization := newOrganization(ctx)
		policy := fmt.Sprintf("apiVersion: access.usher.dev/v1alpha1\nkind: AccessPolicy\n"+
			"metadata: {name: default, namespace: %s}\nspec: {revocationLimit: {users: 1}}\n---\n", organization)
		apply(ctx, "somebody", policy+manifest(organization, "a", "ana}, {user: ben", "Viewer"))
		waitReady(ctx, organization)
		_, err := plane.Kubectl(ctx, "delete", "accessgroups", "-n", organization, "a")
		Expect(err).To(MatchError(ContainSubstring(`access.usher.dev/allow-revocation: "2@`)))
	}, SpecTimeout(patience))
})
