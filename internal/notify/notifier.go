package notify

import (
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
	"github.com/usher-dev/usher/internal/egress"
	"github.com/usher-dev/usher/internal/roster"
)

// Options configure a Notifier.
type Options struct {
	// Window is how long changes of one user are collected before they become one notice.
	Window time.Duration
	// Mass is the number of users with changes within a window from which administrators get a digest. 0 disables digests.
	Mass int
	// Keep is how long a notice is retried before it is given up.
	Keep    time.Duration
	Targets egress.Targets
}

// Notifier tells users about changes of their access. It runs on the leader.
type Notifier struct {
	Roster *roster.Roster
	// Ready is closed when the roster is complete. The notifier does not compare anything before.
	Ready <-chan struct{}
	// Client writes records. Live reads records and Secrets from the API server.
	Client   client.Client
	Live     client.Reader
	Recorder events.EventRecorder
	Metrics  *Metrics
	Options  Options
	// Now is the clock.
	Now func() time.Time
	// Concerned, if set, is called with the groups whose condition may have changed. It must be safe for concurrent use.
	Concerned func(groups []roster.Object)

	inbox    inbox
	health   health
	channels *channels

	// The following fields are used only by the goroutine of Start.
	queue    workqueue.TypedRateLimitingInterface[string] // organizations, and the system namespace
	store    store
	records  map[string]*tracked   // by organization
	loaded   map[string]configMaps // records that were read and are not yet open, by organization
	outboxes map[ChannelKey]*outbox
	deliver  func(context.Context, *outbox)
}

// NeedLeaderElection returns true: only the leader sends notices.
func (n *Notifier) NeedLeaderElection() bool { return true }

// Start reconciles organizations until the context ends. It does not wait for a notice that is being sent.
func (n *Notifier) Start(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.Ready:
	}
	n.begin()
	defer context.AfterFunc(ctx, n.queue.ShutDown)()
	n.load(ctx)
	for n.processNext(ctx) {
	}
	return nil
}

const (
	// loadInterval is the pause before records are read again after a failure.
	loadInterval = 5 * time.Second
	// longestBackoff bounds the pause after a failed reconciliation.
	longestBackoff = time.Minute
)

// begin prepares the notifier and opens the inbox.
func (n *Notifier) begin() {
	n.queue = workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstPause, longestBackoff))
	n.store = store{client: n.Client, live: n.Live}
	n.channels = &channels{roster: n.Roster, live: n.Live, targets: &n.Options.Targets, now: n.Now}
	n.records, n.outboxes = map[string]*tracked{}, map[ChannelKey]*outbox{}
	n.deliver = func(ctx context.Context, o *outbox) { o.run(ctx) }
	n.inbox.open(n.queue)
}

// load reads the records of earlier leaders, and enqueues their organizations and those with notification channels. It
// retries until it succeeds or the context ends.
func (n *Notifier) load(ctx context.Context) {
	read := func(ctx context.Context) (bool, error) {
		found, err := n.store.list(ctx, "")
		if err != nil {
			log.FromContext(ctx).Error(err, "Cannot read the records of notices, will retry")
			return false, nil
		}
		n.loaded = found
		return true, nil
	}
	if wait.PollUntilContextCancel(ctx, loadInterval, true, read) != nil {
		return
	}
	for _, organization := range slices.AppendSeq(n.Roster.View().Notified(), maps.Keys(n.loaded)) {
		n.queue.Add(organization)
	}
}

// processNext reconciles the next organization of the queue. It returns false when the queue has shut down.
func (n *Notifier) processNext(ctx context.Context) bool {
	organization, shutdown := n.queue.Get()
	if shutdown || ctx.Err() != nil {
		return false
	}
	defer n.queue.Done(organization)
	next, err := n.reconcile(ctx, organization)
	if err != nil {
		log.FromContext(ctx).Error(err, "Cannot send notices, will retry", "namespace", organization)
		n.queue.AddRateLimited(organization)
	} else {
		n.queue.Forget(organization)
		if !next.IsZero() {
			n.queue.AddAfter(organization, next.Sub(n.Now()))
		}
	}
	n.measure()
	return true
}

// reconcile compares an organization with its record, and hands the differences to the outboxes. It returns when to
// reconcile again; zero: when something changes. An error becomes the condition of the organization's groups. The cost
// grows with the groups and with the users of the batch, and with all users where these have to be compared.
func (n *Notifier) reconcile(ctx context.Context, organization string) (next time.Time, err error) {
	b := n.inbox.take(organization)
	if b.policy {
		for key, o := range n.outboxes {
			if key.Namespace == organization {
				o.resumeNow() // the policy may have been corrected
			}
		}
	}
	if organization == n.Roster.View().SystemNamespace() {
		n.forward(b)
		return time.Time{}, nil
	}
	next, err = n.reconcileRecord(ctx, organization, b)
	if ctx.Err() == nil {
		n.setRecordProblem(organization, err)
	}
	return next, err
}

