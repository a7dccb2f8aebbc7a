package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// follower keeps the ConfigMaps of an application as the watch shows them, one event after the other.
type follower struct {
	shards  map[string]map[string]document.ApplicationUser
	keepers []string
	// missing lists the users who were in no shard, with the event.
	missing []string
	most    int
}

func (f *follower) handle(kind watch.EventType, cm *corev1.ConfigMap) error {
	if kind == watch.Deleted {
		delete(f.shards, cm.Name)
	} else {
		d, err := documentOf(cm)
		if err != nil {
			return err
		}
		f.shards[cm.Name] = d.Users
	}
	f.most = max(f.most, len(f.shards))
	for _, user := range f.keepers {
		if !f.has(user) {
			f.missing = append(f.missing, fmt.Sprintf("%s after %s %s", user, kind, cm.Name))
		}
	}
	return nil
}

func (f *follower) has(user string) bool {
	for _, users := range f.shards {
		if _, listed := users[user]; listed {
			return true
		}
	}
	return false
}

// users returns the number of users in all shards.
func (f *follower) users() int {
	all := map[string]struct{}{}
	for _, users := range f.shards {
		for user := range users {
			all[user] = struct{}{}
		}
	}
	return len(all)
}

// follow passes events to the follower until it has that many users in that many ConfigMaps.
func (f *follower) follow(ctx context.Context, w watch.Interface, users, configMaps int) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for f.users() != users || len(f.shards) != configMaps {
		select {
		case event := <-w.ResultChan():
			cm, ok := event.Object.(*corev1.ConfigMap)
			Expect(ok).To(BeTrue(), "the watch shows %v", event.Object)
			if strings.HasPrefix(cm.Name, "application-access-") {
				Expect(f.handle(event.Type, cm)).To(Succeed())
			}
		case <-ctx.Done():
			Fail(fmt.Sprintf("%d users in ConfigMaps %v, want %d in %d", f.users(), slices.Sorted(maps.Keys(f.shards)), users, configMaps))
		}
	}
	Expect(f.missing).To(BeEmpty())
}

func membersSpec(prefix string, count int) string {
	members := make([]string, count)
	for i := range members {
		members[i] = fmt.Sprintf("{user: %s-%04d@acme.example}", prefix, i)
	}
	return fmt.Sprintf("{members: [%s], applicationAccess: [{application: red, role: Viewer}]}", strings.Join(members, ", "))
}

var _ = Describe("The shards of an application", func() {
	It("grow and shrink without a user missing at any instant, and warn before they do", func(ctx SpecContext) {
		o := newOrganization(ctx)
		// Processing 5,000 additional users must not delay other specs.
		DeferCleanup(func(ctx SpecContext) {
			_, err := plane.Kubectl(ctx, "delete", "namespace", o.name, "--ignore-not-found", "--timeout=120s")
			Expect(err).NotTo(HaveOccurred())
		})
		const keepers = 50
		o.apply(ctx, "AccessPolicy", "default", "{userConfigMaps: Disabled}")
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "keepers", membersSpec("keeper", keepers))
		o.waitReady(ctx, "applicationaccess", "red")
		o.waitReady(ctx, "accessgroup", "keepers")
		f := &follower{shards: map[string]map[string]document.ApplicationUser{}}
		for i := range keepers {
			f.keepers = append(f.keepers, fmt.Sprintf("keeper-%04d@acme.example", i))
		}
		first := read(ctx, o, applicationMap("red"), &corev1.ConfigMap{})
		Expect(f.handle(watch.Added, first)).To(Succeed())
		w, err := kube.Watch(ctx, &corev1.ConfigMapList{}, &client.ListOptions{
			Namespace: o.name, Raw: &metav1.ListOptions{ResourceVersion: first.ResourceVersion},
		})
		Expect(err).NotTo(HaveOccurred())
		defer w.Stop()
		const last, hundredth = "user-4999@acme.example", "user-0099@acme.example"
		p := pollShards(ctx, o, "red", 8, f.keepers, []string{last, hundredth})

		crowd := func(count, configMaps int) {
			GinkgoHelper()
			By(fmt.Sprintf("%d users in %d ConfigMaps", keepers+count, configMaps))
			o.apply(ctx, "AccessGroup", "crowd", membersSpec("user", count))
			f.follow(ctx, w, keepers+count, configMaps)
		}
		// The status waits behind thousands of users in the queue.
		says := func(c check) {
			GinkgoHelper()
			Eventually(func() error { return c(ctx) }).WithContext(ctx).WithTimeout(2 * time.Minute).Should(Succeed())
		}
		crowd(2900, 1)
		says(o.warnsOf("red", applicationMap("red")+".1"))
		crowd(5000, 2)
		says(all(o.mounts("red", 2), o.warnsOf("red", "")))

		By("the same in every format")
		o.patch(ctx, "ApplicationAccess", "red", "{spec: {publish: {formats: [CSV, Casbin, OPA]}}}")
		f.follow(ctx, w, keepers+5000, 8)
		says(o.mounts("red", 8))

		By("shrinking, and growing again before the surplus shards are deleted")
		crowd(100, 8)
		p.lost(ctx, last)
		crowd(5000, 8)
		By("only as JSON again")
		o.patch(ctx, "ApplicationAccess", "red", "{spec: {publish: {formats: []}}}")
		f.follow(ctx, w, keepers+5000, 2)
		crowd(1000, 1)
		p.lost(ctx, last)
		crowd(0, 1)
		p.lost(ctx, hundredth)
		says(o.mounts("red", 1))
		Expect(f.most).To(Equal(8))
	}, SpecTimeout(8*time.Minute))
})

