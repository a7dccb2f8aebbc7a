package gitops_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/cli-utils/pkg/object"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/test/suite"
)

// fluxGroup is the API group of Flux's Kustomization, which its labels and annotations use.
const fluxGroup = "kustomize.toolkit.fluxcd.io"

// kustomization follows a repository like a Kustomization with wait and prune.
type kustomization struct {
	repository *repository
	manager    *ssa.ResourceManager
	// inventory contains the objects of the last applied commit. Only these are ever pruned.
	inventory object.ObjMetadataSet
}

func newKustomization(r *repository) *kustomization {
	poller := polling.NewStatusPoller(kube, kube.RESTMapper(), polling.Options{})
	return &kustomization{repository: r, manager: ssa.NewResourceManager(kube, poller, ssa.Owner{
		Field: "kustomize-controller", Group: fluxGroup,
	})}
}

const (
	kustomizationName      = "access"
	kustomizationNamespace = "flux-system"
)

// reconcile applies the latest commit, prunes what the commit no longer has, and waits until everything is ready. It
// returns the action for each object, in the words of Flux.
func (k *kustomization) reconcile(ctx context.Context) (map[string]ssa.Action, error) {
	GinkgoHelper()
	changes, err := k.apply(ctx)
	if err != nil {
		return nil, err
	}
	applied := changes.ToObjMetadataSet()
	pruned, err := k.prune(ctx, applied)
	if pruned != nil {
		changes.Append(pruned.Entries)
	}
	if err != nil {
		return changes.ToMap(), err
	}
	k.inventory = applied
	return changes.ToMap(), k.manager.WaitForSetWithContext(ctx, applied, waitOptions())
}

func waitOptions() ssa.WaitOptions {
	return ssa.WaitOptions{Interval: suite.PollInterval, Timeout: patience}
}

func (k *kustomization) apply(ctx context.Context) (*ssa.ChangeSet, error) {
	GinkgoHelper()
	objects := render(ctx, k.repository.checkout(ctx))
	Expect(normalize.UnstructuredList(objects)).To(Succeed())
	k.manager.SetOwnerLabels(objects, kustomizationName, kustomizationNamespace)
	options := ssa.DefaultApplyOptions()
	options.WaitInterval = suite.PollInterval
	// The controller removes kubectl's field ownership, so that manual changes do not persist.
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{corev1.LastAppliedConfigAnnotation},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
		},
	}
	return k.manager.ApplyAllStaged(ctx, objects, options)
}

// prune removes objects that are in the inventory but not in the applied set, if they still have the labels.
func (k *kustomization) prune(ctx context.Context, applied object.ObjMetadataSet) (*ssa.ChangeSet, error) {
	stale := k.inventory.Diff(applied)
	if len(stale) == 0 {
		return nil, nil //nolint:nilnil // nothing to prune
	}
	changes, err := k.manager.DeleteAll(ctx, unstructuredOf(stale), ssa.DeleteOptions{
		PropagationPolicy: metav1.DeletePropagationBackground,
		Inclusions:        k.manager.GetOwnerLabels(kustomizationName, kustomizationNamespace),
		Exclusions:        map[string]string{fluxGroup + "/prune": "disabled"},
	})
	if err != nil {
		return changes, err
	}
	return changes, k.manager.WaitForSetTermination(changes, waitOptions())
}

func unstructuredOf(set object.ObjMetadataSet) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, each := range set {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(each.GroupKind.WithVersion(versionOf(each)))
		u.SetNamespace(each.Namespace)
		u.SetName(each.Name)
		objects = append(objects, u)
	}
	return objects
}

func versionOf(each object.ObjMetadata) string {
	if each.GroupKind.Group == accessv1alpha1.GroupVersion.Group {
		return accessv1alpha1.GroupVersion.Version
	}
	return "v1"
}

// others returns the actions other than the given one.
func others(actions map[string]ssa.Action, usual ssa.Action) map[string]ssa.Action {
	found := map[string]ssa.Action{}
	for name, action := range actions {
		if action != usual {
			found[name] = action
		}
	}
	return found
}

var sampleNamespaces = []string{"analytics", "security-apac", "security-emea", systemNamespace}

