// Package admission_test tests Usher's admission as it is shipped: a real API server calls the manager over TLS for
// every change to the four kinds, and the manager is a process with only its own permissions.
//
// Specs run sequentially, because there is one manager. Each spec has its own organizations and removes its objects
// from the system namespace.
package admission_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	systemNamespace  = suite.SystemNamespace
	managerNamespace = "usher-system"
	// A busy machine needs several times the usual fraction of a second.
	patience = time.Minute
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	manager *suite.Manager
)

func TestAdmission(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Admission")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	plane = suite.StartCluster(ctx, cluster.Options{}, (*cluster.Cluster).Install, (*cluster.Cluster).InstallWebhooks)
	kube = suite.NewClient(plane)
	suite.CreateNamespace(ctx, kube, suite.SystemNamespace, nil)
	manager = suite.RunManager(ctx, plane, cluster.ManagerOptions{Webhooks: true, Args: []string{"--document-grace=1s"}})
}, NodeTimeout(suite.Beginning))

var _ = BeforeEach(func(ctx SpecContext) { manager.Revive(ctx) })

var _ = JustAfterEach(func() { suite.ReportLog("the manager", manager) })

func newOrganization(ctx context.Context) string {
	GinkgoHelper()
	return suite.NewOrganization(ctx, kube)
}

func newGroup(namespace, name string) *accessv1alpha1.AccessGroup {
	return &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}
