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
	// workers are as many writes as a manager has in flight at most.
	workers = 8
)

// replica is a manager behind a proxy of its own, in which it sees everything.
type replica struct {
	name    string
	proxy   *proxy
	options cluster.ManagerOptions

	mu      sync.Mutex
	manager *cluster.Manager
	kept    context.CancelFunc
	ended   chan struct{}
}

// replicas are those of the spec.
var replicas []*replica

// started counts, so that each has a name of its own.
var started int

// newReplica makes a replica that has yet to be started. It goes with the spec, and so does what its log says.
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

// newManager makes a replica that is the only one, and leads without a lease.
func newManager(ctx context.Context) *replica {
	GinkgoHelper()
	r := newReplica(ctx)
	r.start(ctx)
	return r
}

// start returns when the replica is ready.
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

// keep starts the replica again whenever it has ended by itself, as a kubelet does, until the spec is over.
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

// drop ends the replica, and holds that the race detector had nothing to say of it.
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

// tail is the end of a log, without what only tells that readiness was asked for.
func tail(log string) string {
	const shown = 40
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool { return strings.Contains(line, "healthz") })
	return strings.Join(lines[max(0, len(lines)-shown):], "\n")
}

// lease is the leader's; nil while there is none.
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

// heldBy checks that somebody holds the lease who is not the one before.
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