var _ = Describe("Under Flux, a tree", Ordered, func() {
	var (
		repo *repository
		flux *kustomization
	)

	BeforeAll(func(ctx SpecContext) {
		repo = newRepository(ctx)
		repo.addSamples()
		repo.commit(ctx, "The samples")
		flux = newKustomization(repo)
		removeNamespaces(ctx, systemNamespace) // which somebody else applied
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, sampleNamespaces...) })
	})

	It("becomes ready after it is applied, and what is ready is published", func(ctx SpecContext) {
		actions, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(others(actions, ssa.CreatedAction)).To(BeEmpty())
		Expect(role(ctx, "analytics", "finance", "amelie@acme.example")).To(Equal("Editor"))
		Expect(role(ctx, "security-apac", "red", "jonas@acme.example")).To(Equal("Editor"))
	})

	It("shows no drift: applying it again changes nothing", func(ctx SpecContext) {
		before := map[string]string{}
		for _, each := range unstructuredOf(flux.inventory) {
			before[subject(each)] = live(ctx, each).GetResourceVersion()
		}
		actions, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(others(actions, ssa.UnchangedAction)).To(BeEmpty())
		for _, each := range unstructuredOf(flux.inventory) {
			if each.GetKind() != "Namespace" { // the namespace controller writes their status
				Expect(live(ctx, each).GetResourceVersion()).To(Equal(before[subject(each)]), subject(each))
			}
		}
	})

	It("applies a commit: one object changes, and its documents are published when the wait returns", func(ctx SpecContext) {
		repo.edit("samples/security/apac.yaml", "suite: detection\n    role: Editor", "suite: detection\n    role: Viewer")
		repo.commit(ctx, "Jonas only looks at red")
		actions, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(others(actions, ssa.UnchangedAction)).To(Equal(map[string]ssa.Action{
			"AccessGroup/security-apac/operators": ssa.ConfiguredAction,
		}))
		Expect(role(ctx, "security-apac", "red", "jonas@acme.example")).To(Equal("Viewer"))
	})

	It("reverts manual changes", func(ctx SpecContext) {
		_, err := plane.Kubectl(ctx, "--namespace=security-apac", "patch", "accessgroup", "operators", "--type=merge",
			`--patch={"spec":{"members":[{"user":"jonas@acme.example"},{"user":"mallory@acme.example"}]}}`)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() string { return role(ctx, "security-apac", "red", "mallory@acme.example") }).
			WithContext(ctx).Should(Equal("Viewer"))
		actions, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(others(actions, ssa.UnchangedAction)).To(Equal(map[string]ssa.Action{
			"AccessGroup/security-apac/operators": ssa.ConfiguredAction,
		}))
		Expect(role(ctx, "security-apac", "red", "mallory@acme.example")).To(BeEmpty())
		Eventually(func() map[string]map[string]string { return documents(ctx) }).WithContext(ctx).
			ShouldNot(HaveKey("security-apac/user-access-"+identity.Name("mallory@acme.example")), "it stays empty for a while")
		gone := &accessv1alpha1.UserAccess{}
		Eventually(func() error {
			return kube.Get(ctx, client.ObjectKey{Namespace: "security-apac", Name: identity.Name("mallory@acme.example")}, gone)
		}).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "IsNotFound"), "it goes after its document")
	})

	It("loses what a commit removes, but nothing that Usher created for others", func(ctx SpecContext) {
		Expect(flux.inventory.Contains(object.ObjMetadata{
			GroupKind: accessv1alpha1.GroupVersion.WithKind("AccessGroup").GroupKind(), Namespace: "access-system", Name: "not-in-emea",
		})).To(BeTrue())
		repo.edit("samples/security/system.yaml", `---
# NoAccess on the system ladder is a block: it overrides all grants of the organization.
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: not-in-emea
  namespace: access-system
spec:
  type: System
  members:
  - user: jonas@acme.example
  systemAccess:
  - organization: security-emea
    role: NoAccess
`, "")
		repo.commit(ctx, "Nobody is blocked")
		derivedBefore := derived(ctx)
		Expect(derivedBefore).NotTo(BeEmpty())
		actions, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(others(actions, ssa.UnchangedAction)).To(Equal(map[string]ssa.Action{
			"AccessGroup/access-system/not-in-emea": ssa.DeletedAction,
		}))
		Eventually(func() string { return role(ctx, "security-emea", "red", "jonas@acme.example") }).
			WithContext(ctx).Should(Equal("Viewer"))
		for _, each := range derivedBefore {
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(each), each)).To(Succeed(), "%s is still there", each.GetName())
			Expect(each.GetDeletionTimestamp()).To(BeNil(), each.GetName())
		}
	})

	It("never has Usher's objects in its inventory, and labels none of them", func(ctx SpecContext) {
		for _, each := range derived(ctx) {
			for key := range each.GetLabels() {
				Expect(key).NotTo(HavePrefix(fluxGroup), "%s/%s", each.GetNamespace(), each.GetName())
			}
			for _, owned := range flux.inventory {
				Expect(owned.Namespace+"/"+owned.Name == each.GetNamespace()+"/"+each.GetName() &&
					owned.GroupKind.Kind == each.GetObjectKind().GroupVersionKind().Kind).To(BeFalse(), owned.String())
			}
		}
	})

	It("is published with the same bytes after it was removed and restored", func(ctx SpecContext) {
		Eventually(func() error {
			return kube.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: "user-organizations-" +
				identity.Name("jonas@acme.example")}, &corev1.ConfigMap{})
		}).WithContext(ctx).Should(Succeed(), "Jonas can enter two organizations now")
		before := documents(ctx)
		repo.write("kustomization.yaml", "resources:\n- empty.yaml\n")
		repo.write("empty.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: nothing-else\n")
		repo.commit(ctx, "Everything goes")
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, "nothing-else") })
		_, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() map[string]map[string]string { return documents(ctx) }).WithContext(ctx).Should(BeEmpty())

		repo.revert(ctx)
		_, err = flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		// Objects of the system namespace do not have to be ready for this.
		Eventually(func() string { return cmp.Diff(before, documents(ctx)) }).WithContext(ctx).Should(BeEmpty())
	})
})

