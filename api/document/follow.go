package document

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// DefaultGrace is how long the last good document is used instead of one that cannot be read.
	DefaultGrace = time.Minute
	// DefaultPollInterval is the interval at which the directories are read even without a notification.
	DefaultPollInterval = time.Second

	maximumGrace        = time.Hour
	minimumPollInterval = time.Millisecond
	maximumPollInterval = time.Minute
)

// Watching is the way in which a follower detects changes.
type Watching string

// Values of Watching.
const (
	// WatchAndPoll uses notifications of the operating system and also polls every PollInterval.
	WatchAndPoll Watching = "WatchAndPoll"
	// PollOnly polls every PollInterval.
	PollOnly Watching = "PollOnly"
)

// Options configure a follower. Only Directories is required.
type Options struct {
	// Directories are mounted directories. Each contains documents or directories of documents: one directory for each
	// shard, or one projected volume. A missing directory counts as empty.
	Directories []string
	// Organization is the organization that the documents must be of. Empty allows any, but all must be of the same
	// one.
	Organization string
	// Grace is how long the last good document is used instead of one that is broken, half-written, unreadable or
	// refers to a shard that does not exist yet. After that, the document counts as missing. Grace does not apply to
	// missing documents, which give nobody access immediately. The maximum is an hour. Zero means DefaultGrace. A
	// negative value means no grace.
	Grace time.Duration
	// Watching is WatchAndPoll by default.
	Watching Watching
	// PollInterval is the interval at which the directories are read. It bounds the delay of a change if the operating
	// system does not send a notification. It must be between a millisecond and a minute. Zero means
	// DefaultPollInterval.
	PollInterval time.Duration
	// OnEvent is called with every event, from one goroutine, sequentially. It blocks the follower. It must not close
	// the follower.
	OnEvent func(Event)
	// Now is the clock, by default the system clock. It must be safe for concurrent use.
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
		failures = append(failures, fmt.Errorf("grace %s is longer than the maximum %s", o.Grace, maximumGrace))
	}
	o.Grace = max(0, o.Grace)
	if o.PollInterval == 0 {
		o.PollInterval = DefaultPollInterval
	}
	if o.PollInterval < minimumPollInterval || o.PollInterval > maximumPollInterval {
		failures = append(failures, fmt.Errorf("poll interval %s is not between %s and %s",
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

// EventKind is the kind of an event.
type EventKind string

// The kinds of events.
const (
	// Loaded means that a document is new, has changed, or is valid again.
	Loaded EventKind = "Loaded"
	// Removed means that a document has been deleted and gives nobody access any more.
	Removed EventKind = "Removed"
	// Failed means that a document cannot be used. The last good one is used until Event.Until.
	Failed EventKind = "Failed"
	// Denied means that a document has been unusable for too long and gives nobody access any more.
	Denied EventKind = "Denied"
	// Incomplete means that fewer shards exist than the documents declare. Users in the missing shards have no access,
	// except while their previous document is still used.
	Incomplete EventKind = "Incomplete"
	// Complete means that no shard is missing any more.
	Complete EventKind = "Complete"
	// Unwatched means that the operating system does not send notifications. Changes are detected after PollInterval.
	Unwatched EventKind = "Unwatched"
)

// Event describes something that happened to a follower, for logs. Stats has the same information for metrics.
type Event struct {
	Kind EventKind
	// Path is the document or directory. It is empty if the event is about all of them.
	Path string
	// Err is the reason of Failed, Denied, Incomplete and Unwatched. For a document it is an [*Error] or an error of
	// the operating system.
	Err error
	// Until is when the last good document stops being used. It is zero if none is used.
	Until time.Time
}

// Stats describes the state of a follower. Read, Loaded, Failures and Denials are counters and only increase.
type Stats struct {
	// Read is the number of times that the directories were read, Loaded the number of documents taken from them,
	// Failures the number of Failed events, and Denials the number of Denied events.
	Read, Loaded, Failures, Denials uint64
	// Documents is the number of documents that are used for answers now. StandingIn is the number of these that
	// replace a file which cannot be used. Denying is the number of files that cannot be used and have no replacement.
	Documents, StandingIn, Denying int
	// MissingShards is the number of missing shards.
	MissingShards int
	// Changed is when the answers last changed for a reason other than time.
	Changed time.Time
}

// follower reads directories repeatedly. D is the compiled document.
type follower[D any] struct {
	options Options
	// compile compiles the content of a file.
	compile func(data []byte) (D, error)
	// conflicts returns, by path, the errors of documents that contradict each other.
	conflicts func(candidates map[string]D) map[string]string
	// publish computes the answers from the documents and returns the events that concern all of them.
	publish func(now time.Time) []Event

	files map[string]*file[D]
	mount *mount
	watch *watch
	stats Stats
	// failing maps directories that could not be read to the last reported error.
	failing map[string]string
	until   time.Time // set when following stops

	cancel context.CancelFunc
	done   chan struct{}
}

// start reads the directories once, and then continues in a goroutine until the context or the follower ends.
func (f *follower[D]) start(ctx context.Context) {
	ctx, f.cancel = context.WithCancel(ctx)
	f.done = make(chan struct{})
	f.files = map[string]*file[D]{}
	if f.options.Watching == WatchAndPoll {
		f.watch = newWatch(f.options.OnEvent)
		f.watch.add(f.options.Directories) // before the first read, so that no change is missed
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

// end lets the last answers expire after the grace period, because they are not updated any more.
func (f *follower[D]) end() {
	now := f.options.Now()
	f.until = now.Add(f.options.Grace)
	f.count()
	f.publish(now)
}

// close stops following and waits until that is done.
func (f *follower[D]) close() {
	f.cancel()
	<-f.done
}

// poll reads the directories unless they are certain to be unchanged.
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
