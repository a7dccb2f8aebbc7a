package integration_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// unresolved checks the conditions of an object with an unresolved reference.
func (n namespace) unresolved(kind, name, message string) check {
	return n.says(kind, name, notReady("UnresolvedReferences", message),
		condition{"ResolvedRefs", "False", "UnresolvedReferences", message}, condition{kind: "Stalled"})
}

// resolved checks the condition of an object whose references resolve.
func (n namespace) resolved(kind, name string) check {
	return n.says(kind, name, ready(), condition{"ResolvedRefs", "True", "Resolved", ""}, condition{kind: "Stalled"})
}

// stalled checks the conditions of an object that has no effect.
func (n namespace) stalled(kind, name, reason, message string) check {
	return n.says(kind, name, notReady(reason, message), condition{"Stalled", "True", reason, message})
}

// tellsInEvent checks that there is an event about the object.
func (n namespace) tellsInEvent(kind, name, severity, reason, note string) check {
	return func(ctx context.Context) error {
		var list eventsv1.EventList
		if err := kube.List(ctx, &list, client.InNamespace(n.name)); err != nil {
			return err
		}
		var others []string
		for i := range list.Items {
			e := &list.Items[i]
			if e.Regarding.Kind == kind && e.Regarding.Name == name {
				if e.Type == severity && e.Reason == reason && strings.Contains(e.Note, note) && e.ReportingController == "usher" {
					return nil
				}
				others = append(others, fmt.Sprintf("%s %s from %s: %s", e.Type, e.Reason, e.ReportingController, e.Note))
			}
		}
		return fmt.Errorf("no event %s %s %q about %s %s/%s, but %q", severity, reason, note, kind, n.name, name, others)
	}
}

