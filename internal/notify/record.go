package notify

import (
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/mailtext"
)

// duty is a notice that is yet to be delivered through one channel. It is in the record before it is tried, and until it
// was delivered, refused or given up.
type duty struct {
	// ID is the same however often the notice is tried, so that a receiver can tell a repetition.
	ID      string     `json:"id"`
	Channel ChannelKey `json:"-"`
	At      time.Time  `json:"at"`
	// Before and After are digests of accesses of the record.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// EndsAfter and EndsUntil bound the ends that the notice announces; zero: it announces none.
	EndsAfter time.Time `json:"endsAfter,omitzero"`
	EndsUntil time.Time `json:"endsUntil,omitzero"`
	// Asked says that somebody asked for it: it tells all of the access, not what changed.
	Asked bool `json:"asked,omitempty"`
	// Groups are those on whose account it is sent, namespace/name, sorted.
	Groups []string `json:"groups,omitempty"`
	// Digest is set on a digest for administrators, and then nothing of Before and After.
	Digest *Counts `json:"digest,omitempty"`
	Tries  int     `json:"tries,omitempty"`
}

// Counts are the counts of a digest.
type Counts = mailtext.Counts

// entry is what the record knows of one user.
type entry struct {
	// told is the access that the user was told of, or that needed no telling.
	told *Access
	// ends is the instant up to which ends have been announced.
	ends time.Time
	// email and name are what a UserAccess said of the user, which may go before the last notice is sent. Empty: nothing.
	email, name string
	duties      []*duty

	// due is when what differs from told becomes a notice; zero: nothing does. It is not written down: what differs is
	// found again.
	due time.Time
}

func (e *entry) idle() bool { return e.told.isNone() && len(e.duties) == 0 && e.due.IsZero() }

// record is whom Usher has told what in one organization. It is used by one goroutine.
type record struct {
	organization string
	index        index
	shards       []map[string]*entry // by user
	// interned has every access that an entry or a duty names, by digest.
	interned map[string]*Access
	// dirty are the shards that have to be written, indexDirty says that the index has to be, and dirtyAt since when.
	dirty      map[int]struct{}
	indexDirty bool
	dirtyAt    time.Time
	// versions are the resourceVersions that are known, by name; none: it is not there.
	versions map[string]string
}

// index is what the record knows of the organization as a whole.
type index struct {
	Shards int       `json:"shards"`
	Since  time.Time `json:"since"`
	// Begun says that all shards have been written once.
	Begun bool `json:"begun"`
	// Asked has, by object (Kind/namespace/name), up to when asking was answered.
	Asked map[string]time.Time `json:"asked,omitempty"`
	// Mass is a change that may become a digest.
	Mass *mass `json:"mass,omitempty"`
}

// mass counts what became notices within a window.
type mass struct {
	Counts
	Due      time.Time `json:"due"`
	Channels []string  `json:"channels"`
}

func newRecord(organization string, shards int, now time.Time) *record {
	r := &record{
		organization: organization, index: index{Shards: shards, Since: now.UTC(), Asked: map[string]time.Time{}},
		interned: map[string]*Access{"": none}, dirty: map[int]struct{}{}, versions: map[string]string{},
	}
	r.split(shards)
	return r
}

// split distributes the users over so many shards.
func (r *record) split(shards int) {
	before := r.shards
	r.index.Shards, r.shards = shards, make([]map[string]*entry, shards)
	for i := range r.shards {
		r.shards[i] = map[string]*entry{}
	}
	for _, users := range before {
		for user, e := range users {
			r.shards[shardOf(user, shards)][user] = e
		}
	}
}

// shardOf is the shard of a user.
func shardOf(user string, shards int) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(user)) // it never fails
	return int(hash.Sum32() % uint32(shards))
}

// get returns what is known of the user, or nil.
func (r *record) get(user string) *entry { return r.shards[shardOf(user, r.index.Shards)][user] }

// at returns what is known of the user, which may be nothing yet.
func (r *record) at(user string) *entry {
	users := r.shards[shardOf(user, r.index.Shards)]
	if users[user] == nil {
		users[user] = &entry{told: none}
	}
	return users[user]
}

func (r *record) forget(user string) { delete(r.shards[shardOf(user, r.index.Shards)], user) }

// each calls yield for every user that is known, shard by shard and sorted within.
func (r *record) each(yield func(user string, e *entry)) {
	for _, users := range r.shards {
		for _, user := range slices.Sorted(maps.Keys(users)) {
			yield(user, users[user])
		}
	}
}

func (r *record) size() int {
	n := 0
	for _, users := range r.shards {
		n += len(users)
	}
	return n
}

// intern returns the one access that says the same.
func (r *record) intern(a *Access) *Access {
	d := a.digest()
	if known := r.interned[d]; known != nil {
		return known
	}
	a.key = d
	r.interned[d] = a
	return a
}

// touch notes that what is known of the user has to be written.
func (r *record) touch(user string, now time.Time) {
	if !r.isDirty() {
		r.dirtyAt = now
	}
	r.dirty[shardOf(user, r.index.Shards)] = struct{}{}
}

func (r *record) touchIndex(now time.Time) {
	if !r.isDirty() {
		r.dirtyAt = now
	}
	r.indexDirty = true
}

func (r *record) isDirty() bool { return r.indexDirty || len(r.dirty) > 0 }

// usersPerShard keeps a shard small: it is written after every few deliveries.
const usersPerShard = 128

// shardsFor is the number of shards for so many users: a power of two.
func shardsFor(users int) int {
	shards := 1
	for shards*usersPerShard < users && shards < 1024 {
		shards *= 2
	}
	return shards
}

// sweep forgets accesses that nobody names.
func (r *record) sweep() {
	named := map[string]struct{}{"": {}}
	r.each(func(_ string, e *entry) {
		named[e.told.digest()] = struct{}{}
		for _, d := range e.duties {
			named[d.Before], named[d.After] = struct{}{}, struct{}{}
		}
	})
	maps.DeleteFunc(r.interned, func(digest string, _ *Access) bool { _, used := named[digest]; return !used })
}
