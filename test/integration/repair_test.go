package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// essence is the part of a ConfigMap that Usher owns.
type essence struct {
	Data      map[string]string
	Binary    map[string][]byte
	Labels    map[string]string
	Digest    string
	Owners    []metav1.OwnerReference
	Immutable bool
}

func essenceOf(cm *corev1.ConfigMap) essence {
	return essence{
		cm.Data, cm.BinaryData, cm.Labels, cm.Annotations[accessv1alpha1.AnnotationDigest], cm.OwnerReferences,
		cm.Immutable != nil && *cm.Immutable,
	}
}

// restored checks that the ConfigMap has its previous content.
func (n namespace) restored(name string, want essence) check {
	return func(ctx context.Context) error {
		var cm corev1.ConfigMap
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: name}, &cm); err != nil {
			return err
		}
		if diff := cmp.Diff(want, essenceOf(&cm)); diff != "" {
			return fmt.Errorf("ConfigMap %s/%s (-want +got):\n%s", n.name, name, diff)
		}
		return nil
	}
}

var _ = Describe("An edit by a third party", func() {
	// No other spec has a user of this name in two organizations.
	const rita = "rita@acme.example"
	const team = `{members: [{user: rita@acme.example}], applicationAccess: [{application: red, role: Editor}]}`

	It("of a published ConfigMap is reverted", func(ctx SpecContext) {
		first, second := newOrganization(ctx), newOrganization(ctx)
		for _, o := range []namespace{first, second} {
			o.apply(ctx, "ApplicationAccess", "red", "{}")
			o.apply(ctx, "AccessGroup", "team", team)
			o.waitReady(ctx, "applicationaccess", "red")
			o.waitReady(ctx, "accessgroup", "team")
		}
		eventually(ctx, system.present("ConfigMap", organizationsMap(rita)))

		for _, published := range []struct {
			in        namespace
			name, key string
		}{
			{first, applicationMap("red"), document.AccessKey},
			{first, userMap(rita), document.AccessKey},
			{system, organizationsMap(rita), document.OrganizationsKey},
		} {
			o, name := published.in, published.name
			before := read(ctx, o, name, &corev1.ConfigMap{})
			want := essenceOf(before)
			for _, edit := range []struct{ what, patch string }{
				{"data", fmt.Sprintf(`{data: {%s: "{}"}}`, published.key)},
				{"data and its digest", fmt.Sprintf(`{data: {%s: "{}"}, metadata: {annotations: {access.usher.dev/digest: "0"}}}`, published.key)},
				{"no data", `{data: null}`},
				{"more data", `{data: {more.json: "{}"}}`},
				{"binary data", `{binaryData: {more: AAAA}}`},
				{"the digest", `{metadata: {annotations: {access.usher.dev/digest: "0"}}}`},
				{"no digest", `{metadata: {annotations: {access.usher.dev/digest: null}}}`},
				{"the document label", `{metadata: {labels: {access.usher.dev/document: other}}}`},
				{"no labels", `{metadata: {labels: null}}`},
				{"data behind a removed label", fmt.Sprintf(`{data: {%s: "{}"}, metadata: {labels: {app.kubernetes.io/managed-by: null}}}`, published.key)},
				{"another manager", `{metadata: {labels: {app.kubernetes.io/managed-by: Helm}}}`},
				{"no owner", `{metadata: {ownerReferences: null}}`},
				{"another controller", `{metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: kube-root-ca.crt, ` +
					`controller: true, uid: ` + string(read(ctx, o, "kube-root-ca.crt", &corev1.ConfigMap{}).UID) + `}]}}`},
				{"immutable", `{immutable: true}`},
				{"immutable with other data", fmt.Sprintf(`{immutable: true, data: {%s: "{}"}}`, published.key)},
				{"immutable behind a removed label", `{immutable: true, metadata: {labels: null}}`},
			} {
				By(name + ": " + edit.what)
				o.patch(ctx, "ConfigMap", name, edit.patch)
				eventually(ctx, o.restored(name, want))
			}
			By(name + ": deleted")
			Expect(kube.Delete(ctx, newObject("ConfigMap", o.name, name))).To(Succeed())
			eventually(ctx, o.restored(name, want))

			By(name + ": a foreign label, annotation and finalizer")
			o.patch(ctx, "ConfigMap", name, `{metadata: {annotations: {example.org/mine: "yes"}, labels: {example.org/mine: "yes"},
				finalizers: [example.org/mine]}}`)
			o.patch(ctx, "ConfigMap", name, `{data: null}`)
			foreign := want
			foreign.Labels = maps.Clone(want.Labels)
			foreign.Labels["example.org/mine"] = "yes"
			eventually(ctx, o.restored(name, foreign))
			cm := read(ctx, o, name, &corev1.ConfigMap{})
			Expect(cm.Annotations).To(HaveKeyWithValue("example.org/mine", "yes"))
			Expect(cm.Finalizers).To(ConsistOf("example.org/mine"))
			o.patch(ctx, "ConfigMap", name, `{metadata: {finalizers: null}}`)
		}
		now(ctx, all(first.says("ApplicationAccess", "red", ready()), first.says("AccessGroup", "team", ready())))
	})

	It("of a status is reverted, and a declared object is never written", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.apply(ctx, "AccessPolicy", "default", "{}")
		o.apply(ctx, "UserAccess", "ana", "{user: rita@acme.example}")
		for _, ref := range [][2]string{{"ApplicationAccess", "red"}, {"AccessGroup", "team"}, {"AccessPolicy", "default"}, {"UserAccess", "ana"}} {
			kind, name := ref[0], ref[1]
			o.waitReady(ctx, kind, name)
			before := o.get(ctx, kind, name)
			restored := o.status(kind, name, before.Object["status"])
			for _, edit := range []string{
				`{status: {observedGeneration: 77}}`,
				`{status: {conditions: null}}`,
				`{status: {conditions: [{type: Ready, status: "False", reason: Edited, message: by hand, lastTransitionTime: "2020-01-01T00:00:00Z"}]}}`,
				`{status: null}`,
			} {
				By(kind + ": " + edit)
				o.patchStatus(ctx, kind, name, edit)
				eventually(ctx, restored)
			}
			after := o.get(ctx, kind, name)
			Expect(after.GetGeneration()).To(Equal(before.GetGeneration()))
			Expect(after.Object["spec"]).To(Equal(before.Object["spec"]))
			Expect(after.GetAnnotations()).To(Equal(before.GetAnnotations()))
			Expect(after.GetLabels()).To(Equal(before.GetLabels()))
		}
	})
})