var _ = Describe("A reference that does not resolve", func() {
	const ana, ben, cy = "ana@acme.example", "ben@acme.example", "cy@acme.example"

	It("is reported, gives nothing, and does not affect other entries: a role", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "ApplicationAccess", "blue", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], organizationRole: Boss,
			applicationAccess: [{application: red, role: Edtor}, {application: blue, role: Viewer}]}`)
		o.apply(ctx, "AccessGroup", "others", `{members: [{user: ana@acme.example}], applicationAccess: [{application: green, role: Viewer}]}`)
		o.apply(ctx, "UserAccess", "ben", `{user: ben@acme.example, applicationAccess: [{application: red, role: Owner}, {application: blue, role: Editor}]}`)
		eventually(ctx, all(
			o.unresolved("AccessGroup", "team", `spec.applicationAccess[red].role: no role "Edtor" is on the application ladder`),
			o.unresolved("AccessGroup", "team", `spec.organizationRole: no role "Boss" is on the organization ladder`),
			o.unresolved("UserAccess", "ben", `spec.applicationAccess[red].role: no role "Owner" is on the application ladder`),
			o.resolved("AccessGroup", "others"), o.says("ApplicationAccess", "red", ready()),
			o.tellsInEvent("AccessGroup", "team", "Warning", "UnresolvedReferences", "Edtor"),
			o.tellsInEvent("UserAccess", "ben", "Warning", "UnresolvedReferences", "Owner"),
			o.tellsInEvent("AccessGroup", "others", "Normal", "Published", ""),
		))
		now(ctx, all(o.holds(ana, "red", "NoAccess"), o.holds(ana, "blue", "Viewer"), o.tells(ana, "green", "Viewer"),
			o.holds(ben, "red", "NoAccess"), o.holds(ben, "blue", "Editor")))
		Expect(read(ctx, o, "team", &accessv1alpha1.AccessGroup{}).Status.UnresolvedReferences).To(ConsistOf(
			accessv1alpha1.UnresolvedReference{Field: "spec.organizationRole", Kind: "OrganizationRole", Name: "Boss"},
			accessv1alpha1.UnresolvedReference{Field: "spec.applicationAccess[red].role", Kind: "ApplicationRole", Name: "Edtor"},
		))

		By("declaring the roles")
		o.apply(ctx, "AccessPolicy", "default", `{applicationRoles: [{name: Owner}, {name: Edtor}, {name: Editor}, {name: Viewer}],
			organizationRoles: [{name: Boss}]}`)
		eventually(ctx, all(o.resolved("AccessGroup", "team"), o.resolved("UserAccess", "ben"),
			o.holds(ana, "red", "Edtor"), o.holds(ben, "red", "Owner")))
	})

	It("is reported, gives nothing, and does not affect other entries: a group", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], memberGroups: [missing, misplaced],
			applicationAccess: [{application: red, role: Viewer}]}`)
		o.apply(ctx, "AccessGroup", "misplaced", `{type: System, members: [{user: cy@acme.example}]}`)
		o.apply(ctx, "UserAccess", "ben", `{user: ben@acme.example, groups: [absent, team]}`)
		eventually(ctx, all(
			o.unresolved("AccessGroup", "team", `spec.memberGroups[missing]: no AccessGroup "missing" counts in this namespace`),
			o.unresolved("AccessGroup", "team", `spec.memberGroups[misplaced]: no AccessGroup "misplaced" counts in this namespace`),
			o.unresolved("UserAccess", "ben", `spec.groups[absent]: no AccessGroup "absent" counts in this namespace`),
		))
		now(ctx, all(o.holds(ana, "red", "Viewer"), o.holds(ben, "red", "Viewer"), o.publishes("red", cy, "NoAccess")))

		By("creating them")
		o.apply(ctx, "AccessGroup", "missing", `{members: [{user: dee@acme.example}]}`)
		o.remove(ctx, "AccessGroup", "misplaced")
		o.apply(ctx, "AccessGroup", "misplaced", `{members: [{user: cy@acme.example}]}`)
		o.apply(ctx, "AccessGroup", "absent", `{applicationAccess: [{application: "*", role: Viewer}]}`)
		eventually(ctx, all(o.resolved("AccessGroup", "team"), o.resolved("UserAccess", "ben"),
			o.holds("dee@acme.example", "red", "Viewer"), o.holds(cy, "red", "Viewer"), o.tells(ben, "any", "Viewer")))

		By("deleting one again")
		o.remove(ctx, "AccessGroup", "absent")
		eventually(ctx, all(o.unresolved("UserAccess", "ben", "absent"), o.holds(ben, "red", "Viewer"), o.tells(ben, "any", "NoAccess")))
	})

	It("is reported when a ladder loses a role that is in use", func(ctx SpecContext) {
		o := newOrganization(ctx)
		const ladder = "{applicationRoles: [{name: Owner}, {name: Editor}, {name: Reader}]}"
		o.apply(ctx, "AccessPolicy", "default", ladder)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "editors", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.apply(ctx, "AccessGroup", "readers", `{members: [{user: ben@acme.example}], applicationAccess: [{application: red, role: Reader}]}`)
		o.waitReady(ctx, "accessgroup", "editors")
		o.waitReady(ctx, "accessgroup", "readers")
		before := dataOf(ctx, o.name)

		o.apply(ctx, "AccessPolicy", "default", "{applicationRoles: [{name: Owner}, {name: Reader}]}")
		eventually(ctx, all(o.unresolved("AccessGroup", "editors", `no role "Editor"`), o.resolved("AccessGroup", "readers"),
			o.holds(ana, "red", "NoAccess"), o.holds(ben, "red", "Reader")))
		o.apply(ctx, "AccessPolicy", "default", ladder)
		eventually(ctx, all(o.resolved("AccessGroup", "editors"), same(before, o.name)))
	})
})

