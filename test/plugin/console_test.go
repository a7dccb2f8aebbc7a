package plugin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/suite"
)

const (
	nextReview  = "Next: Check and confirm"
	toReview    = "Save and go to Check and confirm"
	writeObject = "Write 1 object"
	beginAgain  = "Begin again from the newest version"
)

// teamOf creates an organization with two applications, a channel, and the group viewers with the member ana.
func teamOf(ctx context.Context) string {
	GinkgoHelper()
	organization := newOrganization(ctx)
	apply(ctx, "somebody", fmt.Sprintf(`apiVersion: access.usher.dev/v1alpha1
kind: AccessPolicy
metadata: {name: default, namespace: %[1]s}
spec:
  notificationChannels: [{name: mail, type: SMTP, smtp: {server: "smtp.acme.example:587", sender: access@acme.example}}]
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: red, namespace: %[1]s}
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata: {name: blue, namespace: %[1]s}
spec: {}
---
%[2]s`, organization, manifest(organization, "viewers", "ana", "Viewer")))
	waitReady(ctx, organization)
	return organization
}

// bound binds a ClusterRole of the installation to a user, in the namespace or, without one, everywhere. It returns the
// binding.
func bound(ctx context.Context, namespace, user, role string) client.Object {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: user}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	var binding client.Object = &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	question := []string{"auth", "can-i", "watch", "accessgroups.access.usher.dev", "--as=" + user, "-n", namespace}
	if namespace == "" {
		binding = &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
		question = append(question[:5], "-A")
	}
	Expect(kube.Create(ctx, binding)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { //nolint:contextcheck // a cleanup has its own context
		Expect(client.IgnoreNotFound(kube.Delete(ctx, binding))).To(Succeed())
	})
	Eventually(func() error {
		_, err := plane.Kubectl(ctx, question...)
		return err
	}).WithContext(ctx).Should(Succeed())
	return binding
}

// edit opens a step of the form of a group.
func (v *visitor) edit(ctx context.Context, organization, group, step string) {
	GinkgoHelper()
	v.open(ctx, "o/"+organization+"/groups/"+group)
	v.press(ctx, step, nil)
}

