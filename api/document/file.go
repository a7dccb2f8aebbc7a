package document

import (
	"crypto/sha256"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// file is a file with a document, as a follower last saw it.
type file[D any] struct {
	digest [sha256.Size]byte
	// candidate is what the file holds, if err is nil.
	candidate D
	err       error

	// good is the document that answers, if has is true, and before the instant until if that is set.
	good  D
	has   bool
	until time.Time
	// failure is what was last reported.
	failure error
	// replaced is the document that answered before this look, if another does now.
	replaced *D
}

// take brings the files up to what the directories hold, and says what there is to say.
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

// unreadable gives the failure of a directory that the path is in. What cannot be read is not missing.
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

// settle decides which document answers for a file.
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

// failedDirectories reports directories in which no file is known that could be reported.
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

// count brings the gauges up to date.
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

// wrong is an error about what a document is about.
func wrong(field, has, want string) error {
	return newError("", 0, "it is about %q, not %q", shorten(has), want).in(field)
}