// mounts checks how many ConfigMaps the ApplicationAccess lists.
func (n namespace) mounts(application string, count int) check {
	return func(ctx context.Context) error {
		var aa accessv1alpha1.ApplicationAccess
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: application}, &aa); err != nil {
			return err
		}
		want := []accessv1alpha1.ConfigMapName{accessv1alpha1.ConfigMapName(applicationMap(application))}
		for i := 1; i < count; i++ {
			want = append(want, accessv1alpha1.ConfigMapName(fmt.Sprintf("%s.%d", applicationMap(application), i)))
		}
		if !slices.Equal(aa.Status.ConfigMaps, want) {
			return fmt.Errorf("ApplicationAccess %s/%s says to mount %v, not %v", n.name, application, aa.Status.ConfigMaps, want)
		}
		return nil
	}
}

// warnsOf checks that the ApplicationAccess and an event name the ConfigMap that will be needed. If configMap is "", it
// checks that the ApplicationAccess no longer names one.
func (n namespace) warnsOf(application, configMap string) check {
	const outgrown = "has nearly outgrown its ConfigMaps"
	return func(ctx context.Context) error {
		var aa accessv1alpha1.ApplicationAccess
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: application}, &aa); err != nil {
			return err
		}
		says := slices.ContainsFunc(aa.Status.Conditions, func(c metav1.Condition) bool {
			return c.Type == accessv1alpha1.ConditionReady && strings.Contains(c.Message, outgrown) && strings.Contains(c.Message, configMap)
		})
		if says != (configMap != "") {
			return fmt.Errorf("conditions %+v", aa.Status.Conditions)
		}
		var list eventsv1.EventList
		if err := kube.List(ctx, &list, client.InNamespace(n.name)); err != nil {
			return err
		}
		if !slices.ContainsFunc(list.Items, func(e eventsv1.Event) bool {
			return e.Reason == "ShardsGrow" && e.Regarding.Name == application && strings.Contains(e.Note, configMap)
		}) {
			return fmt.Errorf("no event names %s", configMap)
		}
		return nil
	}
}

