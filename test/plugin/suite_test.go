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
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

const (
	// A busy machine needs several times the usual fraction of a second.
	patience     = time.Minute
	pollInterval = 25 * time.Millisecond
)

var (
	plane   *cluster.Cluster
	kube    client.Client
	manager *cluster.Manager
	program string
)

// controller-runtime complains if no logger is set when a client is created.
func init() { log.SetLogger(GinkgoLogr) }

func TestPlugin(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Plugin")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(pollInterval)
	EnforceDefaultTimeoutsWhenUsingContexts()

	root, err := cluster.Root()
	Expect(err).NotTo(HaveOccurred())
	directory, err := os.MkdirTemp("", "usher-plugin-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, directory)
	program = filepath.Join(directory, "kubectl-access")
	build := exec.CommandContext(ctx, "go", "build", "-C", root, "-o", program, "./cmd/kubectl-access")
	text, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(text))

	plane, err = cluster.Start(ctx, cluster.Options{Progress: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(plane.Stop)
	Expect(plane.Install(ctx)).To(Succeed())
	Expect(plane.InstallWebhooks(ctx)).To(Succeed())
	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(accessv1alpha1.AddToScheme(scheme)).To(Succeed())
	config := plane.Config()
	kube, err = client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	createNamespace(ctx, "access-system")
	manager, err = plane.StartManager(ctx, cluster.ManagerOptions{Webhooks: true, Args: []string{"--document-grace=1s"}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return manager.Stop() })
}, NodeTimeout(15*time.Minute)) // The suite builds the control plane if necessary.

var _ = JustAfterEach(func() {
	if CurrentSpecReport().Failed() {
		AddReportEntry("the end of the manager's log", manager.LogTail())
	}
})

func createNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	created := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := kube.Create(ctx, created); !apierrors.IsAlreadyExists(err) {
		Expect(err).NotTo(HaveOccurred())
	}
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