// forward enqueues every organization, because an object of the system namespace has changed.
func (n *Notifier) forward(b *batch) {
	organizations := append(n.Roster.View().Notified(), slices.Collect(maps.Keys(n.records))...)
	for _, organization := range organizations {
		n.inbox.add(organization, func(each *batch) {
			for user := range b.users {
				each.user(user, before{})
			}
		})
	}
}

func (n *Notifier) reconcileRecord(ctx context.Context, organization string, b *batch) (time.Time, error) {
	now, t := n.Now(), n.records[organization]
	var err error
	if t == nil {
		if t, err = n.open(ctx, organization, b.users); err != nil {
			return time.Time{}, err
		}
	}
	for i := range b.results {
		n.apply(t, &b.results[i], now)
	}
	if t == nil {
		return time.Time{}, nil
	}
	n.compare(t, b.users, now)
	n.answerGroups(t, now)
	n.tellReviews(t, now)
	n.digest(t, now)
	if t.isFinished() {
		err = n.remove(ctx, t, now)
	} else {
		err = n.write(ctx, t, now)
	}
	if err != nil {
		return time.Time{}, n.handleWriteError(ctx, t, err)
	}
	return t.next(), nil
}

// write writes the record if that is due, and hands the notices that it holds to the outboxes.
func (n *Notifier) write(ctx context.Context, t *tracked, now time.Time) error {
	if t.writeAt.IsZero() || t.writeAt.After(now) {
		return nil
	}
	t.forgetUnused()
	if err := n.store.save(ctx, t.record); err != nil {
		return err
	}
	t.writeAt = time.Time{}
	n.release(t)
	for _, j := range t.ready {
		n.outbox(ctx, j.duty.Channel).add(j)
	}
	t.ready = nil
	return nil
}

// remove deletes the record of an organization that notifies nobody any more.
func (n *Notifier) remove(ctx context.Context, t *tracked, now time.Time) error {
	if !n.Roster.View().Index().Namespace(t.organization).Terminating() {
		t.writeAt = now // if the removal fails and the record is needed again
		if err := n.store.remove(ctx, t.record); err != nil {
			return err
		}
	}
	n.drop(t)
	return nil
}

// handleWriteError decides what to do about a record that could not be written. Until it is written, its notices are not
// sent: after a restart they would be lost or sent twice.
func (n *Notifier) handleWriteError(ctx context.Context, t *tracked, err error) error {
	switch {
	case apierrors.IsConflict(err):
		// Another leader has written the record. Its content takes precedence.
		found, listErr := n.store.list(ctx, t.organization)
		if listErr != nil {
			return listErr
		}
		n.drop(t)
		n.loaded[t.organization] = found[t.organization]
		n.queue.Add(t.organization)
		return nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err),
		n.Roster.View().Index().Namespace(t.organization).Terminating():
		n.drop(t) // the record is deleted together with the namespace
		return nil
	default:
		return err
	}
}

// drop forgets the record and withdraws its notices from the outboxes.
func (n *Notifier) drop(t *tracked) {
	t.ready = nil
	t.each(func(_ string, e *entry) {
		for _, d := range e.duties {
			n.withdraw(t, d)
		}
	})
	n.release(t)
	delete(n.records, t.organization)
}

// release lets outboxes deliver more notices, because the record of the delivered ones was written.
func (n *Notifier) release(t *tracked) {
	for _, key := range t.delivered {
		<-n.outboxes[key].slots
	}
	t.delivered = nil
}

// outbox returns the outbox of the channel. It starts one if there is none.
func (n *Notifier) outbox(ctx context.Context, key ChannelKey) *outbox {
	o := n.outboxes[key]
	if o == nil {
		o = newOutbox(n, key)
		n.outboxes[key] = o
		go n.deliver(ctx, o)
	}
	return o
}

// measure updates the gauge of undelivered notices.
func (n *Notifier) measure() {
	waiting := map[accessv1alpha1.ChannelType]int{}
	for key, o := range n.outboxes {
		if spec := n.channels.find(key); spec != nil {
			waiting[spec.Type] += o.left()
		}
	}
	for i := range delivery.Types {
		name := delivery.Types[i].Name
		n.Metrics.waiting.WithLabelValues(string(name)).Set(float64(waiting[name]))
	}
}
