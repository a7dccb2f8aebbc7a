package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// Options say how people are told.
type Options struct {
	// Window is how long changes are gathered before they become one notice.
	Window time.Duration
	// Mass is how many users a change regards at least for administrators to be told of it; 0: never.
	Mass int
	// Keep is how long it is tried to deliver a notice.
	Keep    time.Duration
	Targets Targets
}

// Notifier tells people of their access. It runs on the leader.
type Notifier struct {
	Roster *roster.Roster
	// Ready is closed when the roster is complete: not before is anything compared with it.
	Ready <-chan struct{}
	// Client writes records. Live reads records and Secrets from the API server.
	Client   client.Client
	Live     client.Reader
	Recorder events.EventRecorder
	Metrics  *Metrics
	Options  Options
	// Now is the clock.
	Now func() time.Time
	// Concerned is told of the groups whose condition may have changed.
	Concerned func(groups []roster.Object)

	inbox  inbox
	health health

	// What follows is used by the goroutine of Start alone.
	store    store
	channels *channels
	records  map[string]*tracked
	workers  map[ChannelKey]*worker
	results  chan result
	work     func(ctx context.Context, w *worker)
	unopened bool // a record of an organization could not be read, which is tried again every minute at least
}

// tracked is a record with what follows from it.
type tracked struct {
	*record
	pending map[string]struct{} // users with a change that is yet to become a notice
	next    time.Time           // the first end to announce; zero: none
	jobs    []waitingFor        // to be queued when the record is written
	slots   map[ChannelKey]int  // delivered, and not yet recorded
	urgent  bool                // the record has to be written now
	// stale says that everybody has to be looked at.
	stale bool
	// retryAt is when to write again what could not be written, failures how often in a row it could not.
	retryAt  time.Time
	failures int
	kept     int // accesses that were left when those that nobody names were last forgotten
}

// sweepSometimes forgets accesses that nobody names, when there are many.
func (t *tracked) sweepSometimes() {
	const few = 64
	if len(t.interned) > few+2*t.kept {
		t.sweep()
		t.kept = len(t.interned)
	}
}

type waitingFor struct {
	channel ChannelKey
	job     *job
}

// Setup makes the notifier ready; it is called before changes are handed to it.
func (n *Notifier) Setup() {
	n.inbox.wake = make(chan struct{}, 1)
	n.health.init()
}

// NeedLeaderElection says that only the leader tells anybody.
func (n *Notifier) NeedLeaderElection() bool { return true }

// lookAgain is how often everybody is looked at, whatever was seen to change.
const lookAgain = 10 * time.Minute

// Start tells people of their access until the context ends. It does not wait for what is just being sent.
func (n *Notifier) Start(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.Ready:
	}
	n.begin()
	if err := n.load(ctx); err != nil {
		return nil // it only fails when the context ends
	}
	lookedAt := n.Now()
	timer := time.NewTimer(0) //nolint:forbidigo // it only waits; which instant it is, Now says
	defer timer.Stop()
	for {
		timer.Reset(n.untilNext())
		select {
		case <-ctx.Done():
			return nil
		case <-n.inbox.wake:
		case r := <-n.results:
			n.handle(r)
		case <-timer.C:
		}
		n.handleAll()
		n.look(ctx, n.inbox.take())
		if n.Now().Sub(lookedAt) > lookAgain {
			lookedAt = n.Now()
			n.lookAtAll()
		}
		n.announce(n.Now())
		n.flush(ctx)
		n.measure()
	}
}

// begin makes the notifier ready to tell. Changes are taken in from then on.
func (n *Notifier) begin() {
	n.store = store{client: n.Client, live: n.Live}
	n.channels = &channels{roster: n.Roster, live: n.Live, targets: &n.Options.Targets, now: n.Now}
	n.records, n.workers = map[string]*tracked{}, map[ChannelKey]*worker{}
	n.results = make(chan result, 64)
	n.work = func(ctx context.Context, w *worker) { w.run(ctx) }
	n.inbox.start()
}

