package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// refuseUpdates makes the API server refuse every update of the ConfigMaps, as a third party's admission policy may.
// The returned function ends that, and so does the end of the spec.
func (n namespace) refuseUpdates(ctx context.Context, configMaps ...string) (end func(context.Context)) {
	GinkgoHelper()
	name := "refuse-" + n.name
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				ResourceNames: configMaps,
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
				},
			}}},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "no writes on Sundays"}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{corev1.LabelMetadataName: n.name},
			}},
		},
	}
	Expect(kube.Create(ctx, policy)).To(Succeed())
	Expect(kube.Create(ctx, binding)).To(Succeed())
	end = func(ctx context.Context) {
		GinkgoHelper()
		for _, o := range []client.Object{binding, policy} {
			Expect(client.IgnoreNotFound(kube.Delete(ctx, o))).To(Succeed())
		}
	}
	DeferCleanup(end)
	for _, configMap := range configMaps {
		eventually(ctx, n.refuses(configMap))
	}
	return end
}

// refuses checks with a dry run that the API server refuses an update of the ConfigMap.
func (n namespace) refuses(configMap string) check {
	return func(ctx context.Context) error {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: n.name, Name: configMap}}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"annotations": {"example.com/try": "1"}}}`))
		switch err := kube.Patch(ctx, cm, patch, client.DryRunAll); {
		case err == nil:
			return errors.New("the API server takes updates of " + configMap)
		case strings.Contains(err.Error(), "no writes on Sundays"):
			return nil
		default:
			return err
		}
	}
}

// lossy checks the manager's count of documents that give more than they should.
func lossy(want float64) check {
	return func(ctx context.Context) error {
		samples, err := samplesOf(ctx, manager.Manager)
		if err != nil {
			return err
		}
		for _, s := range samples {
			if s.name == "usher_lossy_documents" {
				if s.value != want {
					return fmt.Errorf("%v documents give more than they should, not %v", s.value, want)
				}
				return nil
			}
		}
		return errors.New("the manager has no metric usher_lossy_documents")
	}
}

// manyRows returns row-level filters of 5,300 values of 195 bytes, which are larger than a ConfigMap.
func manyRows() []accessv1alpha1.DataPermission {
	permission := accessv1alpha1.DataPermission{Application: "red"}
	for i := range 53 {
		if i%10 == 0 {
			permission.AnyOf = append(permission.AnyOf, accessv1alpha1.RowAlternative{})
		}
		requirement := accessv1alpha1.RowRequirement{
			Attribute: accessv1alpha1.AttributeName(fmt.Sprintf("a%d", i)), Operator: accessv1alpha1.DataOperatorIn,
		}
		for v := range 100 {
			requirement.Values = append(requirement.Values, accessv1alpha1.AttributeValue(fmt.Sprintf("%05d", v)+strings.Repeat("é", 95)))
		}
		last := &permission.AnyOf[len(permission.AnyOf)-1]
		last.AllOf = append(last.AllOf, requirement)
	}
	return []accessv1alpha1.DataPermission{permission}
}

var _ = Describe("A loss of access", func() {
	const ana = "ana@acme.example"

	It("stops an attack: rows of one user that fit into no ConfigMap do not delay the revocations of others", func(ctx SpecContext) {
		o := newOrganization(ctx)
		var users, members []string
		for i := range 12 {
			users = append(users, fmt.Sprintf("user-%d@acme.example", i))
			members = append(members, fmt.Sprintf("{user: %s}", users[i]))
		}
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", fmt.Sprintf(
			`{members: [{user: mallory@acme.example}, %s], applicationAccess: [{application: red, role: Editor}]}`, strings.Join(members, ", ")))
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.holds(users[0], "red", "Editor"))

		Expect(kube.Create(ctx, &accessv1alpha1.AccessGroup{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "rows"},
			Spec: accessv1alpha1.AccessGroupSpec{
				Privileges: accessv1alpha1.GroupPrivilegesDisabled, DataPermissions: manyRows(),
				Members: []accessv1alpha1.Member{{User: "mallory@acme.example"}},
			},
		})).To(Succeed())

		By("suspending one user, demoting one and removing the others")
		o.apply(ctx, "UserAccess", "first", fmt.Sprintf("{user: %s, state: Suspended}", users[0]))
		o.apply(ctx, "AccessGroup", "limit", fmt.Sprintf(
			`{members: [{user: %s}], applicationAccess: [{application: red, role: Viewer}]}`, users[1]))
		o.apply(ctx, "AccessGroup", "team", fmt.Sprintf(
			`{members: [{user: mallory@acme.example}, {user: %s}, {user: %s}], applicationAccess: [{application: red, role: Editor}]}`,
			users[0], users[1]))
		o.waitReady(ctx, "useraccess", "first")
		o.waitReady(ctx, "accessgroup", "limit")
		o.waitReady(ctx, "accessgroup", "team")
		checks := []check{o.publishes("red", users[1], "Viewer")}
		for i, user := range users {
			if i != 1 {
				checks = append(checks, o.publishes("red", user, "NoAccess"))
			}
		}
		now(ctx, all(checks...))
	})

	It("stops an attack: while it cannot be published, neither the object that revokes access nor the owner of the document is ready", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		o.waitReady(ctx, "applicationaccess", "red")
		eventually(ctx, lossy(0)) // those of other specs are deleted with their namespaces
		end := o.refuseUpdates(ctx, applicationMap("red"))
		loss := notReady("LossNotPublished", applicationMap("red")+" in namespace "+o.name)
		why := notReady("LossNotPublished", "no writes on Sundays")

		By("suspending a user")
		o.apply(ctx, "UserAccess", "ana", "{user: ana@acme.example, state: Suspended}")
		suspended := all(o.says("UserAccess", "ana", loss, why, notReady("LossNotPublished", ana)), o.says("ApplicationAccess", "red", loss, why),
			o.tells(ana, "red", "NoAccess"), lossy(1))
		eventually(ctx, all(suspended, o.tellsInEvent("UserAccess", "ana", "Warning", "LossNotPublished", ana)))
		now(ctx, o.publishes("red", ana, "Editor"))

		By("restarting the manager")
		manager.Restart(ctx)
		eventually(ctx, suspended)

		By("giving the access back")
		o.remove(ctx, "UserAccess", "ana")
		eventually(ctx, all(o.says("ApplicationAccess", "red", ready()), o.says("AccessGroup", "team", ready()), lossy(0)))

		By("deleting the group that gave it")
		o.remove(ctx, "AccessGroup", "team")
		eventually(ctx, all(o.says("ApplicationAccess", "red", loss, why), lossy(1)))
		manager.Restart(ctx)
		eventually(ctx, all(o.says("ApplicationAccess", "red", loss, why), lossy(1)))

		end(ctx)
		Eventually(func() error {
			return all(o.says("ApplicationAccess", "red", ready()), o.publishes("red", ana, "NoAccess"), lossy(0))(ctx)
		}).WithContext(ctx).WithTimeout(4 * patience).Should(Succeed()) // no watch event shows that the reason is gone
	})

	It("stops an attack: a ConfigMap that is refused does not stop others from being written", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{publish: {minimumShards: 4}}")
		// One user in each shard.
		users := []string{"user-0@acme.example", "user-1@acme.example", "user-2@acme.example", "user-3@acme.example"}
		var members []string
		for _, user := range users {
			members = append(members, fmt.Sprintf("{user: %s}", user))
		}
		const roles = "applicationAccess: [{application: red, role: Editor}]"
		o.apply(ctx, "AccessGroup", "team", fmt.Sprintf(`{members: [%s], %s}`, strings.Join(members, ", "), roles))
		o.waitReady(ctx, "accessgroup", "team")
		last := applicationMap("red") + ".3"
		o.refuseUpdates(ctx, last)

		o.apply(ctx, "AccessGroup", "team", "{members: [], "+roles+"}")
		eventually(ctx, o.says("AccessGroup", "team", notReady("LossNotPublished", last)))
		for shard := range 3 {
			name := applicationMap("red")
			if shard > 0 {
				name += fmt.Sprintf(".%d", shard)
			}
			Expect(read(ctx, o, name, &corev1.ConfigMap{}).Data["access.json"]).To(ContainSubstring(`"users":{}`), name)
		}
	})

	It("stops an attack: a user keeps the document if an object of another user takes the user's name", func(ctx SpecContext) {
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		// Admission denies this today. Such an object may be older than that rule.
		o.apply(ctx, "UserAccess", userName(ana), "{user: mallory@acme.example}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.holds(ana, "red", "Editor"))
		eventually(ctx, all(o.says("UserAccess", userName(ana), ready(), condition{"NameTaken", "True", "NameOfAnotherUser", ana}),
			o.tellsInEvent("UserAccess", userName(ana), "Warning", "NameOfAnotherUser", ana)))

		o.collectorIsCurrent(ctx)
		o.remove(ctx, "UserAccess", userName(ana))
		Eventually(func() error {
			return all(o.accounts(materialized(ana)), o.owner(userMap(ana), "UserAccess", userName(ana)), o.holds(ana, "red", "Editor"))(ctx)
		}).WithContext(ctx).WithTimeout(2 * patience).Should(Succeed())
	})
})
