package scim_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

var _ = Describe("An identity provider", func() {
	It("lets a user join, be suspended, return and leave", func(ctx SpecContext) {
		const ana = "ana@acme.example"
		organization(ctx, "life")
		apply(ctx, "life", "AccessGroup", "france", provisioned, "applicationAccess: [{application: finance, role: Viewer}]")
		p := newProvider(ctx, "life", "entra", "Viewer")
		user := p.must(ctx, http.StatusCreated, http.MethodPost, "/Users", cluster.SCIMUser(ana)).Text("id")
		group := p.must(ctx, http.StatusCreated, http.MethodPost, "/Groups", cluster.SCIMGroup("France")).Text("id")
		p.must(ctx, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, cluster.SCIMPatch("Add", "members", cluster.SCIMMembers(user)))
		roles := func() (map[string]string, error) { return published(ctx, "life") }
		Eventually(roles).WithContext(ctx).Should(Equal(map[string]string{ana: "Viewer"}))
		p.must(ctx, http.StatusOK, http.MethodPatch, "/Users/"+user, cluster.SCIMPatch("Replace", "active", "False"))
		Eventually(roles).WithContext(ctx).Should(BeEmpty())
		p.must(ctx, http.StatusOK, http.MethodPatch, "/Users/"+user, cluster.SCIMPatch("replace", "active", true))
		Eventually(roles).WithContext(ctx).Should(Equal(map[string]string{ana: "Viewer"}))

		// The user leaves: first suspended, and later deleted while still a member.
		p.must(ctx, http.StatusOK, http.MethodPatch, "/Users/"+user, cluster.SCIMPatch("Replace", "active", false))
		p.must(ctx, http.StatusNoContent, http.MethodDelete, "/Users/"+user, nil)
		Eventually(roles).WithContext(ctx).Should(BeEmpty())
		var ag accessv1alpha1.AccessGroup
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: "life", Name: "france"}, &ag)).To(Succeed())
		Expect(ag.Spec.Members).To(BeEmpty())
		p.must(ctx, http.StatusNoContent, http.MethodDelete, "/Groups/"+group, nil)
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: "life", Name: "france"}, &ag)).To(Succeed())
		Expect(ag.Spec.ApplicationAccess).To(HaveLen(1))
		Expect(ag.Labels).NotTo(HaveKey(accessv1alpha1.LabelProvisionedBy))
	})

	It("takes over a UserAccess that Usher has materialized", func(ctx SpecContext) {
		const bea = "bea@acme.example"
		organization(ctx, "takeover")
		apply(ctx, "takeover", "AccessGroup", "france", nil, "{applicationAccess: [{application: finance, role: Viewer}], members: [{user: "+bea+"}]}")
		Eventually(func() (int, error) {
			var list accessv1alpha1.UserAccessList
			err := kube.List(ctx, &list, client.InNamespace("takeover"), client.MatchingLabels{accessv1alpha1.LabelMaterialized: "true"})
			return len(list.Items), err
		}).WithContext(ctx).Should(Equal(1))
		p := newProvider(ctx, "takeover", "entra", "Viewer")
		body := cluster.SCIMUser(bea)
		delete(body, "displayName")
		user := p.must(ctx, http.StatusCreated, http.MethodPost, "/Users", body).Text("id")
		p.must(ctx, http.StatusConflict, http.MethodPost, "/Users", body)
		p.must(ctx, http.StatusNoContent, http.MethodDelete, "/Users/"+user, nil)
	})

	It("keeps a group of 20,000 members in parts", func(ctx SpecContext) {
		organization(ctx, "large")
		p := newProvider(ctx, "large", "entra")
		var ids []string
		for i := range 20_000 {
			ids = append(ids, base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "user%05d@acme.example", i))+".1")
		}
		group := p.must(ctx, http.StatusCreated, http.MethodPost, "/Groups", cluster.SCIMGroup("everyone")).Text("id")
		p.repeat(ctx, http.StatusOK, http.MethodPut, "/Groups/"+group, cluster.SCIMGroup("everyone", ids[:12_000]...))
		// sizes returns the number of members of the group and its parts, and what the group names.
		sizes := func() (all []int, named []accessv1alpha1.GroupName) {
			GinkgoHelper()
			var list accessv1alpha1.AccessGroupList
			Expect(kube.List(ctx, &list, client.InNamespace("large"))).To(Succeed())
			for i := range list.Items {
				all = append(all, len(list.Items[i].Spec.Members))
				named = append(named, list.Items[i].Spec.MemberGroups...)
			}
			return all, named
		}
		all, named := sizes()
		Expect(all).To(Equal([]int{5000, 5000, 2000}))
		Expect(named).To(Equal([]accessv1alpha1.GroupName{"everyone.1", "everyone.2"}))
		p.repeat(ctx, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, cluster.SCIMPatch("Remove", "members", cluster.SCIMMembers(ids[0], ids[7_000], ids[11_000])))
		all, _ = sizes()
		Expect(all).To(Equal([]int{4999, 4999, 1999}))
		p.repeat(ctx, http.StatusOK, http.MethodPut, "/Groups/"+group, cluster.SCIMGroup("everyone", ids...))
		all, named = sizes()
		Expect(all).To(Equal([]int{5000, 5000, 5000, 5000}))
		Expect(named).To(Equal([]accessv1alpha1.GroupName{"everyone.1", "everyone.2", "everyone.3"}))
		p.repeat(ctx, http.StatusOK, http.MethodPut, "/Groups/"+group, cluster.SCIMGroup("everyone", ids[:4_000]...))
		all, named = sizes()
		Expect(all).To(Equal([]int{4000}))
		Expect(named).To(BeEmpty())
	}, NodeTimeout(patience*8))

	It("shares a group with Git, and neither undoes the other", func(ctx SpecContext) {
		const rounds = 25
		organization(ctx, "shared")
		spec := func(round int) string {
			return fmt.Sprintf("{description: round %d, applicationAccess: [{application: finance, role: Viewer}], members: [{user: chief-%d@acme.example}]}", round, round)
		}
		apply(ctx, "shared", "AccessGroup", "france", provisioned, spec(0))
		p := newProvider(ctx, "shared", "entra", "Viewer")
		group := p.must(ctx, http.StatusCreated, http.MethodPost, "/Groups", cluster.SCIMGroup("France")).Text("id")
		done := make(chan error, 1)
		go func() {
			var err error
			for round := 1; round <= rounds && err == nil; round++ {
				err = declare(ctx, "shared", "AccessGroup", "france", provisioned, spec(round))
			}
			done <- err
		}()
		want := []string{fmt.Sprintf("chief-%d@acme.example", rounds)}
		for round := range rounds {
			id := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "user%d", round)) + ".1"
			p.must(ctx, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, cluster.SCIMPatch("add", "members", cluster.SCIMMembers(id)))
			if round%2 == 1 {
				p.must(ctx, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, cluster.SCIMPatch("remove", "members[value eq \""+id+"\"]", nil))
			} else {
				want = append(want, fmt.Sprintf("user%d", round))
			}
		}
		Expect(<-done).To(Succeed())
		var ag accessv1alpha1.AccessGroup
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: "shared", Name: "france"}, &ag)).To(Succeed())
		var got []string
		for _, member := range ag.Spec.Members {
			got = append(got, string(member.User))
		}
		Expect(got).To(ConsistOf(want))
		Expect(ag.Spec.Description).To(Equal(fmt.Sprint("round ", rounds)))
	})

	It("gets the reasons if admission guards the access of others", func(ctx SpecContext) {
		organization(ctx, "guarded")
		apply(ctx, "guarded", "AccessPolicy", "default", nil, "{revocationLimit: {users: 1}, crossObjectChecks: Deny}")
		apply(ctx, "guarded", "AccessGroup", "france", provisioned, "applicationAccess: [{application: finance, role: Viewer}]")
		apply(ctx, "guarded", "AccessGroup", "owners", provisioned, "organizationRole: Administrator")
		p := newProvider(ctx, "guarded", "entra", "Viewer", "Administrator")
		var users []string
		for _, name := range []string{"a", "b", "c"} {
			users = append(users, p.must(ctx, http.StatusCreated, http.MethodPost, "/Users", cluster.SCIMUser(name)).Text("id"))
		}
		france := p.must(ctx, http.StatusCreated, http.MethodPost, "/Groups", cluster.SCIMGroup("France", users...)).Text("id")
		owners := p.must(ctx, http.StatusCreated, http.MethodPost, "/Groups", cluster.SCIMGroup("owners", users[0])).Text("id")
		Eventually(func() (map[string]string, error) { return published(ctx, "guarded") }).WithContext(ctx).
			Should(And(HaveKey("a"), HaveKey("b"), HaveKey("c")))

		By("emptying a group, against the revocation brake")
		r := p.must(ctx, http.StatusForbidden, http.MethodPut, "/Groups/"+france, cluster.SCIMGroup("France"))
		Expect(r.Text("detail")).To(And(ContainSubstring("would lose all access to application finance"),
			ContainSubstring(accessv1alpha1.AnnotationAllowRevocation)))

		By("removing the last administrator")
		r = p.must(ctx, http.StatusForbidden, http.MethodPatch, "/Groups/"+owners, cluster.SCIMPatch("Remove", "members", cluster.SCIMMembers(users[0])))
		Expect(r.Text("detail")).To(ContainSubstring("a is the last who holds it"))

		By("deleting a protected group")
		sales := p.must(ctx, http.StatusCreated, http.MethodPost, "/Groups", cluster.SCIMGroup("Sales", users...)).Text("id")
		var ag accessv1alpha1.AccessGroup
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: "guarded", Name: "sales"}, &ag)).To(Succeed())
		ag.Labels[accessv1alpha1.LabelProtected] = accessv1alpha1.ValueTrue
		Expect(kube.Update(ctx, &ag)).To(Succeed())
		r = p.must(ctx, http.StatusForbidden, http.MethodDelete, "/Groups/"+sales, nil)
		Expect(r.Text("detail")).To(ContainSubstring("protected"))

		By("finding all as it was")
		for group, want := range map[string]int{"france": 3, "owners": 1, "sales": 3} {
			Expect(kube.Get(ctx, client.ObjectKey{Namespace: "guarded", Name: group}, &ag)).To(Succeed())
			Expect(ag.Spec.Members).To(HaveLen(want), group)
		}
	})

	It("gets the refusals of the API server with their reasons", func(ctx SpecContext) {
		organization(ctx, "refused")
		apply(ctx, "refused", "AccessGroup", "editors", provisioned, "applicationAccess: [{application: finance, role: Editor}]")
		p := newProvider(ctx, "refused", "entra", "Viewer")
		user := p.must(ctx, http.StatusCreated, http.MethodPost, "/Users", cluster.SCIMUser("ana@acme.example")).Text("id")
		r := p.must(ctx, http.StatusForbidden, http.MethodPost, "/Groups", cluster.SCIMGroup("editors", user))
		Expect(r.Text("detail")).To(And(ContainSubstring("Editor"), ContainSubstring("grant")))
		// Adopting it without members gives nobody a role.
		p.must(ctx, http.StatusCreated, http.MethodPost, "/Groups", cluster.SCIMGroup("editors"))
		// Another organization's token, and one that is made up.
		other := &provider{organization: "life", token: p.token}
		other.must(ctx, http.StatusForbidden, http.MethodGet, "/Users", nil)
		forged := &provider{organization: "refused", token: "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"system:serviceaccount:refused:entra"}`)) + ".e30"}
		forged.must(ctx, http.StatusUnauthorized, http.MethodGet, "/Users", nil)
		// An account without the role of identity providers.
		Expect(clients.RbacV1().RoleBindings("refused").Delete(ctx, "entra", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func() (int, error) {
			r, err := p.do(ctx, http.MethodGet, "/Users", nil)
			return r.Code, err
		}).WithContext(ctx).Should(Equal(http.StatusForbidden))
	})
})

var _ = Describe("The rights of the SCIM server", func() {
	// As "kubectl auth can-i --list" does.
	It("are those that every service account has", func(ctx SpecContext) {
		organization(ctx, "rights")
		_, err := clients.CoreV1().ServiceAccounts("rights").Create(ctx, newAccount("anybody"), metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		rights := func(namespace, account, where string) []string {
			GinkgoHelper()
			kubeconfig, err := plane.AccountKubeconfig(ctx, namespace, account)
			Expect(err).NotTo(HaveOccurred())
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			Expect(err).NotTo(HaveOccurred())
			own, err := kubernetes.NewForConfig(config)
			Expect(err).NotTo(HaveOccurred())
			review, err := own.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
				Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: where},
			}, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			found := map[string]bool{}
			for _, rule := range review.Status.ResourceRules {
				found[fmt.Sprint(rule)] = true
			}
			for _, rule := range review.Status.NonResourceRules {
				found[fmt.Sprint(rule)] = true
			}
			return slices.Sorted(maps.Keys(found))
		}
		for _, where := range []string{"rights", "usher-system", "access-system"} {
			Expect(rights("usher-system", "usher-scim", where)).To(Equal(rights("rights", "anybody", where)), where)
		}
	})
})
