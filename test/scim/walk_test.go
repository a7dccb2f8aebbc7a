package scim_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

func newAccount(name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

var _ = Describe("An identity provider that may grant Viewer only", func() {
	It("makes nobody an Editor, whatever it sends", func(ctx SpecContext) {
		const steps = 250
		seed := uint64(GinkgoRandomSeed())
		random := rand.New(rand.NewPCG(seed, 0))
		organization(ctx, "walk")
		apply(ctx, "walk", "AccessGroup", "viewers", provisioned, "applicationAccess: [{application: finance, role: Viewer}]")
		apply(ctx, "walk", "AccessGroup", "editors", provisioned, "applicationAccess: [{application: finance, role: Editor}]")
		apply(ctx, "walk", "AccessGroup", "nested", nil, "{applicationAccess: [{application: finance, role: Editor}], memberGroups: [inner]}")
		apply(ctx, "walk", "AccessGroup", "selected", nil, "{applicationAccess: [{application: finance, role: Editor}], memberSelector: {matchLabels: {team: editors}}}")
		p := newProvider(ctx, "walk", "entra", "Viewer")
		names := []string{"viewers", "editors", "nested", "selected", "inner", "other", "viewers.1", "Inner"}
		var users, groups []string
		refused := 0
		pick := func(from []string) string {
			if len(from) == 0 {
				return "x.1"
			}
			return from[random.IntN(len(from))]
		}
		for step := range steps {
			method, path := http.MethodPatch, "/Groups/"+pick(groups)
			var body any
			switch random.IntN(10) {
			case 0, 1:
				method, path, body = http.MethodPost, "/Users", cluster.SCIMUser(fmt.Sprintf("user%d@acme.example", random.IntN(8)))
			case 2:
				method, path, body = http.MethodPost, "/Groups", cluster.SCIMGroup(pick(names), pick(users))
			case 3:
				method, path, body = http.MethodPost, "/Groups", cluster.SCIMGroup(pick(names))
			case 4:
				method, body = http.MethodPut, cluster.SCIMGroup(pick(names), pick(users), pick(users))
			case 5:
				body = cluster.SCIMPatch("replace", "displayName", pick(names))
			case 6:
				method = http.MethodDelete
			case 7:
				method, path = http.MethodDelete, "/Users/"+pick(users)
			case 8:
				path, body = "/Users/"+pick(users), cluster.SCIMPatch("replace", "active", random.IntN(2) == 0)
			default:
				body = cluster.SCIMPatch("add", "members", cluster.SCIMMembers(pick(users), pick(users)))
			}
			r, err := p.do(ctx, method, path, body)
			Expect(err).NotTo(HaveOccurred())
			Expect(r.Code).To(BeNumerically("<", 500), "seed %d, step %d: %s %s %v: %v", seed, step, method, path, body, r.Body)
			if r.Code == http.StatusForbidden {
				refused++
			}
			if id := r.Text("id"); r.Code == http.StatusCreated && path == "/Users" {
				users = append(users, id)
			} else if r.Code == http.StatusCreated {
				groups = append(groups, id)
			}
		}
		Expect(refused).To(BeNumerically(">", 0), "seed %d: nothing was refused", seed)
		// All that is left is published, and nobody is an Editor.
		Eventually(func(g Gomega) {
			var list accessv1alpha1.AccessGroupList
			g.Expect(kube.List(ctx, &list, client.InNamespace("walk"))).To(Succeed())
			for i := range list.Items {
				g.Expect(list.Items[i].Status.ObservedGeneration).To(Equal(list.Items[i].Generation))
			}
			roles, err := published(ctx, "walk")
			g.Expect(err).NotTo(HaveOccurred())
			for user, role := range roles {
				g.Expect(role).NotTo(Equal("Editor"), "seed %d: %s", seed, user)
			}
		}).WithContext(ctx).Should(Succeed())
	}, NodeTimeout(patience*3))
})