var _ = Describe("Under Flux, a broken object", Ordered, func() {
	var (
		repo *repository
		flux *kustomization
	)
	const namespace = "broken"

	BeforeAll(func(ctx SpecContext) {
		repo = newRepository(ctx)
		repo.write("kustomization.yaml", "resources:\n- access.yaml\n")
		flux = newKustomization(repo)
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, namespace) })
	})

	// declare commits a namespace, an application, and a group with the spec.
	declare := func(ctx context.Context, spec string) {
		GinkgoHelper()
		repo.write("access.yaml", fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels:
    access.usher.dev/organization: enabled
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata:
  name: finance
  namespace: %[1]s
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: france
  namespace: %[1]s
spec:
%[2]s`, namespace, spec))
		repo.commit(ctx, "A group")
	}
	group := func() *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind("AccessGroup"))
		u.SetNamespace(namespace)
		u.SetName("france")
		return u
	}
	computed := func(ctx context.Context) *status.Result {
		GinkgoHelper()
		result, err := status.Compute(live(ctx, group()))
		Expect(err).NotTo(HaveOccurred())
		return result
	}

	It("is in progress while it has an unresolved reference, and names the reference", func(ctx SpecContext) {
		declare(ctx, "  members: [{user: a@b.example}]\n  applicationAccess: [{application: finance, role: Edtior}]\n")
		changes, err := flux.apply(ctx)
		Expect(err).NotTo(HaveOccurred())
		flux.inventory = changes.ToObjMetadataSet()
		Eventually(func() string { return computed(ctx).Message }).WithContext(ctx).Should(ContainSubstring(`no role "Edtior"`))
		Expect(computed(ctx).Status).To(Equal(status.InProgressStatus))
		Expect(flux.manager.WaitForSet(flux.inventory, ssa.WaitOptions{Interval: suite.PollInterval, Timeout: time.Second})).
			To(MatchError(ContainSubstring("AccessGroup/broken/france status: 'InProgress'")))
	})

	It("fails after two minutes with Usher's message", func(ctx SpecContext) {
		// The status contains the start time. Usher restores its own messages, but not this time.
		stored := &accessv1alpha1.AccessGroup{}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(group()), stored)).To(Succeed())
		for i := range stored.Status.Conditions {
			stored.Status.Conditions[i].LastTransitionTime = metav1.NewTime(time.Now().Add(-2 * time.Minute))
		}
		Expect(kube.Status().Update(ctx, stored)).To(Succeed())
		Eventually(func() status.Status { return computed(ctx).Status }).WithContext(ctx).Should(Equal(status.FailedStatus))
		Expect(computed(ctx).Message).To(ContainSubstring(`spec.applicationAccess[finance].role: no role "Edtior"`))
		Expect(flux.manager.WaitForSetWithContext(ctx, flux.inventory, waitOptions())).
			To(MatchError(And(ContainSubstring("failed early"), ContainSubstring("AccessGroup/broken/france status: 'Failed'"))))
	})

	It("is current as soon as it is corrected", func(ctx SpecContext) {
		declare(ctx, "  members: [{user: a@b.example}]\n  applicationAccess: [{application: finance, role: Editor}]\n")
		_, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(computed(ctx).Status).To(Equal(status.CurrentStatus))
		Expect(role(ctx, namespace, "finance", "a@b.example")).To(Equal("Editor"))
	})

	It("fails if waiting cannot help", func(ctx SpecContext) {
		repo.write("access.yaml", fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels:
    access.usher.dev/organization: enabled
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: observers
  namespace: %[1]s
spec:
  type: System
`, namespace))
		repo.commit(ctx, "A System group outside the system namespace")
		_, err := flux.reconcile(ctx)
		Expect(err).To(MatchError(ContainSubstring("AccessGroup/broken/observers status: 'Failed'")))
		observers := group()
		observers.SetName("observers")
		result, err := status.Compute(live(ctx, observers))
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Status).To(Equal(status.FailedStatus))
		Expect(result.Message).To(ContainSubstring("counts only in the system namespace"))
	})
})

