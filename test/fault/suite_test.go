// Package fault_test breaks what Usher runs on, and Usher itself, and holds it to what it promises whatever happens: what
// is published is in the end what a fresh resolution of the objects gives, nobody has at any instant what neither the
// state before nor the one after gives, and whoever keeps access has it all the time.
//
// It runs real processes: etcd, the API server, and the manager as it is shipped, under its own rights, behind a proxy
// that does to its requests what networks do. The short form is one of the tests in this folder; the long one is for
// "make fault". Both draw what happens from a seed, which they print and take.
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
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/test/cluster"
)

var (
	long = flag.Bool("long", false, "more and longer faults in a larger world")
	seed = flag.Uint64("seed", 0, "what the faults are drawn from; 0: draw one")
)

const (
	// patience covers what a broken connection takes to be made again, on a machine that does other things too.
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
	suite, reporter := GinkgoConfiguration()
	suite.RandomSeed = 1 // specs in the order of the files: each draws from a stream of its own
	say("seed %d", *seed)
	RunSpecs(t, fmt.Sprintf("Fault (seed %d)", *seed), suite, reporter)
}

var began = time.Now()

// say tells a person how far it is.
func say(format string, args ...any) {
	line := fmt.Sprintf("%4.0fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	var to io.Writer = GinkgoWriter
	if *long {
		to = os.Stdout
	}
	_, _ = io.WriteString(to, line)
}

// brief chooses between the two forms.
func brief[T any](short, other T) T {
	if *long {
		return other
	}
	return short
}

// randomOf draws for one purpose: another one more or less changes nothing in it.
func randomOf(purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(*seed, h.Sum64()))
}

var _ = BeforeSuite(func(ctx SpecContext) {
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(4 * pollInterval)
	EnforceDefaultTimeoutsWhenUsingContexts()

	var err error
	plane, err = cluster.Start(ctx, cluster.Options{Progress: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(plane.Stop)
	Expect(plane.Install(ctx)).To(Succeed())
	url, err := plane.EtcdURL()
	Expect(err).NotTo(HaveOccurred())
	watching, unwatch := context.WithCancel(context.Background())
	DeferCleanup(unwatch)
	seen, err = observe(watching, url)
	Expect(err).NotTo(HaveOccurred())

	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(accessv1alpha1.AddToScheme(scheme)).To(Succeed())
	kube, err = client.New(plane.Config(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	all = newWorld(randomOf("the world"), brief(60, 200))
	for _, o := range all.objects {
		Expect(client.IgnoreAlreadyExists(kube.Create(ctx, o.DeepCopyObject().(client.Object)))).To(Succeed())
	}
	say("declared %d users in %d objects", len(all.users), len(all.objects))
}, NodeTimeout(15*time.Minute)) // Where nobody has built the control plane yet, the suite does.

var _ = BeforeEach(func() {
	say("%s", CurrentSpecReport().FullText())
	all.random = randomOf(CurrentSpecReport().FullText())
})

var _ = AfterEach(func() {
	for _, r := range slices.Clone(replicas) {
		r.drop()
	}
})

// round is a fault: what happened to the objects meanwhile, and what was published.
type round struct {
	now    func() time.Time
	before contents
	states []contents
	// edits are the revisions in which somebody else wrote a published ConfigMap; deletions, after which one went.
	edits     map[int64]struct{}
	deletions []version
}

// begin begins a round where everything is as it should be.
func begin(ctx context.Context) *round {
	GinkgoHelper()
	return beginBy(ctx, time.Now)
}

// beginBy is begin for a manager that has that clock.
func beginBy(ctx context.Context, now func() time.Time) *round {
	GinkgoHelper()
	Eventually(settledAt).WithContext(ctx).WithArguments(now).Should(Succeed())
	_, err := seen.since(ctx)
	Expect(err).NotTo(HaveOccurred())
	r := &round{now: now, before: seen.mark(), edits: map[int64]struct{}{}}
	r.note()
	return r
}

// note adds what the world as it is gives.
func (r *round) note() {
	GinkgoHelper()
	r.noteAt(r.now())
}

func (r *round) noteAt(now time.Time) {
	GinkgoHelper()
	_, made, err := resolveAnew(all.objects, now)
	Expect(err).NotTo(HaveOccurred())
	r.states = append(r.states, made.data())
}

// change declares the changed object, and goes on trying while the API server is not there.
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
		return fmt.Errorf("nobody changes a %T", changed)
	}
	return kube.Update(ctx, live)
}

// end waits until everything is as it should be, and judges what stood there in the meantime.
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
	// What the states were computed from is what the API server has: else nothing above would mean anything.
	Expect(last).To(Equal(r.states[len(r.states)-1]))
}

// foreign finds the revisions of the deletions, which no answer tells.
func (r *round) foreign(versions []version) map[int64]struct{} {
	for _, d := range r.deletions {
		i := slices.IndexFunc(versions, func(v version) bool { return v.key == d.key && v.revision > d.revision })
		if i >= 0 && versions[i].data == nil {
			r.edits[versions[i].revision] = struct{}{}
		}
	}
	return r.edits
}

// revisionOf is the store's revision of an object.
func revisionOf(o client.Object) int64 {
	GinkgoHelper()
	revision, err := strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	Expect(err).NotTo(HaveOccurred())
	return revision
}

// pause waits, but no longer than the context.
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

// publishedNames lists the ConfigMaps that stand, to draw one from.
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
