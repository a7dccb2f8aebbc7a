package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

const (
	usherNamespace  = "usher-system"
	systemNamespace = "access-system"
	deployment      = "deployment/usher-controller-manager"

	// patience covers a kubelet's sync of mounts, which comes every 60 to 90 seconds, on a busy machine.
	patience     = 4 * time.Minute
	pollInterval = 100 * time.Millisecond
)

// core labels the main part: an installation, and a document in a Pod.
var core = Label("core")

var (
	plane  *machine
	config *rest.Config
	kube   client.Client
)

func TestE2E(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Usher on nodes")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(pollInterval)
	EnforceDefaultTimeoutsWhenUsingContexts()

	k, err := readKit()
	Expect(err).NotTo(HaveOccurred())
	started := time.Now()
	plane, err = startMachine(ctx, k)
	Expect(err).NotTo(HaveOccurred())
	measured.add("the control plane and two nodes are ready", time.Since(started))

	config, err = clientcmd.BuildConfigFromFlags("", plane.kubeconfig("admin"))
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(accessv1alpha1.AddToScheme(scheme)).To(Succeed())
	kube, err = client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
}, NodeTimeout(10*time.Minute))

var _ = ReportAfterSuite("the measured times", func(Report) { measured.print() })

var _ = JustAfterEach(func(ctx SpecContext) {
	if !CurrentSpecReport().Failed() {
		return
	}
	for _, args := range [][]string{
		{"get", "pods", "--all-namespaces", "--output=wide"},
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
		{"logs", "--namespace=" + usherNamespace, "--selector=control-plane=controller-manager", "--tail=30", "--prefix"},
	} {
		out, err := plane.kubectl(ctx, args...)
		AddReportEntry("kubectl "+strings.Join(args, " "), fmt.Sprintln(out, err))
	}
})

// measurements are times for a person to read. Nothing is asserted about them.
type measurements struct {
	mu    sync.Mutex
	lines []string
}

var measured measurements

func (m *measurements) add(what string, took time.Duration) {
	m.note(what, took.Round(100*time.Millisecond).String())
}

func (m *measurements) note(what, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, fmt.Sprintf("%-78s %s", what, value))
}

func (m *measurements) print() {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = fmt.Fprintf(os.Stdout, "\nMeasured:\n  %s\n", strings.Join(m.lines, "\n  "))
}

// kubectl runs kubectl, which must succeed.
func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := plane.kubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// apply applies objects in YAML, as a person does.
func apply(ctx context.Context, text string) {
	GinkgoHelper()
	Expect(tryApply(ctx, text)).NotTo(BeEmpty())
}

// tryApply is apply for objects that the API server may refuse.
func tryApply(ctx context.Context, text string) (string, error) {
	GinkgoHelper()
	file := plane.path("apply.yaml")
	Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	return plane.kubectl(ctx, "apply", "--server-side", "--filename="+file)
}

// available waits until the Deployment has all replicas of its current template.
func available(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	kubectl(ctx, "--namespace="+namespace, "rollout", "status", name, "--timeout=4m")
}

// managers returns the Pods of the manager that are not being deleted, by name.
func managers(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(kube.List(ctx, &list, client.InNamespace(usherNamespace), client.MatchingLabels{"control-plane": "controller-manager"})).To(Succeed())
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
