package gitops_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

var _ = Describe("Under kustomize-controller, the manifests of docs/gitops.md", Ordered, func() {
	var (
		flux           *fluxController
		platform, team *repository
		platformSource = client.ObjectKey{Namespace: fluxNamespace, Name: "platform"}
		teamSource     = client.ObjectKey{Namespace: "acme-gitops", Name: "access"}
		teamTree       = client.ObjectKey{Namespace: "acme-gitops", Name: "access-acme"}
		policies       = client.ObjectKey{Namespace: fluxNamespace, Name: "access-policies"}
		manifests      []*unstructured.Unstructured
		revision       string
	)
	const organization = "acme"
	tree := func(role string) string {
		return fmt.Sprintf(`
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: finance, namespace: %[1]s}
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: france, namespace: %[1]s}
spec:
  members: [{user: amelie@acme.example}]
  applicationAccess: [{application: finance, role: %[2]s}]
`, organization, role)
	}

	// groups returns groups with one member and a role in finance, by name and role.
	groups := func(namesAndRoles ...string) string {
		var text string
		for i := 0; i < len(namesAndRoles); i += 2 {
			text += fmt.Sprintf(`---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  members: [{user: bruno@acme.example}]
  applicationAccess: [{application: finance, role: %[3]s}]
`, organization, namesAndRoles[i], namesAndRoles[i+1])
		}
		return text
	}
	group := func(name string) *unstructured.Unstructured { return access("AccessGroup", organization, name) }

	BeforeAll(func(ctx SpecContext) {
		flux = startFlux(ctx)
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, organization, "acme-gitops") })
		platform, team = newRepository(ctx), newRepository(ctx)
		platform.addInstallation("usher")
		platform.write("access/policies/access.yaml", fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: {access.usher.dev/organization: enabled}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessPolicy
metadata: {name: default, namespace: %[1]s}
spec: {}
`, organization))
		// The platform team creates the account with which the organization's tree is applied.
		platform.write("access/policies/account.yaml", textOf(applier()...))
		platform.commit(ctx, "Usher, its policies, and the account")
		team.write("access.yaml", tree("Editor"))
		team.commit(ctx, "Who has access")
		manifests = printed("gitops.md", "GitRepository", "Kustomization")
	})

	It("are applied as printed, and ready when the documents are published", func(ctx SpecContext) {
		applied := map[client.ObjectKey]bool{}
		for _, each := range manifests {
			if key := client.ObjectKeyFromObject(each); each.GetKind() != "Kustomization" || !applied[key] {
				Eventually(func() error { // until the platform team's tree has created the namespace
					_, err := plane.KubectlInput(ctx, strings.NewReader(textOf(each)), "apply", "-f", "-")
					return err
				}).WithContext(ctx).Should(Succeed(), subject(each))
				applied[key] = each.GetKind() == "Kustomization"
			}
			switch {
			case each.GetKind() == "GitRepository" && client.ObjectKeyFromObject(each) == platformSource:
				revision = flux.publish(ctx, platform, platformSource)
			case each.GetKind() == "GitRepository":
				Expect(client.ObjectKeyFromObject(each)).To(Equal(teamSource))
				flux.publish(ctx, team, teamSource)
			}
		}
		flux.expectReady(ctx, client.ObjectKey{Namespace: fluxNamespace, Name: "usher"}, revision)
		flux.expectReady(ctx, policies, revision)
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		Expect(role(ctx, organization, "finance", "amelie@acme.example")).To(Equal("Editor"))
		Expect(flux.inventory(ctx, teamTree)).To(Equal([]string{
			"AccessGroup/acme/france", "ApplicationAccess/acme/finance",
		}))
	})

	It("apply as the account that docs/security.md prints, which cannot give more than it may", func(ctx SpecContext) {
		team.write("access.yaml", tree("Administrator"))
		team.commit(ctx, "More than the account may give")
		message := flux.expectFailed(ctx, teamTree, flux.publish(ctx, team, teamSource))
		Expect(message).To(And(
			ContainSubstring("AccessGroup/acme/france dry-run failed"),
			ContainSubstring(`system:serviceaccount:acme-gitops:access-applier`),
			ContainSubstring("Administrator")))
		Expect(role(ctx, organization, "finance", "amelie@acme.example")).To(Equal("Editor"))
		team.revert(ctx)
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
	})

	It("leave a group behind with Deny: an object that was applied before a refusal is in no inventory", func(ctx SpecContext) {
		platform.edit("access/policies/access.yaml", "spec: {}", "spec: {crossObjectChecks: Deny}")
		platform.commit(ctx, "Refuse conflicts")
		flux.expectReady(ctx, policies, flux.publish(ctx, platform, platformSource))

		// Apply conflicting groups one after the other until admission has seen the first; a few may pass before that.
		conflicting := []string{"one", "Editor"}
		for n := range 10 {
			conflicting = append(conflicting, fmt.Sprintf("two-%d", n), "Viewer")
		}
		team.write("more.yaml", groups(conflicting...))
		team.commit(ctx, "Groups that conflict")
		Expect(flux.expectFailed(ctx, teamTree, flux.publish(ctx, team, teamSource))).To(And(
			ContainSubstring("AccessGroup/acme/two-"), ContainSubstring("role conflict of bruno@acme.example")))
		team.revert(ctx)
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		Expect(flux.inventory(ctx, teamTree)).NotTo(ContainElement("AccessGroup/acme/one"))
		Expect(live(ctx, group("one")).GetLabels()).To(HaveKeyWithValue(fluxGroup+"/name", teamTree.Name))
		Eventually(func() string { return role(ctx, organization, "finance", "bruno@acme.example") }).WithContext(ctx).ShouldNot(BeEmpty())

		By("deleting by hand what passed before the refusal")
		for n := range 10 {
			_, err := plane.Kubectl(ctx, "delete", "--ignore-not-found", "--namespace="+organization,
				"accessgroups.access.usher.dev", fmt.Sprintf("two-%d", n))
			Expect(err).NotTo(HaveOccurred())
		}
		By("committing it alone, and removing it in the next commit")
		team.write("more.yaml", groups("one", "Editor"))
		team.commit(ctx, "Take the first group back into the inventory")
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		team.revert(ctx)
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		expectGone(ctx, group("one"))
		Eventually(func() string { return role(ctx, organization, "finance", "bruno@acme.example") }).WithContext(ctx).Should(BeEmpty())
	})

	It("leave nothing behind with Warn", func(ctx SpecContext) {
		platform.edit("access/policies/access.yaml", "crossObjectChecks: Deny", "crossObjectChecks: Warn")
		platform.commit(ctx, "Warn of conflicts")
		flux.expectReady(ctx, policies, flux.publish(ctx, platform, platformSource))

		team.write("more.yaml", groups("one", "Editor", "two", "Viewer"))
		team.commit(ctx, "Two groups that conflict")
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		Expect(role(ctx, organization, "finance", "bruno@acme.example")).To(Equal("Viewer"), "the most restrictive role")
		team.revert(ctx)
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		expectGone(ctx, group("one"))
		expectGone(ctx, group("two"))
	})

	// sixGroups returns a group for each of six users. Only they have access to the application: the revocation limit
	// counts the users who lost access to it within ten minutes, by earlier specs too.
	sixGroups := func() string {
		var text string
		for n := range 6 {
			text += fmt.Sprintf(`---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: prune-%[2]d, namespace: %[1]s}
spec:
  members: [{user: user-%[2]d@acme.example}]
  applicationAccess: [{application: pruned, role: Viewer}]
`, organization, n)
		}
		return text
	}
	annotateAll := func(ctx context.Context) {
		GinkgoHelper()
		_, err := plane.Kubectl(ctx, "annotate", "--overwrite", "accessgroups.access.usher.dev", "--namespace="+organization,
			"--selector="+fluxGroup+"/name="+teamTree.Name,
			accessv1alpha1.AnnotationAllowRevocation+"=30@"+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		Expect(err).NotTo(HaveOccurred())
	}
	isPruned := func(name string) bool { return strings.HasPrefix(name, "AccessGroup/acme/prune-") }

	It("prune up to the revocation limit, and all of it in two commits", func(ctx SpecContext) {
		platform.edit("access/policies/access.yaml", "crossObjectChecks: Warn", "revocationLimit: {users: 3}")
		platform.commit(ctx, "Limit revocations")
		flux.expectReady(ctx, policies, flux.publish(ctx, platform, platformSource))
		team.write("more.yaml", sixGroups())
		team.commit(ctx, "Six groups")
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))

		By("deleting all of them in one commit")
		team.remove("more.yaml")
		team.commit(ctx, "No groups")
		Expect(flux.expectFailed(ctx, teamTree, flux.publish(ctx, team, teamSource))).To(And(
			ContainSubstring("would lose all access to application pruned"),
			ContainSubstring(accessv1alpha1.AnnotationAllowRevocation)))
		Eventually(func() int {
			left := 0
			for n := range 6 {
				if _, err := find(ctx, group(fmt.Sprintf("prune-%d", n))); err == nil {
					left++
				}
			}
			return left
		}).WithContext(ctx).Should(And(BeNumerically(">", 0), BeNumerically("<", 6)), "it prunes up to the limit")

		By("annotating what is left, and asking for a reconciliation")
		annotateAll(ctx)
		flux.request(ctx, teamTree)
		for n := range 6 {
			expectGone(ctx, group(fmt.Sprintf("prune-%d", n)))
		}
		Eventually(func() []string { return flux.inventory(ctx, teamTree) }).WithContext(ctx).ShouldNot(ContainElement(Satisfy(isPruned)))

		By("annotating in one commit, by the kustomization as printed, and deleting in the next")
		team.write("project/groups.yaml", sixGroups())
		team.write("project/kustomization.yaml", printedPatch(time.Now().Add(time.Hour)))
		team.commit(ctx, "Six groups that may go")
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		team.remove("project")
		team.commit(ctx, "No groups")
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		for n := range 6 {
			expectGone(ctx, group(fmt.Sprintf("prune-%d", n)))
		}
	})

	It("also work with health checks instead of wait", func(ctx SpecContext) {
		var variants int
		for _, each := range manifests {
			if each.GetKind() != "Kustomization" || client.ObjectKeyFromObject(each) != teamTree {
				continue
			}
			if variants++; variants == 1 {
				continue // the one that waits, which exists
			}
			_, err := plane.KubectlInput(ctx, strings.NewReader(textOf(each)), "apply", "-f", "-")
			Expect(err).NotTo(HaveOccurred())
			team.write("access.yaml", tree("Viewer"))
			team.commit(ctx, "Amelie only looks")
			flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
			Eventually(func() string { return role(ctx, organization, "finance", "amelie@acme.example") }).
				WithContext(ctx).Should(Equal("Viewer"))
		}
		Expect(variants).To(Equal(2))
	})

	It("are terminating while the revocation limit holds, until all objects are annotated", func(ctx SpecContext) {
		team.write("more.yaml", sixGroups())
		team.commit(ctx, "Six groups")
		flux.expectReady(ctx, teamTree, flux.publish(ctx, team, teamSource))
		tree := &kustomizev1.Kustomization{}
		Expect(kube.Get(ctx, teamTree, tree)).To(Succeed())
		Expect(kube.Delete(ctx, tree)).To(Succeed())
		Eventually(flux.program.LogTail).WithContext(ctx).Should(ContainSubstring("would lose all access"))
		Expect(kube.Get(ctx, teamTree, tree)).To(Succeed())
		Expect(tree.DeletionTimestamp).NotTo(BeNil())
		Expect(apimeta.IsStatusConditionTrue(tree.Status.Conditions, fluxmeta.ReadyCondition)).To(BeTrue(), "it says nothing")

		annotateAll(ctx)
		flux.request(ctx, teamTree)
		Eventually(func() bool { return apierrors.IsNotFound(kube.Get(ctx, teamTree, tree)) }).WithContext(ctx).Should(BeTrue())
		for n := range 6 {
			expectGone(ctx, group(fmt.Sprintf("prune-%d", n)))
		}
	})
})

// printedPatch returns the kustomization in docs/gitops.md that annotates groups before their deletion, with a future
// deadline.
func printedPatch(deadline time.Time) string {
	GinkgoHelper()
	for _, b := range block.FindAllStringSubmatch(read(GinkgoTB(), filepath.Join("..", "..", "docs", "gitops.md")), -1) {
		if strings.Contains(b[1], "commonAnnotations") {
			const printed = "2027-02-01T18:00:00Z"
			Expect(strings.Count(b[1], printed)).To(Equal(1))
			return strings.Replace(b[1], printed, deadline.UTC().Format(time.RFC3339), 1)
		}
	}
	Fail("docs/gitops.md prints no such kustomization")
	return ""
}

func expectGone(ctx context.Context, object *unstructured.Unstructured) {
	GinkgoHelper()
	Eventually(func() bool {
		_, err := find(ctx, object)
		return apierrors.IsNotFound(err)
	}).WithContext(ctx).Should(BeTrue(), subject(object))
}

// applier returns the account in docs/security.md with which Flux applies an organization's tree, and its permissions.
func applier() []*unstructured.Unstructured {
	GinkgoHelper()
	found := printed("security.md", "Namespace", "ServiceAccount", "Role", "RoleBinding")
	return slices.DeleteFunc(found, func(u *unstructured.Unstructured) bool {
		return u.GetName() != "access-applier" && u.GetKind() != "Namespace"
	})
}

var _ = Describe("Argo CD's own definitions", func() {
	It("take every manifest of docs/gitops.md as printed", func(ctx SpecContext) {
		module := moduleDir(ctx, "test/gitops", "github.com/argoproj/argo-cd/v3")
		for _, file := range []string{"application-crd.yaml", "appproject-crd.yaml"} {
			installKinds(ctx, read(GinkgoTB(), filepath.Join(module, "manifests", "crds", file)))
		}
		kubectlApply(ctx, "{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}")
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, "argocd") })
		for _, each := range printed("gitops.md", "Application", "AppProject") {
			kubectlApply(ctx, textOf(each))
		}
	})
})
