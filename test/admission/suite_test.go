// Package admission_test tests Usher's admission as it is shipped: a real API server calls the manager over TLS for
// every change to the four kinds, and the manager is a process with only its own permissions.
//
// Specs run sequentially, because there is one manager. Each spec has its own organizations and removes its objects
// from the system namespace.
package admission_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

const (
	systemNamespace  = "access-system"
	managerNamespace = "usher-system"
	// A busy machine needs several times the usual fraction of a second.
	patience     = time.Minute
	pollInterval = 25 * time.Millisecond
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	manager *cluster.Manager
)

func TestAdmission(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Admission")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(pollInterval)
	EnforceDefaultTimeoutsWhenUsingContexts()

	var err error
	plane, err = cluster.Start(ctx, cluster.Options{Progress: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(plane.Stop)
	Expect(plane.Install(ctx)).To(Succeed())
	Expect(plane.InstallWebhooks(ctx)).To(Succeed())

	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(accessv1alpha1.AddToScheme(scheme)).To(Succeed())
	kube, err = client.New(plane.Config(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	createNamespace(ctx, systemNamespace)
	startManager(ctx)
	DeferCleanup(func() error { return manager.Stop() })
}, NodeTimeout(15*time.Minute)) // The suite builds the control plane if necessary.

// A spec that failed while no manager was running must not fail others.
var _ = BeforeEach(func(ctx SpecContext) {
	select {
	case <-manager.Done():
		startManager(ctx)
	default:
	}
})

var _ = JustAfterEach(func() {
	if CurrentSpecReport().Failed() {
		AddReportEntry("the end of the manager's log", manager.LogTail())
	}
})

func managerOptions(args ...string) cluster.ManagerOptions {
	return cluster.ManagerOptions{Webhooks: true, Args: append([]string{"--document-grace=1s"}, args...)}
}

// startManager starts the manager with additional flags, which override the default ones.
func startManager(ctx context.Context, args ...string) {
	GinkgoHelper()
	var err error
	manager, err = plane.StartManager(ctx, managerOptions(args...))
	Expect(err).NotTo(HaveOccurred())
}

// replaceManager runs another manager until the end of the spec.
func replaceManager(ctx context.Context, args ...string) {
	GinkgoHelper()
	Expect(manager.Stop()).To(Succeed())
	startManager(ctx, args...)
	DeferCleanup(func(ctx SpecContext) {
		Expect(manager.Stop()).To(Succeed())
		startManager(ctx)
	})
}

var organizations int

// newOrganization creates a namespace for one spec, which is deleted after the spec.
func newOrganization(ctx context.Context) string {
	GinkgoHelper()
	organizations++
	name := fmt.Sprintf("org-%d", organizations)
	createNamespace(ctx, name)
	DeferCleanup(dropNamespace, name)
	return name
}

// dropNamespace deletes the namespace without waiting.
func dropNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	Expect(client.IgnoreNotFound(kube.Delete(ctx, gone))).To(Succeed())
}

func createNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	created := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := kube.Create(ctx, created); !apierrors.IsAlreadyExists(err) {
		Expect(err).NotTo(HaveOccurred())
	}
}

func newGroup(namespace, name string) *accessv1alpha1.AccessGroup {
	return &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}
