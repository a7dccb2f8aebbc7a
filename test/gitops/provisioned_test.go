package gitops_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fluxcd/pkg/ssa"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

// startSCIM starts a SCIM server, which ends with the calling container.
func startSCIM(ctx context.Context) *cluster.SCIMClient {
	GinkgoHelper()
	directory, authorities, err := plane.SCIMCertificate(ctx)
	Expect(err).NotTo(HaveOccurred())
	server, err := plane.StartSCIM(ctx, cluster.ServerOptions{CertificateDir: directory})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Stop)
	scim, err := cluster.NewSCIMClient(server.Address(), authorities)
	Expect(err).NotTo(HaveOccurred())
	return scim
}

// identityProvider sends the requests of a service account of an organization.
type identityProvider struct {
	scim                *cluster.SCIMClient
	organization, token string
}

// newIdentityProvider makes an identity provider that may grant Viewer and Editor of finance. The namespace must exist.
func newIdentityProvider(ctx context.Context, scim *cluster.SCIMClient, organization string) *identityProvider {
	GinkgoHelper()
	token, err := plane.SCIMToken(ctx, organization, "entra")
	Expect(err).NotTo(HaveOccurred())
	kubectlApply(ctx, fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: entra-grants, namespace: %[1]s}
rules:
- {apiGroups: [grants.access.usher.dev], resources: [applicationroles/finance], resourceNames: [Viewer, Editor], verbs: [grant]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: entra-grants, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: entra-grants}
subjects: [{kind: ServiceAccount, name: entra, namespace: %[1]s}]
`, organization))
	return &identityProvider{scim, organization, token}
}

// send sends a request and expects the code.
func (p *identityProvider) send(ctx context.Context, code int, method, path string, body any) cluster.SCIMReply {
	GinkgoHelper()
	r, err := p.scim.Do(ctx, p.organization, p.token, method, path, body)
	Expect(err).NotTo(HaveOccurred())
	Expect(r.Code).To(Equal(code), "%s %s: %v", method, path, r.Body)
	return r
}

func (p *identityProvider) create(ctx context.Context, path string, body any) string {
	GinkgoHelper()
	return p.send(ctx, http.StatusCreated, http.MethodPost, path, body).Text("id")
}

func (p *identityProvider) member(ctx context.Context, operation, group, user string) {
	GinkgoHelper()
	p.send(ctx, http.StatusNoContent, http.MethodPatch, "/Groups/"+group,
		cluster.SCIMPatch(operation, "members", cluster.SCIMMembers(user)))
}

// members returns the members of a group.
func members(ctx context.Context, namespace, name string) []string {
	GinkgoHelper()
	group := &accessv1alpha1.AccessGroup{}
	Expect(kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, group)).To(Succeed())
	var users []string
	for _, each := range group.Spec.Members {
		users = append(users, string(each.User))
	}
	return users
}

// sharedTree returns the manifests of an organization: group france, whose members are provisioned in addition to those
// of git, and group spain and user carla, which belong to git alone.
func sharedTree(namespace, role, members string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: {access.usher.dev/organization: enabled}
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: finance, namespace: %[1]s}
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: france
  namespace: %[1]s
  annotations: {access.usher.dev/members: provisioned}
spec: {%[3]s applicationAccess: [{application: finance, role: %[2]s}]}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: spain, namespace: %[1]s}
spec: {members: [{user: carla@acme.example}], applicationAccess: [{application: finance, role: Viewer}]}
---
apiVersion: access.usher.dev/v1alpha1
kind: UserAccess
metadata: {name: carla, namespace: %[1]s}
spec: {user: carla@acme.example, displayName: Carla}
`, namespace, role, members)
}

const (
	anton = "anton@acme.example" // git's member of france
	berta = "berta@acme.example" // the identity provider's

	gitMember = "members: [{user: " + anton + "}],"
)

// refusesWhatGitDeclares sends requests for objects that only git declares.
func (p *identityProvider) refusesWhatGitDeclares(ctx context.Context, fieldManager, user string) {
	GinkgoHelper()
	refused := p.send(ctx, http.StatusConflict, http.MethodPost, "/Groups", cluster.SCIMGroup("Spain", user))
	Expect(refused.Text("detail")).To(And(ContainSubstring("AccessGroup "+p.organization+"/spain"), ContainSubstring(fieldManager),
		ContainSubstring("annotate it with access.usher.dev/members: provisioned")))
	found := p.send(ctx, http.StatusOK, http.MethodGet, "/Groups", nil)
	Expect(found.Body).To(HaveKeyWithValue("totalResults", BeEquivalentTo(2)), "france and sales")
	Expect(members(ctx, p.organization, "spain")).To(Equal([]string{"carla@acme.example"}))
}

