package fault_test

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
)

var _ = Describe("Of two replicas", func() {
	It("the leader may freeze past its lease and wake, stop, or be killed", func(ctx SpecContext) {
		electing := []string{"--leader-elect", "--leader-election-namespace=" + installed}
		one, other := newReplica(ctx, electing...), newReplica(ctx, electing...)
		one.start(ctx)
		Eventually(heldBy).WithContext(ctx).WithArguments("").Should(Succeed())
		other.start(ctx)

		freezes(ctx, one)
		one.start(ctx)
		stops(ctx, other)
		if *long {
			other.start(ctx)
			isKilled(ctx, one)
		}
	}, SpecTimeout(5*time.Minute))
})

// freezes freezes the leader with writes in flight, and resumes it when another replica leads and everything is
// settled.
func freezes(ctx context.Context, leader *replica) {
	GinkgoHelper()
	l, err := lease(ctx)
	Expect(err).NotTo(HaveOccurred())
	r := begin(ctx)
	before := all.otherRole()
	r.change(ctx, all.waveGives(before))
	Eventually(settled).WithContext(ctx).Should(Succeed())

	// The requests in flight give a role that is revoked before they arrive.
	leader.proxy.forget()
	leader.proxy.hold(all.random.IntN(2 * workers))
	r.change(ctx, all.waveGives(all.otherRole()))
	Eventually(leader.proxy.holding).WithContext(ctx).Should(Equal(workers), "%v", leader.proxy.landings)
	leader.signal(syscall.SIGSTOP)
	r.change(ctx, all.waveGives(before))
	say("the leader is frozen with %d writes on their way", workers)
	Eventually(heldBy).WithContext(ctx).WithArguments(holderOf(l)).Should(Succeed())
	Eventually(settled).WithContext(ctx).Should(Succeed())

	leader.proxy.open()
	Eventually(func() int { return count(leader.proxy.landings(), func(l landing) bool { return l.held }) }).
		WithContext(ctx).Should(Equal(workers))
	Eventually(settled).WithContext(ctx).Should(Succeed())
	late := func(l landing) bool { return l.held && l.succeeded() }
	say("writes that were in flight have arrived: %d of %d, repaired by the new leader", count(leader.proxy.landings(), late), workers)

	inTime := len(leader.proxy.landings())
	leader.signal(syscall.SIGCONT)
	Eventually(leader.process().Done()).WithContext(ctx).Should(BeClosed())
	landings := leader.proxy.landings()
	after := count(landings[inTime:], landing.succeeded)
	say("the old leader woke, and ended after %d more requests (%d of them writes)", len(landings)-inTime, after)
	Expect(count(landings, late)+after).To(BeNumerically("<=", workers), "it landed more than it had in flight: %v", landings)
	r.end(ctx)
}

// stops stops the leader during a fan-out, as in a rollout.
func stops(ctx context.Context, leader *replica) {
	GinkgoHelper()
	before, r := handOver(ctx, func() { Expect(leader.process().Stop()).To(Succeed()) })
	// It has released the lease, so nobody waits for the expiry.
	after, err := lease(ctx)
	Expect(err).NotTo(HaveOccurred())
	say("the leader stopped: the other one leads after %s", after.Spec.AcquireTime.Sub(before.Spec.RenewTime.Time).Round(time.Millisecond))
	Expect(after.Spec.AcquireTime.Time).To(BeTemporally("<", runsOut(before)))
	r.end(ctx)
}

// isKilled kills the leader during a fan-out.
func isKilled(ctx context.Context, leader *replica) {
	GinkgoHelper()
	before, r := handOver(ctx, leader.kill)
	after, err := lease(ctx)
	Expect(err).NotTo(HaveOccurred())
	say("the leader was killed: the other one leads after %s", after.Spec.AcquireTime.Sub(before.Spec.RenewTime.Time).Round(time.Millisecond))
	// No replica takes a lease that may still be in use, and one takes it after the expiry.
	Expect(after.Spec.AcquireTime.Time).NotTo(BeTemporally("<", runsOut(before)))
	r.end(ctx)
}

// handOver ends the leader during a fan-out and waits until another one leads. It returns the previous lease.
func handOver(ctx context.Context, end func()) (*coordinationv1.Lease, *round) {
	GinkgoHelper()
	r := begin(ctx)
	from, _ := seen.written()
	r.change(ctx, all.waveGives(all.otherRole()))
	awaitWrites(ctx, from+1+all.random.IntN(len(all.users)))
	before, err := lease(ctx)
	Expect(err).NotTo(HaveOccurred())
	end()
	Eventually(heldBy).WithContext(ctx).WithArguments(holderOf(before)).Should(Succeed())
	return before, r
}

// runsOut returns when another replica may take the lease.
func runsOut(l *coordinationv1.Lease) time.Time {
	return l.Spec.RenewTime.Add(time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second)
}

func (l landing) succeeded() bool {
	return l.status >= http.StatusOK && l.status < http.StatusMultipleChoices
}

func (l landing) String() string {
	return fmt.Sprintf("%s %s %s/%s: %d", l.verb, l.resource, l.namespace, l.name, l.status)
}

func count(landings []landing, matches func(landing) bool) int {
	n := 0
	for _, l := range landings {
		if matches(l) {
			n++
		}
	}
	return n
}
