package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// asking asks for admission all the time, by requests that change nothing.
type asking struct {
	stop func()
	done chan struct{}

	mu     sync.Mutex
	passed int
	failed []string
}

// ask starts to ask for admission, ten times a second.
func ask(ctx context.Context) *asking {
	ctx, stop := context.WithCancel(ctx)
	a := &asking{stop: stop, done: make(chan struct{})}
	writer := client.NewDryRunClient(kube)
	go func() {
		defer close(a.done)
		next := time.NewTicker(100 * time.Millisecond)
		defer next.Stop()
		for ctx.Err() == nil {
			began := time.Now()
			err := writer.Create(ctx, &accessv1alpha1.AccessGroup{
				ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, GenerateName: "asked-"},
				Spec:       accessv1alpha1.AccessGroupSpec{Type: accessv1alpha1.GroupTypeSystem},
			})
			if ctx.Err() != nil {
				return
			}
			a.mu.Lock()
			if err == nil {
				a.passed++
			} else {
				a.failed = append(a.failed, fmt.Sprintf("after %s: %v", time.Since(began).Round(time.Millisecond), err))
			}
			a.mu.Unlock()
			<-next.C
		}
	}()
	return a
}

// moreAndStop waits until that many more requests have passed, and stops.
func (a *asking) moreAndStop(ctx context.Context, more int) {
	GinkgoHelper()
	passed := func() int {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.passed
	}
	enough := passed() + more
	Eventually(passed).WithContext(ctx).Should(BeNumerically(">=", enough))
	a.stop()
	<-a.done
}

func (a *asking) failures() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

// String counts the requests.
func (a *asking) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprintf("%d passed, %d failed", a.passed, len(a.failed))
}

func disruptions() {
	for _, disruption := range []struct {
		what    string
		disrupt func(context.Context, *corev1.Pod)
	}{
		{"deleted", func(ctx context.Context, leader *corev1.Pod) {
			kubectl(ctx, "--namespace="+usherNamespace, "delete", "pod", leader.Name, "--wait=false")
		}},
		{"killed", func(_ context.Context, leader *corev1.Pod) { killContainers(leader.UID) }},
		{"evicted by a drain", func(ctx context.Context, leader *corev1.Pod) { drain(ctx, leader.Spec.NodeName) }},
		{"replaced by a new image", func(ctx context.Context, _ *corev1.Pod) { upgrade(ctx) }},
	} {
		It("admits every change and publishes while the leader is "+disruption.what, func(ctx SpecContext) {
			apply(ctx, organizationManifest)
			asking := ask(ctx)
			disruption.disrupt(ctx, leader(ctx))
			publishes(ctx, "while the leader is "+disruption.what)
			asking.moreAndStop(ctx, 50)
			measured.note("admission while the leader is "+disruption.what, asking.String())
			Expect(asking.failures()).To(BeEmpty())
			for _, node := range nodes {
				kubectl(ctx, "uncordon", node)
			}
			available(ctx, usherNamespace, deployment)
		}, SpecTimeout(8*time.Minute))
	}

	It("publishes and admits again after the node of the leader is lost, and runs there when it is back", func(ctx SpecContext) {
		runsRestrictedAndSpread(ctx) // or no replica would be left
		lost := leader(ctx)
		asking := ask(ctx)
		lose(ctx, lost)
		publishes(ctx, "while the node of the leader is lost")
		asking.moreAndStop(ctx, 50)
		measured.note("admission while the node of the leader is lost", asking.String())
		for _, failure := range asking.failures() {
			measured.note("  a request failed", failure)
		}
		Expect(command(ctx, "nft", "delete", "table", "inet", "lost")).To(Succeed())
		Expect(plane.startNode(ctx, slices.Index(nodes, lost.Spec.NodeName))).To(Succeed())
		Expect(plane.nodesReady(ctx)).To(Succeed())
		available(ctx, usherNamespace, deployment)
	}, SpecTimeout(8*time.Minute))
}

// leader returns the Pod that holds the lease.
func leader(ctx context.Context) *corev1.Pod {
	GinkgoHelper()
	var held *corev1.Pod
	Eventually(func(g Gomega) {
		var lease coordinationv1.Lease
		g.Expect(kube.Get(ctx, types.NamespacedName{Namespace: usherNamespace, Name: "usher.access.usher.dev"}, &lease)).To(Succeed())
		g.Expect(lease.Spec.HolderIdentity).NotTo(BeNil())
		for _, pod := range managers(ctx) {
			if strings.HasPrefix(*lease.Spec.HolderIdentity, pod.Name+"_") {
				held = &pod
			}
		}
		g.Expect(held).NotTo(BeNil(), "the lease is held by %s", *lease.Spec.HolderIdentity)
	}).WithContext(ctx).Should(Succeed())
	return held
}

// publishes makes a change and measures the time until it is published.
func publishes(ctx context.Context, when string) {
	GinkgoHelper()
	role := "Viewer"
	if publishedRole(ctx) == role {
		role = "Editor"
	}
	began := time.Now()
	Eventually(func(g Gomega) { // a node that is lost may refuse it
		_, err := tryApply(ctx, fmt.Sprintf(groupManifest, "{user: "+ana+"}", role))
		g.Expect(err).NotTo(HaveOccurred())
	}).WithContext(ctx).Should(Succeed())
	Eventually(func() string { return publishedRole(ctx) }).WithContext(ctx).Should(Equal(role))
	measured.add("a change "+when+" is published", time.Since(began))
}

// killContainers kills the processes of a Pod's containers, as a crash does.
func killContainers(uid types.UID) {
	GinkgoHelper()
	killed := 0
	for _, pid := range processesIn("pod" + string(uid)) {
		if program, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe"); err == nil && filepath.Base(program) != "pause" {
			Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
			killed++
		}
	}
	Expect(killed).To(BeNumerically(">", 0), "no process of the Pod was found")
}

// processesIn returns the processes whose cgroup has the text in its path.
func processesIn(cgroup string) []int {
	GinkgoHelper()
	all, err := filepath.Glob("/proc/[0-9]*/cgroup")
	Expect(err).NotTo(HaveOccurred())
	var found []int
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), cgroup) {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		Expect(err).NotTo(HaveOccurred())
		found = append(found, pid)
	}
	return found
}

func drain(ctx context.Context, node string) {
	GinkgoHelper()
	kubectl(ctx, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=2m",
		"--namespace="+usherNamespace, "--pod-selector=control-plane=controller-manager")
}

// upgrade installs another image by the next manifests.
func upgrade(ctx context.Context) {
	GinkgoHelper()
	kubectl(ctx, "apply", "--server-side", "--filename="+plane.path("next.yaml"))
	available(ctx, usherNamespace, deployment)
	runsRestrictedAndSpread(ctx)
	for _, pod := range managers(ctx) {
		Expect(pod.Spec.Containers[0].Image).To(Equal(nextImage))
	}
}

// lose makes the Pod's node disappear: its kubelet ends, and no packet reaches the Pod any more.
func lose(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	node := pod.Spec.NodeName
	for _, name := range []string{"kubelet-" + node, "containerd-" + node} {
		Expect(plane.commands[name].Process.Kill()).To(Succeed())
	}
	rules := "table inet lost {\n"
	for _, hook := range []string{"input", "output", "forward"} {
		rules += fmt.Sprintf("chain %s { type filter hook %s priority -300; ip daddr %s drop; ip saddr %s drop; }\n",
			hook, hook, pod.Status.PodIP, pod.Status.PodIP)
	}
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules + "}\n")
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
}
