package integration_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/suite"
)

// late is how long after an instant its effect may come on a busy machine.
const late = 3 * time.Second

// becomesAt waits for the effect of an instant, and checks that it did not come before.
func becomesAt(ctx context.Context, instant time.Time, before, after check) {
	GinkgoHelper()
	for {
		err := before(ctx)
		if !time.Now().Before(instant) {
			break // the check may already have seen the effect of the instant
		}
		Expect(err).NotTo(HaveOccurred(), "%s before its time", time.Until(instant))
		Expect(pause(ctx, suite.PollInterval)).To(Succeed())
	}
	Eventually(func() error { return after(ctx) }).WithContext(ctx).WithTimeout(late).Should(Succeed())
}

// nextTransition checks the time of the next window that opens or closes in the status of a UserAccess; zero means
// none.
func (n namespace) nextTransition(name string, want time.Time) check {
	return func(ctx context.Context) error {
		var ua accessv1alpha1.UserAccess
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: name}, &ua); err != nil {
			return err
		}
		got := time.Time{}
		if ua.Status.NextTransitionTime != nil {
			got = ua.Status.NextTransitionTime.Time
		}
		if !got.Equal(want) {
			return fmt.Errorf("UserAccess %s/%s says %v is the next transition, not %v", n.name, name, got, want)
		}
		return nil
	}
}

var _ = Describe("A window", func() {
	const ana, ben, cy = "ana@acme.example", "ben@acme.example", "cy@acme.example"

	It("opens and closes at its instants, without any object changing", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "UserAccess", "ana", "{user: ana@acme.example}")
		o.waitReady(ctx, "applicationaccess", "red")
		opens, closes := inSeconds(4), inSeconds(7)
		// No object declares ben, so nothing exists for ben until the window opens.
		o.apply(ctx, "AccessGroup", "temps", fmt.Sprintf(`{members: [{user: ana@acme.example, notBefore: %[1]q, notAfter: %[2]q},
			{user: ben@acme.example, notBefore: %[1]q, notAfter: %[2]q}], applicationAccess: [{application: red, role: Editor}]}`,
			at(opens), at(closes)))
		o.waitReady(ctx, "accessgroup", "temps")
		eventually(ctx, o.nextTransition("ana", opens))
		version := o.get(ctx, "AccessGroup", "temps").GetGeneration()

		becomesAt(ctx, opens,
			all(o.holds(ana, "red", "NoAccess"), o.holds(ben, "red", "NoAccess"), o.absent("UserAccess", userName(ben)), o.members("temps", 0)),
			all(o.holds(ana, "red", "Editor"), o.holds(ben, "red", "Editor"), o.ends(ana, "red", closes), o.ends(ben, "red", closes),
				o.members("temps", 2), o.nextTransition("ana", closes), o.nextTransition(userName(ben), closes)))
		becomesAt(ctx, closes,
			all(o.holds(ana, "red", "Editor"), o.holds(ben, "red", "Editor")),
			all(o.holds(ana, "red", "NoAccess"), o.holds(ben, "red", "NoAccess"), o.members("temps", 0), o.nextTransition("ana", time.Time{})))
		eventually(ctx, all(o.absent("UserAccess", userName(ben)), o.absent("ConfigMap", userMap(ben))))
		Expect(o.get(ctx, "AccessGroup", "temps").GetGeneration()).To(Equal(version))
	})

	It("of a grant or a UserAccess takes effect at its instant", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "viewers", `{members: [{user: ana@acme.example}, {user: ben@acme.example}, {user: cy@acme.example}],
			applicationAccess: [{application: "*", role: Viewer}]}`)
		o.waitReady(ctx, "applicationaccess", "red")
		instant := inSeconds(4)
		o.apply(ctx, "AccessGroup", "editors", fmt.Sprintf(
			`{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor, notAfter: %q}]}`, at(instant)))
		o.apply(ctx, "UserAccess", "ben", fmt.Sprintf(`{user: ben@acme.example, notAfter: %q}`, at(instant)))
		o.apply(ctx, "UserAccess", "cy", fmt.Sprintf(`{user: cy@acme.example, notBefore: %q}`, at(instant)))
		for _, ref := range [][2]string{{"accessgroup", "editors"}, {"accessgroup", "viewers"}, {"useraccess", "ben"}, {"useraccess", "cy"}} {
			o.waitReady(ctx, ref[0], ref[1])
		}
		now(ctx, all(o.ends(ana, "red", instant), o.ends(ben, "red", instant), o.nextTransition("ben", instant), o.nextTransition("cy", instant)))

		becomesAt(ctx, instant,
			all(o.holds(ana, "red", "Editor"), o.holds(ben, "red", "Viewer"), o.holds(cy, "red", "NoAccess"), o.tells(cy, "any", "NoAccess")),
			all(o.holds(ana, "red", "Viewer"), o.holds(ben, "red", "NoAccess"), o.tells(ben, "any", "NoAccess"),
				o.holds(cy, "red", "Viewer"), o.nextTransition("ben", time.Time{}), o.nextTransition("cy", time.Time{})))
	})

	It("that opens while the manager is down is open when the manager runs again", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.waitReady(ctx, "applicationaccess", "red")
		instant := inSeconds(2)
		o.apply(ctx, "AccessGroup", "temps", fmt.Sprintf(`{members: [{user: ana@acme.example, notBefore: %[1]q}, {user: ben@acme.example, notAfter: %[1]q}],
			applicationAccess: [{application: red, role: Editor}]}`, at(instant)))
		o.waitReady(ctx, "accessgroup", "temps")
		now(ctx, all(o.holds(ana, "red", "NoAccess"), o.holds(ben, "red", "Editor"), o.ends(ben, "red", instant)))

		Expect(manager.Kill()).To(Succeed())
		Expect(pause(ctx, time.Until(instant))).To(Succeed())
		manager.Start(ctx)
		eventually(ctx, all(o.holds(ana, "red", "Editor"), o.holds(ben, "red", "NoAccess"), o.absent("UserAccess", userName(ben))))
	})
})

