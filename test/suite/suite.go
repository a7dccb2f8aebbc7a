// Package suite starts and cleans up what all suites of specs on a control plane share: the control plane, a client, the
// manager, and the namespaces of the specs. Its functions fail the running node of Ginkgo instead of returning an error.
package suite

import (
	"context"
	"fmt"
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
	// SystemNamespace is the default system namespace of the manager.
	SystemNamespace = "access-system"
	// Beginning limits the set-up of a suite, which builds the control plane if necessary.
	Beginning = 15 * time.Minute

	// PollInterval is how long Eventually waits between two attempts.
	PollInterval = 25 * time.Millisecond
	// Steady is how long a spec watches for something that must not happen.
	Steady = 500 * time.Millisecond
)

// SetDefaults sets Gomega's default timeouts: patience is how long Eventually waits. A busy machine needs several times
// what an idle one does.
func SetDefaults(patience time.Duration) {
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(PollInterval)
	SetDefaultConsistentlyDuration(Steady)
	SetDefaultConsistentlyPollingInterval(PollInterval)
	EnforceDefaultTimeoutsWhenUsingContexts()
}

// StartCluster starts a control plane for the suite, and calls each step in order. The control plane ends with the
// suite.
func StartCluster(ctx context.Context, options cluster.Options, steps ...func(*cluster.Cluster, context.Context) error) *cluster.Cluster {
	GinkgoHelper()
	options.Progress = GinkgoWriter
	plane, err := cluster.Start(ctx, options)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(plane.Stop)
	for _, step := range steps {
		Expect(step(plane, ctx)).To(Succeed())
	}
	return plane
}

// NewClient returns a client with all rights for the types of Kubernetes and of Usher, and for those that extra adds.
func NewClient(plane *cluster.Cluster, extra ...func(*runtime.Scheme) error) client.WithWatch {
	GinkgoHelper()
	scheme := runtime.NewScheme()
	for _, add := range append(extra, clientgoscheme.AddToScheme, accessv1alpha1.AddToScheme) {
		Expect(add(scheme)).To(Succeed())
	}
	made, err := client.NewWithWatch(plane.Config(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return made
}

// CreateNamespace creates a namespace unless it exists.
func CreateNamespace(ctx context.Context, kube client.Client, name string, labels map[string]string) {
	GinkgoHelper()
	created := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if err := kube.Create(ctx, created); !apierrors.IsAlreadyExists(err) {
		Expect(err).NotTo(HaveOccurred())
	}
}

// DeleteNamespace deletes a namespace without waiting for its end.
func DeleteNamespace(ctx context.Context, kube client.Client, name string) {
	GinkgoHelper()
	deleted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	Expect(client.IgnoreNotFound(kube.Delete(ctx, deleted))).To(Succeed())
}

var organizations int

// NewOrganization creates a namespace with a name of its own for one spec or container, and deletes it afterwards.
func NewOrganization(ctx context.Context, kube client.Client) string {
	GinkgoHelper()
	organizations++
	name := fmt.Sprintf("org-%d", organizations)
	CreateNamespace(ctx, kube, name, nil)
	DeferCleanup(DeleteNamespace, kube, name)
	return name
}