var _ = Describe("An object without effect", func() {
	const ana = "ana@acme.example"

	It("is a group in the wrong namespace, in both directions", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "misplaced", `{type: System, members: [{user: ana@acme.example}], systemAccess: [{organization: "*", role: Observer}]}`)
		system.apply(ctx, "AccessGroup", "misplaced-too", `{members: [{user: ana@acme.example}], organizationRole: Viewer}`)
		eventually(ctx, all(
			o.stalled("AccessGroup", "misplaced", "WrongNamespace", "only in the system namespace access-system"),
			system.stalled("AccessGroup", "misplaced-too", "WrongNamespace", "only System groups count"),
			o.tellsInEvent("AccessGroup", "misplaced", "Warning", "WrongNamespace", ""),
			o.says("ApplicationAccess", "red", ready()),
		))
		now(ctx, o.holds(ana, "red", "NoAccess"))
	})

	It("is a second UserAccess of a user, except for its suspension", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "UserAccess", "a", `{user: ana@acme.example, applicationAccess: [{application: red, role: Viewer}]}`)
		o.apply(ctx, "UserAccess", "b", `{user: ana@acme.example, applicationAccess: [{application: red, role: Administrator}]}`)
		eventually(ctx, all(o.says("UserAccess", "a", ready()), o.stalled("UserAccess", "b", "DuplicateUser", "has another UserAccess in this namespace, a,"),
			o.holds(ana, "red", "Viewer"), o.owner(userMap(ana), "UserAccess", "a")))

		o.patch(ctx, "UserAccess", "b", "{spec: {state: Suspended}}")
		eventually(ctx, all(o.holds(ana, "red", "NoAccess"), o.stalled("UserAccess", "b", "DuplicateUser", "suspension"), o.says("UserAccess", "a", ready())))
		o.patch(ctx, "UserAccess", "b", "{spec: {state: Active}}")
		eventually(ctx, o.holds(ana, "red", "Viewer"))

		o.remove(ctx, "UserAccess", "a")
		eventually(ctx, all(o.says("UserAccess", "b", ready(), condition{kind: "Stalled"}), o.holds(ana, "red", "Administrator"),
			o.owner(userMap(ana), "UserAccess", "b")))
	})

	It("is everything in a namespace that is not selected as an organization", func(ctx SpecContext) {
		manager.Replace(ctx, "--organization-selector=access.usher.dev/organization=enabled")
		o := newOrganization(ctx)
		declared := [][2]string{{"ApplicationAccess", "red"}, {"AccessGroup", "team"}, {"UserAccess", "ben"}, {"AccessPolicy", "default"}}
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessPolicy", "default", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}`)
		o.apply(ctx, "UserAccess", "ben", `{user: ben@acme.example, applicationAccess: [{application: red, role: Editor}]}`)
		inert, counts := []check{o.accounts("ben")}, []check{o.holds(ana, "red", "Viewer"), o.holds("ben@acme.example", "red", "Editor")}
		for _, ref := range declared {
			inert = append(inert, o.stalled(ref[0], ref[1], "NotAnOrganization", "access.usher.dev/organization=enabled"))
			counts = append(counts, o.says(ref[0], ref[1], ready(), condition{kind: "Stalled"}))
		}
		inert = append(inert, same(map[string]map[string]string{}, o.name))
		eventually(ctx, all(inert...))

		By("selecting it")
		label := func(value string) {
			_, err := plane.Kubectl(ctx, "label", "--overwrite", "namespace", o.name, "access.usher.dev/organization"+value)
			Expect(err).NotTo(HaveOccurred())
		}
		label("=enabled")
		eventually(ctx, all(counts...))

		By("deselecting it")
		label("-")
		eventually(ctx, all(inert...))
		label("=enabled")
		eventually(ctx, all(counts...))
	})
})

var _ = Describe("A policy", func() {
	It("reports system roles that map to roles which its ladders do not have", func(ctx SpecContext) {
		const sue = "sue@acme.example"
		o, other := newOrganization(ctx), newOrganization(ctx)
		for _, n := range []namespace{o, other} {
			n.apply(ctx, "ApplicationAccess", "red", "{}")
		}
		o.apply(ctx, "AccessPolicy", "default", "{applicationRoles: [{name: Owner}, {name: Reader}]}")
		o.waitReady(ctx, "accesspolicy", "default")
		now(ctx, o.says("AccessPolicy", "default", condition{kind: "SystemRoleUnmapped"}))
		system.apply(ctx, "AccessGroup", "security", `{type: System, members: [{user: sue@acme.example}], systemAccess: [{organization: "*", role: Observer}]}`)
		eventually(ctx, all(
			o.says("AccessPolicy", "default", condition{"SystemRoleUnmapped", "True", "RoleNotOnLadder", "AccessGroup/access-system/security"}),
			o.tellsInEvent("AccessPolicy", "default", "Warning", "RoleNotOnLadder", "security"),
			o.holds(sue, "red", "NoAccess"), other.holds(sue, "red", "Viewer"),
		))

		By("declaring the role")
		o.apply(ctx, "AccessPolicy", "default", "{applicationRoles: [{name: Owner}, {name: Viewer}, {name: Reader}]}")
		eventually(ctx, all(o.says("AccessPolicy", "default", ready(), condition{kind: "SystemRoleUnmapped"}), o.holds(sue, "red", "Viewer")))

		By("leaving a system role unmapped in an organization without a policy")
		system.apply(ctx, "AccessPolicy", "default", `{systemRoles: [{name: Observer, applicationRole: Ghost}]}`)
		eventually(ctx, all(
			system.says("AccessGroup", "security", condition{"SystemRoleUnmapped", "True", "RoleNotOnLadder", other.name}),
			other.holds(sue, "red", "NoAccess"),
		))
	})

	It("reports that every administrator has an end", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "AccessPolicy", "default", "{}")
		o.apply(ctx, "AccessGroup", "admins", fmt.Sprintf(`{members: [{user: ana@acme.example, notAfter: %q}], organizationRole: Administrator}`, at(inSeconds(3600))))
		eventually(ctx, all(
			o.says("AccessPolicy", "default", ready(), condition{"AdministratorExpires", "True", "EveryHolderExpires", o.name}),
			o.tellsInEvent("AccessPolicy", "default", "Warning", "EveryHolderExpires", o.name),
		))
		o.apply(ctx, "UserAccess", "ben", "{user: ben@acme.example, organizationRole: Administrator}")
		eventually(ctx, o.says("AccessPolicy", "default", ready(), condition{kind: "AdministratorExpires"}))
		o.remove(ctx, "UserAccess", "ben")
		eventually(ctx, o.says("AccessPolicy", "default", condition{"AdministratorExpires", "True", "EveryHolderExpires", o.name}))
	})
})

