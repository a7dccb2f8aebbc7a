package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// collectorIsCurrent waits until the garbage collector knows the owners of the namespace's ConfigMaps. It processes
// events in order, so the deletion of the last object shows that it has processed all earlier ones. It does not orphan
// an object whose owner it does not know yet.
func (n namespace) collectorIsCurrent(ctx context.Context) {
	GinkgoHelper()
	last := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: n.name, Name: "nobody-owns-this",
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "nobody", UID: "00000000-0000-0000-0000-000000000001"}},
	}}
	Expect(kube.Create(ctx, last)).To(Succeed())
	eventually(ctx, n.absent("ConfigMap", last.Name))
}

// accounts checks which UserAccess objects the namespace has: "name" for a declared one, "name*" for a materialized
// one.
func (n namespace) accounts(want ...string) check {
	want = append([]string{}, want...)
	return func(ctx context.Context) error {
		var list accessv1alpha1.UserAccessList
		if err := kube.List(ctx, &list, client.InNamespace(n.name)); err != nil {
			return err
		}
		got := []string{}
		for i := range list.Items {
			name := list.Items[i].Name
			if list.Items[i].Labels[accessv1alpha1.LabelMaterialized] == accessv1alpha1.ValueTrue {
				name += "*"
			}
			got = append(got, name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("UserAccess objects of %s (-want +got):\n%s", n.name, diff)
		}
		return nil
	}
}

func materialized(user string) string { return userName(user) + "*" }

// grantsNothing reports whether a user document gives no access.
func grantsNothing(cm *corev1.ConfigMap) (bool, error) {
	d, err := parseDocument[document.User](cm, document.AccessKey)
	return d != nil && d.OrganizationRole == document.NoAccess && d.DefaultRole == document.NoAccess && len(d.Applications) == 0, err
}

var _ = Describe("A materialized UserAccess", func() {
	const ana, ben = "ana@acme.example", "ben@acme.example"
	const team = `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`

	It("exists as long as it is needed, and contains only the user", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")

		now(ctx, all(o.accounts(materialized(ana)), o.owner(userMap(ana), "UserAccess", userName(ana))))
		ua := read(ctx, o, userName(ana), &accessv1alpha1.UserAccess{})
		Expect(ua.Labels).To(Equal(map[string]string{accessv1alpha1.LabelMaterialized: "true"}))
		Expect(ua.Annotations).To(BeEmpty())
		Expect(ua.Finalizers).To(BeEmpty())
		Expect(ua.Spec).To(Equal(accessv1alpha1.UserAccessSpec{User: ana, State: accessv1alpha1.UserStateActive}))
		eventually(ctx, o.says("UserAccess", userName(ana), ready(), condition{"ResolvedRefs", "True", "Resolved", ""},
			condition{"RoleConflict", "False", "NoConflicts", ""}, condition{kind: "Stalled"}))
		ua = read(ctx, o, userName(ana), &accessv1alpha1.UserAccess{})
		Expect(ua.Status.Groups).To(Equal([]accessv1alpha1.GroupName{"team"}))
		Expect(ua.Status.Applications).To(Equal([]accessv1alpha1.EffectiveRole{
			{Name: "red", Role: "Editor", Source: accessv1alpha1.SourceName("AccessGroup/" + o.name + "/team"), Rule: "OnlyGrant"},
		}))

		By("removing the need for it")
		seen := watchMap(ctx, o, userMap(ana))
		o.apply(ctx, "AccessGroup", "team", `{members: [], applicationAccess: [{application: red, role: Editor}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.holds(ana, "red", "NoAccess"))
		eventually(ctx, all(o.accounts(), o.absent("ConfigMap", userMap(ana))))
		emptiedAndRemoved(seen(), grantsNothing)
	})

	It("is created again while it is being deleted, if it is needed again", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")
		before := read(ctx, o, userName(ana), &accessv1alpha1.UserAccess{}).UID
		o.patch(ctx, "AccessGroup", "team", "{spec: {members: []}}")
		eventually(ctx, o.holds(ana, "red", "NoAccess"))
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, all(o.holds(ana, "red", "Editor"), o.accounts(materialized(ana))))
		Expect(read(ctx, o, userName(ana), &accessv1alpha1.UserAccess{}).UID).To(Equal(before))
		Consistently(func() error { return o.holds(ana, "red", "Editor")(ctx) }).WithContext(ctx).WithTimeout(grace).Should(Succeed())
	})

	It("is replaced by a declared one and replaces it, and the document stays", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")
		before := read(ctx, o, userMap(ana), &corev1.ConfigMap{})
		seen := watchMap(ctx, o, userMap(ana))
		stays := func() {
			for _, event := range seen() {
				Expect(event.kind).To(BeEquivalentTo("MODIFIED"))
				Expect(event.configMap.Data).To(Equal(before.Data))
			}
			Expect(read(ctx, o, userMap(ana), &corev1.ConfigMap{}).UID).To(Equal(before.UID))
		}

		By("declaring one")
		o.apply(ctx, "UserAccess", "ana", "{user: ana@acme.example, displayName: Ana}")
		o.waitReady(ctx, "useraccess", "ana")
		now(ctx, all(o.owner(userMap(ana), "UserAccess", "ana"), o.holds(ana, "red", "Editor")))
		eventually(ctx, o.accounts("ana"))
		stays()

		By("deleting the declared one and orphaning its ConfigMap")
		o.collectorIsCurrent(ctx)
		_, err := plane.Kubectl(ctx, "-n", o.name, "delete", "useraccess", "ana", "--cascade=orphan", garbageCollected)
		Expect(err).NotTo(HaveOccurred())
		eventually(ctx, all(o.accounts(materialized(ana)), o.owner(userMap(ana), "UserAccess", userName(ana)), o.holds(ana, "red", "Editor")))
		stays()

		By("declaring one under the name of the materialized one")
		o.apply(ctx, "UserAccess", userName(ana), "{user: ana@acme.example, displayName: Ana}")
		o.waitReady(ctx, "useraccess", userName(ana))
		now(ctx, all(o.owner(userMap(ana), "UserAccess", userName(ana)), o.holds(ana, "red", "Editor")))
		stays()
		o.patch(ctx, "AccessGroup", "team", "{spec: {members: []}}")
		eventually(ctx, o.holds(ana, "red", "NoAccess"))
		always(ctx, all(o.present("UserAccess", userName(ana)), o.present("ConfigMap", userMap(ana)))) // declared objects
	})

	It("also replaces a declared one that is deleted together with the document", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "UserAccess", "ana", "{user: ana@acme.example}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")
		o.waitReady(ctx, "useraccess", "ana")
		before := dataOf(ctx, o.name)
		o.remove(ctx, "UserAccess", "ana")
		eventually(ctx, all(o.accounts(materialized(ana)), o.owner(userMap(ana), "UserAccess", userName(ana)), same(before, o.name)))
	})

	It("is created again after a deletion, and deleted if somebody else created it", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")
		before := dataOf(ctx, o.name)
		for _, cascade := range []string{"background", "orphan"} {
			_, err := plane.Kubectl(ctx, "-n", o.name, "delete", "useraccess", userName(ana), "--cascade="+cascade, garbageCollected)
			Expect(err).NotTo(HaveOccurred())
			eventually(ctx, all(o.accounts(materialized(ana)), o.owner(userMap(ana), "UserAccess", userName(ana)), same(before, o.name),
				o.says("UserAccess", userName(ana), ready())))
		}
		label := map[string]string{accessv1alpha1.LabelMaterialized: "true"}
		o.applyLabelled(ctx, "UserAccess", userName(ben), label, "{user: ben@acme.example}")
		eventually(ctx, o.accounts(materialized(ana)))
		// With any field other than the user, the object is declared, and stays.
		o.applyLabelled(ctx, "UserAccess", userName(ben), label, "{user: ben@acme.example, displayName: Ben}")
		o.waitReady(ctx, "useraccess", userName(ben))
		always(ctx, o.accounts(materialized(ana), materialized(ben)))
	})

	It("exists exactly for the users who need one", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "no-roles", "{members: [{user: member@acme.example}]}")
		o.apply(ctx, "AccessGroup", "powerless",
			`{members: [{user: powerless@acme.example}], privileges: Disabled, applicationAccess: [{application: red, role: Editor}]}`)
		o.apply(ctx, "AccessGroup", "over", fmt.Sprintf(`{members: [{user: over@acme.example, notAfter: %q}], organizationRole: Viewer}`, at(inSeconds(-60))))
		o.apply(ctx, "AccessGroup", "misplaced", "{type: System, members: [{user: misplaced@acme.example}]}")
		o.apply(ctx, "UserAccess", "declared", "{user: declared@acme.example}")
		system.apply(ctx, "AccessGroup", "here", fmt.Sprintf(
			`{type: System, members: [{user: global@acme.example}], systemAccess: [{organization: %s, role: Observer}]}`, o.name))
		system.apply(ctx, "AccessGroup", "elsewhere",
			`{type: System, members: [{user: elsewhere@acme.example}], systemAccess: [{organization: nowhere, role: Observer}]}`)
		for _, name := range []string{"no-roles", "powerless", "over"} {
			o.waitReady(ctx, "accessgroup", name)
		}
		system.waitReady(ctx, "accessgroup", "here")
		o.waitReady(ctx, "useraccess", "declared")
		want := o.accounts("declared", materialized("member@acme.example"), materialized("powerless@acme.example"), materialized("global@acme.example"))
		now(ctx, want)
		always(ctx, all(want, system.absent("UserAccess", userName("global@acme.example"))))
		found, err := publishedIn(ctx, o.name)
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(HaveLen(5)) // for four users and an application
	})
})

var _ = Describe("The organizations document", func() {
	// No other spec has a user of this name in two organizations.
	const olga = "olga@acme.example"

	It("exists for a user in two organizations, with a UserAccess that owns it", func(ctx SpecContext) {
		first, second := newOrganization(ctx), newOrganization(ctx)
		first.apply(ctx, "AccessGroup", "team", `{members: [{user: olga@acme.example}], organizationRole: Editor}`)
		first.waitReady(ctx, "accessgroup", "team")
		always(ctx, all(system.absent("ConfigMap", organizationsMap(olga)), system.absent("UserAccess", userName(olga))))

		end := inSeconds(3600)
		second.apply(ctx, "AccessGroup", "team", fmt.Sprintf(
			`{members: [{user: olga@acme.example, notAfter: %q}], applicationAccess: [{application: red, role: Viewer}]}`, at(end)))
		entries := []document.Organization{
			{Name: first.name, OrganizationRole: "Editor"}, {Name: second.name, OrganizationRole: "NoAccess", NotAfter: end.UTC()},
		}
		slices.SortFunc(entries, func(a, b document.Organization) int { return strings.Compare(a.Name, b.Name) })
		eventually(ctx, all(system.organizations(olga, entries...), system.owner(organizationsMap(olga), "UserAccess", userName(olga)),
			system.says("UserAccess", userName(olga), ready())))

		By("declaring one")
		system.apply(ctx, "UserAccess", "olga", "{user: olga@acme.example}")
		eventually(ctx, all(system.owner(organizationsMap(olga), "UserAccess", "olga"), system.absent("UserAccess", userName(olga)),
			system.organizations(olga, entries...), system.says("UserAccess", "olga", ready())))
		system.remove(ctx, "UserAccess", "olga")
		eventually(ctx, all(system.owner(organizationsMap(olga), "UserAccess", userName(olga)), system.organizations(olga, entries...)))

		By("leaving one organization")
		seen := watchMap(ctx, system, organizationsMap(olga))
		second.remove(ctx, "AccessGroup", "team")
		eventually(ctx, all(system.absent("ConfigMap", organizationsMap(olga)), system.absent("UserAccess", userName(olga))))
		emptiedAndRemoved(seen(), func(cm *corev1.ConfigMap) (bool, error) {
			d, err := parseDocument[document.Organizations](cm, document.OrganizationsKey)
			return d != nil && len(d.Organizations) == 0, err
		})
		now(ctx, first.tells(olga, "any", "Editor"))
	})
})

// organizations checks the content of the organizations document of the user.
func (n namespace) organizations(user string, want ...document.Organization) check {
	return func(ctx context.Context) error {
		got, err := readDocument[document.Organizations](ctx, n, organizationsMap(user), document.OrganizationsKey)
		if err != nil {
			return err
		}
		wanted := &document.Organizations{
			APIVersion: document.APIVersion, Kind: document.KindOrganizations, User: user, Organizations: want,
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			return fmt.Errorf("organizations document of %s (-want +got):\n%s", user, diff)
		}
		return nil
	}
}

var _ = Describe("userConfigMaps", func() {
	It("Disabled removes the users' documents, but neither their access nor their statuses", func(ctx SpecContext) {
		const ana = "ana@acme.example"
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		before := dataOf(ctx, o.name)

		seen := watchMap(ctx, o, userMap(ana))
		o.apply(ctx, "AccessPolicy", "default", "{userConfigMaps: Disabled}")
		eventually(ctx, o.absent("ConfigMap", userMap(ana)))
		emptiedAndRemoved(seen(), grantsNothing)
		o.waitReady(ctx, "accesspolicy", "default")
		o.waitReady(ctx, "accessgroup", "team")

		o.patch(ctx, "AccessGroup", "team", "{spec: {applicationAccess: [{application: red, role: Viewer}]}}")
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.publishes("red", ana, "Viewer"))
		eventually(ctx, o.says("UserAccess", userName(ana), ready()))
		ua := read(ctx, o, userName(ana), &accessv1alpha1.UserAccess{})
		Expect(ua.Status.Applications).To(HaveLen(1))
		Expect(ua.Status.Applications[0].Role).To(BeEquivalentTo("Viewer"))
		now(ctx, o.absent("ConfigMap", userMap(ana)))

		o.patch(ctx, "AccessGroup", "team", "{spec: {applicationAccess: [{application: red, role: Editor}]}}")
		o.apply(ctx, "AccessPolicy", "default", "{}")
		o.waitReady(ctx, "accesspolicy", "default")
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, same(before, o.name))
	})
})
