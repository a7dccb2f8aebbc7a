package gitops_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	systemNamespace = suite.SystemNamespace
	// A busy machine needs several times the usual second.
	patience = time.Minute
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	manager *suite.Manager
)

func TestGitOps(t *testing.T) {
	// These tests do not check the warnings of admission.
	ctrl.SetLogger(logr.Discard())
	RegisterFailHandler(Fail)
	RunSpecs(t, "GitOps")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	plane = suite.StartCluster(ctx, cluster.Options{},
		(*cluster.Cluster).Install, (*cluster.Cluster).InstallSCIM, (*cluster.Cluster).InstallWebhooks)
	kube = suite.NewClient(plane, kustomizev1.AddToScheme, sourcev1.AddToScheme)
	manager = suite.RunManager(ctx, plane, cluster.ManagerOptions{Webhooks: true, Args: append([]string{
		"--document-grace=1s", "--organization-selector=access.usher.dev/organization=enabled",
	}, cluster.CertificateArgs...)})
}, NodeTimeout(suite.Beginning))

var _ = JustAfterEach(func() { suite.ReportLog("the manager", manager) })

// render builds a kustomization, as both tools do.
func render(ctx context.Context, directory string) []*unstructured.Unstructured {
	GinkgoHelper()
	text, err := plane.Kubectl(ctx, "kustomize", directory)
	Expect(err).NotTo(HaveOccurred())
	return objectsIn(text)
}

func objectsIn(text string) []*unstructured.Unstructured {
	GinkgoHelper()
	objects, err := ssautil.ReadObjects(strings.NewReader(text))
	Expect(err).NotTo(HaveOccurred())
	Expect(objects).NotTo(BeEmpty())
	return objects
}

// live reads the object from the API server.
func live(ctx context.Context, object *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	found, err := find(ctx, object)
	Expect(err).NotTo(HaveOccurred())
	return found
}

func find(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(object.GroupVersionKind())
	return found, kube.Get(ctx, client.ObjectKeyFromObject(object), found)
}

// subject returns the name of an object in these tests.
func subject(object *unstructured.Unstructured) string {
	return strings.TrimPrefix(fmt.Sprintf("%s/%s/%s", object.GetKind(), object.GetNamespace(), object.GetName()), "/")
}

// documents returns everything that is published in all namespaces: the data of the ConfigMaps, by namespace and name.
func documents(ctx context.Context) map[string]map[string]string {
	GinkgoHelper()
	list := &corev1.ConfigMapList{}
	Expect(kube.List(ctx, list, client.HasLabels{accessv1alpha1.LabelDocument})).To(Succeed())
	found := map[string]map[string]string{}
	for i := range list.Items {
		found[list.Items[i].Namespace+"/"+list.Items[i].Name] = list.Items[i].Data
	}
	return found
}

// role returns the role that the application's document gives the user.
func role(ctx context.Context, namespace, application, user string) string {
	GinkgoHelper()
	cm := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: namespace, Name: "application-access-" + application}
	Expect(kube.Get(ctx, key, cm)).To(Succeed())
	var document struct {
		Users map[string]struct {
			Role string `json:"role"`
		} `json:"users"`
	}
	Expect(json.Unmarshal([]byte(cm.Data["access.json"]), &document)).To(Succeed())
	return document.Users[user].Role
}

// derived returns everything that Usher created: the ConfigMaps, and the materialized UserAccess objects.
func derived(ctx context.Context) []client.Object {
	GinkgoHelper()
	configMaps := &corev1.ConfigMapList{}
	Expect(kube.List(ctx, configMaps, client.HasLabels{accessv1alpha1.LabelDocument})).To(Succeed())
	accounts := &accessv1alpha1.UserAccessList{}
	Expect(kube.List(ctx, accounts, client.HasLabels{accessv1alpha1.LabelMaterialized})).To(Succeed())
	var all []client.Object
	for i := range configMaps.Items {
		all = append(all, &configMaps.Items[i])
	}
	for i := range accounts.Items {
		all = append(all, &accounts.Items[i])
	}
	return all
}

// removeNamespaces deletes the namespaces with everything in them, and waits until they do not exist any more.
func removeNamespaces(ctx context.Context, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		Expect(client.IgnoreNotFound(kube.Delete(ctx, gone))).To(Succeed())
	}
	for _, name := range names {
		Eventually(func() bool {
			return apierrors.IsNotFound(kube.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}))
		}).WithContext(ctx).Should(BeTrue(), "namespace %s goes", name)
	}
}
