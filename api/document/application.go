package document

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// ApplicationFollower answers questions from the application document in mounted directories and follows its changes.
// It is safe for concurrent use. It answers without an allocation as long as each user is in one shard.
type ApplicationFollower struct {
	follower follower[*shard]
	answers  atomic.Pointer[answers]
	// held maps a file to the replaced shards that are still used.
	held    map[string][]activeShard
	missing string
}

// FollowApplication follows the document of one application. A document of another application or of another kind is an
// error, so a wrong mount gives nobody access. FollowApplication returns after the first read. It stops following when
// the context ends or Close is called.
//
// It returns an error only for invalid options. A missing or broken document is not an error: it gives nobody access
// until it is corrected.
func FollowApplication(ctx context.Context, application string, options Options) (*ApplicationFollower, error) {
	if application == "" {
		return nil, errors.New("no application to follow")
	}
	if err := options.complete(); err != nil {
		return nil, err
	}
	f := &ApplicationFollower{held: map[string][]activeShard{}}
	f.follower = follower[*shard]{
		options:   options,
		compile:   compileShard(application, options.Organization),
		conflicts: oneOrganization,
		publish:   f.publish,
	}
	f.follower.start(ctx)
	return f, nil
}

// Role returns the user's role, or NoAccess if the user has none.
func (f *ApplicationFollower) Role(user string) string {
	var room [4]*entry
	entries := f.find(user, room[:0])
	if len(entries) == 0 {
		return NoAccess
	}
	lowest := entries[0].role
	for _, e := range entries[1:] {
		if e.role.height < lowest.height {
			lowest = e.role
		}
	}
	return lowest.name
}

// Can reports whether the user's role has the permission.
func (f *ApplicationFollower) Can(user, permission string) bool {
	var room [4]*entry
	entries := f.find(user, room[:0])
	for _, e := range entries {
		if _, ok := e.role.permissions[permission]; !ok {
			return false
		}
	}
	return len(entries) > 0
}

// Filters returns the filters of the rows that the user sees: nil for every row, [Nothing] for a user without access.
func (f *ApplicationFollower) Filters(user string) Filters {
	var room [4]*entry
	entries := f.find(user, room[:0])
	if len(entries) == 0 {
		return nothing
	}
	filters := entries[0].filters
	for _, e := range entries[1:] {
		if !slices.EqualFunc(filters, e.filters, Filter.equal) {
			filters = append(filters[:len(filters):len(filters)], e.filters...)
		}
	}
	return filters
}

// Stats returns statistics for metrics.
func (f *ApplicationFollower) Stats() Stats {
	return f.answers.Load().stats
}

// Close stops following and waits until that is done. The last answers remain valid for the grace period, so that
// running requests can end. After that, nobody has access.
func (f *ApplicationFollower) Close() { f.follower.close() }

func (f *ApplicationFollower) find(user string, to []*entry) []*entry {
	return f.answers.Load().find(user, f.follower.options.Now(), to)
}

// publish computes the answers from the shards that exist.
func (f *ApplicationFollower) publish(now time.Time) []Event {
	var shards, held []activeShard
	for _, path := range slices.Sorted(maps.Keys(f.follower.files)) {
		file := f.follower.files[path]
		f.hold(path, file, now)
		held = append(held, f.held[path]...)
		if file.has {
			shards = append(shards, activeShard{file.good, file.until})
		}
	}
	for path := range f.held {
		if f.follower.files[path] == nil {
			delete(f.held, path) // a deleted file keeps no replaced shards
		}
	}
	a := newAnswers(shards, held, f.follower.until, f.follower.stats)
	for path := range f.held { // a replaced shard is not needed once all of its users are in another one
		f.held[path] = slices.DeleteFunc(f.held[path], func(s activeShard) bool { return a.covered(s.shard) })
	}
	events := f.completeness(a, len(shards) > 0)
	a.stats.MissingShards = f.follower.stats.MissingShards
	f.answers.Store(a)
	return events
}

// hold keeps a replaced shard for users who moved to a shard that does not exist yet. The kubelet updates mounts one by
// one, in any order.
func (f *ApplicationFollower) hold(path string, file *file[*shard], now time.Time) {
	kept := slices.DeleteFunc(f.held[path], func(s activeShard) bool { return !s.answers(now) })
	switch {
	case !file.has:
		kept = nil
	case file.replaced != nil && (*file.replaced).gives(file.good):
		kept = append(kept, activeShard{*file.replaced, now.Add(f.follower.options.Grace)})
	case file.replaced != nil:
		// The shard answers for its own users again, so their previous shard is no longer needed.
		kept = slices.DeleteFunc(kept, func(s activeShard) bool { return !s.gives(file.good) })
	}
	file.replaced = nil
	if f.held[path] = kept; len(kept) == 0 {
		delete(f.held, path)
	}
}

// completeness reports when shards are missing and when none is missing any more.
func (f *ApplicationFollower) completeness(a *answers, found bool) []Event {
	var missing []int
	if found {
		missing = a.missing()
	}
	f.follower.stats.MissingShards = len(missing)
	text := fmt.Sprint(missing)
	previous := f.missing
	f.missing = text
	switch {
	case text == previous || previous == "" && len(missing) == 0:
		return nil
	case len(missing) == 0:
		return []Event{{Kind: Complete}}
	}
	const most = 10
	if len(missing) > most {
		text = fmt.Sprintf("%v and %d more", missing[:most], len(missing)-most)
	}
	return []Event{{Kind: Incomplete, Err: fmt.Errorf("shards %s of %d are missing", text, len(a.byHash))}}
}