var _ = Describe("A failure to write", func() {
	const ana, ben = "ana@acme.example", "ben@acme.example"

	It("one document because of a quota delays no other object, and is reported by its owner", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		eventually(ctx, o.present("ConfigMap", "kube-root-ca.crt"))
		o.apply(ctx, "ResourceQuota", "few", `{hard: {count/configmaps: "3"}}`)
		eventually(ctx, func(ctx context.Context) error { // admission learns of the quota from its own watch
			err := kube.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "one-more"}}, client.DryRunAll)
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "exceeded quota: few") {
				return fmt.Errorf("the quota does not refuse yet: %w", err)
			}
			return nil
		})

		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}, {user: ben@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, all(o.holds(ana, "red", "Editor"), o.publishes("red", ben, "Editor")))
		eventually(ctx, all(o.unpublished("team", 1), o.says("AccessGroup", "team", ready()),
			o.says("UserAccess", userName(ben), notReady("PublishFailed", "exceeded quota: few")), o.says("UserAccess", userName(ana), ready())))
		always(ctx, o.tells(ben, "red", "NoAccess"))

		o.patch(ctx, "ResourceQuota", "few", `{spec: {hard: {count/configmaps: "4"}}}`)
		Eventually(func() error {
			return all(o.holds(ben, "red", "Editor"), o.unpublished("team", 0), o.says("UserAccess", userName(ben), ready()),
				o.says("AccessGroup", "team", ready()))(ctx)
		}).WithContext(ctx).WithTimeout(2 * patience).Should(Succeed()) // no watch event shows that the reason is gone
	})

	It("an organization that is deleted during changes does not affect others", func(ctx SpecContext) {
		o, other := newOrganization(ctx), newOrganization(ctx)
		for _, n := range []namespace{o, other} {
			n.apply(ctx, "ApplicationAccess", "red", "{}")
			n.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}`)
			n.waitReady(ctx, "accessgroup", "team")
		}
		Expect(kube.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.name}})).To(Succeed())
		changes := 0
		Eventually(func() error {
			role := []string{"Editor", "Viewer"}[changes%2]
			err := kube.Patch(ctx, newObject("AccessGroup", o.name, "team"), client.RawPatch("application/merge-patch+json", fmt.Appendf(nil,
				`{"spec":{"members":[{"user":"member-%d@acme.example"}],"applicationAccess":[{"application":"red","role":%q}]}}`, changes, role)))
			if err != nil {
				return client.IgnoreNotFound(err)
			}
			changes++
			other.patch(ctx, "AccessGroup", "team", fmt.Sprintf(`{spec: {applicationAccess: [{application: red, role: %s}]}}`, role))
			return fmt.Errorf("the group still takes changes, %d so far", changes)
		}).WithContext(ctx).WithPolling(time.Millisecond).Should(Succeed())
		Expect(changes).To(BeNumerically(">", 0), "nothing was in the middle of anything")
		other.patch(ctx, "AccessGroup", "team", "{spec: {applicationAccess: [{application: red, role: Viewer}]}}")
		other.waitReady(ctx, "accessgroup", "team")
		now(ctx, other.holds(ana, "red", "Viewer"))
		_, err := plane.Kubectl(ctx, "wait", "--for=delete", "namespace/"+o.name, "--timeout=20s")
		Expect(err).NotTo(HaveOccurred())
		other.patch(ctx, "AccessGroup", "team", "{spec: {applicationAccess: [{application: red, role: Editor}]}}")
		other.waitReady(ctx, "accessgroup", "team")
		now(ctx, all(other.holds(ana, "red", "Editor"), nothingLeft(o.name)))
	})
})
