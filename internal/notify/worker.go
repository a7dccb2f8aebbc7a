package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/wait"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// unrecorded is how many notices of one channel may have been delivered and not be recorded yet: as many, and the one
// that is being delivered, may come twice when Usher is killed.
const unrecorded = 5

// Pauses after a failure grow from the first to the last.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	firstRetry = 5 * time.Second
	lastRetry  = 15 * time.Minute
)

// fresh is how long what a channel says, and its Secret, are believed before they are read again.
const fresh = time.Minute

// defaultPerMinute is the rate of a channel that says none.
const defaultPerMinute = 600

// resultKind says what became of an attempt.
type resultKind int

const (
	delivered resultKind = iota
	refusedForGood
	givenUp
	triedInVain
	channelFailed
	channelWorks
)

// result is what a worker says of an attempt.
type result struct {
	kind    resultKind
	channel ChannelKey
	typ     accessv1alpha1.ChannelType
	job     *job // nil where the result regards only the channel
	err     error
}

// worker delivers through one channel, one notice after the other. What stands in its way holds no other channel up.
type worker struct {
	key      ChannelKey
	channels *channels
	objects  *roster.Roster
	keep     time.Duration // how old a notice may become
	now      func() time.Time
	results  chan<- result
	slots    chan struct{}
	wake     chan struct{} // there is more to deliver
	again    chan struct{} // what stood in the way may be gone

	mu      sync.Mutex
	waiting []*waitingJob // in the order of delivery
	taken   int           // being delivered

	failing  int    // attempts since the channel last worked
	remark   string // on what was delivered otherwise than the channel says
	sender   sender
	spec     accessv1alpha1.NotificationChannel
	openedAt time.Time
	limiter  *rate.Limiter
}

type waitingJob struct {
	*job
	tries int
	at    time.Time // not before
}

func newWorker(key ChannelKey, c *channels, objects *roster.Roster, keep time.Duration, results chan<- result) *worker {
	return &worker{
		key: key, channels: c, objects: objects, keep: keep, now: c.now, results: results,
		slots: make(chan struct{}, unrecorded), wake: make(chan struct{}, 1), again: make(chan struct{}, 1),
		limiter: rate.NewLimiter(1, 1),
	}
}

// add queues jobs.
func (w *worker) add(jobs ...*job) {
	w.mu.Lock()
	for _, j := range jobs {
		w.waiting = append(w.waiting, &waitingJob{job: j, tries: j.duty.Tries})
	}
	w.mu.Unlock()
	signal(w.wake)
}

// kick ends a pause.
func (w *worker) kick() { signal(w.again) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// left says how many notices are yet to be delivered.
func (w *worker) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) + w.taken
}

// withdraw takes a job back that is not being delivered, and says whether there was one.
func (w *worker) withdraw(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.waiting)
	w.waiting = slices.DeleteFunc(w.waiting, func(j *waitingJob) bool { return j.duty.ID == id })
	return len(w.waiting) < before
}

// recorded lets as many more be delivered.
func (w *worker) recorded(count int) {
	for range count {
		<-w.slots
	}
}

// run delivers until the context ends.
func (w *worker) run(ctx context.Context) {
	defer w.closeSender()
	for {
		j, err := w.next(ctx)
		if err != nil {
			return
		}
		if w.now().Sub(j.duty.At) > w.keep {
			w.say(ctx, result{kind: givenUp, job: j.job, err: errTooOld})
			w.done()
			continue
		}
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		pause := w.deliver(ctx, j)
		w.done()
		if pause > 0 {
			_ = rest(ctx, pause, w.again) // the loop ends with the context
		}
	}
}

func (w *worker) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken--
}

var errTooOld = errors.New("it could not be delivered for too long, and was given up")

// next waits for a job whose time has come, and takes it.
func (w *worker) next(ctx context.Context) (*waitingJob, error) {
	for {
		j, wait := w.take()
		if j != nil {
			return j, nil
		}
		if wait > idleAfter {
			w.closeSender() // a mail server ends connections that say nothing
		}
		if err := rest(ctx, wait, w.wake); err != nil {
			return nil, err
		}
	}
}

// idleAfter is how long a connection is kept without anything to send.
const idleAfter = 5 * time.Second

