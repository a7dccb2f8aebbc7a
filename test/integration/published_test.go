package integration_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/api/document"
)

var _ = Describe("Ready", func() {
	const ana, ben, cy, dee = "ana@acme.example", "ben@acme.example", "cy@acme.example", "dee@acme.example"

	It("means that the generation is published", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.waitReady(ctx, "applicationaccess", "red")
		end := inSeconds(3600)

		By("creating a group")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, all(o.holds(ana, "red", "Viewer"), o.owner(userMap(ana), "UserAccess", userName(ana))))

		// The changes of the group, and what the documents must contain when kubectl wait returns.
		for _, step := range []struct {
			name, spec string
			then       check
		}{
			{
				"a role changes", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`,
				o.holds(ana, "red", "Editor"),
			},
			{
				"a member comes",
				`{members: [{user: ana@acme.example}, {user: ben@acme.example}], applicationAccess: [{application: red, role: Editor}]}`,
				all(o.holds(ana, "red", "Editor"), o.holds(ben, "red", "Editor")),
			},
			{
				"a member goes", `{members: [{user: ben@acme.example}], applicationAccess: [{application: red, role: Editor}]}`,
				all(o.holds(ana, "red", "NoAccess"), o.holds(ben, "red", "Editor")),
			},
			{
				"a member is replaced", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`,
				all(o.holds(ana, "red", "Editor"), o.holds(ben, "red", "NoAccess")),
			},
			{
				"the role is given in all applications",
				`{members: [{user: ana@acme.example}], applicationAccess: [{application: "*", role: Editor}]}`,
				all(o.holds(ana, "red", "Editor"), o.tells(ana, "anything", "Editor")),
			},
			{
				"the role is one of the organization", `{members: [{user: ana@acme.example}], organizationRole: RulesAdmin}`,
				all(o.holds(ana, "red", "RulesAdmin"), o.tells(ana, "anything", "RulesAdmin")),
			},
			{
				"a window closes some day",
				fmt.Sprintf(`{members: [{user: ana@acme.example, notAfter: %q}], applicationAccess: [{application: red, role: Editor}]}`, at(end)),
				all(o.holds(ana, "red", "Editor"), o.ends(ana, "red", end)),
			},
			{
				"the window has closed",
				fmt.Sprintf(`{members: [{user: ana@acme.example, notAfter: %q}], applicationAccess: [{application: red, role: Editor}]}`, at(inSeconds(-1))),
				o.holds(ana, "red", "NoAccess"),
			},
			{
				"privileges are off",
				`{members: [{user: ana@acme.example}], privileges: Disabled, applicationAccess: [{application: red, role: Editor}]}`,
				o.holds(ana, "red", "NoAccess"),
			},
			{
				"and on again", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`,
				o.holds(ana, "red", "Editor"),
			},
		} {
			By(step.name)
			o.apply(ctx, "AccessGroup", "team", step.spec)
			o.waitReady(ctx, "accessgroup", "team")
			now(ctx, step.then)
		}

		By("nesting a group that does not exist yet, and then creating it")
		o.apply(ctx, "AccessGroup", "inner", `{members: [{user: cy@acme.example}]}`)
		o.apply(ctx, "AccessGroup", "team",
			`{members: [{user: ana@acme.example}], memberGroups: [inner], applicationAccess: [{application: red, role: Editor}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.holds(cy, "red", "Editor"))
		o.apply(ctx, "AccessGroup", "inner", `{members: [{user: cy@acme.example}, {user: dee@acme.example}]}`)
		o.waitReady(ctx, "accessgroup", "inner")
		now(ctx, o.holds(dee, "red", "Editor"))

		By("selecting users by their labels")
		o.apply(ctx, "AccessGroup", "labelled",
			`{memberSelector: {matchLabels: {team: red}}, applicationAccess: [{application: red, role: Viewer}]}`)
		o.applyLabelled(ctx, "UserAccess", "ben", map[string]string{"team": "red"}, `{user: ben@acme.example}`)
		o.waitReady(ctx, "useraccess", "ben")
		now(ctx, o.holds(ben, "red", "Viewer"))

		By("changing the ladder")
		o.apply(ctx, "AccessPolicy", "default", `{applicationRoles: [{name: Editor, permissions: [edit]}, {name: Viewer, permissions: [look]}]}`)
		o.waitReady(ctx, "accesspolicy", "default")
		d, err := o.applicationDocument(ctx, "red")
		Expect(err).NotTo(HaveOccurred())
		Expect(d.Roles).To(Equal([]document.Role{
			{Name: "Editor", Permissions: []string{"edit", "look"}}, {Name: "Viewer", Permissions: []string{"look"}},
		}))
		user, err := o.userDocument(ctx, ana)
		Expect(err).NotTo(HaveOccurred())
		Expect(user.Applications["red"].Permissions).To(Equal([]string{"edit", "look"}))

		By("adding another application")
		o.apply(ctx, "ApplicationAccess", "blue", "{}")
		o.waitReady(ctx, "applicationaccess", "blue")
		now(ctx, o.publishes("blue", ana, "NoAccess"))
	})

	It("of a System group means every organization", func(ctx SpecContext) {
		first, second := newOrganization(ctx), newOrganization(ctx)
		for _, o := range []namespace{first, second} {
			o.apply(ctx, "ApplicationAccess", "red", "{}")
			o.waitReady(ctx, "applicationaccess", "red")
		}
		for _, step := range []struct{ role, want string }{
			{"Observer", "Viewer"}, {"SystemAdministrator", "Administrator"}, {"NoAccess", "NoAccess"}, {"Observer", "Viewer"},
		} {
			system.apply(ctx, "AccessGroup", "security",
				`{type: System, members: [{user: ana@acme.example}], systemAccess: [{organization: "*", role: `+step.role+`}]}`)
			system.waitReady(ctx, "accessgroup", "security")
			now(ctx, all(first.holds(ana, "red", step.want), second.holds(ana, "red", step.want)))
		}
	})
})

// ends checks that both documents have the end of the user's role in the application.
func (n namespace) ends(user, application string, end time.Time) check {
	return func(ctx context.Context) error {
		d, err := n.applicationDocument(ctx, application)
		if err != nil {
			return err
		}
		if got := d.Users[user].NotAfter; !got.Equal(end) {
			return fmt.Errorf("the document of application %s says %v of %s, not %v", application, got, user, end)
		}
		u, err := n.userDocument(ctx, user)
		if err != nil {
			return err
		}
		if u == nil || !u.Applications[application].NotAfter.Equal(end) {
			return fmt.Errorf("the document of %s does not say %v of application %s: %+v", user, end, application, u)
		}
		return nil
	}
}

var _ = Describe("A group", func() {
	It("that is deleted revokes everything it gave, and restored gives it back byte by byte", func(ctx SpecContext) {
		o := newOrganization(ctx)
		const spec = `{members: [{user: ana@acme.example}, {user: ben@acme.example}], organizationRole: Viewer,
			applicationAccess: [{application: red, role: Editor}],
			dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}]}]}]}`
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", spec)
		o.apply(ctx, "UserAccess", "ben", `{user: ben@acme.example, applicationAccess: [{application: red, role: Viewer}]}`)
		for _, ref := range []string{"applicationaccess/red", "accessgroup/team", "useraccess/ben"} {
			kind, name, _ := strings.Cut(ref, "/")
			o.waitReady(ctx, kind, name)
		}
		now(ctx, all(o.holds("ana@acme.example", "red", "Editor"), o.holds("ben@acme.example", "red", "Editor")))
		before := dataOf(ctx, o.name)

		o.remove(ctx, "AccessGroup", "team")
		eventually(ctx, all(o.holds("ana@acme.example", "red", "NoAccess"), o.holds("ben@acme.example", "red", "Viewer")))
		eventually(ctx, all(o.absent("ConfigMap", userMap("ana@acme.example")), o.absent("UserAccess", userName("ana@acme.example"))))

		o.apply(ctx, "AccessGroup", "team", spec)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, same(before, o.name))
	})

	It("of 200 members changes an application document in one write", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.waitReady(ctx, "applicationaccess", "red")
		members := make([]string, 200)
		for i := range members {
			members[i] = fmt.Sprintf("{user: member-%d@acme.example}", i)
		}
		group := func(role string) {
			o.apply(ctx, "AccessGroup", "team", fmt.Sprintf(`{members: [%s], applicationAccess: [{application: red, role: %s}]}`,
				strings.Join(members, ", "), role))
			o.waitReady(ctx, "accessgroup", "team")
		}
		seen := watchMap(ctx, o, applicationMap("red"))
		group("Viewer")
		group("Editor")
		o.remove(ctx, "AccessGroup", "team")
		eventually(ctx, o.publishes("red", "member-0@acme.example", "NoAccess"))

		roles := []string{}
		for _, event := range seen() {
			d, err := documentOf(event.configMap)
			Expect(err).NotTo(HaveOccurred())
			byRole := map[string]int{}
			for _, entry := range d.Users {
				byRole[entry.Role]++
			}
			roles = append(roles, fmt.Sprintf("%s %v", event.kind, byRole))
		}
		Expect(roles).To(Equal([]string{"MODIFIED map[Viewer:200]", "MODIFIED map[Editor:200]", "MODIFIED map[]"}))
	})
})

