package gitops_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	enginekube "github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	// trackingID is the annotation by which Argo CD, by default, tracks what belongs to an application.
	trackingID = "argocd.argoproj.io/tracking-id"
	syncWave   = "argocd.argoproj.io/sync-wave"
	// argoManager is the field manager of server-side applies.
	argoManager = "argocd-controller"
)

// application follows a repository like an Application with automated sync, self-heal and prune.
type application struct {
	name       string
	repository *repository
	serverSide bool
	overrides  health.HealthOverride
	cluster    cache.ClusterCache
}

func newApplication(r *repository, name string, serverSide bool) *application {
	GinkgoHelper()
	a := &application{name: name, repository: r, serverSide: serverSide, overrides: installedHealth(context.Background())}
	a.cluster = cache.NewClusterCache(plane.Config(),
		cache.SetLogr(logr.Discard()),
		cache.SetPopulateResourceInfoHandler(func(u *unstructured.Unstructured, _ bool) (any, bool) {
			owner, _, _ := strings.Cut(u.GetAnnotations()[trackingID], ":")
			return owner, owner != ""
		}))
	Expect(a.cluster.EnsureSynced()).To(Succeed())
	DeferCleanup(func() { a.cluster.Invalidate() })
	return a
}

func kubectl() *enginekube.KubectlCmd {
	return &enginekube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
}

// desired returns the objects of the latest commit with the tracking annotation of the application.
func (a *application) desired(ctx context.Context) []*unstructured.Unstructured {
	GinkgoHelper()
	objects := render(ctx, a.repository.checkout(ctx))
	for _, each := range objects {
		annotations := each.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		gvk := each.GroupVersionKind()
		annotations[trackingID] = fmt.Sprintf("%s:%s/%s:%s/%s", a.name, gvk.Group, gvk.Kind, each.GetNamespace(), each.GetName())
		each.SetAnnotations(annotations)
	}
	return objects
}

// sync applies the latest commit wave by wave, each when the previous one is healthy, and prunes. It returns the result
// for each object.
func (a *application) sync(ctx context.Context) map[string]common.ResourceSyncResult {
	GinkgoHelper()
	operation := &operation{started: metav1.Now(), phase: common.OperationRunning}
	desired := a.desired(ctx)
	Eventually(func() (bool, error) {
		err := a.step(desired, operation)
		return operation.phase.Completed(), err
	}).WithContext(ctx).Should(BeTrue(), operation.message)
	found := map[string]common.ResourceSyncResult{}
	for _, result := range operation.results {
		found[strings.TrimPrefix(fmt.Sprintf("%s/%s/%s", result.ResourceKey.Kind, result.ResourceKey.Namespace,
			result.ResourceKey.Name), "/")] = result
	}
	return found
}

// operation is the progress of a sync, which Argo CD keeps in the status of the Application.
type operation struct {
	started metav1.Time
	phase   common.OperationPhase
	message string
	results []common.ResourceSyncResult
}

// step examines the current state and does what can be done now, as Argo CD does on every change.
func (a *application) step(desired []*unstructured.Unstructured, o *operation) error {
	var targets []*unstructured.Unstructured
	for _, each := range desired {
		targets = append(targets, each.DeepCopy())
	}
	managed, err := a.cluster.GetManagedLiveObjs(targets, func(r *cache.Resource) bool { return r.Info == a.name })
	if err != nil {
		return err
	}
	sync, cleanup, err := sync.NewSyncContext("HEAD", sync.Reconcile(targets, managed, systemNamespace, a.cluster),
		plane.Config(), plane.Config(), kubectl(), systemNamespace,
		sync.WithInitialState(o.phase, o.message, o.results, o.started),
		sync.WithPrune(true), sync.WithHealthOverride(a.overrides), sync.WithLogr(logr.Discard()),
		sync.WithServerSideApply(a.serverSide), sync.WithServerSideApplyManager(argoManager))
	if err != nil {
		return err
	}
	defer cleanup()
	sync.Sync()
	o.phase, o.message, o.results = sync.GetState()
	return nil
}

