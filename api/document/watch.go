package document

import (
	"slices"

	"github.com/fsnotify/fsnotify"
)

// watch has the operating system tell of changes in directories. A nil watch tells of none.
type watch struct {
	watcher *fsnotify.Watcher
	say     func(Event)
	failed  map[string]bool
}

// newWatch gives nil where the operating system cannot watch, and says so.
func newWatch(say func(Event)) *watch {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		say(Event{Kind: Unwatched, Err: err})
		return nil
	}
	return &watch{watcher: watcher, say: say, failed: map[string]bool{}}
}

// add watches the directories too. One that is not there is watched when it is.
func (w *watch) add(dirs []string) {
	if w == nil {
		return
	}
	watched := w.watcher.WatchList()
	for _, dir := range dirs {
		if slices.Contains(watched, dir) {
			continue
		}
		err := w.watcher.Add(dir)
		if err != nil && !w.failed[dir] {
			w.say(Event{Kind: Unwatched, Path: dir, Err: err})
		}
		w.failed[dir] = err != nil
	}
}

func (w *watch) changes() <-chan fsnotify.Event {
	if w == nil {
		return nil
	}
	return w.watcher.Events
}

func (w *watch) errors() <-chan error {
	if w == nil {
		return nil
	}
	return w.watcher.Errors
}

// drain passes over changes that come together: the directories are read once for all of them.
func (w *watch) drain() {
	for {
		select {
		case <-w.watcher.Events:
		default:
			return
		}
	}
}

func (w *watch) close() {
	if w != nil {
		_ = w.watcher.Close() // it has nothing to say that matters now
	}
}
