package document

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// DefaultGrace is for how long the last good document stands in for one that cannot be read.
	DefaultGrace = time.Minute
	// DefaultPollInterval is how often the directories are looked at beside being watched.
	DefaultPollInterval = time.Second

	maximumGrace        = time.Hour
	minimumPollInterval = time.Millisecond
	maximumPollInterval = time.Minute
)

// Watching says how a follower comes to know of changes.
type Watching string

// The ways of watching.
const (
	// WatchAndPoll has the operating system tell of changes, and looks every PollInterval as well.
	WatchAndPoll Watching = "WatchAndPoll"
	// PollOnly looks every PollInterval.
	PollOnly Watching = "PollOnly"
)

// Options say what is followed, and how. Only Directories is required.
type Options struct {
	// Directories are mounted directories, each with documents or with directories of documents in it: one for each
	// shard, or one projected volume. A directory that is missing is empty.
	Directories []string
	// Organization is the one that the documents have to be of. Empty: any, but all of the same.
	Organization string
	// Grace is for how long the last good document stands in for one that is broken, half-written, unreadable or says
	// that users live in a shard that is not there yet. After that it counts as missing. It is not for documents that
	// are missing: those give nobody access, at once. At most an hour. Zero: DefaultGrace. Negative: no grace.
	Grace time.Duration
	// Watching is WatchAndPoll by default.
	Watching Watching
	// PollInterval is how often the directories are looked at: when a change shows at the latest, also where the
	// operating system does not tell of it. A millisecond to a minute. Zero: DefaultPollInterval.
	PollInterval time.Duration
	// OnEvent is called with what there is to say, from one goroutine, one call at a time; it holds up following. It
	// must not close the follower.
	OnEvent func(Event)
	// Now is the clock, by default that of the system. It has to be safe for concurrent use.
	Now func() time.Time
}

func (o *Options) complete() error {
	var failures []error
	if len(o.Directories) == 0 {
		failures = append(failures, errors.New("no directory to follow"))
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Grace > maximumGrace {
		failures = append(failures, fmt.Errorf("a grace of %s, the longest is %s", o.Grace, maximumGrace))
	}
	o.Grace = max(0, o.Grace)
	if o.PollInterval == 0 {
		o.PollInterval = DefaultPollInterval
	}
	if o.PollInterval < minimumPollInterval || o.PollInterval > maximumPollInterval {
		failures = append(failures, fmt.Errorf("a poll interval of %s is not within %s and %s",
			o.PollInterval, minimumPollInterval, maximumPollInterval))
	}
	switch o.Watching {
	case "":
		o.Watching = WatchAndPoll
	case WatchAndPoll, PollOnly:
	default:
		failures = append(failures, fmt.Errorf("watching %q is not %s or %s", o.Watching, WatchAndPoll, PollOnly))
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // a workload's clock is the system's, unless it says otherwise
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return errors.Join(failures...)
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	// Loaded: a document is new, has changed, or is good again.
	Loaded EventKind = "Loaded"
	// Removed: a document is gone, and nobody has access by it.
	Removed EventKind = "Removed"
	// Failed: a document cannot be used. Until Event.Until the last good one stands in.
	Failed EventKind = "Failed"
	// Denied: a document could not be used for too long, and nobody has access by it.
	Denied EventKind = "Denied"
	// Incomplete: the documents say that there are more shards than there are documents. Users who live in those have
	// no access, but while the document that they were in stands in.
	Incomplete EventKind = "Incomplete"
	// Complete: no shard is missing any more.
	Complete EventKind = "Complete"
	// Unwatched: the operating system does not tell of changes, which now show after PollInterval.
	Unwatched EventKind = "Unwatched"
)

// Event is what a follower has to say, for logs. Stats counts the same, for metrics.
type Event struct {
	Kind EventKind
	// Path is the document, or the directory, that it is about. Empty: all of them.
	Path string
	// Err says what is wrong: with Failed, Denied, Incomplete and Unwatched. For a document it is an [*Error], or the
	// error of the operating system.
	Err error
	// Until is when the last good document stops standing in. Zero: nothing stands in.
	Until time.Time
}

// Stats says how following goes. The fields named in the past tense only ever grow.
type Stats struct {
	// Read is how often the directories were read; Loaded, how many documents were taken from them; Failures, how many
	// events Failed there were; Denials, how many Denied.
	Read, Loaded, Failures, Denials uint64
	// Documents is how many documents answer now; StandingIn, how many of these are not what the file holds, because
	// that cannot be used; Denying, how many files cannot be used and have nothing that stands in.
	Documents, StandingIn, Denying int
	// MissingShards is how many shards there should be and are not.
	MissingShards int
	// Changed is when the answers last changed otherwise than by the clock.
	Changed time.Time
}

// follower reads directories again and again. D is the compiled document.
type follower[D any] struct {
	options Options
	// compile makes the document from the bytes of a file.
	compile func(data []byte) (D, error)
	// conflicts finds what is wrong with documents because of each other, by path.
	conflicts func(candidates map[string]D) map[string]string
	// publish makes the answers from the documents, and says what there is to say of them together.
	publish func(now time.Time) []Event

	files map[string]*file[D]
	mount *mount
	watch *watch
	stats Stats
	// failing are the directories that could not be read, with why, as last reported.
	failing map[string]string
	until   time.Time // set when following ends

	cancel context.CancelFunc
	done   chan struct{}
}

// start reads the directories a first time, and then goes on in a goroutine until the context or the follower ends.
func (f *follower[D]) start(ctx context.Context) {
	ctx, f.cancel = context.WithCancel(ctx)
	f.done = make(chan struct{})
	f.files = map[string]*file[D]{}
	if f.options.Watching == WatchAndPoll {
		f.watch = newWatch(f.options.OnEvent)
		f.watch.add(f.options.Directories) // before the first look, so that no change falls between
	}
	f.read()
	go f.run(ctx)
}

func (f *follower[D]) run(ctx context.Context) {
	defer close(f.done)
	defer f.watch.close()
	tick := time.NewTicker(f.options.PollInterval) //nolint:forbidigo // when to look decides nothing
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			f.end()
			return
		case <-f.watch.changes():
			f.watch.drain()
			f.read()
		case err := <-f.watch.errors():
			f.options.OnEvent(Event{Kind: Unwatched, Err: err})
			f.read()
		case <-tick.C:
			f.poll()
		}
	}
}

// end lets the last answers stand for the grace: nobody looks any more whether they still hold.
func (f *follower[D]) end() {
	now := f.options.Now()
	f.until = now.Add(f.options.Grace)
	f.count()
	f.publish(now)
}

// close ends following and waits for it to have ended.
func (f *follower[D]) close() {
	f.cancel()
	<-f.done
}

// poll reads the directories unless they are sure to be as they were.
func (f *follower[D]) poll() {
	settled := f.mount.unchanged() && f.stats.StandingIn == 0 && f.stats.MissingShards == 0
	if !settled {
		f.read()
	}
}

func (f *follower[D]) read() {
	now := f.options.Now()
	f.mount = readMount(f.options.Directories)
	f.watch.add(f.mount.directories())
	f.stats.Read++
	events := f.take(now)
	f.count()
	events = append(events, f.publish(now)...)
	for i := range events {
		f.options.OnEvent(events[i])
	}
}
