package scim_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

// company is what an identity provider knows: its users with their groups, and the suspended ones.
type company struct {
	*provider

	random *rand.Rand
	groups []string
	users  map[string]map[string]bool // groups by user
	idle   map[string]bool            // suspended users
	ids    map[string]string          // of users and groups
	joined int
}

// send sends a request as a synchronization job does: it repeats what was not answered, or answered with a server error.
func (c *company) send(ctx context.Context, method, path string, body any) (cluster.SCIMReply, error) {
	for {
		r, err := c.do(ctx, method, path, body)
		if err == nil && r.Code < 500 {
			return r, nil
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
	}
}

// create creates a user or a group. If it exists, an earlier request was not answered, so the provider looks it up.
func (c *company) create(ctx context.Context, endpoint, attribute, name string, body any) error {
	r, err := c.send(ctx, http.MethodPost, endpoint, body)
	if err == nil && r.Code == http.StatusConflict {
		r, err = c.send(ctx, http.MethodGet, endpoint+"?filter="+url.QueryEscape(fmt.Sprintf("%s eq %q", attribute, name)), nil)
		found, _ := r.Body["Resources"].([]any)
		if err == nil && len(found) == 1 {
			r.Body, r.Code = found[0].(map[string]any), http.StatusCreated
		}
	}
	if err != nil || r.Code != http.StatusCreated {
		return fmt.Errorf("create %s: %d %v %w", name, r.Code, r.Body, err)
	}
	c.ids[name] = r.Text("id")
	return nil
}

func (c *company) change(ctx context.Context, method, path string, body any, codes ...int) error {
	r, err := c.send(ctx, method, path, body)
	if err == nil && !slices.Contains(codes, r.Code) {
		err = fmt.Errorf("%s %s: %d %v", method, path, r.Code, r.Body)
	}
	return err
}

func (c *company) member(ctx context.Context, operation, group, user string) error {
	return c.change(ctx, http.MethodPatch, "/Groups/"+c.ids[group], cluster.SCIMPatch(operation, "members", cluster.SCIMMembers(c.ids[user])), http.StatusNoContent)
}

// someone returns a random user.
func (c *company) someone() string {
	all := slices.Sorted(maps.Keys(c.users))
	return all[c.random.IntN(len(all))]
}

// event is one thing that happens in a company.
func (c *company) event(ctx context.Context) error {
	what := c.random.IntN(10)
	if len(c.users) < 5 {
		what = 0
	}
	switch {
	case what < 4: // somebody joins
		c.joined++
		user := fmt.Sprintf("user%04d@acme.example", c.joined)
		if err := c.create(ctx, "/Users", "userName", user, cluster.SCIMUser(user)); err != nil {
			return err
		}
		c.users[user] = map[string]bool{}
		group := c.groups[c.random.IntN(len(c.groups))]
		c.users[user][group] = true
		return c.member(ctx, "Add", group, user)
	case what < 7: // somebody moves
		user := c.someone()
		group := c.groups[c.random.IntN(len(c.groups))]
		if c.users[user][group] {
			delete(c.users[user], group)
			return c.member(ctx, "Remove", group, user)
		}
		c.users[user][group] = true
		return c.member(ctx, "Add", group, user)
	case what < 9: // somebody is away, or back
		user := c.someone()
		c.idle[user] = !c.idle[user]
		return c.change(ctx, http.MethodPatch, "/Users/"+c.ids[user], cluster.SCIMPatch("Replace", "active", fmt.Sprint(!c.idle[user])), http.StatusOK)
	default: // somebody leaves, and is gone if an earlier request was not answered
		user := c.someone()
		delete(c.users, user)
		delete(c.idle, user)
		return c.change(ctx, http.MethodDelete, "/Users/"+c.ids[user], nil, http.StatusNoContent, http.StatusNotFound)
	}
}

// stored returns the differences between the company and the objects.
func (c *company) differences(ctx context.Context) ([]string, error) {
	var found []string
	var users accessv1alpha1.UserAccessList
	own := client.MatchingLabels{accessv1alpha1.LabelProvisionedBy: "entra"}
	if err := kube.List(ctx, &users, client.InNamespace(c.organization), own); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range users.Items {
		user := string(users.Items[i].Spec.User)
		seen[user] = true
		if suspended := users.Items[i].Spec.State == accessv1alpha1.UserStateSuspended; suspended != c.idle[user] || c.users[user] == nil {
			found = append(found, fmt.Sprintf("user %s: exists %v, suspended %v", user, c.users[user] != nil, suspended))
		}
	}
	var groups accessv1alpha1.AccessGroupList
	if err := kube.List(ctx, &groups, client.InNamespace(c.organization), own); err != nil {
		return nil, err
	}
	members := map[string]map[string]bool{}
	for i := range groups.Items {
		for _, member := range groups.Items[i].Spec.Members {
			user, group := string(member.User), groups.Items[i].Name
			if members[user] == nil {
				members[user] = map[string]bool{}
			}
			members[user][group] = true
			if !c.users[user][group] {
				found = append(found, fmt.Sprintf("user %s is in %s", user, group))
			}
		}
	}
	for user, wanted := range c.users {
		if !seen[user] {
			found = append(found, "no user "+user)
		}
		for group := range wanted {
			if !members[user][group] {
				found = append(found, fmt.Sprintf("user %s is not in %s", user, group))
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// roles returns who is to be in the document.
func (c *company) roles() map[string]string {
	roles := map[string]string{}
	for user, groups := range c.users {
		if len(groups) > 0 && !c.idle[user] {
			roles[user] = "Viewer"
		}
	}
	return roles
}

var _ = Describe("A year of an identity provider", func() {
	It("loses nothing while the server is killed at random", func(ctx SpecContext) {
		const days, eventsPerDay, kills = 40, 12, 10
		seed := uint64(GinkgoRandomSeed())
		c := &company{
			random: rand.New(rand.NewPCG(seed, 1)), groups: []string{"france", "spain", "italy", "japan"},
			users: map[string]map[string]bool{}, idle: map[string]bool{}, ids: map[string]string{},
		}
		organization(ctx, "year")
		for _, group := range c.groups {
			apply(ctx, "year", "AccessGroup", group, provisioned, "applicationAccess: [{application: finance, role: Viewer}]")
		}
		c.provider = newProvider(ctx, "year", "entra", "Viewer")
		for _, group := range c.groups {
			Expect(c.create(ctx, "/Groups", "displayName", group, cluster.SCIMGroup(group))).To(Succeed())
		}
		stop := make(chan struct{})
		var killer sync.WaitGroup
		killer.Go(func() {
			defer GinkgoRecover()
			random := rand.New(rand.NewPCG(seed, 2))
			for range kills {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(random.IntN(1500)) * time.Millisecond):
				}
				Expect(server.Load().Kill()).To(Succeed())
				started, err := plane.StartSCIM(ctx, options)
				Expect(err).NotTo(HaveOccurred())
				server.Store(started)
			}
		})
		defer killer.Wait()
		defer close(stop)
		for day := range days {
			for range eventsPerDay {
				Expect(c.event(ctx)).To(Succeed(), "seed %d, day %d", seed, day)
			}
			Expect(c.differences(ctx)).To(BeEmpty(), "seed %d, day %d", seed, day)
		}
		Eventually(func() (map[string]string, error) { return published(ctx, "year") }).WithContext(ctx).Should(Equal(c.roles()), "seed %d", seed)

		By("comparing everything in the night, which writes nothing")
		versions := func() map[string]string {
			GinkgoHelper()
			found := map[string]string{}
			var users accessv1alpha1.UserAccessList
			Expect(kube.List(ctx, &users, client.InNamespace("year"))).To(Succeed())
			for i := range users.Items {
				found["user "+users.Items[i].Name] = fmt.Sprint(users.Items[i].Generation)
			}
			var groups accessv1alpha1.AccessGroupList
			Expect(kube.List(ctx, &groups, client.InNamespace("year"))).To(Succeed())
			for i := range groups.Items {
				found["group "+groups.Items[i].Name] = fmt.Sprint(groups.Items[i].Generation)
			}
			return found
		}
		before := versions()
		for user := range c.users {
			body := cluster.SCIMUser(user)
			body["active"] = !c.idle[user]
			Expect(c.change(ctx, http.MethodPut, "/Users/"+c.ids[user], body, http.StatusOK)).To(Succeed())
		}
		for _, group := range c.groups {
			var ids []string
			for user, groups := range c.users {
				if groups[group] {
					ids = append(ids, c.ids[user])
				}
			}
			Expect(c.change(ctx, http.MethodPut, "/Groups/"+c.ids[group], cluster.SCIMGroup(group, ids...), http.StatusOK)).To(Succeed())
		}
		Expect(versions()).To(Equal(before))
	}, NodeTimeout(4*time.Minute))
})
