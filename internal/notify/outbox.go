package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/delivery"
)

const (
	// unrecorded is how many notices of a channel may be delivered before that is recorded. If Usher is killed, these and
	// the notice that is being sent may arrive twice.
	unrecorded = 5

	// firstPause and lastPause bound the pause of a channel after a failure, firstRetry and lastRetry the delay of a notice
	// that was refused for now. Both grow exponentially.
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	firstRetry = 5 * time.Second
	lastRetry  = 15 * time.Minute

	// maxAge is how long an open channel is used before its Secret is read again.
	maxAge = time.Minute
	// idleAfter is how long a connection stays open without anything to send. Mail servers end idle connections.
	idleAfter = 5 * time.Second

	defaultPerMinute = 600
)

// outcome is the outcome of an attempt to deliver a notice.
type outcome int

const (
	delivered outcome = iota
	failed            // refused for good, or given up
	retried
	dropped // it became wrong before it was sent
)

// result is what an outbox reports to the reconciliation of the organization.
type result struct {
	job     *job
	outcome outcome
}

// outbox delivers the notices of one channel, one after the other. Its methods add, withdraw and left are safe for
// concurrent use.
type outbox struct {
	notifier *Notifier
	key      ChannelKey
	// queue has the IDs of notices. A withdrawn notice keeps its place, without a job.
	queue   workqueue.TypedRateLimitingInterface[string]
	retries workqueue.TypedRateLimiter[string] // delays of notices, used by the queue
	pauses  workqueue.TypedRateLimiter[ChannelKey]
	// slots has an element for each notice that was delivered and is not yet recorded.
	slots chan struct{}
	// resume ends a pause, because the cause of the failure may be gone.
	resume chan struct{}

	mu      sync.Mutex
	jobs    map[string]*job // by ID
	sending string          // the ID of the notice that is being sent

	// The following fields are used only by run.
	sender   delivery.Sender
	spec     accessv1alpha1.NotificationChannel
	openedAt time.Time
	sentAt   time.Time
	limiter  *rate.Limiter
}

func newOutbox(n *Notifier, key ChannelKey) *outbox {
	retries := workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry)
	return &outbox{
		notifier: n, key: key, queue: workqueue.NewTypedRateLimitingQueue(retries), retries: retries,
		pauses: workqueue.NewTypedItemExponentialFailureRateLimiter[ChannelKey](firstPause, lastPause),
		slots:  make(chan struct{}, unrecorded), resume: make(chan struct{}, 1),
		jobs: map[string]*job{}, limiter: rate.NewLimiter(1, 1),
	}
}

// add enqueues a notice. Its delays continue from the attempts before a restart.
func (o *outbox) add(j *job) {
	for range j.duty.Tries {
		o.retries.When(j.duty.ID)
	}
	o.mu.Lock()
	o.jobs[j.duty.ID] = j
	o.mu.Unlock()
	o.queue.Add(j.duty.ID)
}

// withdraw takes a notice back, unless it is being sent. It reports whether it did.
func (o *outbox) withdraw(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.jobs[id] == nil || o.sending == id {
		return false
	}
	delete(o.jobs, id)
	return true
}

// left returns the number of notices that are not yet delivered.
func (o *outbox) left() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.jobs)
}

// take begins to send a notice. It returns nil if the notice was withdrawn.
func (o *outbox) take(id string) *job {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.jobs[id] != nil {
		o.sending = id
	}
	return o.jobs[id]
}

// finish ends an attempt and reports its outcome. A notice that is retried stays in the outbox.
func (o *outbox) finish(j *job, outcome outcome, err error) {
	o.mu.Lock()
	o.sending = ""
	if outcome != retried {
		delete(o.jobs, j.duty.ID)
	}
	o.mu.Unlock()
	o.report(j, outcome, err)
}

// run delivers notices until the context ends.
func (o *outbox) run(ctx context.Context) {
	defer context.AfterFunc(ctx, o.queue.ShutDown)()
	defer o.closeSender()
	for {
		id, shutdown := o.queue.Get()
		if shutdown || ctx.Err() != nil {
			return
		}
		pause := o.process(ctx, id)
		o.queue.Done(id)
		if pause > 0 {
			timer := time.NewTimer(pause) //nolint:forbidigo // it only waits and does not tell the time
			select {
			case <-ctx.Done():
			case <-timer.C:
			case <-o.resume:
			}
			timer.Stop()
		}
	}
}

// closeIdle is the item of the queue that closes an idle connection.
const closeIdle = ""

