// Package follow_test runs the sidecar as the sample does, on a real API server: with the sample's arguments, under its
// service account and with no other right, and with the reader of documents on the directory.
package follow_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

const (
	patience = 45 * time.Second

	application = "finance"
	// mounted is where the sample has the documents.
	mounted = "/etc/access"
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	program string
)

func TestFollow(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Follow")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	plane = suite.StartCluster(ctx, cluster.Options{APIOnly: true})
	kube = suite.NewClient(plane)
	var err error
	program, err = cluster.BuildProgram("usher", ".", "./cmd/usher")
	Expect(err).NotTo(HaveOccurred())
}, NodeTimeout(suite.Beginning))

// sample is what config/samples/analytics/workload_sidecar.yaml has.
type sample struct {
	account    corev1.ServiceAccount
	role       rbacv1.Role
	binding    rbacv1.RoleBinding
	deployment appsv1.Deployment
}

func readSample() sample {
	GinkgoHelper()
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	text, err := os.ReadFile(filepath.Join(root, "config", "samples", "analytics", "workload_sidecar.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var s sample
	documents := strings.Split(string(text), "\n---\n")
	Expect(documents).To(HaveLen(4))
	for i, object := range []any{&s.account, &s.role, &s.binding, &s.deployment} {
		Expect(yaml.UnmarshalStrict([]byte(documents[i]), object)).To(Succeed())
	}
	return s
}

// sidecar is a running sidecar.
type sidecar struct {
	namespace  string
	kubeconfig string
	directory  string
	health     string
	args       []string
	process    *cluster.Program
}

var namespaces int

// newSidecar makes a namespace with the rights of the sample. The sidecar does not run yet.
func newSidecar(ctx context.Context) *sidecar {
	GinkgoHelper()
	namespaces++
	s := &sidecar{namespace: fmt.Sprintf("follow-%d", namespaces), directory: GinkgoT().TempDir()}
	Expect(kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})).To(Succeed())
	shown := readSample()
	shown.account.Namespace, shown.role.Namespace, shown.binding.Namespace = s.namespace, s.namespace, s.namespace
	for i := range shown.binding.Subjects {
		shown.binding.Subjects[i].Namespace = s.namespace
	}
	for _, object := range []client.Object{&shown.account, &shown.role, &shown.binding} {
		Expect(kube.Create(ctx, object)).To(Succeed())
	}
	var err error
	s.kubeconfig, err = plane.AccountKubeconfig(ctx, s.namespace, shown.account.Name)
	Expect(err).NotTo(HaveOccurred())
	s.health, err = cluster.FreeWebhookAddress(ctx)
	Expect(err).NotTo(HaveOccurred())
	container := &shown.deployment.Spec.Template.Spec.InitContainers[0]
	replacer := strings.NewReplacer("$("+container.Env[0].Name+")", s.namespace, mounted, s.directory, ":8081", s.health)
	for _, arg := range container.Args {
		s.args = append(s.args, replacer.Replace(arg))
	}
	s.args = append(s.args, "--kubeconfig="+s.kubeconfig)
	return s
}

// start starts the sidecar. It ends with the spec, unless stop ended it before.
func (s *sidecar) start(ctx context.Context) {
	GinkgoHelper()
	var err error
	s.process, err = plane.StartProgram(ctx, program, nil, s.args)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.process.Stop)
}

// waitReady returns when the startup probe of the sample would succeed.
func (s *sidecar) waitReady(ctx context.Context) {
	GinkgoHelper()
	Eventually(s.status).WithContext(ctx).Should(Equal(http.StatusOK))
}

// status is what /readyz answers, 0 without an answer.
func (s *sidecar) status(ctx context.Context) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.health+"/readyz", nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// reader follows the directory as the workload of the sample does.
func (s *sidecar) reader(ctx context.Context) *document.ApplicationFollower {
	GinkgoHelper()
	reader, err := document.FollowApplication(context.WithoutCancel(ctx), application, document.Options{
		Organization: s.namespace, Directories: []string{s.directory},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(reader.Close)
	return reader
}

// shard is one document of several.
type shard struct{ number, of int }

func (s shard) name() string {
	if s.number == 0 {
		return "application-access-" + application
	}
	return fmt.Sprintf("application-access-%s.%d", application, s.number)
}

// publish writes a document in which the users are editors, as the manager does.
func (s *sidecar) publish(ctx context.Context, in shard, users ...string) {
	GinkgoHelper()
	published := document.Application{
		APIVersion: document.APIVersion, Kind: document.KindApplication, Organization: s.namespace, Application: application,
		Roles: []document.Role{{Name: "Editor", Permissions: []string{"edit"}}}, Shard: in.number, Shards: in.of,
		Users: map[string]document.ApplicationUser{},
	}
	for _, user := range users {
		published.Users[user] = document.ApplicationUser{Role: "Editor", Source: "AccessGroup/" + s.namespace + "/editors"}
	}
	text, err := yaml.Marshal(published)
	Expect(err).NotTo(HaveOccurred())
	text, err = yaml.YAMLToJSON(text)
	Expect(err).NotTo(HaveOccurred())
	s.write(ctx, in.name(), string(text))
}

// write creates or replaces a ConfigMap.
func (s *sidecar) write(ctx context.Context, name, text string) {
	GinkgoHelper()
	written := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Data: map[string]string{document.AccessKey: text},
	}
	if err := kube.Update(ctx, written); client.IgnoreNotFound(err) != nil || err == nil {
		Expect(err).NotTo(HaveOccurred())
		return
	}
	Expect(kube.Create(ctx, written)).To(Succeed())
}

func (s *sidecar) remove(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(kube.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}})).To(Succeed())
}

// link is where the files of a ConfigMap are at the moment.
func (s *sidecar) link(name string) string {
	GinkgoHelper()
	target, err := os.Readlink(filepath.Join(s.directory, name, "..data"))
	Expect(err).NotTo(HaveOccurred())
	return target
}
