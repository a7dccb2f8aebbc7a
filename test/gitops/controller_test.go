package gitops_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/usher-dev/usher/test/cluster"
)

const (
	controllerModule = "github.com/fluxcd/kustomize-controller"
	controllerDir    = "hack/tools/kustomize-controller"
	// fluxNamespace is the namespace of Flux.
	fluxNamespace = "flux-system"
)

// fluxController is the original kustomize-controller in the configuration of Flux: with a service account that is
// bound to cluster-admin, and in multi-tenancy lockdown except for the default service account. The test publishes the
// sources.
type fluxController struct {
	program *cluster.Program
	server  *httptest.Server

	lock      sync.Mutex
	artifacts map[string][]byte // by path
}

// sourceKinds are the kinds that kustomize-controller watches and that another controller reconciles.
var sourceKinds = []string{"Bucket", "GitRepository", "OCIRepository"}

// startFlux installs Flux's kinds and starts the controller. It stops at the end of the calling container.
func startFlux(ctx context.Context) *fluxController {
	GinkgoHelper()
	program, err := cluster.BuildProgram("kustomize-controller", controllerDir, controllerModule) //nolint:contextcheck // all specs share the build
	Expect(err).NotTo(HaveOccurred())
	installKinds(ctx, read(GinkgoTB(), filepath.Join(moduleDir(ctx, controllerDir, controllerModule),
		"config", "crd", "bases", "kustomize.toolkit.fluxcd.io_kustomizations.yaml")))
	for _, kind := range sourceKinds {
		installKinds(ctx, sourceKind(kind))
	}
	kubectlApply(ctx, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: kustomize-controller, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: cluster-reconciler-%[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: kustomize-controller, namespace: %[1]s}]
`, fluxNamespace))
	kubeconfig, err := plane.AccountKubeconfig(ctx, fluxNamespace, "kustomize-controller")
	Expect(err).NotTo(HaveOccurred())

	f := &fluxController{artifacts: map[string][]byte{}}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	DeferCleanup(f.server.Close)
	f.program, err = plane.StartProgram(ctx, program,
		[]string{"KUBECONFIG=" + kubeconfig, "RUNTIME_NAMESPACE=" + fluxNamespace, "TMPDIR=" + GinkgoT().TempDir()},
		[]string{"--metrics-addr=0", "--health-addr=0", "--requeue-dependency=1s", "--no-cross-namespace-refs", "--no-remote-bases"})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { //nolint:contextcheck // the context of the cleanup
		Expect(f.program.Stop()).To(Succeed())
		forgetFlux(ctx)
	})
	return f
}

// forgetFlux removes Flux's objects while the controller is stopped, so that the controller prunes nothing because of
// that.
func forgetFlux(ctx context.Context) {
	GinkgoHelper()
	list := &kustomizev1.KustomizationList{}
	Expect(kube.List(ctx, list)).To(Succeed())
	for i := range list.Items {
		list.Items[i].Finalizers = nil
		Expect(kube.Update(ctx, &list.Items[i])).To(Succeed())
	}
	removeNamespaces(ctx, fluxNamespace)
}

// moduleDir returns the directory in the module cache of a module that the module in dir requires.
func moduleDir(ctx context.Context, dir, module string) string {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(ctx, "go", "list", "-C", filepath.Join(root, dir), "-m", "-f", "{{.Dir}}", module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(string(out))
}

// sourceKind returns a definition of a kind of source-controller that allows any fields. Only the source-controller
// module has the schemas, and TestDocumentation checks the fields against its types.
func sourceKind(kind string) string {
	plural := strings.Replace(strings.ToLower(kind)+"s", "ys", "ies", 1)
	return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.%[2]s}
spec:
  group: %[2]s
  names: {kind: %[3]s, listKind: %[3]sList, plural: %[1]s, singular: %[4]s}
  scope: Namespaced
  versions:
  - name: %[5]s
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`, plural, sourcev1.GroupVersion.Group, kind, strings.ToLower(kind), sourcev1.GroupVersion.Version)
}

func installKinds(ctx context.Context, manifest string) {
	GinkgoHelper()
	kubectlApply(ctx, manifest)
	var names []string
	for _, each := range objectsIn(manifest) {
		names = append(names, "crd/"+each.GetName())
	}
	// kubectl fails if a definition has no conditions yet.
	Eventually(func() error {
		_, err := plane.Kubectl(ctx, append([]string{"wait", "--for=condition=Established"}, names...)...)
		return err
	}).WithContext(ctx).Should(Succeed())
}

// kubectlApply applies the text unchanged, like a person who pastes it.
func kubectlApply(ctx context.Context, text string) {
	GinkgoHelper()
	_, err := plane.KubectlInput(ctx, strings.NewReader(text), "apply", "--server-side", "-f", "-")
	Expect(err).NotTo(HaveOccurred())
}