// members checks the group's number of active members.
func (n namespace) members(group string, want int32) check {
	return func(ctx context.Context) error {
		var g accessv1alpha1.AccessGroup
		if err := kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: group}, &g); err != nil {
			return err
		}
		if g.Status.Members != want {
			return fmt.Errorf("AccessGroup %s/%s has %d members, not %d", n.name, group, g.Status.Members, want)
		}
		return nil
	}
}

var _ = Describe("A suspended user", func() {
	const ana = "ana@acme.example"

	It("has no access anywhere, whatever other objects grant, until the suspension ends", func(ctx SpecContext) {
		o, other := newOrganization(ctx), newOrganization(ctx)
		for _, n := range []namespace{o, other} {
			n.apply(ctx, "ApplicationAccess", "red", "{}")
			n.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], organizationRole: Administrator}`)
			n.waitReady(ctx, "applicationaccess", "red")
			n.waitReady(ctx, "accessgroup", "team")
			now(ctx, n.holds(ana, "red", "Administrator"))
		}
		suspended := all(o.holds(ana, "red", "NoAccess"), o.tells(ana, "any", "NoAccess"))

		By("suspending in one organization")
		o.apply(ctx, "UserAccess", "ana", "{user: ana@acme.example, state: Suspended, organizationRole: Administrator}")
		o.waitReady(ctx, "useraccess", "ana")
		now(ctx, all(suspended, other.holds(ana, "red", "Administrator"), o.members("team", 1)))
		Expect(read(ctx, o, "ana", &accessv1alpha1.UserAccess{}).Status.OrganizationRole).To(BeEquivalentTo("NoAccess"))

		By("ending the suspension")
		o.apply(ctx, "UserAccess", "ana", "{user: ana@acme.example}")
		o.waitReady(ctx, "useraccess", "ana")
		now(ctx, o.holds(ana, "red", "Administrator"))

		By("suspending in the system namespace")
		system.apply(ctx, "UserAccess", "ana", "{user: ana@acme.example, state: Suspended}")
		system.waitReady(ctx, "useraccess", "ana")
		now(ctx, all(suspended, other.holds(ana, "red", "NoAccess")))

		By("expiring in the system namespace")
		system.apply(ctx, "UserAccess", "ana", fmt.Sprintf("{user: ana@acme.example, state: Active, notAfter: %q}", at(inSeconds(-60))))
		system.waitReady(ctx, "useraccess", "ana")
		now(ctx, all(suspended, other.holds(ana, "red", "NoAccess")))

		By("giving access again")
		system.remove(ctx, "UserAccess", "ana")
		eventually(ctx, all(o.holds(ana, "red", "Administrator"), other.holds(ana, "red", "Administrator")))
	})
})
