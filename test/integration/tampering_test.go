package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	documentsPolicy = "ValidatingAdmissionPolicy 'usher-published-documents'"
	labelPolicy     = "ValidatingAdmissionPolicy 'usher-materialized-label'"
)

// guarded checks that the admission policies are in force, which takes some time after their installation.
func guarded(ctx context.Context) error {
	return refused(createNamed(ctx, clusterAdmin(ctx), "default", "user-access-probe", client.DryRunAll), documentsPolicy)
}

// clusterAdmin returns a client of an account that is bound to cluster-admin, like that of a GitOps controller. The
// suite's own account is in the group system:masters, which the policies exempt.
func clusterAdmin(ctx context.Context) client.Client {
	GinkgoHelper()
	const name = "gitops"
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: name}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
	}
	if err := kube.Create(ctx, binding); !apierrors.IsAlreadyExists(err) {
		Expect(err).NotTo(HaveOccurred())
	}
	config := plane.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: name}
	impersonator, err := client.New(config, client.Options{Scheme: kube.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	return impersonator
}

func createNamed(ctx context.Context, c client.Client, namespace, name string, options ...client.CreateOption) error {
	return c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, options...)
}

// refused returns an error unless err comes from the policy and explains what to do.
func refused(err error, policy string) error {
	switch {
	case err == nil:
		return errors.New("it was not refused")
	case !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), policy):
		return fmt.Errorf("not refused by %s: %w", policy, err)
	default:
		return nil
	}
}