// pruned lists the objects that a sync removed.
func pruned(results map[string]common.ResourceSyncResult) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(results)) {
		if results[name].Status == common.ResultCodePruned {
			names = append(names, name)
		}
	}
	return names
}

// failed lists the objects that failed to sync, with the reasons.
func failed(results map[string]common.ResourceSyncResult) map[string]string {
	found := map[string]string{}
	for name, result := range results {
		if result.Status == common.ResultCodeSyncFailed || result.HookPhase == common.OperationFailed {
			found[name] = result.Message
		}
	}
	return found
}

// health returns the health that Argo CD would show for the object.
func (a *application) health(ctx context.Context, object *unstructured.Unstructured) *health.HealthStatus {
	GinkgoHelper()
	found, err := health.GetResourceHealth(live(ctx, object), a.overrides)
	Expect(err).NotTo(HaveOccurred())
	return found
}

// tree lists the objects below the object by owner references, like the resource tree.
func (a *application) tree(object *unstructured.Unstructured) []string {
	var below []string
	root := enginekube.GetResourceKey(object)
	a.cluster.IterateHierarchyV2([]enginekube.ResourceKey{root},
		func(r *cache.Resource, _ map[enginekube.ResourceKey]*cache.Resource) bool {
			if r.ResourceKey() != root {
				below = append(below, r.Ref.Kind+"/"+r.Ref.Name)
			}
			return true
		})
	slices.Sort(below)
	return below
}

// diffs returns the ways in which Argo CD compares, by name.
func diffs() map[string][]diff.Option {
	GinkgoHelper()
	_, parser, err := kubectl().LoadOpenAPISchema(plane.Config())
	Expect(err).NotTo(HaveOccurred())
	applier, cleanup, err := kubectl().ManageServerSideDiffDryRuns(plane.Config())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(cleanup)
	usual := []diff.Option{diff.WithLogr(logr.Discard()), diff.WithGVKParser(parser), diff.WithManager(argoManager)}
	return map[string][]diff.Option{
		"client-side": usual,
		"structured":  append(slices.Clone(usual), diff.WithStructuredMergeDiff(true)),
		"server-side": append(slices.Clone(usual), diff.WithServerSideDiff(true),
			diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier))),
	}
}

// expectNoDifference compares each object with the one on the API server.
func expectNoDifference(ctx context.Context, objects []*unstructured.Unstructured, options ...diff.Option) {
	GinkgoHelper()
	for _, each := range objects {
		result, err := diff.Diff(each.DeepCopy(), live(ctx, each), options...)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(result.PredictedLive)).To(MatchJSON(result.NormalizedLive), subject(each))
		Expect(result.Modified).To(BeFalse(), subject(each))
	}
}

