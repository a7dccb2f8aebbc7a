package fault_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/test/cluster"
)

const (
	installed = "usher-system"
	// workers is the maximum number of writes that a manager has in flight.
	workers = 8
)

// replica is a manager behind its own proxy, which sees all of its requests.
type replica struct {
	name    string
	proxy   *proxy
	options cluster.ManagerOptions

	mu      sync.Mutex
	manager *cluster.Manager
	kept    context.CancelFunc
	ended   chan struct{}
}

// replicas are the replicas of the spec.
var replicas []*replica

// started counts the replicas, to give each its own name.
var started int

// newReplica creates a replica without starting it. The replica and its log end with the spec.
func newReplica(ctx context.Context, args ...string) *replica {
	GinkgoHelper()
	started++
	r := &replica{name: fmt.Sprintf("replica-%d", started)}
	var err error
	r.proxy, err = newProxy(plane.Config(), randomOf(CurrentSpecReport().FullText()+r.name))
	Expect(err).NotTo(HaveOccurred())
	path, err := plane.ManagerKubeconfig(ctx)
	Expect(err).NotTo(HaveOccurred())
	config, err := clientcmd.LoadFromFile(path)
	Expect(err).NotTo(HaveOccurred())
	for _, c := range config.Clusters {
		c.Server, c.CertificateAuthorityData = r.proxy.server.URL, r.proxy.authority()
	}
	r.options = cluster.ManagerOptions{
		Kubeconfig: filepath.Join(plane.Dir(), r.name+".kubeconfig"),
		LogFile:    filepath.Join(plane.Dir(), r.name+".log"),
		Race:       cluster.CanRace(),
		Args:       append([]string{"--document-grace=500ms"}, args...),
	}
	Expect(clientcmd.WriteToFile(*config, r.options.Kubeconfig)).To(Succeed())
	replicas = append(replicas, r)
	return r
}

// newManager creates a replica that is the only one and leads without a lease.
func newManager(ctx context.Context) *replica {
	GinkgoHelper()
	r := newReplica(ctx)
	r.start(ctx)
	return r
}

// start starts the replica and waits until it is ready.
func (r *replica) start(ctx context.Context) {
	GinkgoHelper()
	Expect(r.run(ctx)).To(Succeed())
}

func (r *replica) run(ctx context.Context) error {
	m, err := plane.StartManager(ctx, r.options)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manager = m
	return nil
}

// keep restarts the replica whenever it ends by itself, as the kubelet does, until the end of the spec.
func (r *replica) keep() {
	ctx, cancel := context.WithCancel(context.Background())
	r.kept, r.ended = cancel, make(chan struct{})
	go func() {
		defer close(r.ended)
		for ctx.Err() == nil {
			select {
			case <-r.process().Done():
			case <-ctx.Done():
				return
			}
			for r.run(ctx) != nil && pause(ctx, time.Second) == nil {
			}
		}
	}()
}

func (r *replica) process() *cluster.Manager {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.manager
}

func (r *replica) kill() {
	GinkgoHelper()
	Expect(r.process().Kill()).To(Succeed())
}

func (r *replica) signal(s syscall.Signal) {
	GinkgoHelper()
	Expect(r.process().Signal(s)).To(Succeed())
}

// drop ends the replica and checks that the race detector has reported nothing.
func (r *replica) drop() {
	GinkgoHelper()
	if r.kept != nil {
		r.kept()
		<-r.ended
	}
	for i, other := range replicas {
		if other == r {
			replicas = append(replicas[:i:i], replicas[i+1:]...)
		}
	}
	var raced error
	if m := r.process(); m != nil {
		raced = m.Kill()
	}
	r.proxy.close()
	log, err := os.ReadFile(r.options.LogFile)
	if !errors.Is(err, os.ErrNotExist) {
		Expect(err).NotTo(HaveOccurred())
	}
	if CurrentSpecReport().Failed() {
		AddReportEntry("the end of the log of "+r.name, tail(string(log)))
	}
	Expect(raced).NotTo(HaveOccurred())
}

// tail returns the end of a log without the lines about readiness checks.
func tail(log string) string {
	const shown = 40
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool { return strings.Contains(line, "healthz") })
	return strings.Join(lines[max(0, len(lines)-shown):], "\n")
}

// lease returns the leader's lease, or nil if there is none.
func lease(ctx context.Context) (*coordinationv1.Lease, error) {
	var leases coordinationv1.LeaseList
	if err := kube.List(ctx, &leases, client.InNamespace(installed)); err != nil {
		return nil, err
	}
	if len(leases.Items) == 0 {
		return nil, nil
	}
	return &leases.Items[0], nil
}

// heldBy checks that a holder other than the previous one has the lease.
func heldBy(ctx context.Context, before string) error {
	l, err := lease(ctx)
	if err != nil {
		return err
	}
	if holder := holderOf(l); holder == "" || holder == before {
		return fmt.Errorf("the lease is held by %q", holder)
	}
	return nil
}

func holderOf(l *coordinationv1.Lease) string {
	if l == nil || l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}