// tenant returns a client of a service account with the built-in ClusterRole edit in the namespace and all permissions
// on UserAccess objects there.
func tenant(ctx context.Context, n namespace) client.Client {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: n.name, Name: "tenant"}
	account := &corev1.ServiceAccount{ObjectMeta: meta}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: n.name, Name: meta.Name}}
	users := metav1.ObjectMeta{Namespace: n.name, Name: "tenant-users"}
	for _, o := range []client.Object{
		account,
		&rbacv1.RoleBinding{
			ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		},
		&rbacv1.Role{ObjectMeta: users, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{accessv1alpha1.GroupVersion.Group}, Resources: []string{"useraccesses"}, Verbs: []string{"*"},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: users, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: users.Name},
		},
	} {
		Expect(kube.Create(ctx, o)).To(Succeed())
	}
	token := &authenticationv1.TokenRequest{}
	Expect(kube.SubResource("token").Create(ctx, account, token)).To(Succeed())
	config := rest.AnonymousClientConfig(plane.Config())
	config.BearerToken = token.Status.Token
	tenant, err := client.New(config, client.Options{Scheme: kube.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	// Aggregating and binding the permissions of edit takes a moment.
	eventually(ctx, func(ctx context.Context) error { return createNamed(ctx, tenant, n.name, "mine", client.DryRunAll) })
	eventually(ctx, func(ctx context.Context) error {
		return tenant.List(ctx, &accessv1alpha1.UserAccessList{}, client.InNamespace(n.name))
	})
	return tenant
}

func patchAs(ctx context.Context, c client.Client, o client.Object, patch string) error {
	GinkgoHelper()
	data, err := yaml.YAMLToJSON([]byte(patch))
	Expect(err).NotTo(HaveOccurred())
	return c.Patch(ctx, o, client.RawPatch("application/merge-patch+json", data))
}

var _ = Describe("Somebody with the rights of edit in an organization", func() {
	const ana, ben = "ana@acme.example", "ben@acme.example"

	organization := func(ctx context.Context) (namespace, client.Client) {
		GinkgoHelper()
		eventually(ctx, guarded)
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "red", "{}")
		o.apply(ctx, "AccessGroup", "team", `{members: [{user: ana@acme.example}], applicationAccess: [{application: red, role: Editor}]}`)
		o.apply(ctx, "UserAccess", "ben", "{user: ben@acme.example}")
		o.waitReady(ctx, "applicationaccess", "red")
		o.waitReady(ctx, "accessgroup", "team")
		o.waitReady(ctx, "useraccess", "ben")
		now(ctx, all(o.present("ConfigMap", userMap(ana)), o.present("UserAccess", userName(ana))))
		return o, tenant(ctx, o)
	}
	stopManager := func() {
		GinkgoHelper()
		Expect(manager.Stop()).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { manager.Start(ctx) })
	}

	changesNothing := func(ctx context.Context, o namespace, tenant client.Client) {
		GinkgoHelper()
		for _, name := range []string{applicationMap("red"), userMap(ana)} {
			want := essenceOf(read(ctx, o, name, &corev1.ConfigMap{}))
			for _, patch := range []string{
				`{data: {access.json: "{}"}}`,
				`{data: {more.json: "{}"}}`,
				`{data: null}`,
				`{binaryData: {more: AAAA}}`,
				`{immutable: true}`,
				`{metadata: {labels: {mine: "yes"}}}`,
				`{metadata: {labels: null}}`,
				`{metadata: {labels: {app.kubernetes.io/managed-by: Helm}}}`,
				`{metadata: {labels: {access.usher.dev/document: other}}}`,
				`{metadata: {annotations: {access.usher.dev/digest: "0"}}}`,
				`{metadata: {annotations: {access.usher.dev/digest: null}}}`,
				`{metadata: {finalizers: [example.org/keep]}}`,
				`{metadata: {ownerReferences: null}}`,
				`{metadata: {annotations: {example.org/mine: "yes"}}, data: null}`,
			} {
				now(ctx, func(ctx context.Context) error {
					err := patchAs(ctx, tenant, newObject("ConfigMap", o.name, name), patch)
					return about(patch, refused(err, documentsPolicy), strings.Contains(fmt.Sprint(err), name+" is published by Usher"))
				})
			}
			cm := read(ctx, o, name, &corev1.ConfigMap{})
			cm.Data = map[string]string{"access.json": "{}"}
			Expect(refused(tenant.Update(ctx, cm), documentsPolicy)).To(Succeed())
			Expect(refused(tenant.Delete(ctx, newObject("ConfigMap", o.name, name)), documentsPolicy)).To(Succeed())
			Expect(refused(tenant.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(o.name),
				client.MatchingLabels{accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy}), documentsPolicy)).To(Succeed())
			now(ctx, o.restored(name, want))
		}
		for _, name := range []string{applicationMap("blue"), applicationMap("red") + ".1", userMap(ben + "x"), organizationsMap(ana)} {
			err := createNamed(ctx, tenant, o.name, name)
			Expect(refused(err, documentsPolicy)).To(Succeed())
			Expect(err).To(MatchError(ContainSubstring(name + ": names that begin with ")))
		}
		generated := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: o.name, GenerateName: "user-access-",
			Labels: map[string]string{accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy},
		}}
		Expect(refused(tenant.Create(ctx, generated), documentsPolicy)).To(Succeed())
	}

	marksNothing := func(ctx context.Context, o namespace, tenant client.Client) {
		GinkgoHelper()
		marked := newObject("UserAccess", o.name, userName("cy@acme.example"))
		marked.SetLabels(map[string]string{accessv1alpha1.LabelMaterialized: accessv1alpha1.ValueTrue})
		marked.Object["spec"] = map[string]any{"user": "cy@acme.example"}
		Expect(refused(tenant.Create(ctx, marked), labelPolicy)).To(Succeed())
		for name, patch := range map[string]string{
			"ben":         `{metadata: {labels: {access.usher.dev/materialized: "true"}}}`,
			userName(ana): `{metadata: {labels: {access.usher.dev/materialized: null}}}`,
		} {
			err := patchAs(ctx, tenant, newObject("UserAccess", o.name, name), patch)
			Expect(refused(err, labelPolicy)).To(Succeed())
			Expect(err).To(MatchError(ContainSubstring("UserAccess " + name)))
			Expect(patchAs(ctx, tenant, newObject("UserAccess", o.name, name), `{metadata: {labels: {mine: "yes"}}}`)).To(Succeed())
		}
	}

	deletesNothing := func(ctx context.Context, o namespace, tenant client.Client) {
		GinkgoHelper()
		document := essenceOf(read(ctx, o, userMap(ana), &corev1.ConfigMap{}))
		materialized := newObject("UserAccess", o.name, userName(ana))
		for _, spec := range []string{`{}`, `{groups: [], applicationAccess: []}`, `{state: Active}`} {
			Expect(patchAs(ctx, tenant, newObject("UserAccess", o.name, userName(ana)), "{spec: "+spec+"}")).To(Succeed())
			err := tenant.Delete(ctx, materialized)
			Expect(refused(err, labelPolicy)).To(Succeed(), spec)
			Expect(err).To(MatchError(ContainSubstring("UserAccess " + userName(ana) + " was written by Usher")))
		}
		Expect(refused(tenant.DeleteAllOf(ctx, newObject("UserAccess", o.name, ""), client.InNamespace(o.name),
			client.MatchingLabels{accessv1alpha1.LabelMaterialized: accessv1alpha1.ValueTrue}), labelPolicy)).To(Succeed())
		now(ctx, o.restored(userMap(ana), document))

		By("deleting an object with more than a user, which is a declared one")
		Expect(patchAs(ctx, tenant, newObject("UserAccess", o.name, userName(ana)), "{spec: {displayName: Ana}}")).To(Succeed())
		Expect(tenant.Delete(ctx, newObject("UserAccess", o.name, userName(ana)), client.DryRunAll)).To(Succeed())
		Expect(tenant.Delete(ctx, newObject("UserAccess", o.name, "ben"), client.DryRunAll)).To(Succeed())
	}

	annotates := func(ctx context.Context, o namespace, tenant client.Client, value string) {
		GinkgoHelper()
		patch := fmt.Sprintf(`{metadata: {annotations: {example.org/mine: %q}}}`, value)
		Expect(patchAs(ctx, tenant, newObject("ConfigMap", o.name, applicationMap("red")), patch)).To(Succeed())
	}

	keepsItsOwn := func(ctx context.Context, o namespace, tenant client.Client) {
		GinkgoHelper()
		// Such a name was taken before the policies were installed.
		foreign := userMap("dee@acme.example")
		Expect(createNamed(ctx, kube, o.name, foreign, fieldOwner)).To(Succeed())
		Expect(createNamed(ctx, tenant, o.name, "mine")).To(Succeed())
		for _, name := range []string{"mine", foreign} {
			cm := newObject("ConfigMap", o.name, name)
			Expect(patchAs(ctx, tenant, cm, `{data: {mine: "yes"}, metadata: {labels: {mine: "yes"}}, immutable: true}`)).To(Succeed())
			if name == foreign {
				err := patchAs(ctx, tenant, cm, `{metadata: {labels: {app.kubernetes.io/managed-by: usher}}}`)
				Expect(refused(err, documentsPolicy)).To(Succeed())
			}
			Expect(tenant.Delete(ctx, cm)).To(Succeed())
		}
	}

	It("can neither change, freeze, delete nor pre-create published ConfigMaps, nor mark a UserAccess as Usher's", func(ctx SpecContext) {
		o, tenant := organization(ctx)
		changesNothing(ctx, o, tenant)
		marksNothing(ctx, o, tenant)
		keepsItsOwn(ctx, o, tenant)

		By("annotating; Usher keeps the annotation when it writes")
		annotates(ctx, o, tenant, "yes")
		o.patch(ctx, "AccessGroup", "team", `{spec: {applicationAccess: [{application: red, role: Viewer}]}}`)
		o.waitReady(ctx, "accessgroup", "team")
		now(ctx, o.holds(ana, "red", "Viewer"))
		Expect(o.get(ctx, "ConfigMap", applicationMap("red")).GetAnnotations()).To(HaveKeyWithValue("example.org/mine", "yes"))
	})

	It("stops an attack: repeatedly deleting the owner of a user document", func(ctx SpecContext) {
		o, tenant := organization(ctx)
		deletesNothing(ctx, o, tenant)
	})

	It("cannot delete the owner of a user document while the manager is down", func(ctx SpecContext) {
		o, tenant := organization(ctx)
		stopManager()
		deletesNothing(ctx, o, tenant)
	})

	It("has the same limits as an account bound to cluster-admin", func(ctx SpecContext) {
		o, _ := organization(ctx)
		admin := clusterAdmin(ctx)
		changesNothing(ctx, o, admin)
		marksNothing(ctx, o, admin)
		By("acting as system:masters, who could delete the policies")
		o.patch(ctx, "ConfigMap", applicationMap("red"), "{data: null}")
		eventually(ctx, o.publishes("red", ana, "Editor"))
	})

	It("can do none of it while the manager is down", func(ctx SpecContext) {
		o, tenant := organization(ctx)
		stopManager()
		changesNothing(ctx, o, tenant)
		marksNothing(ctx, o, tenant)
		keepsItsOwn(ctx, o, tenant)
		annotates(ctx, o, tenant, "down")
	})
})

