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

// ApplicationFollower answers by the application document in mounted directories, of which it follows every change. It
// is safe for concurrent use, and answers without an allocation while each user lives in one shard.
type ApplicationFollower struct {
	follower follower[*shard]
	answers  atomic.Pointer[answers]
	// held are shards by the file that they were in.
	held    map[string][]standing
	missing string
}

// FollowApplication follows the document of one application. Documents about another one, and other documents, are
// errors of theirs: a mount by mistake gives nobody access. The first answers are there when it returns; following
// ends with the context, or with Close.
//
// An error is one of the options. That documents are missing or broken is none: they give nobody access until they are
// right.
func FollowApplication(ctx context.Context, application string, options Options) (*ApplicationFollower, error) {
	if application == "" {
		return nil, errors.New("no application to follow")
	}
	if err := options.complete(); err != nil {
		return nil, err
	}
	f := &ApplicationFollower{held: map[string][]standing{}}
	f.follower = follower[*shard]{
		options:   options,
		compile:   compileShard(application, options.Organization),
		conflicts: oneOrganization,
		publish:   f.publish,
	}
	f.follower.start(ctx)
	return f, nil
}

// Role gives the user's role, NoAccess for one who has none.
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

// Can says whether the user's role has the permission.
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

// Filters gives the filters of the rows that the user sees: nil for every row, [Nothing] for a user without access.
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

// Stats says how following goes, for metrics.
func (f *ApplicationFollower) Stats() Stats {
	return f.answers.Load().stats
}

// Close ends following and waits until it has ended. The last answers stand for the grace, so that requests that are
// under way can end; then nobody has access.
func (f *ApplicationFollower) Close() { f.follower.close() }

func (f *ApplicationFollower) find(user string, to []*entry) []*entry {
	return f.answers.Load().find(user, f.follower.options.Now(), to)
}

// publish makes the answers from the shards that are there.
func (f *ApplicationFollower) publish(now time.Time) []Event {
	var shards, held []standing
	for _, path := range slices.Sorted(maps.Keys(f.follower.files)) {
		file := f.follower.files[path]
		f.hold(path, file, now)
		held = append(held, f.held[path]...)
		if file.has {
			shards = append(shards, standing{file.good, file.until})
		}
	}
	for path := range f.held {
		if f.follower.files[path] == nil {
			delete(f.held, path) // a file that is gone holds nobody
		}
	}
	a := newAnswers(shards, held, f.follower.until, f.follower.stats)
	for path := range f.held { // who has come to live in a shard again is not held a second time
		f.held[path] = slices.DeleteFunc(f.held[path], func(s standing) bool { return a.covered(s.shard) })
	}
	events := f.completeness(a, len(shards) > 0)
	a.stats.MissingShards = f.follower.stats.MissingShards
	f.answers.Store(a)
	return events
}

// hold keeps a shard that has given users away, for those who are in no other one yet: the kubelet updates mounts one
// by one, in any order.
func (f *ApplicationFollower) hold(path string, file *file[*shard], now time.Time) {
	kept := slices.DeleteFunc(f.held[path], func(s standing) bool { return !s.answers(now) })
	switch {
	case !file.has:
		kept = nil
	case file.replaced != nil && (*file.replaced).gives(file.good):
		kept = append(kept, standing{*file.replaced, now.Add(f.follower.options.Grace)})
	case file.replaced != nil:
		// What a shard says itself goes before what it said before.
		kept = slices.DeleteFunc(kept, func(s standing) bool { return !s.gives(file.good) })
	}
	file.replaced = nil
	if f.held[path] = kept; len(kept) == 0 {
		delete(f.held, path)
	}
}

// completeness reports shards that are missing, and that they no longer are.
func (f *ApplicationFollower) completeness(a *answers, found bool) []Event {
	var missing []int
	if found {
		missing = a.missing()
	}
	f.follower.stats.MissingShards = len(missing)
	text := fmt.Sprint(missing)
	was := f.missing
	f.missing = text
	switch {
	case text == was || was == "" && len(missing) == 0:
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