// process handles an item of the queue. It returns how long to leave the channel alone.
func (o *outbox) process(ctx context.Context, id string) (pause time.Duration) {
	if id == closeIdle {
		if idle := o.notifier.Now().Sub(o.sentAt); idle < idleAfter {
			o.queue.AddAfter(closeIdle, idleAfter-idle)
		} else {
			o.closeSender()
		}
		return 0
	}
	j := o.take(id)
	if j == nil {
		o.queue.Forget(id)
		return 0
	}
	if o.notifier.Now().Sub(j.duty.At) > o.notifier.Options.Keep {
		o.queue.Forget(id)
		o.finish(j, failed, errTooOld)
		return 0
	}
	if j.isOutdated(o.notifier.Roster.View()) {
		o.queue.Forget(id)
		o.finish(j, dropped, nil)
		return 0
	}
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	remark, err := o.send(ctx, j)
	if err != nil {
		<-o.slots
		return o.handleError(ctx, j, remark, err)
	}
	o.works(remark)
	o.queue.Forget(id)
	o.finish(j, delivered, nil) // the slot is released when that is recorded
	return 0
}

var errTooOld = errors.New("it could not be delivered for too long, and was given up")

// handleError decides what becomes of a notice that was not delivered, and returns how long to leave the channel alone.
func (o *outbox) handleError(ctx context.Context, j *job, remark, err error) (pause time.Duration) {
	var refusal *delivery.NoticeError
	var limit *delivery.WaitError
	switch {
	case ctx.Err() != nil:
		return 0
	case errors.As(err, &refusal) && refusal.Final:
		o.works(remark)
		o.queue.Forget(j.duty.ID)
		o.finish(j, failed, err)
		return 0
	case errors.As(err, &refusal):
		o.works(remark)
		o.retry(j, err)
		return 0
	case errors.As(err, &limit):
		o.mu.Lock()
		o.sending = ""
		o.mu.Unlock()
		o.queue.Add(j.duty.ID)
		return min(limit.Wait, lastPause)
	default:
		o.closeSender()
		o.retry(j, err)
		o.notifier.setChannelProblem(accessv1alpha1.ReasonChannelFailing, o.key, err)
		return wait.Jitter(o.pauses.When(o.key), 0.3)
	}
}

// retry enqueues a notice again, behind the others.
func (o *outbox) retry(j *job, err error) {
	o.finish(j, retried, err)
	o.queue.AddRateLimited(j.duty.ID)
}

// works notes that the channel works, and what is wrong with its template.
func (o *outbox) works(remark error) {
	o.pauses.Forget(o.key)
	o.notifier.setChannelProblem(accessv1alpha1.ReasonChannelFailing, o.key, nil)
	o.notifier.setChannelProblem(accessv1alpha1.ReasonTemplateFailing, o.key, remark)
}

// report counts an attempt and hands its outcome to the reconciliation of the organization.
func (o *outbox) report(j *job, outcome outcome, err error) {
	n, channelType := o.notifier, string(o.spec.Type)
	m := member{j.organization, j.user}
	switch outcome {
	case delivered:
		n.Metrics.sent.WithLabelValues(channelType).Inc()
		n.setUserProblem(j.duty.Groups, accessv1alpha1.ReasonNotDelivered, m, "")
	case failed:
		n.Metrics.failed.WithLabelValues(channelType).Inc()
		n.setUserProblem(j.duty.Groups, accessv1alpha1.ReasonNotDelivered, m, o.key.Name+": "+err.Error())
	case retried:
		n.Metrics.retried.WithLabelValues(channelType).Inc()
	}
	n.inbox.add(j.organization, func(b *batch) { b.results = append(b.results, result{j, outcome}) })
}

// send sends a notice, over the open connection or a new one.
func (o *outbox) send(ctx context.Context, j *job) (remark, err error) {
	if err := o.open(ctx); err != nil {
		return nil, err
	}
	if err := o.limiter.Wait(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.notifier.Options.Targets.Timeout)
	defer cancel()
	remark, err = o.sender.Send(ctx, j.notice(o.notifier.Roster))
	o.sentAt = o.notifier.Now()
	o.queue.AddAfter(closeIdle, idleAfter)
	return remark, err
}

// open opens the channel, and opens it again if its declaration changed or its Secret may have changed.
func (o *outbox) open(ctx context.Context) error {
	n := o.notifier
	spec := n.channels.find(o.key)
	if o.sender != nil && spec != nil && equality.Semantic.DeepEqual(spec, &o.spec) && n.Now().Sub(o.openedAt) < maxAge {
		return nil
	}
	o.closeSender()
	if spec != nil {
		o.spec = *spec
	}
	opened, err := n.channels.open(ctx, o.key)
	if err != nil {
		return err
	}
	o.sender, o.openedAt = opened, n.Now()
	perMinute := defaultPerMinute
	if spec.PerMinute > 0 {
		perMinute = int(spec.PerMinute)
	}
	if limit := rate.Limit(float64(perMinute) / 60); limit != o.limiter.Limit() {
		o.limiter = rate.NewLimiter(limit, max(1, perMinute/60))
	}
	return nil
}

func (o *outbox) closeSender() {
	if o.sender != nil {
		o.sender.Close()
		o.sender = nil
	}
}

// resumeNow ends a pause.
func (o *outbox) resumeNow() {
	select {
	case o.resume <- struct{}{}:
	default:
	}
}
