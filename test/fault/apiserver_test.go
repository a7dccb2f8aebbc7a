package fault_test

import (
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// A client that lists again processes the objects one by one. To make sure that every intermediate state has really
// existed, these specs change the same object repeatedly.

var _ = Describe("The API server", func() {
	It("may crash under load and come back", func(ctx SpecContext) {
		m := newManager(ctx)
		m.keep()
		for range brief(1, 2) {
			r := begin(ctx)
			from, _ := seen.written()
			r.change(ctx, all.waveGives(all.otherRole()))
			awaitWrites(ctx, from+1+all.random.IntN(len(all.users)))
			Expect(plane.KillAPIServer(ctx)).To(Succeed())
			say("the API server is gone")
			Expect(plane.StartAPIServer(ctx)).To(Succeed())
			say("the API server is back")
			for range brief(2, 6) {
				r.change(ctx, all.changeOf(wave))
			}
			r.end(ctx)
		}
	}, SpecTimeout(5*time.Minute))

	It("may hang, because its store hangs", func(ctx SpecContext) {
		args := []string{}
		if *long {
			args = append(args, "--leader-elect", "--leader-election-namespace="+installed)
		}
		replicas := []*replica{newReplica(ctx, args...)}
		if *long {
			replicas = append(replicas, newReplica(ctx, args...))
		}
		for _, m := range replicas {
			m.start(ctx)
			m.keep()
		}
		r := begin(ctx)
		from, _ := seen.written()
		r.change(ctx, all.waveGives(all.otherRole()))
		awaitWrites(ctx, from+1+all.random.IntN(len(all.users)))
		rest := brief(4*time.Second, 30*time.Second)
		Expect(plane.SignalEtcd(syscall.SIGSTOP)).To(Succeed())
		DeferCleanup(func() { _ = plane.SignalEtcd(syscall.SIGCONT) })
		say("the store hangs for %s", rest)
		Expect(pause(ctx, rest)).To(Succeed())
		Expect(plane.SignalEtcd(syscall.SIGCONT)).To(Succeed())
		say("the store goes on")
		r.change(ctx, all.changeOf(wave))
		r.end(ctx)
	}, SpecTimeout(5*time.Minute))
})

var _ = Describe("The network", func() {
	It("may cut watches, and whole connections", func(ctx SpecContext) {
		m := newManager(ctx)
		m.keep()
		for i := range brief(2, 3) {
			r := begin(ctx)
			from, _ := seen.written()
			r.change(ctx, all.waveGives(all.otherRole()))
			awaitWrites(ctx, from+1+all.random.IntN(len(all.users)))
			switch i % 3 {
			case 0:
				say("all watches are cut")
				m.proxy.cutWatches()
			case 1:
				say("all watches are cut, and cannot go on where they were")
				m.proxy.troubles(50, expired)
				m.proxy.cutWatches()
			case 2:
				say("all connections are cut")
				m.proxy.cutAll()
			}
			for range brief(2, 6) {
				r.change(ctx, all.changeOf(wave))
			}
			r.end(ctx)
			m.proxy.troubles(0)
		}
	}, SpecTimeout(5*time.Minute))

	It("may lose, refuse and delay any request", func(ctx SpecContext) {
		m := newManager(ctx)
		m.keep()
		for _, trouble := range []trouble{
			{50, []mishap{conflict}},
			{30, []mishap{internalError, unavailable, gatewayTimeout}},
			{30, []mishap{lostRequest, lostAnswer, cutAnswer}},
			{10, []mishap{tooMany}},
			{20, []mishap{conflict, internalError, unavailable, gatewayTimeout, lostRequest, lostAnswer, cutAnswer}},
		} {
			say("of 100 requests %d meet one of %q", trouble.percent, trouble.kinds)
			r := begin(ctx)
			m.proxy.troubles(trouble.percent, trouble.kinds...)
			for range brief(2, 4) {
				r.change(ctx, all.changeOf(wave))
				from, _ := seen.written()
				awaitWrites(ctx, from+all.random.IntN(len(all.users)))
			}
			m.proxy.troubles(0)
			r.end(ctx)
		}
	}, SpecTimeout(5*time.Minute))
})