func access(kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// A tree is applied in each of the two ways of Argo CD.
func underArgoCD(name string, serverSide bool, compared ...string) bool {
	return Describe("Under Argo CD, a tree that is "+name, Ordered, func() {
		var (
			repo *repository
			argo *application
		)

		BeforeAll(func(ctx SpecContext) {
			repo = newRepository(ctx)
			repo.addSamples()
			repo.commit(ctx, "The samples")
			argo = newApplication(repo, "access", serverSide)
			DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, sampleNamespaces...) })
		})

		It("is synced, and becomes healthy when it is published", func(ctx SpecContext) {
			Expect(failed(argo.sync(ctx))).To(BeEmpty())
			for _, each := range argo.desired(ctx) {
				if each.GroupVersionKind().Group != accessv1alpha1.GroupVersion.Group {
					continue
				}
				Eventually(func() health.HealthStatusCode { return argo.health(ctx, each).Status }).
					WithContext(ctx).Should(Equal(health.HealthStatusHealthy), subject(each))
			}
			Expect(role(ctx, "analytics", "finance", "amelie@acme.example")).To(Equal("Editor"))
		})

		for _, way := range compared {
			It("shows no difference, compared "+way, func(ctx SpecContext) {
				expectNoDifference(ctx, argo.desired(ctx), diffs()[way]...)
			})
		}

		It("has its documents in the resource tree", func(ctx SpecContext) {
			Eventually(func() []string { return argo.tree(access("ApplicationAccess", "analytics", "finance")) }).
				WithContext(ctx).Should(Equal([]string{"ConfigMap/application-access-finance"}))
			Eventually(func() []string { return argo.tree(access("UserAccess", "analytics", "dana")) }).
				WithContext(ctx).Should(ConsistOf(HavePrefix("ConfigMap/user-access-dana-acme-example-")))
		})

		It("loses what a commit removes, but nothing that Usher created", func(ctx SpecContext) {
			derivedBefore := derived(ctx)
			Expect(derivedBefore).NotTo(BeEmpty())
			repo.edit("samples/security/emea.yaml", `---
# 3. RulesAdmin and NoAccess for red. Least privilege applies: Grace has no access to red.
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: red-rules
  namespace: security-emea
spec:
  members:
  - user: grace@acme.example
  applicationAccess:
  - application: red
    role: RulesAdmin
`, "")
			repo.commit(ctx, "Grace gives no rules")
			results := argo.sync(ctx)
			Expect(failed(results)).To(BeEmpty())
			Expect(pruned(results)).To(Equal([]string{"AccessGroup/security-emea/red-rules"}))
			for _, each := range derivedBefore {
				Expect(each.GetAnnotations()).NotTo(HaveKey(trackingID), each.GetName())
				Expect(kube.Get(ctx, client.ObjectKeyFromObject(each), each)).To(Succeed(), "%s is still there", each.GetName())
			}
		})
	})
}

// The way of comparing must match the way of applying: without server-side apply there is no field manager to compare
// by.
var (
	_ = underArgoCD("applied on the client's side", false, "client-side", "server-side")
	_ = underArgoCD("applied on the server's side", true, "client-side", "structured", "server-side")
)

var _ = Describe("Under Argo CD, a sync wave", func() {
	It("waits for the previous one, and does not start if that is degraded", func(ctx SpecContext) {
		const namespace = "waves"
		DeferCleanup(func(ctx SpecContext) { removeNamespaces(ctx, namespace) })
		repo := newRepository(ctx)
		repo.write("kustomization.yaml", "resources:\n- access.yaml\n")
		write := func(kind string) {
			repo.write("access.yaml", fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: {access.usher.dev/organization: enabled}
  annotations: {%[2]s: "-1"}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: first
  namespace: %[1]s
spec: {type: %[3]s}
---
apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata:
  name: second
  namespace: %[1]s
  annotations: {%[2]s: "1"}
spec:
  memberGroups: [first]
`, namespace, syncWave, kind))
		}
		write("System")
		repo.commit(ctx, "The first is in the wrong place")
		argo := newApplication(repo, "waves", true)
		results := argo.sync(ctx)
		Expect(failed(results)).To(HaveKeyWithValue("AccessGroup/waves/first", ContainSubstring("counts only in the system namespace")))
		_, err := find(ctx, access("AccessGroup", namespace, "second"))
		Expect(err).To(MatchError(ContainSubstring("not found")))

		Expect(kube.Delete(ctx, access("AccessGroup", namespace, "first"))).To(Succeed()) // the type is immutable
		write("Organization")
		repo.commit(ctx, "The first is in the right place")
		Expect(failed(argo.sync(ctx))).To(BeEmpty())
		Eventually(func() health.HealthStatusCode {
			return argo.health(ctx, access("AccessGroup", namespace, "second")).Status
		}).WithContext(ctx).Should(Equal(health.HealthStatusHealthy))
	})
})
