package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
	"github.com/usher-dev/usher/internal/roster"
)

const (
	window = 30 * time.Second
	acme   = "acme"
	system = "access-system"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// world is a notifier that a test runs step by step. Its outboxes deliver nothing, so that a test can inspect them.
type world struct {
	*testing.T
	roster *roster.Roster
	kube   client.Client
	now    time.Time
	n      *Notifier
	fails  error                // the error of writes
	next   map[string]time.Time // when the notifier wants to reconcile an organization again
	// failAfter, if set, is the number of writes that succeed before all fail.
	failAfter *int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, now: start, roster: roster.New(roster.Options{SystemNamespace: system, Organizations: labels.Everything()})}
	w.kube = fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := w.refuses(); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := w.refuses(); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
	}).Build()
	return w
}

func (w *world) refuses() error {
	if w.failAfter == nil {
		return w.fails
	}
	*w.failAfter--
	if *w.failAfter < 0 {
		return errStopped
	}
	return nil
}

// start starts the notifier of a new leader.
func (w *world) start() {
	w.Helper()
	w.roster.Settle(w.now)
	ready := make(chan struct{})
	close(ready)
	w.n = &Notifier{
		Roster: w.roster, Ready: ready, Client: w.kube, Live: w.kube,
		Metrics: NewMetrics(prometheus.NewRegistry()), Now: func() time.Time { return w.now },
		Options: Options{Window: window, Mass: 5, Keep: 24 * time.Hour},
	}
	w.n.begin()
	w.n.deliver = func(context.Context, *outbox) {} // tests deliver
	w.next = map[string]time.Time{}
	w.n.load(w.Context())
	w.step()
}

// set sets objects and settles.
func (w *world) set(objects ...runtime.Object) {
	w.Helper()
	for _, o := range objects {
		if err := w.roster.Set(o); err != nil {
			w.Fatal(err)
		}
	}
	w.settle()
}

func (w *world) remove(objects ...runtime.Object) {
	w.Helper()
	for _, o := range objects {
		if err := w.roster.Remove(o); err != nil {
			w.Fatal(err)
		}
	}
	w.settle()
}

func (w *world) settle() {
	changes := w.roster.Settle(w.now)
	if w.n != nil {
		w.n.Settled(&changes, w.now)
		w.step()
	}
}

// step reconciles the queued organizations and those that are due. One that fails is due in the next step.
func (w *world) step() {
	failed := map[string]time.Time{}
	for {
		organization, due := w.due()
		if !due {
			break
		}
		next, err := w.n.reconcile(w.Context(), organization)
		switch {
		case err != nil:
			failed[organization] = w.now
		case !next.IsZero():
			w.next[organization] = next
		}
	}
	maps.Copy(w.next, failed)
}

// due takes the next organization to reconcile.
func (w *world) due() (organization string, found bool) {
	if w.n.queue.Len() > 0 {
		organization, _ = w.n.queue.Get()
		w.n.queue.Done(organization)
		delete(w.next, organization)
		return organization, true
	}
	for organization, at := range w.next {
		if !at.After(w.now) {
			delete(w.next, organization)
			return organization, true
		}
	}
	return "", false
}

// pass advances the clock and settles.
func (w *world) pass(d time.Duration) {
	w.Helper()
	w.now = w.now.Add(d)
	w.settle()
}