// load reads what earlier leaders have told, again and again until it can be read.
func (n *Notifier) load(ctx context.Context) error {
	backoff := wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.3, Steps: 1 << 30, Cap: time.Minute}
	return wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		found, err := n.store.list(ctx, "")
		if err != nil {
			log.FromContext(ctx).Error(err, "Notices wait")
			return false, nil
		}
		organizations := map[string]struct{}{}
		for organization := range found {
			organizations[organization] = struct{}{}
		}
		for _, organization := range n.Roster.View().Notified() {
			organizations[organization] = struct{}{}
		}
		for _, organization := range slices.Sorted(maps.Keys(organizations)) {
			n.open(ctx, read(organization, found[organization], n.Now()), nil)
		}
		return true, nil
	})
}

// open begins to tell in an organization. Where nothing says what was told, what users have is taken as told; what they
// had before the changes of the batch, where these came with the first group that tells.
func (n *Notifier) open(ctx context.Context, s *stored, users map[member]before) {
	t := &tracked{record: s.record, pending: map[string]struct{}{}, slots: map[ChannelKey]int{}}
	now := n.Now()
	n.records[t.organization] = t
	if s.lost != nil {
		n.lost(ctx, t, s.lost)
	}
	for _, user := range n.Roster.View().Users(t.organization) {
		_, gap := s.gaps[shardOf(user, t.index.Shards)]
		if t.index.Begun && !gap {
			continue
		}
		m := n.Roster.View().Member(t.organization, user)
		if was := users[member{t.organization, user}]; was.changed {
			m.Decision = was.decision
		}
		e := t.at(user)
		e.told = t.intern(accessOf(&m))
		t.touch(user, now)
	}
	t.each(func(user string, e *entry) {
		for _, d := range e.duties {
			n.queue(t, user, e, d)
		}
	})
	t.urgent = t.urgent || t.isDirty() || !t.index.Begun
	n.lookAt(t, now)
	for _, g := range n.Roster.View().NotifyingGroups() {
		n.asked(t, g, now)
	}
	for user := range n.Roster.View().Index().Namespace(t.organization).Accounts() {
		n.askedFor(t, user, now)
	}
}

// lost says where a person looks first that whom Usher had told what is not known any more.
func (n *Notifier) lost(ctx context.Context, t *tracked, why error) {
	n.Metrics.lost.Inc()
	log.FromContext(ctx).Info("The record of notices is incomplete; what users have now is taken as told",
		"namespace", t.organization, "reason", why.Error())
	n.tell(t.organization, "RecordLost", fmt.Sprintf("Whom Usher has told what is not known any more (%s). "+
		"What users have now is taken as told; ask for notices with annotation %s where that is not so.",
		why, accessv1alpha1.AnnotationNotify))
}