var _ = Describe("A foreign ConfigMap", func() {
	It("that had the name before is not changed, and the object that should own it reports the conflict until it is deleted", func(ctx SpecContext) {
		const ana = "ana@acme.example"
		o := newOrganization(ctx)
		for _, name := range []string{applicationMap("red"), userMap(ana)} {
			foreign := &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name}, Data: map[string]string{"mine": "yes"},
			}
			Expect(kube.Create(ctx, foreign, fieldOwner)).To(Succeed())
		}
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "ApplicationAccess", "blue", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}, {user: ben@acme.example}],
			applicationAccess: [{application: red, role: Editor}, {application: blue, role: Viewer}]}`)

		conflict := func(name string) []condition {
			message := o.name + "/" + name + " has the name of a published document"
			return []condition{notReady("ConfigMapConflict", message), {"Stalled", "True", "ConfigMapConflict", message}}
		}
		eventually(ctx, all(
			o.says("ApplicationAccess", "red", conflict(applicationMap("red"))...),
			o.says("UserAccess", userName(ana), conflict(userMap(ana))...),
			o.says("ApplicationAccess", "blue", ready()),
			// The group is ready nevertheless: it counts the missing documents.
			o.says("AccessGroup", "team", ready()), o.unpublished("team", 2),
			o.publishes("blue", ana, "Viewer"), o.holds("ben@acme.example", "blue", "Viewer"),
		))
		for _, name := range []string{applicationMap("red"), userMap(ana)} {
			cm := read(ctx, o, name, &corev1.ConfigMap{})
			Expect(cm.Data).To(Equal(map[string]string{"mine": "yes"}))
			Expect(cm.Labels).To(BeEmpty())
			Expect(cm.OwnerReferences).To(BeEmpty())
			Expect(kube.Delete(ctx, cm)).To(Succeed())
		}
		eventually(ctx, all(
			o.says("ApplicationAccess", "red", ready(), condition{kind: "Stalled"}),
			o.says("UserAccess", userName(ana), ready(), condition{kind: "Stalled"}),
			o.says("AccessGroup", "team", ready()), o.unpublished("team", 0),
			o.holds(ana, "red", "Editor"),
		))
	})
})

var _ = Describe("While the manager is down", func() {
	const ana, ben, cy = "ana@acme.example", "ben@acme.example", "cy@acme.example"

	It("changes are caught up on when it runs again", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "ApplicationAccess", "blue", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.apply(ctx, "AccessGroup", "short-lived", `{members: [{user: cy@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.apply(ctx, "UserAccess", "ben", "{user: ben@acme.example, applicationAccess: [{application: red, role: Viewer}]}")
		for _, ref := range [][2]string{
			{"applicationaccess", "red"}, {"applicationaccess", "blue"}, {"accessgroup", "team"}, {"accessgroup", "short-lived"}, {"useraccess", "ben"},
		} {
			o.waitReady(ctx, ref[0], ref[1])
		}
		alien := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: o.name, Name: "alien", Labels: map[string]string{accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy},
		}}
		Expect(kube.Create(ctx, alien, fieldOwner)).To(Succeed())
		Expect(manager.Kill()).To(Succeed())

		for _, gone := range [][2]string{{"applicationaccess", "blue"}, {"useraccess", "ben"}, {"useraccess", userName(ana)}} {
			_, err := plane.Kubectl(ctx, "-n", o.name, "delete", gone[0], gone[1], "--cascade=orphan", garbageCollected)
			Expect(err).NotTo(HaveOccurred())
		}
		o.remove(ctx, "AccessGroup", "short-lived")
		o.patch(ctx, "AccessGroup", "team", "{spec: {applicationAccess: [{application: red, role: Viewer}]}}")
		o.patch(ctx, "ConfigMap", userMap(ana), "{metadata: {labels: null}}")
		now(ctx, all(o.present("ConfigMap", applicationMap("blue")), o.present("ConfigMap", userMap(ben))))

		manager.Start(ctx)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, all(o.holds(ana, "red", "Viewer"), o.holds(ben, "red", "NoAccess"), o.holds(cy, "red", "NoAccess")))
		eventually(ctx, all(
			o.accounts(materialized(ana)), o.owner(userMap(ana), "UserAccess", userName(ana)),
			o.absent("ConfigMap", applicationMap("blue")), o.absent("ConfigMap", userMap(ben)), o.absent("ConfigMap", userMap(cy)),
		))
		// A ConfigMap that only has the label does not belong to Usher.
		Expect(read(ctx, o, "alien", &corev1.ConfigMap{}).ResourceVersion).To(Equal(alien.ResourceVersion))
	})
})