var _ = Describe("Under Flux, a group whose members are provisioned", Ordered, func() {
	const namespace = "flux-provisioned"
	var (
		repo          *repository
		flux          *kustomization
		provider      *identityProvider
		user, france  string // ids
		sales         string
		declaredSales = fmt.Sprintf(`---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: sales
  namespace: %s
  annotations: {access.usher.dev/members: provisioned}
spec: {applicationAccess: [{application: finance, role: Viewer}]}
`, namespace)
	)
	commit := func(ctx context.Context, message, tree string) {
		GinkgoHelper()
		repo.write("access.yaml", tree)
		repo.commit(ctx, message)
	}
	reconcile := func(ctx context.Context) map[string]ssa.Action {
		GinkgoHelper()
		actions, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		return others(actions, ssa.UnchangedAction)
	}

	BeforeAll(func(ctx SpecContext) {
		repo = newRepository(ctx)
		flux = newKustomization(repo)
		repo.write("kustomization.yaml", "resources:\n- access.yaml\n")
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, namespace) })
		commit(ctx, "France and Spain", sharedTree(namespace, "Viewer", gitMember))
		reconcile(ctx)
		provider = newIdentityProvider(ctx, startSCIM(ctx), namespace)
		user = provider.create(ctx, "/Users", cluster.SCIMUser(berta))
		france = provider.create(ctx, "/Groups", cluster.SCIMGroup("France", user))
		sales = provider.create(ctx, "/Groups", cluster.SCIMGroup("Sales", user))
	})

	It("shows no drift, and keeps the members of both", func(ctx SpecContext) {
		Eventually(func() string { return role(ctx, namespace, "finance", berta) }).WithContext(ctx).Should(Equal("Viewer"))
		before := live(ctx, access("AccessGroup", namespace, "france")).GetGeneration()
		Expect(reconcile(ctx)).To(BeEmpty())
		Expect(members(ctx, namespace, "france")).To(ConsistOf(anton, berta))
		Expect(live(ctx, access("AccessGroup", namespace, "france")).GetGeneration()).To(Equal(before))
	})

	It("is changed by a commit, and by the identity provider, without losing what the other has written", func(ctx SpecContext) {
		commit(ctx, "France edits", sharedTree(namespace, "Editor", gitMember))
		Expect(reconcile(ctx)).To(Equal(map[string]ssa.Action{"AccessGroup/" + namespace + "/france": ssa.ConfiguredAction}))
		Expect(role(ctx, namespace, "finance", berta)).To(Equal("Editor"))

		provider.member(ctx, "Remove", france, user)
		Expect(reconcile(ctx)).To(BeEmpty())
		Expect(members(ctx, namespace, "france")).To(Equal([]string{anton}))
		provider.member(ctx, "Add", france, user)
		commit(ctx, "Anton leaves", sharedTree(namespace, "Editor", ""))
		Expect(reconcile(ctx)).To(Equal(map[string]ssa.Action{"AccessGroup/" + namespace + "/france": ssa.ConfiguredAction}))
		Expect(members(ctx, namespace, "france")).To(Equal([]string{berta}))
	})

	It("leaves the objects of git alone to git", func(ctx SpecContext) {
		provider.refusesWhatGitDeclares(ctx, "kustomize-controller", user)
		Expect(reconcile(ctx)).To(BeEmpty())
	})

	It("may be provisioned before it is declared", func(ctx SpecContext) {
		commit(ctx, "Sales", sharedTree(namespace, "Editor", "")+declaredSales)
		Expect(reconcile(ctx)).To(Equal(map[string]ssa.Action{"AccessGroup/" + namespace + "/sales": ssa.ConfiguredAction}))
		Expect(members(ctx, namespace, "sales")).To(Equal([]string{berta}))
		provider.member(ctx, "Remove", sales, user)
		Expect(reconcile(ctx)).To(BeEmpty())
		provider.member(ctx, "Add", sales, user)

		By("deleting it in the identity provider, which leaves it to git")
		provider.send(ctx, http.StatusNoContent, http.MethodDelete, "/Groups/"+sales, nil)
		Expect(members(ctx, namespace, "sales")).To(BeEmpty())
		Expect(reconcile(ctx)).To(BeEmpty())
	})

	It("goes with its members if a commit removes it, and gives nothing if it is provisioned again", func(ctx SpecContext) {
		commit(ctx, "Neither France nor Spain", fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s, labels: {access.usher.dev/organization: enabled}}
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: finance, namespace: %[1]s}
spec: {}
`, namespace))
		Expect(reconcile(ctx)).To(HaveKeyWithValue("AccessGroup/"+namespace+"/france", ssa.DeletedAction))
		Eventually(func() string { return role(ctx, namespace, "finance", berta) }).WithContext(ctx).Should(BeEmpty())
		provider.send(ctx, http.StatusNotFound, http.MethodPatch, "/Groups/"+france,
			cluster.SCIMPatch("Add", "members", cluster.SCIMMembers(user)))
		provider.create(ctx, "/Groups", cluster.SCIMGroup("France", user))
		Expect(reconcile(ctx)).To(BeEmpty())
		Expect(live(ctx, access("AccessGroup", namespace, "france")).Object["spec"]).NotTo(HaveKey("applicationAccess"))
	})
})

// A group whose members are provisioned is compared in each of the ways of Argo CD. Only a server-side apply merges the
// members of git with those of an identity provider.
func provisionedUnderArgoCD(name, namespace string, serverSide bool, gitMembers string, compared ...string) bool {
	return Describe("Under Argo CD, a group whose members are provisioned and that is "+name, Ordered, func() {
		var (
			repo     *repository
			argo     *application
			provider *identityProvider
			user     string
			want     = []string{berta}
		)

		BeforeAll(func(ctx SpecContext) {
			if gitMembers != "" {
				want = append(want, anton)
			}
			repo = newRepository(ctx)
			repo.write("kustomization.yaml", "resources:\n- access.yaml\n")
			repo.write("access.yaml", sharedTree(namespace, "Viewer", gitMembers))
			repo.commit(ctx, "France and Spain")
			argo = newApplication(repo, namespace, serverSide)
			DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, namespace) })
			Expect(failed(argo.sync(ctx))).To(BeEmpty())
			provider = newIdentityProvider(ctx, startSCIM(ctx), namespace)
			user = provider.create(ctx, "/Users", cluster.SCIMUser(berta))
			provider.create(ctx, "/Groups", cluster.SCIMGroup("France", user))
			provider.create(ctx, "/Groups", cluster.SCIMGroup("Sales", user))
		})

		for _, way := range compared {
			It("shows no difference, compared "+way, func(ctx SpecContext) {
				expectNoDifference(ctx, argo.desired(ctx), diffs()[way]...)
			})
		}

		It("keeps its members when it is synced again, and when a commit changes it", func(ctx SpecContext) {
			before := live(ctx, access("AccessGroup", namespace, "france")).GetGeneration()
			results := argo.sync(ctx)
			Expect(failed(results)).To(BeEmpty())
			Expect(pruned(results)).To(BeEmpty())
			Expect(live(ctx, access("AccessGroup", namespace, "france")).GetGeneration()).To(Equal(before))
			repo.write("access.yaml", sharedTree(namespace, "Editor", gitMembers))
			repo.commit(ctx, "France edits")
			Expect(failed(argo.sync(ctx))).To(BeEmpty())
			Expect(members(ctx, namespace, "france")).To(ConsistOf(want))
			Eventually(func() string { return role(ctx, namespace, "finance", berta) }).WithContext(ctx).Should(Equal("Editor"))
		})

		It("leaves the objects of git alone to git", func(ctx SpecContext) {
			provider.refusesWhatGitDeclares(ctx, argoManager, user)
		})
	})
}

// Members of git are a difference if Argo CD compares on the client's side: it compares lists as a whole.
var (
	_ = provisionedUnderArgoCD("applied on the client's side", "argo-client-provisioned", false, "", "client-side", "server-side")
	_ = provisionedUnderArgoCD("applied on the server's side", "argo-server-provisioned", true, "",
		"client-side", "structured", "server-side")
	_ = provisionedUnderArgoCD("applied on the server's side with members of git", "argo-merged-provisioned", true, gitMember,
		"structured", "server-side")
)