var _ = Describe("The formats of an application", func() {
	const opaLabel = "openpolicyagent.org/data"

	It("are published with the document as long as they are requested", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{publish: {formats: [JSON, CSV, Casbin, OPA]}}")
		o.apply(ctx, "AccessGroup", "team", fmt.Sprintf(`{members: [{user: ana@acme.example}, {user: "Zoë|1'"}, {user: temp@acme.example, notAfter: %q}],
			applicationAccess: [{application: red, role: Viewer}]}`, at(inSeconds(3600))))
		o.apply(ctx, "AccessGroup", "filtered", `{members: [{user: ben@acme.example}], applicationAccess: [{application: red, role: Viewer}],
			dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}]}]}]}`)
		for _, ref := range []string{"applicationaccess/red", "accessgroup/team", "accessgroup/filtered"} {
			kind, name, _ := strings.Cut(ref, "/")
			o.waitReady(ctx, kind, name)
		}
		cm := read(ctx, o, applicationMap("red"), &corev1.ConfigMap{})
		document := cm.Data["access.json"]
		Expect(cm.Data).To(Equal(map[string]string{
			"access.json": document,
			"data.json":   document,
			"access.csv":  "Zoë|1',Viewer\nana@acme.example,Viewer\n",
			"roles.csv": "Administrator,administer\nAdministrator,edit\nAdministrator,manage-rules\nAdministrator,view\n" +
				"RulesAdmin,edit\nRulesAdmin,manage-rules\nRulesAdmin,view\nEditor,edit\nEditor,view\nViewer,view\n",
			"policy.csv": "p, Administrator, red, administer\np, Administrator, red, edit\np, Administrator, red, manage-rules\n" +
				"p, Administrator, red, view\np, RulesAdmin, red, edit\np, RulesAdmin, red, manage-rules\np, RulesAdmin, red, view\n" +
				"p, Editor, red, edit\np, Editor, red, view\np, Viewer, red, view\n" +
				"g, Zoë|1', Viewer, red\ng, ana@acme.example, Viewer, red\n",
		}))
		Expect(json.Valid([]byte(document))).To(BeTrue())
		Expect(cm.Labels).To(HaveKeyWithValue(opaLabel, "opa"))
		eventually(ctx, o.omits("red", 4, 2))

		By("leaving some out")
		o.patch(ctx, "ApplicationAccess", "red", "{spec: {publish: {formats: [Casbin]}}}")
		o.waitReady(ctx, "applicationaccess", "red")
		cm = read(ctx, o, applicationMap("red"), &corev1.ConfigMap{})
		Expect(slices.Sorted(maps.Keys(cm.Data))).To(Equal([]string{"access.json", "policy.csv"}))
		Expect(cm.Labels).NotTo(HaveKey(opaLabel))
		Expect(cm.Data["access.json"]).To(Equal(document))
		eventually(ctx, o.omits("red", 4, 2))

		By("leaving all out")
		o.patch(ctx, "ApplicationAccess", "red", "{spec: {publish: null}}")
		o.waitReady(ctx, "applicationaccess", "red")
		cm = read(ctx, o, applicationMap("red"), &corev1.ConfigMap{})
		Expect(cm.Data).To(Equal(map[string]string{"access.json": document}))
		eventually(ctx, o.omits("red", 4, 0))
	})

	It("are emptied, not removed, when the document ends", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{publish: {formats: [CSV, Casbin, OPA]}}")
		o.apply(ctx, "AccessGroup", "team", "{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}")
		o.waitReady(ctx, "applicationaccess", "red")
		o.waitReady(ctx, "accessgroup", "team")
		seen := watchMap(ctx, o, applicationMap("red"))
		_, err := plane.Kubectl(ctx, "-n", o.name, "delete", "applicationaccess", "red", "--cascade=orphan", garbageCollected)
		Expect(err).NotTo(HaveOccurred())
		eventually(ctx, o.absent("ConfigMap", applicationMap("red")))
		emptiedAndRemoved(seen(), func(cm *corev1.ConfigMap) (bool, error) {
			Expect(slices.Sorted(maps.Keys(cm.Data))).To(Equal([]string{"access.csv", "access.json", "data.json", "policy.csv", "roles.csv"}))
			// The OPA sidecar ignores ConfigMaps without the label and would keep the previous content.
			Expect(cm.Labels).To(HaveKeyWithValue(opaLabel, "opa"))
			return !strings.Contains(fmt.Sprint(cm.Data), "ana@"), nil
		})
	})
})

// omits checks the number of users with access, and the number that a format leaves out.
func (n namespace) omits(application string, users, omitted int32) check {
	return func(ctx context.Context) error {
		var aa accessv1alpha1.ApplicationAccess
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: application}, &aa); err != nil {
			return err
		}
		if aa.Status.Users != users || aa.Status.Omitted != omitted {
			return fmt.Errorf("ApplicationAccess %s/%s: %d users, %d omitted, not %d and %d", n.name, application,
				aa.Status.Users, aa.Status.Omitted, users, omitted)
		}
		return nil
	}
}