// about returns an error that names the failed step.
func about(step string, err error, says bool) error {
	if err == nil && !says {
		err = errors.New("the refusal does not say what is refused")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

var _ = Describe("With the admission policies in force", func() {
	const ana = "ana@acme.example"
	const team = `{members: [{user: ana@acme.example}], applicationAccess: [{application: finance, role: Editor}]}`

	It("the controllers of Kubernetes still do their work while the manager is down", func(ctx SpecContext) {
		eventually(ctx, guarded)
		o := newOrganization(ctx)
		for _, name := range []string{"finance", "sales"} {
			o.apply(ctx, "ApplicationAccess", name, "{}")
			o.waitReady(ctx, "applicationaccess", name)
		}
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")
		before := dataOf(ctx, o.name)
		restarted := false
		Expect(manager.Stop()).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			if !restarted {
				manager.Start(ctx)
			}
		})

		By("orphaning a document")
		_, err := plane.Kubectl(ctx, "-n", o.name, "delete", "aa", "finance", "--cascade=orphan", garbageCollected)
		Expect(err).NotTo(HaveOccurred())
		Expect(o.get(ctx, "ConfigMap", applicationMap("finance")).GetOwnerReferences()).To(BeEmpty())
		By("collecting another in the foreground")
		_, err = plane.Kubectl(ctx, "-n", o.name, "delete", "aa", "sales", "--cascade=foreground", garbageCollected)
		Expect(err).NotTo(HaveOccurred())
		eventually(ctx, o.absent("ConfigMap", applicationMap("sales")))
		By("creating both again")
		for _, name := range []string{"finance", "sales"} {
			o.apply(ctx, "ApplicationAccess", name, "{}")
		}
		manager.Start(ctx)
		restarted = true
		for _, name := range []string{"finance", "sales"} {
			o.waitReady(ctx, "applicationaccess", name)
			now(ctx, o.owner(applicationMap(name), "ApplicationAccess", name))
		}
		now(ctx, same(before, o.name))
		now(ctx, o.holds(ana, "finance", "Editor"))
	})

	It("a namespace is deleted while the manager is down", func(ctx SpecContext) {
		eventually(ctx, guarded)
		o := newOrganization(ctx)
		o.apply(ctx, "ApplicationAccess", "finance", "{}")
		o.apply(ctx, "AccessGroup", "team", team)
		o.waitReady(ctx, "accessgroup", "team")
		Expect(manager.Stop()).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { manager.Start(ctx) })
		_, err := plane.Kubectl(ctx, "delete", "namespace", o.name, "--timeout=30s")
		Expect(err).NotTo(HaveOccurred())
	})

	It("the API server accepts their expressions", func(ctx SpecContext) {
		eventually(ctx, func(ctx context.Context) error {
			var list admissionregistrationv1.ValidatingAdmissionPolicyList
			if err := kube.List(ctx, &list, client.MatchingLabels{"app.kubernetes.io/name": "usher"}); err != nil {
				return err
			}
			if len(list.Items) != 3 {
				return fmt.Errorf("%d policies are installed, not 3", len(list.Items))
			}
			for i := range list.Items {
				p := &list.Items[i]
				if p.Status.TypeChecking == nil || p.Status.ObservedGeneration != p.Generation {
					return fmt.Errorf("policy %s has not been checked", p.Name)
				}
				if found := p.Status.TypeChecking.ExpressionWarnings; len(found) > 0 {
					return fmt.Errorf("policy %s: %+v", p.Name, found)
				}
			}
			return nil
		})
	})
})