// unpublished checks the group's count of documents that cannot be written.
func (n namespace) unpublished(group string, want int32) check {
	return func(ctx context.Context) error {
		var g accessv1alpha1.AccessGroup
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: group}, &g); err != nil {
			return err
		}
		if g.Status.Unpublished != want {
			return fmt.Errorf("AccessGroup %s/%s has %d unpublished documents, not %d", n.name, group, g.Status.Unpublished, want)
		}
		return nil
	}
}

// garbageCollected is the timeout for the garbage collector, which discovers new kinds every half minute.
const garbageCollected = "--timeout=60s"

var _ = Describe("An ApplicationAccess", func() {
	const ana = "ana@acme.example"
	const team = `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`

	It("that is deleted with its document orphaned, and created again, owns the document again", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "applicationaccess", "red")
		o.waitReady(ctx, "accessgroup", "team")
		before := dataOf(ctx, o.name)

		_, err := plane.Kubectl(ctx, "-n", o.name, "delete", "applicationaccess", "red", "--cascade=orphan", garbageCollected)
		Expect(err).NotTo(HaveOccurred())
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.waitReady(ctx, "applicationaccess", "red")
		now(ctx, all(same(before, o.name), o.owner(applicationMap("red"), "ApplicationAccess", "red")))
		// The removal that was planned does not happen any more.
		Consistently(func() error { return same(before, o.name)(ctx) }).WithContext(ctx).WithTimeout(grace).Should(Succeed())
	})

	It("that is deleted with its document orphaned: the document is emptied and then deleted", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "applicationaccess", "red")
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.publishes("red", ana, "Editor"))

		seen := watchMap(ctx, o, applicationMap("red"))
		_, err := plane.Kubectl(ctx, "-n", o.name, "delete", "applicationaccess", "red", "--cascade=orphan", garbageCollected)
		Expect(err).NotTo(HaveOccurred())
		eventually(ctx, o.absent("ConfigMap", applicationMap("red")))
		emptiedAndRemoved(seen(), func(cm *corev1.ConfigMap) (bool, error) {
			d, err := documentOf(cm)
			return d != nil && len(d.Users) == 0, err
		})
	})
})