// mapEvent is a watch event of one ConfigMap.
type mapEvent struct {
	kind      watch.EventType
	configMap *corev1.ConfigMap
	at        time.Time
}

// watchMap watches a ConfigMap. The returned function returns the events so far. It first waits until the watch has
// shown what a read shows, because a read may see a change before a watch does.
func watchMap(ctx context.Context, n namespace, name string) func() []mapEvent {
	GinkgoHelper()
	var list corev1.ConfigMapList
	selected := fields.OneTermEqualSelector("metadata.name", name)
	Expect(kube.List(ctx, &list, client.InNamespace(n.name), client.MatchingFieldsSelector{Selector: selected})).To(Succeed())
	shown := "" // the last version from the watch; empty if the ConfigMap does not exist
	if len(list.Items) > 0 {
		shown = list.Items[0].ResourceVersion
	}
	events := make(chan mapEvent, 1000)
	watching, stop := context.WithCancel(ctx)
	w, err := kube.Watch(watching, &corev1.ConfigMapList{}, &client.ListOptions{
		Namespace: n.name, FieldSelector: selected, Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { stop(); w.Stop() })
	go func() {
		for event := range w.ResultChan() {
			if cm, ok := event.Object.(*corev1.ConfigMap); ok {
				events <- mapEvent{event.Type, cm, time.Now()}
			}
		}
	}()
	var seen []mapEvent
	take := func(event mapEvent) {
		seen = append(seen, event)
		if shown = event.configMap.ResourceVersion; event.kind == watch.Deleted {
			shown = ""
		}
	}
	return func() []mapEvent {
		GinkgoHelper()
		var cm corev1.ConfigMap
		Expect(client.IgnoreNotFound(kube.Get(ctx, client.ObjectKey{Namespace: n.name, Name: name}, &cm))).To(Succeed())
		for shown != cm.ResourceVersion {
			select {
			case event := <-events:
				take(event)
			case <-ctx.Done():
				Fail(fmt.Sprintf("the watch of ConfigMap %s/%s stays at %q and never comes to %q", n.name, name, shown, cm.ResourceVersion))
			}
		}
		for { // the ConfigMap may have been deleted, created and deleted again
			select {
			case event := <-events:
				take(event)
			default:
				return seen
			}
		}
	}
}

var _ = Describe("An organization", func() {
	It("is deleted with its namespace within seconds, and leaves nothing behind", func(ctx SpecContext) {
		o, other := newOrganization(ctx), newOrganization(ctx)
		for _, n := range []namespace{o, other} {
			n.apply(ctx, "ApplicationAccess", "red", "{}")
			n.apply(ctx, "AccessPolicy", "default", "{conflictResolution: MostPermissive}")
			n.apply(ctx, "AccessGroup", "team", `{members: [{user: dora@acme.example}, {user: dan@acme.example}], organizationRole: Viewer}`)
			n.apply(ctx, "UserAccess", "ben", `{user: dan@acme.example, applicationAccess: [{application: red, role: Editor}]}`)
			n.waitReady(ctx, "accessgroup", "team")
		}
		organizationsOf := organizationsMap("dora@acme.example")
		eventually(ctx, all(system.present("ConfigMap", organizationsOf), system.present("UserAccess", userName("dora@acme.example"))))

		began := time.Now()
		_, err := plane.Kubectl(ctx, "delete", "namespace", o.name, "--timeout=20s")
		Expect(err).NotTo(HaveOccurred())
		GinkgoWriter.Println("the namespace was gone after", time.Since(began))

		eventually(ctx, all(system.absent("ConfigMap", organizationsOf), system.absent("UserAccess", userName("dora@acme.example")),
			system.absent("ConfigMap", organizationsMap("dan@acme.example")), nothingLeft(o.name)))
		always(ctx, all(nothingLeft(o.name), other.tells("dora@acme.example", "red", "Viewer")))
	})
})

var _ = Describe("The manager", func() {
	It("writes nothing when it is restarted on a settled cluster", func(ctx SpecContext) {
		eventually(ctx, noTerminatingNamespaces)
		o, other := newOrganization(ctx), newOrganization(ctx)
		for _, n := range []namespace{o, other} {
			n.apply(ctx, "ApplicationAccess", "red", "{publish: {minimumShards: 2}}")
			n.apply(ctx, "ApplicationAccess", "blue", "{}")
			n.apply(ctx, "AccessPolicy", "default", "{exclusiveAccess: [{name: four-eyes, applications: [red, blue], minimumRole: Editor}]}")
			n.apply(ctx, "AccessGroup", "team", fmt.Sprintf(`{members: [{user: ana@acme.example}, {user: ben@acme.example, notAfter: %q}],
				memberGroups: [missing], organizationRole: Viewer, applicationAccess: [{application: red, role: Editor}]}`, at(inSeconds(3600))))
			n.apply(ctx, "AccessGroup", "others", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Viewer}]}`)
			n.apply(ctx, "AccessGroup", "misplaced", `{type: System}`)
			n.apply(ctx, "UserAccess", "ben", `{user: ben@acme.example, state: Suspended, applicationAccess: [{application: red, role: Owner}]}`)
			n.apply(ctx, "UserAccess", "ben-too", `{user: ben@acme.example}`)
		}
		system.apply(ctx, "AccessPolicy", "default", "{individualAccess: Combined}")
		system.apply(ctx, "AccessGroup", "security", `{type: System, members: [{user: cy@acme.example}], systemAccess: [{organization: "*", role: Observer}]}`)
		system.waitReady(ctx, "accessgroup", "security")
		o.waitReady(ctx, "accessgroup", "others")
		eventually(ctx, all(
			o.says("AccessGroup", "team", notReady("UnresolvedReferences", "missing")),
			other.says("AccessGroup", "team", notReady("UnresolvedReferences", "missing")),
			system.present("ConfigMap", organizationsMap("cy@acme.example")),
		))
		eventually(ctx, managerIdle)
		counted := writes(ctx)

		By("killing it")
		manager.Restart(ctx)
		eventually(ctx, managerIdle)
		Expect(writes(ctx)).To(Equal(counted))

		By("stopping it")
		Expect(manager.Stop()).To(Succeed())
		manager.Start(ctx)
		eventually(ctx, managerIdle)
		Expect(writes(ctx)).To(Equal(counted))

		By("changing something, which is counted")
		o.patch(ctx, "AccessGroup", "others", `{spec: {applicationAccess: [{application: blue, role: Viewer}]}}`)
		o.waitReady(ctx, "accessgroup", "others")
		Expect(writes(ctx)).NotTo(Equal(counted))
	})
})

func noTerminatingNamespaces(ctx context.Context) error {
	var list corev1.NamespaceList
	if err := kube.List(ctx, &list); err != nil {
		return err
	}
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp != nil {
			return fmt.Errorf("namespace %s is on its way out: %+v", list.Items[i].Name, list.Items[i].Status.Conditions)
		}
	}
	return nil
}

// documentOf reads the application document of a ConfigMap.
func documentOf(cm *corev1.ConfigMap) (*document.Application, error) {
	return parseDocument[document.Application](cm, document.AccessKey)
}
