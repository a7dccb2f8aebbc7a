// Package plugin_test runs the kubectl plugin from the command line, against a real API server with Usher's manager and
// admission. It checks the output, the writes, and their effects.
package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

// A busy machine needs several times the usual fraction of a second.
const patience = time.Minute

var (
	plane   *cluster.Cluster
	kube    client.Client
	manager *suite.Manager
	program string
)

// controller-runtime complains if no logger is set when a client is created.
func init() { log.SetLogger(GinkgoLogr) }

func TestPlugin(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Plugin")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	directory, err := os.MkdirTemp("", "usher-plugin-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, directory)
	program = filepath.Join(directory, "kubectl-access")
	build := exec.CommandContext(ctx, "go", "build", "-C", root, "-o", program, "./cmd/kubectl-access")
	text, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(text))

	plane = suite.StartCluster(ctx, cluster.Options{}, (*cluster.Cluster).Install, (*cluster.Cluster).InstallWebhooks)
	kube = suite.NewClient(plane)
	suite.CreateNamespace(ctx, kube, suite.SystemNamespace, nil)
	manager = suite.RunManager(ctx, plane, cluster.ManagerOptions{Webhooks: true, Args: []string{"--document-grace=1s"}})
}, NodeTimeout(suite.Beginning))

var _ = JustAfterEach(func() { suite.ReportLog("the manager", manager) })

func newOrganization(ctx context.Context) string {
	GinkgoHelper()
	return suite.NewOrganization(ctx, kube)
}

// answer is the output of a command.
type answer struct {
	out, errOut string
	code        int
}

// ask runs the plugin with a line of arguments, as the cluster's administrator.
func ask(ctx context.Context, format string, args ...any) answer {
	GinkgoHelper()
	return askWith(ctx, "", strings.Fields(fmt.Sprintf(format, args...))...)
}

// askWith runs the plugin with standard input.
func askWith(ctx context.Context, stdin string, args ...string) answer {
	GinkgoHelper()
	command := pluginCommand(ctx, args...)
	var out, errOut bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &out, &errOut
	err := command.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		Expect(err).NotTo(HaveOccurred())
	}
	a := answer{out.String(), errOut.String(), command.ProcessState.ExitCode()}
	GinkgoWriter.Printf("$ kubectl access %s\n%s--- %s--- %d\n", strings.Join(args, " "), a.out, a.errOut, a.code)
	return a
}

func pluginCommand(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+plane.KubeconfigPath())
	return command
}

// apply applies manifests as a field manager.
func apply(ctx context.Context, fieldManager, manifests string) {
	GinkgoHelper()
	_, err := plane.KubectlInput(ctx, strings.NewReader(manifests), "apply", "--server-side", "--field-manager="+fieldManager, "-f", "-")
	Expect(err).NotTo(HaveOccurred())
}

func group(ctx context.Context, namespace, name string) *accessv1alpha1.AccessGroup {
	GinkgoHelper()
	found := &accessv1alpha1.AccessGroup{}
	Expect(kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)).To(Succeed())
	return found
}

func membersOf(ctx context.Context, namespace, name string) []string {
	GinkgoHelper()
	var users []string
	for _, m := range group(ctx, namespace, name).Spec.Members {
		users = append(users, string(m.User))
	}
	return users
}

// bind gives a user permissions in the namespace. The API server may need a moment to apply them.
func bind(ctx context.Context, namespace, user string, rules ...rbacv1.PolicyRule) {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: user}
	Expect(kube.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules})).To(Succeed())
	Expect(kube.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
	Eventually(func() error {
		_, err := plane.Kubectl(ctx, "auth", "can-i", "patch", "accessgroups.access.usher.dev", "-n", namespace, "--as="+user)
		return err
	}).WithContext(ctx).Should(Succeed())
}
