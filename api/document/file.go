package document

import (
	"crypto/sha256"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// file is a file with a document, as a follower last read it.
type file[D any] struct {
	digest [sha256.Size]byte
	// candidate is the content of the file, if err is nil.
	candidate D
	err       error

	// good is the document that is used for answers if has is true, until the instant until if that is set.
	good  D
	has   bool
	until time.Time
	// failure is the last reported error.
	failure error
	// replaced is the previously used document if this read replaced it.
	replaced *D
}

// take updates the files from the directories and returns the events.
func (f *follower[D]) take(now time.Time) []Event {
	seen := map[string]bool{}
	for i := range f.mount.files {
		f.look(&f.mount.files[i])
		seen[f.mount.files[i].path] = true
	}
	for path := range f.files {
		if failure := f.unreadable(path); !seen[path] && failure != nil {
			f.files[path].err = failure
			f.files[path].digest = [sha256.Size]byte{}
			seen[path] = true
		}
	}
	reasons := f.conflicts(f.candidates())
	var events []Event
	for _, path := range slices.Sorted(maps.Keys(f.files)) {
		file := f.files[path]
		file.replaced = nil
		if !seen[path] {
			delete(f.files, path)
			f.stats.Changed = now
			events = append(events, Event{Kind: Removed, Path: path})
			continue
		}
		err := file.err
		if reason, ok := reasons[path]; ok && err == nil {
			err = &Error{Path: path, Reason: reason}
		}
		if e, ok := f.settle(path, file, err, now); ok {
			events = append(events, e)
		}
	}
	return append(events, f.failedDirectories()...)
}

// look reads the document in a file that has changed.
func (f *follower[D]) look(read *mountedFile) {
	digest := sha256.Sum256(read.data)
	known := f.files[read.path]
	if known == nil {
		known = &file[D]{}
		f.files[read.path] = known
	} else if read.err == nil && digest == known.digest {
		return
	}
	known.digest, known.err = digest, read.err
	if read.err != nil {
		known.digest = [sha256.Size]byte{}
		return
	}
	candidate, err := f.compile(read.data)
	known.candidate, known.err = candidate, at(read.path, err)
}

// unreadable returns the failure of a directory that contains the path. A file that cannot be read is not missing.
func (f *follower[D]) unreadable(path string) error {
	for _, failure := range f.mount.failures {
		dir, of := filepath.Dir(path), filepath.Clean(failure.dir)
		if dir == of || filepath.Dir(dir) == of {
			return failure.err
		}
	}
	return nil
}

func (f *follower[D]) candidates() map[string]D {
	candidates := map[string]D{}
	for path, file := range f.files {
		if file.err == nil {
			candidates[path] = file.candidate
		}
	}
	return candidates
}

// settle decides which document is used for the answers of a file.
func (f *follower[D]) settle(path string, file *file[D], err error, now time.Time) (Event, bool) {
	if err == nil {
		same := file.has && any(file.good) == any(file.candidate)
		if same && file.failure == nil {
			return Event{}, false
		}
		if file.has && !same {
			file.replaced = new(file.good)
		}
		file.good, file.has, file.until, file.failure = file.candidate, true, time.Time{}, nil
		f.stats.Loaded++
		f.stats.Changed = now
		return Event{Kind: Loaded, Path: path}, true
	}
	if file.has && file.until.IsZero() {
		file.until = now.Add(f.options.Grace)
	}
	if file.has && !now.Before(file.until) {
		var none D
		file.good, file.has = none, false
		file.until, file.failure = time.Time{}, err
		f.stats.Denials++
		f.stats.Changed = now
		return Event{Kind: Denied, Path: path, Err: err}, true
	}
	if file.failure != nil && file.failure.Error() == err.Error() {
		return Event{}, false
	}
	file.failure = err
	f.stats.Failures++
	return Event{Kind: Failed, Path: path, Err: err, Until: file.until}, true
}

// failedDirectories reports directories that contain no known file for which the failure could be reported.
func (f *follower[D]) failedDirectories() []Event {
	var events []Event
	failing := map[string]string{}
	for _, failure := range f.mount.failures {
		failing[failure.dir] = failure.err.Error()
		if f.failing[failure.dir] != failure.err.Error() {
			f.stats.Failures++
			events = append(events, Event{Kind: Failed, Path: failure.dir, Err: failure.err})
		}
	}
	f.failing = failing
	return events
}

// count updates the gauges.
func (f *follower[D]) count() {
	f.stats.Documents, f.stats.StandingIn, f.stats.Denying = 0, 0, 0
	for _, file := range f.files {
		switch {
		case file.has && file.failure != nil:
			f.stats.Documents++
			f.stats.StandingIn++
		case file.has:
			f.stats.Documents++
		default:
			f.stats.Denying++
		}
	}
}

// wrong returns an error about the subject of a document.
func wrong(field, has, want string) error {
	return newError("", 0, "the document is about %q, not %q", shorten(has), want).in(field)
}
