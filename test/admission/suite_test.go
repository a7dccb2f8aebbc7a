// Package admission_test holds Usher's admission to what it promises, as it is shipped: a real API server that asks the
// manager over TLS about every change to the four kinds, and the manager as a process with its own rights and no others.
//
// Specs run one after the other, since there is one manager. Each has organizations of its own, and takes away what it
// leaves in the system namespace.
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
	// A machine that does other things too needs several times the usual fraction of a second.
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
}, NodeTimeout(15*time.Minute)) // Where nobody has built the control plane yet, the suite does.

// A spec that failed while there was no manager takes no other along.
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

// startManager starts the manager with flags beside the usual ones, which it can also change.
func startManager(ctx context.Context, args ...string) {
	GinkgoHelper()
	var err error
	manager, err = plane.StartManager(ctx, managerOptions(args...))
	Expect(err).NotTo(HaveOccurred())
}

// replaceManager runs another manager until the spec is over.
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

// newOrganization makes a namespace for one spec. It goes with the spec.
func newOrganization(ctx context.Context) string {
	GinkgoHelper()
	organizations++
	name := fmt.Sprintf("org-%d", organizations)
	createNamespace(ctx, name)
	DeferCleanup(dropNamespace, name)
	return name
}

// dropNamespace lets the namespace go, without waiting until it has.
func dropNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	Expect(client.IgnoreNotFound(kube.Delete(ctx, gone))).To(Succeed())
}

func createNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := kube.Create(ctx, made); !apierrors.IsAlreadyExists(err) {
		Expect(err).NotTo(HaveOccurred())
	}
}

func newGroup(namespace, name string) *accessv1alpha1.AccessGroup {
	return &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}