var _ = Describe("Under Flux, a commit that takes access from many", Ordered, func() {
	const namespace = "braked"
	var (
		repo *repository
		flux *kustomization
	)
	write := func(annotation, members string) {
		repo.write("kustomization.yaml", "resources:\n- access.yaml\n")
		repo.write("access.yaml", fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels:
    access.usher.dev/organization: enabled
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessPolicy
metadata:
  name: default
  namespace: %[1]s
spec:
  revocationLimit:
    users: 1
---
apiVersion: access.usher.dev/v1alpha1
kind: ApplicationAccess
metadata:
  name: finance
  namespace: %[1]s
spec: {}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: france
  namespace: %[1]s
  annotations: {%[2]s}
spec:
  members: [%[3]s]
  applicationAccess:
  - application: finance
    role: Viewer
`, namespace, annotation, members))
	}

	BeforeAll(func(ctx SpecContext) {
		repo = newRepository(ctx)
		flux = newKustomization(repo)
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, namespace) })
		write("", "{user: a@b.example}, {user: b@b.example}, {user: c@b.example}")
		repo.commit(ctx, "Three people")
		_, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
	})

	It("is refused when Flux applies it, with the remedy", func(ctx SpecContext) {
		write("", "{user: a@b.example}")
		repo.commit(ctx, "One of them")
		_, err := flux.reconcile(ctx)
		Expect(err).To(MatchError(And(
			ContainSubstring("AccessGroup/braked/france dry-run failed"),
			ContainSubstring("2 users would lose all access to application finance"),
			ContainSubstring(accessv1alpha1.AnnotationAllowRevocation))))
		Expect(role(ctx, namespace, "finance", "c@b.example")).To(Equal("Viewer"))
	})

	It("is accepted if the same commit declares that it is intended", func(ctx SpecContext) {
		deadline := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		write(fmt.Sprintf("%s: 2@%s", accessv1alpha1.AnnotationAllowRevocation, deadline), "{user: a@b.example}")
		repo.commit(ctx, "One of them, meant")
		_, err := flux.reconcile(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(role(ctx, namespace, "finance", "c@b.example")).To(BeEmpty())
	})
})