// queued lists undelivered notices as "channel user: change; change", sorted.
func (w *world) queued() []string {
	var all []string
	for key, o := range w.n.outboxes {
		o.mu.Lock()
		for _, j := range o.jobs {
			all = append(all, key.Name+" "+describe(j.notice(w.roster)))
		}
		o.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

func describe(n *delivery.Notice) string {
	if n.Digest != nil {
		return fmt.Sprintf("%s: digest %d/%d/%d/%d", n.User, n.Digest.Users, n.Digest.Granted, n.Digest.Changed, n.Digest.Revoked)
	}
	var parts []string
	for _, r := range n.Reviews {
		parts = append(parts, fmt.Sprintf("%s %s %s %s", r.Group, r.State, r.Due.Format(time.DateOnly), r.IfMissed))
	}
	for _, c := range n.Changes {
		where := c.Application
		if where == "" {
			where = string(c.Scope)
		}
		text := fmt.Sprintf("%s %s", where, c.Kind)
		switch c.Kind {
		case delivery.Expiring, delivery.Unchanged:
			text += " " + c.Before
		default:
			text += fmt.Sprintf(" %s>%s", c.Before, c.After)
		}
		if !c.Until.IsZero() {
			text += " until " + c.Until.Format(time.DateOnly)
		}
		parts = append(parts, text)
	}
	return n.User + ": " + strings.Join(parts, "; ")
}

// deliver delivers and records all queued notices except outdated ones. It returns them like queued.
func (w *world) deliver() []string {
	w.Helper()
	var all []string
	for _, o := range w.n.outboxes {
		for j := o.first(); j != nil; j = o.first() {
			if j.isOutdated(w.roster.View()) {
				o.finish(j, dropped, nil)
				continue
			}
			all = append(all, o.key.Name+" "+describe(j.notice(w.roster)))
			o.slots <- struct{}{}
			o.finish(j, delivered, nil)
			w.step()
		}
	}
	slices.Sort(all)
	return all
}

// first begins to send the first notice of the queue. It returns nil if there is none.
func (o *outbox) first() *job {
	for o.queue.Len() > 0 {
		id, _ := o.queue.Get()
		o.queue.Done(id)
		if j := o.take(id); j != nil {
			return j
		}
	}
	return nil
}

// records returns the content of the ConfigMaps of records.
func (w *world) records() map[string]string {
	w.Helper()
	var list corev1.ConfigMapList
	if err := w.kube.List(w.Context(), &list); err != nil {
		w.Fatal(err)
	}
	found := map[string]string{}
	for i := range list.Items {
		found[list.Items[i].Namespace+"/"+list.Items[i].Name] = list.Items[i].Data[recordKey]
	}
	return found
}

func (w *world) names() []string { return slices.Sorted(maps.Keys(w.records())) }

func channel(name string, typ accessv1alpha1.ChannelType) accessv1alpha1.NotificationChannel {
	return accessv1alpha1.NotificationChannel{Name: accessv1alpha1.ChannelName(name), Type: typ}
}

func policy(namespace string, channels ...accessv1alpha1.NotificationChannel) *accessv1alpha1.AccessPolicy {
	return &accessv1alpha1.AccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"},
		Spec:       accessv1alpha1.AccessPolicySpec{NotificationChannels: channels},
	}
}

// group returns a group that grants a role in an application and notifies its members by mail.
func group(name, application, role string, members ...string) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: acme, Name: name, UID: "1"},
		Spec: accessv1alpha1.AccessGroupSpec{
			Type: accessv1alpha1.GroupTypeOrganization,
			Notification: accessv1alpha1.GroupNotification{
				Mode: accessv1alpha1.NotificationModeOnChange, Channels: []accessv1alpha1.ChannelName{"mail"},
			},
		},
	}
	if role != "" {
		g.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{
			Application: accessv1alpha1.ApplicationSelector(application), Role: accessv1alpha1.RoleName(role),
		}}
	}
	for _, user := range members {
		g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(user)})
	}
	return g
}

func silent(g *accessv1alpha1.AccessGroup) *accessv1alpha1.AccessGroup {
	g.Spec.Notification = accessv1alpha1.GroupNotification{}
	return g
}

func until(g *accessv1alpha1.AccessGroup, t time.Time) *accessv1alpha1.AccessGroup {
	end := metav1.NewTime(t)
	g.Spec.ApplicationAccess[0].NotAfter = &end
	return g
}

func asking(g *accessv1alpha1.AccessGroup, at time.Time) *accessv1alpha1.AccessGroup {
	g.Annotations = map[string]string{accessv1alpha1.AnnotationNotify: at.UTC().Format(time.RFC3339)}
	return g
}

// metric returns the value of a counter.
func metric(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