// untilNext is how long there is nothing to do, unless something comes.
func (n *Notifier) untilNext() time.Duration {
	now, rest := n.Now(), time.Minute
	soonest := func(at time.Time) {
		if !at.IsZero() {
			rest = min(rest, max(at.Sub(now), 0))
		}
	}
	for _, t := range n.records {
		soonest(t.next)
		for user := range t.pending {
			if e := t.get(user); e != nil {
				soonest(e.due)
			}
		}
		if m := t.index.Mass; m != nil {
			soonest(m.Due)
		}
		switch {
		case t.urgent:
			soonest(later(now, t.retryAt))
		case t.isDirty():
			soonest(later(t.dirtyAt.Add(lazily), t.retryAt))
		}
	}
	return max(rest, time.Millisecond)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// lazily is how long what nobody waits for stays unwritten.
const lazily = time.Second

// flush writes what there is to write, and then queues what rests on it.
func (n *Notifier) flush(ctx context.Context) {
	now := n.Now()
	for _, organization := range slices.Sorted(maps.Keys(n.records)) {
		t := n.records[organization]
		if now.Before(t.retryAt) {
			continue // the others do not wait for it
		}
		if !t.urgent && (!t.isDirty() || now.Sub(t.dirtyAt) < lazily) {
			continue
		}
		if err := n.write(ctx, t); err != nil {
			n.unwritten(ctx, t, err)
			continue
		}
		t.failures = 0
		n.health.recorded(organization, nil, n.concerned)
		t.urgent = false
		n.dispatch(ctx, t)
	}
}

func (n *Notifier) write(ctx context.Context, t *tracked) error {
	if !t.index.Begun {
		return n.store.begin(ctx, t.record)
	}
	t.sweepSometimes()
	return n.store.flush(ctx, t.record)
}

// unwritten handles a record that could not be written. Without it nobody is told: a notice that nothing remembers would
// be sent again, or never.
func (n *Notifier) unwritten(ctx context.Context, t *tracked, err error) {
	if ctx.Err() != nil {
		return
	}
	switch {
	case apierrors.IsConflict(err):
		// Another leader, or somebody with the right to, has written it: what stands there counts.
		n.reopen(ctx, t)
		return
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err),
		n.Roster.View().Index().Namespace(t.organization).Terminating():
		n.drop(t) // the record goes with the namespace, and so does what it would be about
		n.health.recorded(t.organization, nil, n.concerned)
		return
	}
	t.urgent = true
	t.failures++
	t.retryAt = n.Now().Add(wait.Jitter(min(firstPause<<min(t.failures-1, 16), time.Minute), 0.3))
	n.health.recorded(t.organization, err, n.concerned)
	log.FromContext(ctx).Error(err, "Notices wait", "namespace", t.organization)
}

// drop forgets the record, and withdraws what is queued.
func (n *Notifier) drop(t *tracked) {
	t.each(func(_ string, e *entry) {
		for _, d := range e.duties {
			if w := n.workers[d.Channel]; w != nil {
				w.withdraw(d.ID)
			}
		}
	})
	n.release(t)
	delete(n.records, t.organization)
}

// reopen reads the record again.
func (n *Notifier) reopen(ctx context.Context, t *tracked) {
	n.drop(t)
	found, err := n.store.list(ctx, t.organization)
	if err != nil {
		n.records[t.organization] = t
		t.urgent = true
		t.retryAt = n.Now().Add(firstPause)
		return
	}
	n.open(ctx, read(t.organization, found[t.organization], n.Now()), nil)
}

// release lets channels deliver more: what they delivered is recorded.
func (n *Notifier) release(t *tracked) {
	for key, count := range t.slots {
		n.workers[key].recorded(count)
	}
	clear(t.slots)
}

// dispatch queues what the record has come to hold.
func (n *Notifier) dispatch(ctx context.Context, t *tracked) {
	n.release(t)
	byChannel := map[ChannelKey][]*job{}
	for _, each := range t.jobs {
		byChannel[each.channel] = append(byChannel[each.channel], each.job)
	}
	t.jobs = nil
	for key, jobs := range byChannel {
		w := n.workers[key]
		if w == nil {
			w = newWorker(key, n.channels, n.Roster, n.Options.Keep, n.results)
			n.workers[key] = w
			go n.work(ctx, w)
		}
		w.add(jobs...)
	}
}

// queue makes a job of a duty, to be queued when the record is written.
func (n *Notifier) queue(t *tracked, user string, e *entry, d *duty) {
	t.jobs = append(t.jobs, waitingFor{d.Channel, &job{
		organization: t.organization, user: user, name: e.name, address: e.address(user), duty: *d,
		before: t.interned[d.Before], after: t.interned[d.After],
	}})
	t.urgent = true
}

// measure counts what waits.
func (n *Notifier) measure() {
	waiting := map[accessv1alpha1.ChannelType]int{}
	for key, w := range n.workers {
		if spec := n.channels.find(key); spec != nil {
			waiting[spec.Type] += w.left()
		}
	}
	for _, t := range channelTypes {
		n.Metrics.waiting.WithLabelValues(string(t)).Set(float64(waiting[t]))
	}
}

// tell says something of an organization on each of the groups that tell its members.
func (n *Notifier) tell(organization, reason, message string) {
	for _, g := range n.Roster.View().NotifyingGroups() {
		if g.Namespace == organization {
			n.event(g, warning, reason, message)
		}
	}
}
