package fault_test

import (
	"context"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/app"
)

var _ = Describe("The clock", func() {
	It("may jump across the windows of a manager that sleeps", func(ctx SpecContext) {
		m := newManager(ctx)
		r := begin(ctx)
		opens := time.Now().Add(brief(3*time.Second, 4*time.Second)).Truncate(time.Second)
		closes := opens.Add(2 * time.Second)
		r.change(ctx, all.window(opens, closes))
		r.noteAt(opens)
		r.noteAt(closes)
		Eventually(settled).WithContext(ctx).Should(Succeed())
		m.signal(syscall.SIGSTOP)
		Expect(pause(ctx, time.Until(closes))).To(Succeed())
		m.signal(syscall.SIGCONT)
		r.end(ctx)

		r = begin(ctx)
		r.change(ctx, all.window(time.Time{}, time.Time{}))
		r.end(ctx)
	}, SpecTimeout(2*time.Minute))

	It("may jump ahead and back, across windows", func(ctx SpecContext) {
		ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
		c := &clock{}
		running, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			ended <- app.Run(running, plane.Config(), app.Options{
				SystemNamespace: systemNamespace, DocumentGrace: 500 * time.Millisecond, MetricsBindAddress: "0",
				HealthProbeBindAddress: "0", Webhook: app.WebhookOptions{BindAddress: "0"}, Now: c.now,
			})
		}()
		DeferCleanup(func() {
			stop()
			Expect(<-ended).To(Succeed())
		})

		r := beginBy(ctx, c.now)
		now := c.now().Truncate(time.Second)
		opens, closes := now.Add(time.Hour), now.Add(24*time.Hour)
		r.change(ctx, all.window(opens, closes))
		r.noteAt(opens)
		r.noteAt(closes)
		Eventually(settledAt).WithContext(ctx).WithArguments(c.now).Should(Succeed())
		within, past := opens.Sub(now), closes.Sub(now)
		// Into the window, past it, back into it, and back before it; then across all of it at once, in both
		// directions.
		for _, jump := range brief([]time.Duration{past, within}, []time.Duration{within, past, within, 0, past, 0}) {
			say("the clock is %s ahead", jump)
			c.set(jump)
			r.note()
			Eventually(settledAt).WithContext(ctx).WithArguments(c.now).Should(Succeed())
		}
		r.judge(ctx)
		r = beginBy(ctx, c.now)
		r.change(ctx, all.window(time.Time{}, time.Time{}))
		r.end(ctx)
	}, SpecTimeout(3*time.Minute))
})

// window gives the first members of the wave a role in a window. Zero times mean that nobody has the role.
func (w *world) window(opens, closes time.Time) client.Object {
	g := get[*accessv1alpha1.AccessGroup](w, firstOrganization, team(0))
	g.Spec.ApplicationAccess = g.Spec.ApplicationAccess[:1]
	if !opens.IsZero() {
		notBefore, notAfter := metav1.NewTime(opens), metav1.NewTime(closes)
		g.Spec.ApplicationAccess = append(g.Spec.ApplicationAccess, accessv1alpha1.ApplicationGrant{
			Application: "windowed", Role: "Editor", NotBefore: &notBefore, NotAfter: &notAfter,
		})
	}
	return g
}

// clock is the machine's clock with an offset.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) set(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = ahead
}