func (f *fluxController) serve(w http.ResponseWriter, r *http.Request) {
	f.lock.Lock()
	defer f.lock.Unlock()
	archive, found := f.artifacts[r.URL.Path]
	if !found {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(archive)
}

// publish makes the GitRepository point to the latest commit, as source-controller does. It returns the revision.
func (f *fluxController) publish(ctx context.Context, r *repository, source client.ObjectKey) string {
	GinkgoHelper()
	commit := git(ctx, r.work, "rev-parse", "HEAD")
	file := filepath.Join(GinkgoT().TempDir(), "tree.tar.gz")
	git(ctx, r.work, "archive", "--format=tar.gz", "--output="+file, "HEAD^{tree}")
	archive, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	sum := sha256.Sum256(archive)
	path := fmt.Sprintf("/%s/%s/%s.tar.gz", source.Namespace, source.Name, commit)
	f.lock.Lock()
	f.artifacts[path] = archive
	f.lock.Unlock()

	found := &sourcev1.GitRepository{}
	Expect(kube.Get(ctx, source, found)).To(Succeed())
	found.Status.ObservedGeneration = found.Generation
	found.Status.Artifact = &fluxmeta.Artifact{
		Path: path, URL: f.server.URL + path, Revision: "main@sha1:" + commit,
		Digest: "sha256:" + hex.EncodeToString(sum[:]), LastUpdateTime: metav1.Now(),
	}
	apimeta.SetStatusCondition(&found.Status.Conditions, metav1.Condition{
		Type: fluxmeta.ReadyCondition, Status: metav1.ConditionTrue, Reason: fluxmeta.SucceededReason, Message: "stored",
	})
	Expect(kube.Status().Update(ctx, found)).To(Succeed())
	return found.Status.Artifact.Revision
}

// ready returns the Ready condition of a Kustomization once the Kustomization has processed the revision in its current
// generation.
func (f *fluxController) ready(ctx context.Context, key client.ObjectKey, revision string) (*metav1.Condition, error) {
	found := &kustomizev1.Kustomization{}
	if err := kube.Get(ctx, key, found); err != nil {
		return nil, err
	}
	ready := apimeta.FindStatusCondition(found.Status.Conditions, fluxmeta.ReadyCondition)
	if ready == nil || ready.Status == metav1.ConditionUnknown || ready.ObservedGeneration != found.Generation ||
		found.Status.LastAttemptedRevision != revision {
		return nil, fmt.Errorf("%s has not dealt with %s yet: %v", key, revision, ready)
	}
	return ready, nil
}

// expectReady waits until the Kustomization has applied the revision and all objects are ready.
func (f *fluxController) expectReady(ctx context.Context, key client.ObjectKey, revision string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		ready, err := f.ready(ctx, key, revision)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ready.Status).To(Equal(metav1.ConditionTrue), ready.Message)
	}).WithContext(ctx).Should(Succeed())
}

// expectFailed waits until the Kustomization has failed with the revision and returns its message.
func (f *fluxController) expectFailed(ctx context.Context, key client.ObjectKey, revision string) string {
	GinkgoHelper()
	var message string
	Eventually(func(g Gomega) {
		ready, err := f.ready(ctx, key, revision)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ready.Status).To(Equal(metav1.ConditionFalse), ready.Message)
		message = ready.Message
	}).WithContext(ctx).Should(Succeed())
	return message
}

// request requests a reconciliation, like "flux reconcile kustomization".
func (f *fluxController) request(ctx context.Context, key client.ObjectKey) {
	GinkgoHelper()
	_, err := plane.Kubectl(ctx, "annotate", "--overwrite", "--namespace="+key.Namespace,
		"kustomizations.kustomize.toolkit.fluxcd.io", key.Name, fluxmeta.ReconcileRequestAnnotation+"="+rand.String(8))
	Expect(err).NotTo(HaveOccurred())
}

// inventory lists the objects that the Kustomization would prune, as Kind/namespace/name.
func (f *fluxController) inventory(ctx context.Context, key client.ObjectKey) []string {
	GinkgoHelper()
	found := &kustomizev1.Kustomization{}
	Expect(kube.Get(ctx, key, found)).To(Succeed())
	names := map[string]bool{}
	if found.Status.Inventory != nil {
		for _, each := range found.Status.Inventory.Entries {
			parts := strings.Split(each.ID, "_")
			names[parts[3]+"/"+parts[0]+"/"+parts[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// printed returns the manifests of the given kinds in a page of the documentation, in order.
func printed(file string, kinds ...string) []*unstructured.Unstructured {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	var found []*unstructured.Unstructured
	for _, b := range block.FindAllStringSubmatch(read(GinkgoTB(), filepath.Join(root, "docs", file)), -1) {
		for text := range strings.SplitSeq(b[1], "---\n") {
			each := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(text), &each.Object)).To(Succeed(), text)
			if slices.Contains(kinds, each.GetKind()) && each.GetName() != "" { // a kustomization has no name
				found = append(found, each)
			}
		}
	}
	Expect(found).NotTo(BeEmpty())
	return found
}

// textOf encodes objects as one file.
func textOf(objects ...*unstructured.Unstructured) string {
	GinkgoHelper()
	var texts []string
	for _, each := range objects {
		text, err := runtime.Encode(unstructured.UnstructuredJSONScheme, each)
		Expect(err).NotTo(HaveOccurred())
		texts = append(texts, string(text))
	}
	return strings.Join(texts, "\n---\n")
}