var _ = Describe("The console over a cluster", func() {
	It("creates a group in three steps, after it has shown the warnings of admission", func(ctx SpecContext) {
		organization := teamOf(ctx)
		v := openConsole(ctx, "-n", organization)
		v.has("Groups of "+organization, "viewers")
		v.press(ctx, "New group", nil)
		v.press(ctx, "Next: Privileges", url.Values{"name": {"editors"}, "add": {"ana\nben"}, "add.notAfter": {"2040-01-31T18:00"}})
		v.press(ctx, "Next: Notification", url.Values{
			"grant.0.application": {"red"}, "grant.0.role": {"Editor"}, "grant.1.application": {"blue"}, "grant.1.role": {"Viewer"},
		})
		v.press(ctx, nextReview, url.Values{"mode": {"OnChange"}, "channels": {"mail"}})
		v.has("AccessGroup/"+organization+"/editors is created", "ben gains", "role conflict of ana in application red", "Nothing is written yet")
		Expect(client.IgnoreNotFound(kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "editors"}, &accessv1alpha1.AccessGroup{}))).
			To(Succeed())
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.", "applied", "role conflict of ana in application red")
		made := group(ctx, organization, "editors")
		Expect(membersOf(ctx, organization, "editors")).To(Equal([]string{"ana", "ben"}))
		Expect(made.Spec.ApplicationAccess).To(HaveLen(2))
		Expect(made.Spec.Notification.Channels).To(Equal([]accessv1alpha1.ChannelName{"mail"}))
		Expect(managerOf(made, "kubectl-access")).NotTo(BeEmpty())

		By("showing the new group at once, and undoing it")
		v.open(ctx, "o/"+organization+"/groups")
		v.has("editors", "Editor of red")
		v.follow(ctx, "Changes")
		v.follow(ctx, "New group in "+organization)
		v.press(ctx, "Undo", nil)
		v.has("is deleted", "ben loses")
		v.press(ctx, writeObject, nil)
		Expect(apierrors.IsNotFound(kube.Get(ctx, client.ObjectKeyFromObject(made), made))).To(BeTrue())
	}, SpecTimeout(patience*3))

	It("sets a role in several groups, notifies their members, and deletes them", func(ctx SpecContext) {
		organization := teamOf(ctx)
		apply(ctx, "somebody", manifest(organization, "editors", "ben", "Editor"))
		v := openConsole(ctx, "-n", organization)
		v.edit(ctx, organization, "editors", "Notification")
		v.press(ctx, nextReview, url.Values{"channels": {"mail"}})
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		both := url.Values{"group": {organization + "/editors", organization + "/viewers"}}

		v.open(ctx, "o/"+organization+"/groups")
		v.press(ctx, "Set role", both)
		v.press(ctx, nextReview, url.Values{"application": {"red"}, "role": {"RulesAdmin"}})
		v.has("ana raised", "ben raised")
		v.press(ctx, "Write 2 objects", nil)
		v.has("Done: 2 objects.")
		for _, name := range []string{"editors", "viewers"} {
			Expect(group(ctx, organization, name).Spec.ApplicationAccess[0].Role).To(BeEquivalentTo("RulesAdmin"))
		}

		v.open(ctx, "o/"+organization+"/groups")
		v.press(ctx, "Notify", both)
		v.press(ctx, nextReview, nil)
		v.press(ctx, "Tell 1 person", nil)
		v.has("Done: 2 objects.", "nobody would be told")
		Expect(group(ctx, organization, "editors").Annotations).To(HaveKey(accessv1alpha1.AnnotationNotify))
		Expect(group(ctx, organization, "viewers").Annotations).NotTo(HaveKey(accessv1alpha1.AnnotationNotify))

		v.open(ctx, "o/"+organization+"/groups")
		v.press(ctx, "Delete", both)
		v.press(ctx, nextReview, nil)
		v.has("ana loses", "ben loses")
		v.press(ctx, "Write 2 objects", nil)
		v.has("Done: 2 objects.")
		var left accessv1alpha1.AccessGroupList
		Expect(kube.List(ctx, &left, client.InNamespace(organization))).To(Succeed())
		Expect(left.Items).To(BeEmpty())
		v.open(ctx, "o/"+organization+"/applications/red")
		v.has("Nobody has it")
	}, SpecTimeout(patience*3))

	It("shows refusals beside their field, and writes nothing", func(ctx SpecContext) {
		organization := teamOf(ctx)
		editor := "editor-of-" + organization
		bound(ctx, organization, editor, "usher-organization-editor")
		v := openConsole(ctx, "-n", organization, "--as", editor)
		v.has("as " + editor)

		By("refusing what the schema does not allow")
		v.edit(ctx, organization, "viewers", "Privileges")
		v.press(ctx, toReview, url.Values{"grant.1.application": {"Not A Name"}, "grant.1.role": {"Viewer"}})
		v.has("This cannot be written as it is", "Go to the field")
		v.lacksButton(writeObject)
		v.follow(ctx, "Go to the field")
		Expect(v.page).To(MatchRegexp(`name="grant\.1\.application"[^>]* aria-invalid="true"`))

		By("refusing a role that the caller may not grant")
		v.press(ctx, toReview, url.Values{"grant.1.application": {"blue"}, "grant.1.role": {"Administrator"}})
		v.has("would be given Administrator in application blue", "kubectl auth can-i --list -n "+organization+" --as="+editor, "This cannot be written as it is")
		v.lacksButton(writeObject)
		Expect(group(ctx, organization, "viewers").Spec.ApplicationAccess).To(HaveLen(1))

		By("writing what the caller may grant, from the same form")
		v.follow(ctx, "Privileges")
		v.press(ctx, toReview, url.Values{"grant.1.role": {"Viewer"}})
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		Expect(group(ctx, organization, "viewers").Spec.ApplicationAccess).To(HaveLen(2))
	}, SpecTimeout(patience*3))

	It("shows everything to a caller who may only read, and says what is missing", func(ctx SpecContext) {
		organization := teamOf(ctx)
		auditor := "auditor-of-" + organization
		bound(ctx, organization, auditor, "usher-auditor")
		v := openConsole(ctx, "-n", organization, "--as", auditor)
		v.has("Groups of "+organization, "viewers")
		v.edit(ctx, organization, "viewers", "Edit")
		v.press(ctx, toReview, url.Values{"displayName": {"Readers"}})
		v.has("is forbidden", "A right is missing", "kubectl auth can-i --list --namespace="+organization, "This cannot be written as it is")
		v.lacksButton(writeObject)
		Expect(group(ctx, organization, "viewers").Spec.DisplayName).To(BeEmpty())
	}, SpecTimeout(patience*2))

	It("keeps a change that could not be written because the caller has lost the rights meanwhile", func(ctx SpecContext) {
		organization := teamOf(ctx)
		editor := "editor-of-" + organization
		binding := bound(ctx, organization, editor, "usher-organization-editor")
		v := openConsole(ctx, "-n", organization, "--as", editor)
		v.edit(ctx, organization, "viewers", "Edit")
		v.press(ctx, toReview, url.Values{"displayName": {"Readers"}})
		Expect(kube.Delete(ctx, binding)).To(Succeed())
		Eventually(func() error {
			_, err := plane.Kubectl(ctx, "auth", "can-i", "patch", "accessgroups.access.usher.dev", "-n", organization, "--as="+editor)
			return err
		}).WithContext(ctx).ShouldNot(Succeed())
		v.press(ctx, writeObject, nil)
		v.has("Nothing was written", "is forbidden", "A right is missing")
		v.lacksButton(writeObject)
		Expect(group(ctx, organization, "viewers").Spec.DisplayName).To(BeEmpty())

		bound(ctx, organization, editor, "usher-organization-editor")
		v.send(ctx, http.MethodGet, v.at, nil) // reload
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		Expect(group(ctx, organization, "viewers").Spec.DisplayName).To(Equal("Readers"))
	}, SpecTimeout(patience*3))

	It("writes nothing over what somebody has changed meanwhile, and shows the versions side by side", func(ctx SpecContext) {
		organization := teamOf(ctx)
		v := openConsole(ctx, "-n", organization)
		v.edit(ctx, organization, "viewers", "Edit")
		v.press(ctx, toReview, url.Values{"displayName": {"Mine"}})
		prepared := *v // the page stays open
		_, err := plane.Kubectl(ctx, "patch", "accessgroup", "viewers", "-n", organization, "--type=merge", "-p", `{"spec": {"displayName": "Theirs"}}`)
		Expect(err).NotTo(HaveOccurred())
		v.press(ctx, writeObject, nil) // before or after the console has seen the change
		v.has("meanwhile")
		Eventually(func(g Gomega) {
			v.send(ctx, http.MethodGet, prepared.at, nil)
			g.Expect(v.text()).To(ContainSubstring("displayName Theirs Mine"))
		}).WithContext(ctx).Should(Succeed())
		v.has("Somebody changed AccessGroup/" + organization + "/viewers meanwhile. Nothing is written over that.")
		v.lacksButton(writeObject)
		Expect(group(ctx, organization, "viewers").Spec.DisplayName).To(Equal("Theirs"))

		By("keeping what was entered, and beginning again from the newest version")
		reviewed := *v
		v.follow(ctx, "General")
		Expect(v.page).To(ContainSubstring(`value="Mine"`))
		reviewed.press(ctx, beginAgain, nil)
		Expect(reviewed.page).To(ContainSubstring(`value="Theirs"`))
		reviewed.press(ctx, toReview, url.Values{"displayName": {"Both"}})
		_, err = plane.Kubectl(ctx, "annotate", "accessgroup", "viewers", "-n", organization, "seen=today") // another version, the same declaration
		Expect(err).NotTo(HaveOccurred())
		reviewed.press(ctx, writeObject, nil)
		reviewed.has("Done: 1 object.")
		Expect(group(ctx, organization, "viewers").Spec.DisplayName).To(Equal("Both"))

		By("saying that the object was deleted")
		v.edit(ctx, organization, "viewers", "Edit")
		v.press(ctx, toReview, url.Values{"displayName": {"Late"}})
		Expect(kube.Delete(ctx, group(ctx, organization, "viewers"))).To(Succeed())
		Eventually(func(g Gomega) {
			v.send(ctx, http.MethodGet, v.at, nil)
			g.Expect(v.text()).To(ContainSubstring("was deleted meanwhile"))
		}).WithContext(ctx).Should(Succeed())
		v.lacksButton(writeObject)
	}, SpecTimeout(patience*3))

	It("edits users, applications and the policy", func(ctx SpecContext) {
		organization := teamOf(ctx)
		v := openConsole(ctx, "-n", organization)
		v.open(ctx, "user?name=ana")
		v.press(ctx, "Suspend in "+organization, nil)
		v.has("Suspend ana in "+organization, "ana loses")
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		v.open(ctx, "user?name=ana")
		v.press(ctx, "Edit user in "+organization, nil)
		v.press(ctx, nextReview, url.Values{"state": {"Active"}, "email": {"ana@acme.example"}, "attributes": {`cities: Paris, "Paris, Texas"`}})
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		v.open(ctx, "user?name=ana")
		v.has(`Attribute cities Paris, "Paris, Texas"`, "ana@acme.example", "Suspend in "+organization)

		v.open(ctx, "o/"+organization+"/applications/red")
		v.press(ctx, "Edit", nil)
		v.press(ctx, nextReview, url.Values{"unmatchedRows": {"None"}, "minimumShards": {"2"}, "formats": {"CSV"}})
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		application := &accessv1alpha1.ApplicationAccess{}
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "red"}, application)).To(Succeed())
		Expect(application.Spec.Publish).To(HaveValue(Equal(accessv1alpha1.PublishSpec{
			Formats: []accessv1alpha1.PublishFormat{accessv1alpha1.PublishFormatCSV}, MinimumShards: 2,
		})))

		v.open(ctx, "o/"+organization+"/policy")
		v.press(ctx, "Edit policy", nil)
		v.press(ctx, nextReview, url.Values{
			"conflictResolution": {"MostPermissive"}, "users": {"10"},
			"exclusive.0.name": {"colours"}, "exclusive.0.applications": {"red\nblue"}, "exclusive.0.role": {"Administrator"},
			"channel.0.server": {"mail.acme.example:587"}, "channel.1.name": {"hook"}, "channel.1.type": {"Webhook"}, "channel.1.url": {"https://hooks.acme.example/usher"},
		})
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		policy := &accessv1alpha1.AccessPolicy{}
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "default"}, policy)).To(Succeed())
		Expect(policy.Spec.ExclusiveAccess).To(HaveLen(1))
		Expect(policy.Spec.NotificationChannels).To(HaveLen(2))
		Expect(policy.Spec.NotificationChannels[0].SMTP.Server).To(Equal("mail.acme.example:587"))
		Expect(*policy.Spec.RevocationLimit.Users).To(BeEquivalentTo(10))

		By("removing what somebody else applies, and adding to it, in one edit")
		v.open(ctx, "o/"+organization+"/policy")
		v.press(ctx, "Edit policy", nil)
		v.press(ctx, nextReview, url.Values{"channel.0.name": {""}, "percent": {"50"}})
		v.has("was set by somebody")
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		Expect(kube.Get(ctx, client.ObjectKey{Namespace: organization, Name: "default"}, policy)).To(Succeed())
		Expect(policy.Spec.NotificationChannels).To(ConsistOf(HaveField("Name", BeEquivalentTo("hook"))))
		Expect(*policy.Spec.RevocationLimit.Percent).To(BeEquivalentTo(50))
		v.edit(ctx, organization, "viewers", "Edit")
		v.press(ctx, toReview, url.Values{"member.0.remove": {"yes"}, "add": {"ben"}})
		v.has("ana loses", "ben gains", "was set by somebody")
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		Expect(membersOf(ctx, organization, "viewers")).To(Equal([]string{"ben"}))

		By("undoing it")
		v.press(ctx, "Undo", nil)
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		Expect(membersOf(ctx, organization, "viewers")).To(Equal([]string{"ana"}))
	}, SpecTimeout(patience*3))

	It("creates a System group across two organizations, and leads its members from one to the other", func(ctx SpecContext) {
		first, second := teamOf(ctx), teamOf(ctx)
		member := "member-of-" + first
		name := "of-" + first
		v := openConsole(ctx)
		v.follow(ctx, "System groups")
		v.press(ctx, "New System group", nil)
		v.press(ctx, "Next: Privileges", url.Values{"name": {name}, "add": {member}})
		v.press(ctx, toReview, url.Values{
			"system.0.organization": {first}, "system.0.organizationRole": {"Viewer"}, "system.0.applications": {"red: Editor"},
			"labelled.0.organizations": {"kubernetes.io/metadata.name=" + second}, "labelled.0.organizationRole": {"Editor"},
		})
		v.has(member+" gains", first, second)
		v.press(ctx, writeObject, nil)
		v.has("Done: 1 object.")
		DeferCleanup(func(ctx SpecContext) { Expect(kube.Delete(ctx, group(ctx, suite.SystemNamespace, name))).To(Succeed()) })

		bound(ctx, "", member, "usher-auditor")
		as := openConsole(ctx, "--as", member)
		as.has("as " + member)
		as.follow(ctx, member)
		as.has("Organizations that the user can enter", first+" Viewer", second+" Editor", "AccessGroup/"+suite.SystemNamespace+"/"+name)
		as.follow(ctx, first)
		as.has("Groups of " + first)
		as.follow(ctx, "Applications")
		as.press(ctx, "Go", url.Values{"organization": {second}})
		as.has("Applications of " + second)
		as.follow(ctx, "System groups")
		as.follow(ctx, name)
		as.follow(ctx, second)
		as.has("Users of "+second, member)

		By("writing with the rights of the member, who has none")
		as.edit(ctx, second, "viewers", "Edit")
		as.press(ctx, toReview, url.Values{"displayName": {"Mine"}})
		as.has(`User "`+member+`" cannot`, "A right is missing")
		as.lacksButton(writeObject)
	}, SpecTimeout(patience*4))

	It("follows organizations that appear and that change their labels", func(ctx SpecContext) {
		system := fmt.Sprintf("labelled-%d", GinkgoParallelProcess())
		apply(ctx, "somebody", fmt.Sprintf(`apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: %s, namespace: access-system}
spec:
  type: System
  members: [{user: zoe}]
  systemAccessSelectors: [{selector: {matchLabels: {region: emea}}, organizationRole: Viewer}]
`, system))
		DeferCleanup(func(ctx SpecContext) {
			Expect(kube.Delete(ctx, group(ctx, suite.SystemNamespace, system))).To(Succeed())
		})
		v := openConsole(ctx)
		organization := teamOf(ctx)
		shows := func(path, text string) {
			GinkgoHelper()
			Eventually(func(g Gomega) {
				v.open(ctx, path)
				g.Expect(v.status).To(Equal(http.StatusOK))
				g.Expect(v.text()).To(ContainSubstring(text))
			}).WithContext(ctx).Should(Succeed())
		}
		shows("o/"+organization+"/groups", "1 of 1 groups")
		label := func(value string) {
			GinkgoHelper()
			namespace := &corev1.Namespace{}
			Expect(kube.Get(ctx, client.ObjectKey{Name: organization}, namespace)).To(Succeed())
			namespace.Labels["region"] = value
			Expect(kube.Update(ctx, namespace)).To(Succeed())
		}
		shows("o/"+organization+"/users?q=zoe", "There is no such user")
		label("emea")
		shows("o/"+organization+"/users?q=zoe", "1 of 2 users")
		label("apac")
		shows("o/"+organization+"/users?q=zoe", "There is no such user")
	}, SpecTimeout(patience*3))
})