var _ = Describe("The deletion of an owner", func() {
	It("leaves the documents empty for the grace period, whatever the garbage collector does", func(ctx SpecContext) {
		// A lost document is known for the grace period. Usher may need two seconds to find that a write was too late.
		manager.Replace(ctx, "--document-grace=10s")
		o := newOrganization(ctx)
		const applications = 8 // the garbage collector is not first each time
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: "*", role: Editor}]}`)
		o.apply(ctx, "UserAccess", "ben", `{user: ben@acme.example, applicationAccess: [{application: "*", role: Viewer}]}`)
		for i := range applications {
			o.apply(ctx, "ApplicationAccess", fmt.Sprintf("red-%d", i), "{}")
		}
		for i := range applications {
			o.waitReady(ctx, "applicationaccess", fmt.Sprintf("red-%d", i))
		}
		o.waitReady(ctx, "useraccess", "ben")

		emptyUser := func(cm *corev1.ConfigMap) (bool, error) {
			d, err := parseDocument[document.User](cm, document.AccessKey)
			return d != nil && d.DefaultRole == document.NoAccess && len(d.Applications) == 0, err
		}
		emptyApplication := func(cm *corev1.ConfigMap) (bool, error) {
			d, err := documentOf(cm)
			return d != nil && len(d.Users) == 0, err
		}
		ends := map[string]func(*corev1.ConfigMap) (bool, error){userMap("ben@acme.example"): emptyUser}
		for i := range applications {
			ends[applicationMap(fmt.Sprintf("red-%d", i))] = emptyApplication
		}
		watched := map[string]func() []mapEvent{}
		for name := range ends {
			watched[name] = watchMap(ctx, o, name)
		}
		ben := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "ben"}}
		Expect(kube.Delete(ctx, ben)).To(Succeed())
		Expect(kube.DeleteAllOf(ctx, &accessv1alpha1.ApplicationAccess{}, client.InNamespace(o.name))).To(Succeed())
		for name, empty := range ends {
			// The garbage collector may remove the document before Usher leaves an empty one in its place.
			Eventually(func(g Gomega) {
				events := watched[name]()
				g.Expect(events).NotTo(BeEmpty())
				last := events[len(events)-1]
				isEmpty, err := empty(last.configMap)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(last.kind == watch.Deleted && isEmpty).To(BeTrue(), "ConfigMap %s ends with %s %v", name, last.kind, last.configMap.Data)
			}).WithContext(ctx).Should(Succeed())
			emptiedAndRemoved(watched[name](), empty)
		}
	})
})

// emptiedAndRemoved checks that the document was written empty once, stayed so for the grace period, and was removed.
func emptiedAndRemoved(events []mapEvent, empty func(*corev1.ConfigMap) (bool, error)) {
	GinkgoHelper()
	var emptied time.Time
	for _, event := range events {
		isEmpty, err := empty(event.configMap)
		Expect(err).NotTo(HaveOccurred())
		switch {
		case isEmpty && emptied.IsZero():
			emptied = event.at
		case !emptied.IsZero():
			Expect(isEmpty).To(BeTrue(), "it was written again: %s %v", event.kind, event.configMap.Data)
		}
	}
	Expect(emptied).NotTo(BeZero(), "it was never empty")
	last := events[len(events)-1]
	Expect(last.kind).To(Equal(watch.Deleted))
	Expect(last.at).To(BeTemporally(">=", emptied.Add(grace-100*time.Millisecond)), "the grace period was not over")
}

// status compares a status with an earlier one, except for the times of conditions, which the edit also changed.
func (n namespace) status(kind, name string, want any) check {
	return func(ctx context.Context) error {
		u := newObject(kind, n.name, name)
		if err := kube.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
			return err
		}
		previous, err := withoutTimes(want)
		if err != nil {
			return err
		}
		current, err := withoutTimes(u.Object["status"])
		if err != nil {
			return err
		}
		if diff := cmp.Diff(previous, current); diff != "" {
			return fmt.Errorf("status of %s %s/%s (-want +got):\n%s", kind, n.name, name, diff)
		}
		return nil
	}
}

func withoutTimes(status any) (map[string]any, error) {
	text, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	var decoded map[string]any
	if err := json.Unmarshal(text, &decoded); err != nil {
		return nil, err
	}
	list, _ := decoded["conditions"].([]any)
	for i := range list {
		if c, ok := list[i].(map[string]any); ok {
			delete(c, "lastTransitionTime")
		}
	}
	return decoded, nil
}
