package fault_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	webhookv1alpha1 "github.com/usher-dev/usher/internal/webhook/v1alpha1"
)

// tenant is a malicious user with the shipped editor role in the first organization.
const tenant = "mallory@acme.example"

var _ = Describe("A tenant", func() {
	It("may attack while a revocation must be published", func(ctx SpecContext) {
		Expect(plane.InstallWebhooks(ctx)).To(Succeed())
		DeferCleanup(plane.RemoveWebhooks)
		m := newReplica(ctx)
		m.options.Webhooks = true
		m.start(ctx)
		Eventually(settled).WithContext(ctx).Should(Succeed())

		atRest := revocations(ctx, brief(3, 10))
		attack := beginAttack(ctx, m.process().WebhookAddress())
		underAttack := revocations(ctx, brief(3, 10))
		attack.end(ctx)
		say("a revocation is published after %s at rest and after %s under attack (medians): %.1f times as long; %s",
			atRest, underAttack, underAttack.Seconds()/atRest.Seconds(), attack)
		if *long {
			Expect(underAttack).To(BeNumerically("<=", 3*max(atRest, 2*pollInterval)))
		}
		Eventually(settled).WithContext(ctx).Should(Succeed())
	}, SpecTimeout(5*time.Minute))
})

// revocations adds members without other access to the wave and removes them again, one after the other. It returns the
// median time from the request until the published document no longer contains the member.
func revocations(ctx context.Context, count int) time.Duration {
	GinkgoHelper()
	group := all.waveGives("Viewer").(*accessv1alpha1.AccessGroup)
	all.put(group)
	var took []time.Duration
	for i := range count {
		user := fmt.Sprintf("revoked-%02d@acme.example", i)
		has := func(stands contents) bool { return inAnyShard(stands, waveApplication, user) }
		with := group.DeepCopy()
		toggle(with, user)
		Eventually(write).WithContext(ctx).WithArguments(with).Should(Succeed())
		Expect(seen.await(ctx, has)).To(Succeed())
		began := time.Now()
		Eventually(write).WithContext(ctx).WithArguments(group).Should(Succeed())
		Expect(seen.await(ctx, func(stands contents) bool { return !has(stands) })).To(Succeed())
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// inAnyShard reports whether a ConfigMap of the application in the first organization names the user.
func inAnyShard(stands contents, application, user string) bool {
	for key, data := range stands {
		kind, subject, _ := publish.ParseName(key.Name)
		if key.Namespace == firstOrganization && kind == accessv1alpha1.DocumentApplication && subject == application &&
			strings.Contains(data[document.AccessKey], `"`+user+`"`) {
			return true
		}
	}
	return false
}

// attack is what the tenant and a neighbour on the network do at the same time.
type attack struct {
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	done    map[string]int // by action
	objects []client.Object
	as      client.Client
}

// mostAttacks bounds the number of times that each action is done.
const mostAttacks = 2000

func beginAttack(ctx context.Context, webhook string) *attack {
	GinkgoHelper()
	config := rest.CopyConfig(plane.Config())
	config.Impersonate = rest.ImpersonationConfig{UserName: tenant}
	as, err := client.New(config, client.Options{Scheme: kube.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	Expect(client.IgnoreAlreadyExists(kube.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: firstOrganization, Name: "tenant"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "usher-organization-editor"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: tenant}},
	}))).To(Succeed())
	attacking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a := &attack{cancel: cancel, done: map[string]int{}, as: as}
	victim := all.users[0]
	a.keepOn(attacking, "filters", a.declaring(manyValues(victim)))
	for i := range 4 {
		a.keepOn(attacking, "windows", a.declaring(manyWindows(victim, i)))
	}
	a.keepOn(attacking, "members with filters", a.declaring(manyFiltered(all.users)))
	a.keepOn(attacking, "deleted accounts", a.deleteAccounts)
	for range 8 {
		a.keepOn(attacking, "forged reviews", forge(webhook))
	}
	return a
}

// keepOn repeats an action. It ignores errors, because many actions are refused.
func (a *attack) keepOn(ctx context.Context, what string, do func(ctx context.Context, n int) error) {
	a.work.Go(func() {
		for n := range mostAttacks {
			err := do(ctx, n)
			if ctx.Err() != nil {
				return
			}
			a.mu.Lock()
			if a.done[what]++; err != nil {
				a.done[what+" refused"]++
			}
			a.mu.Unlock()
			_ = pause(ctx, pollInterval)
		}
	})
}

// String lists the actions.
func (a *attack) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprint(a.done)
}

// end stops the attack and deletes what the tenant declared.
func (a *attack) end(ctx context.Context) {
	GinkgoHelper()
	a.cancel()
	a.work.Wait()
	for _, o := range a.objects {
		Eventually(func() error { return client.IgnoreNotFound(kube.Delete(ctx, o)) }).WithContext(ctx).Should(Succeed())
	}
}

// declaring creates the group, and then changes its description in every call.
func (a *attack) declaring(group *accessv1alpha1.AccessGroup) func(ctx context.Context, n int) error {
	a.objects = append(a.objects, group)
	return func(ctx context.Context, n int) error {
		live := &accessv1alpha1.AccessGroup{}
		if err := a.as.Get(ctx, client.ObjectKeyFromObject(group), live); err != nil {
			return a.as.Create(ctx, group.DeepCopy())
		}
		live.Spec = *group.Spec.DeepCopy()
		if n%2 == 0 {
			live.Spec.Members = nil
		}
		return a.as.Update(ctx, live)
	}
}