// take returns the first job whose time has come, or how long until then.
func (w *worker) take() (*waitingJob, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, rest := w.now(), time.Hour
	for i, j := range w.waiting {
		if wait := j.at.Sub(now); wait > 0 {
			rest = min(rest, wait)
			continue
		}
		w.waiting = slices.Delete(w.waiting, i, i+1)
		w.taken++
		return j, 0
	}
	return nil, rest
}

// rest waits for as long, unless there is a reason not to.
func rest(ctx context.Context, d time.Duration, early <-chan struct{}) error {
	timer := time.NewTimer(d) //nolint:forbidigo // it only waits; which instant it is, the clock says
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-early:
	}
	return nil
}

// later puts a job back.
func (w *worker) later(j *waitingJob, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j.at = w.now().Add(after)
	w.waiting = append(w.waiting, j)
}

// deliver tries to deliver the notice and returns how long to leave the channel alone. A slot is kept for what was
// delivered and has yet to be recorded.
func (w *worker) deliver(ctx context.Context, j *waitingJob) time.Duration {
	remark, err := w.attempt(ctx, j.job)
	if err == nil {
		w.works(ctx, remark)
		w.say(ctx, result{kind: delivered, job: j.job})
		return 0
	}
	<-w.slots
	var own *noticeError
	var wanted *waitError
	switch {
	case ctx.Err() != nil:
		return 0
	case errors.As(err, &own):
		w.works(ctx, remark)
		if own.final {
			w.say(ctx, result{kind: refusedForGood, job: j.job, err: err})
		} else {
			w.retry(ctx, j, err)
		}
		return 0
	case errors.As(err, &wanted):
		w.later(j, 0)
		return min(wanted.wait, lastPause)
	default:
		w.closeSender()
		w.failing++
		w.retry(ctx, j, err)
		w.say(ctx, result{kind: channelFailed, err: err})
		return wait.Jitter(min(firstPause<<min(w.failing-1, 16), lastPause), 0.3)
	}
}

// works says that the channel does, where that is news, or what there is to remark.
func (w *worker) works(ctx context.Context, remark error) {
	text := ""
	if remark != nil {
		text = remark.Error()
	}
	if w.failing > 0 || text != w.remark {
		w.say(ctx, result{kind: channelWorks, err: remark})
	}
	w.failing, w.remark = 0, text
}

// retry puts the job back behind the others, for later.
func (w *worker) retry(ctx context.Context, j *waitingJob, err error) {
	j.tries++
	w.later(j, wait.Jitter(min(firstRetry<<min(j.tries-1, 16), lastRetry), 0.3))
	w.say(ctx, result{kind: triedInVain, job: j.job, err: err})
}

func (w *worker) say(ctx context.Context, r result) {
	r.channel, r.typ = w.key, w.spec.Type
	select {
	case w.results <- r:
	case <-ctx.Done():
	}
}

// attempt sends the notice, over the connection that there is or a new one.
func (w *worker) attempt(ctx context.Context, j *job) (remark, err error) {
	if err := w.ensure(ctx); err != nil {
		return nil, err
	}
	if err := w.limiter.Wait(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.channels.targets.Timeout)
	defer cancel()
	return w.sender.send(ctx, j.notice(w.objects))
}

// ensure opens the channel, and again where it says something else by now or its Secret may.
func (w *worker) ensure(ctx context.Context) error {
	spec := w.channels.find(w.key)
	if w.sender != nil && spec != nil && sameChannel(spec, &w.spec) && w.now().Sub(w.openedAt) < fresh {
		return nil
	}
	w.closeSender()
	if spec != nil {
		w.spec = *spec
	}
	made, err := w.channels.open(ctx, w.key)
	if err != nil {
		return err
	}
	w.sender, w.openedAt = made, w.now()
	perMinute := defaultPerMinute
	if spec.PerMinute > 0 {
		perMinute = int(spec.PerMinute)
	}
	if limit := rate.Limit(float64(perMinute) / 60); limit != w.limiter.Limit() {
		w.limiter = rate.NewLimiter(limit, max(1, perMinute/60))
	}
	return nil
}

func sameChannel(a, b *accessv1alpha1.NotificationChannel) bool {
	return equality.Semantic.DeepEqual(a, b)
}

func (w *worker) closeSender() {
	if w.sender != nil {
		w.sender.close()
		w.sender = nil
	}
}
