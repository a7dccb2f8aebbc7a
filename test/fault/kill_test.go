package fault_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The manager", func() {
	It("may be killed at any point of a fan-out, and while it catches up", func(ctx SpecContext) {
		m := newManager(ctx)
		r := begin(ctx)
		first := all.fanOut(ctx, r)
		r.end(ctx)
		say("a fan-out takes %d writes", first)

		for kills := 0; kills < brief(4, 20); {
			r := begin(ctx)
			from, _ := seen.written()
			r.change(ctx, all.waveGives(all.otherRole()))
			for range all.random.IntN(3) {
				r.change(ctx, all.anyChange())
			}
			for again := true; again && kills < brief(4, 20); again = all.random.IntN(3) == 0 {
				if !awaitWrites(ctx, from+1+all.random.IntN(first)) {
					break // no time is left for another kill
				}
				m.kill()
				kills++
				now, _ := seen.written()
				say("kill %d: at write %d of a fan-out", kills, now-from)
				from = now
				m.start(ctx)
			}
			r.end(ctx)
		}
	}, SpecTimeout(8*time.Minute))
})

// fanOut changes what the wave gives, and returns the number of writes that it caused.
func (w *world) fanOut(ctx context.Context, r *round) int {
	GinkgoHelper()
	from, _ := seen.written()
	r.change(ctx, w.waveGives(w.otherRole()))
	Eventually(settled).WithContext(ctx).Should(Succeed())
	_, err := seen.since(ctx)
	Expect(err).NotTo(HaveOccurred())
	to, _ := seen.written()
	return to - from
}

// awaitWrites waits until there have been that many writes in total, or until nothing is left to write. It reports
// whether there have been that many.
func awaitWrites(ctx context.Context, count int) (reached bool) {
	GinkgoHelper()
	Eventually(func() error {
		waiting, cancel := context.WithTimeout(ctx, 20*pollInterval)
		defer cancel()
		if reached = seen.awaitWrites(waiting, count) == nil; reached {
			return nil
		}
		return settled(ctx)
	}).WithContext(ctx).Should(Succeed())
	return reached
}
