package document

import (
	"slices"

	"github.com/fsnotify/fsnotify"
)

// watch receives notifications of the operating system about changes in directories. A nil watch receives none.
type watch struct {
	watcher *fsnotify.Watcher
	say     func(Event)
	failed  map[string]bool
}

// newWatch returns nil and reports an event if the operating system cannot watch.
func newWatch(say func(Event)) *watch {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		say(Event{Kind: Unwatched, Err: err})
		return nil
	}
	return &watch{watcher: watcher, say: say, failed: map[string]bool{}}
}

// add also watches the directories. A directory that does not exist is watched once it exists.
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

// drain discards notifications that arrive together, because the directories are read once for all of them.
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
		_ = w.watcher.Close() // an error does not matter any more
	}
}