// manyValues returns a group without privileges whose row-level filters for one member have the maximum size of an
// object.
func manyValues(user string) *accessv1alpha1.AccessGroup {
	g := newGroup(firstOrganization, "many-values")
	g.Spec.Privileges = accessv1alpha1.GroupPrivilegesDisabled
	g.Spec.Members = []accessv1alpha1.Member{member(user)}
	g.Spec.DataPermissions = []accessv1alpha1.DataPermission{filtering(waveApplication, 1000, 90)}
	return g
}

// manyWindows returns a group with an entry that opens every second.
func manyWindows(user string, of int) *accessv1alpha1.AccessGroup {
	g := newGroup(firstOrganization, fmt.Sprintf("many-windows-%d", of))
	g.Spec.Members = []accessv1alpha1.Member{member(user)}
	begin := time.Now().Add(time.Minute).Truncate(time.Second)
	for i := range 500 {
		grant := gives(fmt.Sprintf("application-%03d", i), "NoAccess")
		at := metav1.NewTime(begin.Add(time.Duration(4*i+of) * time.Second))
		grant.NotBefore = &at
		g.Spec.ApplicationAccess = append(g.Spec.ApplicationAccess, grant)
	}
	return g
}

// manyFiltered returns a group with filters that apply to each of many members.
func manyFiltered(users []string) *accessv1alpha1.AccessGroup {
	g := newGroup(firstOrganization, "many-filtered")
	g.Spec.Privileges = accessv1alpha1.GroupPrivilegesDisabled
	for _, user := range users[:min(len(users), 150)] {
		g.Spec.Members = append(g.Spec.Members, member(user))
	}
	g.Spec.DataPermissions = []accessv1alpha1.DataPermission{filtering("blue", 1000, 90), filtering("green", 1000, 90)}
	return g
}

// filtering returns a data permission with the given number of values of the given size.
func filtering(application string, values, bytes int) accessv1alpha1.DataPermission {
	p := accessv1alpha1.DataPermission{Application: accessv1alpha1.ApplicationSelector(application)}
	const each = 100
	for begin := 0; begin < values; begin += each {
		r := accessv1alpha1.RowRequirement{Attribute: "country", Operator: accessv1alpha1.DataOperatorIn}
		for i := range min(each, values-begin) {
			r.Values = append(r.Values, accessv1alpha1.AttributeValue(fmt.Sprintf("%0*d", bytes, begin+i)))
		}
		p.AnyOf = append(p.AnyOf, accessv1alpha1.RowAlternative{AllOf: []accessv1alpha1.RowRequirement{r}})
	}
	return p
}

// deleteAccounts deletes UserAccess objects that Usher has written.
func (a *attack) deleteAccounts(ctx context.Context, _ int) error {
	return a.as.DeleteAllOf(ctx, &accessv1alpha1.UserAccess{}, client.InNamespace(firstOrganization),
		client.MatchingLabels{accessv1alpha1.LabelMaterialized: accessv1alpha1.ValueTrue})
}

// forge posts unauthenticated reviews to the webhook: large ones that the schema would refuse, and one that names a
// different object than it contains.
func forge(address string) func(ctx context.Context, n int) error {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // an attacker does not verify the server
	}
	values := strings.Repeat(`"`+strings.Repeat("x", 200)+`",`, 20_000)
	large := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",` +
		`"kind":{"group":"access.usher.dev","version":"v1alpha1","kind":"AccessGroup"},"namespace":"acme","name":"a",` +
		`"object":{"apiVersion":"access.usher.dev/v1alpha1","kind":"AccessGroup","metadata":{"name":"a","namespace":"acme"},` +
		`"spec":{"memberGroups":[` + strings.TrimSuffix(values, ",") + `]}}}}`
	phantom := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"UPDATE",` +
		`"kind":{"group":"access.usher.dev","version":"v1alpha1","kind":"AccessGroup"},"namespace":"acme","name":"a1",` +
		`"object":{"apiVersion":"access.usher.dev/v1alpha1","kind":"AccessGroup","metadata":{"name":"a1","namespace":"acme"}},` +
		`"oldObject":{"apiVersion":"access.usher.dev/v1alpha1","kind":"AccessGroup","metadata":{"name":"a2","namespace":"acme"},` +
		`"spec":{"members":[{"user":"` + tenant + `"}],"applicationAccess":[{"application":"*","role":"Administrator"}]}}}}`
	return func(ctx context.Context, n int) error {
		body := large
		if n%2 == 0 {
			body = phantom
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+webhookv1alpha1.Path,
			bytes.NewReader([]byte(body)))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return err
	}
}

// await waits until the function returns true for the published ConfigMaps.
func (o *observer) await(ctx context.Context, are func(stands contents) bool) error {
	for {
		o.mu.Lock()
		reached, changed := are(o.stands), o.changed
		o.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for a published ConfigMap: %w", ctx.Err())
		}
	}
}
