// Package fault_test injects faults into Usher and into the systems that it depends on, and checks the guarantees that
// must always hold: the published documents finally equal a fresh resolution of the objects; nobody has at any instant
// what neither the previous nor the next state gives; and a user who keeps access has it all the time.
//
// It runs real processes: etcd, the API server, and the manager as it is shipped, with its own permissions, behind a
// proxy that simulates network failures. The short form is one of the tests in this folder; the long form is for "make
// fault". Both take a seed and print it.
package fault_test

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
	"github.com/usher-dev/usher/test/suite"
)

var (
	long = flag.Bool("long", false, "more and longer faults in a larger world")
	seed = flag.Uint64("seed", 0, "what the faults are drawn from; 0: draw one")
)

const (
	// patience includes the time to restore a broken connection on a busy machine.
	patience     = 90 * time.Second
	pollInterval = 25 * time.Millisecond
)

var (
	plane *cluster.Cluster
	kube  client.Client
	seen  *observer
	all   *world
)

func TestFault(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("etcd and the API server are found, to be broken, on Linux only")
	}
	RegisterFailHandler(Fail)
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000) + 1
	}
	configuration, reporter := GinkgoConfiguration()
	configuration.RandomSeed = 1 // run specs in the order of the files: each has its own random stream
	say("seed %d", *seed)
	RunSpecs(t, fmt.Sprintf("Fault (seed %d)", *seed), configuration, reporter)
}

var began = time.Now()

// say prints progress.
func say(format string, args ...any) {
	line := fmt.Sprintf("%4.0fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	var to io.Writer = GinkgoWriter
	if *long {
		to = os.Stdout
	}
	_, _ = io.WriteString(to, line)
}

// brief returns the value for the short form or for the long one.
func brief[T any](short, other T) T {
	if *long {
		return other
	}
	return short
}

// randomOf returns a random stream for one purpose, independent of other streams.
func randomOf(purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(*seed, h.Sum64()))
}

var _ = BeforeSuite(func(ctx SpecContext) {
	suite.SetDefaults(patience)
	SetDefaultEventuallyPollingInterval(4 * pollInterval)
	plane = suite.StartCluster(ctx, cluster.Options{}, (*cluster.Cluster).Install)
	url, err := plane.EtcdURL()
	Expect(err).NotTo(HaveOccurred())
	watching, unwatch := context.WithCancel(context.Background())
	DeferCleanup(unwatch)
	seen, err = observe(watching, url)
	Expect(err).NotTo(HaveOccurred())

	kube = suite.NewClient(plane)
	all = newWorld(randomOf("the world"), brief(60, 200))
	for _, o := range all.objects {
		Expect(client.IgnoreAlreadyExists(kube.Create(ctx, o.DeepCopyObject().(client.Object)))).To(Succeed())
	}
	say("declared %d users in %d objects", len(all.users), len(all.objects))
}, NodeTimeout(suite.Beginning))

var _ = BeforeEach(func() {
	say("%s", CurrentSpecReport().FullText())
	all.random = randomOf(CurrentSpecReport().FullText())
})

var _ = AfterEach(func() {
	for _, r := range slices.Clone(replicas) {
		r.drop()
	}
})

// round is a fault with the changes of the objects and the publications during it.
type round struct {
	now    func() time.Time
	before contents
	states []contents
	// edits are the revisions in which somebody else wrote a published ConfigMap. deletions are the revisions after
	// which one was deleted.
	edits     map[int64]struct{}
	deletions []version
}

// begin begins a round in the settled state.
func begin(ctx context.Context) *round {
	GinkgoHelper()
	return beginBy(ctx, time.Now)
}

// beginBy is like begin, for a manager with the given clock.
func beginBy(ctx context.Context, now func() time.Time) *round {
	GinkgoHelper()
	Eventually(settledAt).WithContext(ctx).WithArguments(now).Should(Succeed())
	_, err := seen.since(ctx)
	Expect(err).NotTo(HaveOccurred())
	r := &round{now: now, before: seen.mark(), edits: map[int64]struct{}{}}
	r.note()
	return r
}

// note adds the result of the current world to the states.
func (r *round) note() {
	GinkgoHelper()
	r.noteAt(r.now())
}

func (r *round) noteAt(now time.Time) {
	GinkgoHelper()
	_, resolved, err := resolveAnew(all.objects, now)
	Expect(err).NotTo(HaveOccurred())
	r.states = append(r.states, resolved.data())
}

// change writes the changed object, and retries while the API server is unavailable.
func (r *round) change(ctx context.Context, changed client.Object) {
	GinkgoHelper()
	all.put(changed)
	r.note()
	Eventually(func() error { return write(ctx, changed) }).WithContext(ctx).Should(Succeed())
}

func write(ctx context.Context, changed client.Object) error {
	live := changed.DeepCopyObject().(client.Object)
	if err := kube.Get(ctx, client.ObjectKeyFromObject(changed), live); err != nil {
		return err
	}
	switch o := live.(type) {
	case *accessv1alpha1.AccessGroup:
		o.Spec = changed.(*accessv1alpha1.AccessGroup).Spec
	case *accessv1alpha1.UserAccess:
		o.Spec = changed.(*accessv1alpha1.UserAccess).Spec
	case *accessv1alpha1.ApplicationAccess:
		o.Spec = changed.(*accessv1alpha1.ApplicationAccess).Spec
	default:
		return fmt.Errorf("cannot change a %T", changed)
	}
	return kube.Update(ctx, live)
}

// end waits until everything is settled, and judges everything that was published in the meantime.
func (r *round) end(ctx context.Context) {
	GinkgoHelper()
	Eventually(settledAt).WithContext(ctx).WithArguments(r.now).Should(Succeed())
	r.judge(ctx)
}

func (r *round) judge(ctx context.Context) {
	GinkgoHelper()
	versions, err := seen.since(ctx)
	Expect(err).NotTo(HaveOccurred())
	h := &history{before: r.before, versions: versions, states: r.states, foreign: r.foreign(versions)}
	Expect(h.judge()).To(Succeed())
	last := contents{}
	for key, data := range h.before {
		last[key] = data
	}
	for _, v := range versions {
		if last[v.key] = v.data; v.data == nil {
			delete(last, v.key)
		}
	}
	// The states must have been computed from the objects on the API server. Otherwise, the judgement would mean
	// nothing.
	Expect(last).To(Equal(r.states[len(r.states)-1]))
}

// foreign finds the revisions of the deletions, which the API server does not return.
func (r *round) foreign(versions []version) map[int64]struct{} {
	for _, d := range r.deletions {
		i := slices.IndexFunc(versions, func(v version) bool { return v.key == d.key && v.revision > d.revision })
		if i >= 0 && versions[i].data == nil {
			r.edits[versions[i].revision] = struct{}{}
		}
	}
	return r.edits
}

// revisionOf returns the store's revision of an object.
func revisionOf(o client.Object) int64 {
	GinkgoHelper()
	revision, err := strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	Expect(err).NotTo(HaveOccurred())
	return revision
}

// pause waits for the duration or until the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// publishedNames lists the published ConfigMaps, to draw one from.
func publishedNames(ctx context.Context) []client.ObjectKey {
	GinkgoHelper()
	var list corev1.ConfigMapList
	Expect(kube.List(ctx, &list, client.MatchingLabels{accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy})).To(Succeed())
	var keys []client.ObjectKey
	for i := range list.Items {
		keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
	}
	slices.SortFunc(keys, func(a, b client.ObjectKey) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
