package integration_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const organizationsPolicy = "ValidatingAdmissionPolicy 'usher-organization-labels'"

// namespaceWriter returns a client of a user of the groups who may write namespaces and holds no other right by name.
func namespaceWriter(ctx context.Context, user string, groups ...string) client.Client {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Name: "namespace-writer-" + user}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"namespaces", "namespaces/finalize", "namespaces/status"},
		Verbs: []string{"create", "get", "patch", "update"},
	}}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
	}
	for _, o := range []client.Object{role, binding} {
		Expect(kube.Create(ctx, o)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) error { return kube.Delete(ctx, o) }) //nolint:contextcheck // a cleanup has its own context
	}
	config := plane.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	made, err := client.New(config, client.Options{Scheme: kube.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	eventually(ctx, func(ctx context.Context) error {
		return made.Patch(ctx, namespaceNamed("default"), client.RawPatch("application/merge-patch+json", []byte("{}")))
	})
	return made
}

func namespaceNamed(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

var _ = Describe("Labels of namespaces under access.usher.dev/", func() {
	const enabled = `{metadata: {labels: {access.usher.dev/organization: enabled}}}`

	It("are kept for those who may label organizations, with Usher down", func(ctx SpecContext) {
		writer := namespaceWriter(ctx, "writer")
		labeller := namespaceWriter(ctx, "labeller", "usher-organization-labellers")
		o := newOrganization(ctx)
		Expect(manager.Stop()).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { manager.Start(ctx) })

		By("refusing every way to set, change or remove such a label")
		eventually(ctx, func(ctx context.Context) error {
			return refused(patchAs(ctx, writer, namespaceNamed(o.name), enabled), organizationsPolicy)
		})
		now(ctx, func(ctx context.Context) error {
			made := namespaceNamed(o.name + "-new")
			made.Labels = map[string]string{"access.usher.dev/tier": "gold"}
			return refused(writer.Create(ctx, made, client.DryRunAll), organizationsPolicy)
		})
		for _, subresource := range []string{"status", "finalize"} {
			changed := namespaceNamed(o.name)
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(changed), changed)).To(Succeed())
			changed.Labels["access.usher.dev/organization"] = "enabled"
			err := writer.SubResource(subresource).Update(ctx, changed)
			stored := namespaceNamed(o.name)
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
			Expect(stored.Labels).NotTo(HaveKey("access.usher.dev/organization"), subresource)
			Expect(refused(err, organizationsPolicy)).To(Succeed(), subresource)
		}
		Expect(patchAs(ctx, labeller, namespaceNamed(o.name), enabled)).To(Succeed())
		for _, value := range []string{"null", "disabled"} {
			now(ctx, func(ctx context.Context) error {
				change := fmt.Sprintf("{metadata: {labels: {access.usher.dev/organization: %s}}}", value)
				return refused(patchAs(ctx, writer, namespaceNamed(o.name), change), organizationsPolicy)
			})
		}
		err := patchAs(ctx, writer, namespaceNamed(o.name), `{metadata: {labels: {access.usher.dev/tier: gold}}}`)
		Expect(err).To(MatchError(ContainSubstring(
			"Namespace " + o.name + ": label access.usher.dev/tier decides who has access, and writer may not change it")))

		By("leaving other labels, and everything else, to those who may write the namespace")
		Expect(patchAs(ctx, writer, namespaceNamed(o.name), `{metadata: {labels: {team: one}, annotations: {a: b}}}`)).To(Succeed())
		Expect(writer.Create(ctx, namespaceNamed(o.name+"-new"), client.DryRunAll)).To(Succeed())
		Expect(patchAs(ctx, labeller, namespaceNamed(o.name), `{metadata: {labels: {access.usher.dev/organization: null}}}`)).To(Succeed())
	})

	It("may be changed by cluster administrators, and by name of the namespace", func(ctx SpecContext) {
		o := newOrganization(ctx)
		writer := namespaceWriter(ctx, "writer")
		eventually(ctx, func(ctx context.Context) error {
			return refused(patchAs(ctx, writer, namespaceNamed(o.name), enabled), organizationsPolicy)
		})
		meta := metav1.ObjectMeta{Name: "labeller-of-one"}
		for _, made := range []client.Object{
			&rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
				APIGroups: []string{"grants.access.usher.dev"}, Resources: []string{"organizations"},
				ResourceNames: []string{o.name}, Verbs: []string{"label"},
			}}},
			&rbacv1.ClusterRoleBinding{
				ObjectMeta: meta, Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "writer"}},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
			},
		} {
			Expect(kube.Create(ctx, made)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(kube.Delete(ctx, made)).To(Succeed()) })
		}
		eventually(ctx, func(ctx context.Context) error { return patchAs(ctx, writer, namespaceNamed(o.name), enabled) })
		other := newOrganization(ctx)
		now(ctx, func(ctx context.Context) error {
			return refused(patchAs(ctx, writer, namespaceNamed(other.name), enabled), organizationsPolicy)
		})
		Expect(patchAs(ctx, clusterAdmin(ctx), namespaceNamed(other.name), enabled)).To(Succeed())
	})
})
