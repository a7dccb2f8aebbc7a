package notify

import (
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/mailtext"
)

// duty is a notice that has to be delivered through one channel. It is in the record from before the first attempt until
// it is delivered, refused or given up.
type duty struct {
	// ID stays the same in all attempts, so that a receiver can detect a repetition.
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Before and After are digests of accesses of the record.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// EndsAfter and EndsUntil bound the ends that the notice announces; zero: it announces none.
	EndsAfter time.Time `json:"endsAfter,omitzero"`
	EndsUntil time.Time `json:"endsUntil,omitzero"`
	// Asked is set if somebody asked for the notice. It then tells the whole access and not the changes.
	Asked bool `json:"asked,omitempty"`
	// Groups are the groups on whose behalf it is sent, as namespace/name, sorted.
	Groups []string `json:"groups,omitempty"`
	// Digest is set on a digest for administrators, which has neither Before nor After.
	Digest *mailtext.Counts `json:"digest,omitempty"`
	// Reviews is the number of reviews in a notice to administrators, which has neither Before nor After. Groups are the
	// first of the groups to review.
	Reviews int        `json:"reviews,omitempty"`
	Tries   int        `json:"tries,omitempty"`
	Channel ChannelKey `json:"channel"`
}

// entry is the part of the record about one user.
type entry struct {
	// told is the access that the user knows about.
	told *Access
	// ends is the instant up to which ends have been announced.
	ends time.Time
	// email and name are from the UserAccess of the user, which may be deleted before the last notice is sent.
	email, name string
	duties      []*duty
}

// digests lists the digests of all accesses of the entry.
func (e *entry) digests() []string {
	digests := []string{e.told.digest()}
	for _, d := range e.duties {
		digests = append(digests, d.Before, d.After)
	}
	return digests
}

// record is what the users of an organization were told. It is not safe for concurrent use.
type record struct {
	organization string
	index        index
	shards       []map[string]*entry // by user
	// interned has the accesses of entries and duties, by digest. Users with the same access share it.
	interned map[string]*Access
	retained int // accesses that were left when the unused ones were last removed
	// dirty are the parts to write: shards, and indexPart. writeAt is when to write them; zero: there is nothing to write.
	dirty   map[int]struct{}
	writeAt time.Time
	// versions are the resourceVersions of the existing ConfigMaps, by name.
	versions map[string]string
}

// indexPart stands for the index among the parts of a record. The index is written after the shards.
const indexPart = 1 << 20

// index is the part of the record about the organization as a whole.
type index struct {
	Shards int       `json:"shards"`
	Since  time.Time `json:"since"`
	// Begun is set when all shards have been written once.
	Begun bool `json:"begun"`
	// Asked is the instant of the last request that was answered, by object (Kind/namespace/name).
	Asked map[string]time.Time `json:"asked,omitempty"`
	// Reviews is what administrators were told about reviews, by name of the group.
	Reviews map[string]review `json:"reviews,omitempty"`
	// Mass counts the users with changes in the current window.
	Mass *mass `json:"mass,omitempty"`
}

// mass is a change of many users that may become a digest.
type mass struct {
	mailtext.Counts
	Due      time.Time    `json:"due"`
	Channels []ChannelKey `json:"channels"`
}

func newRecord(organization string, shards int, now time.Time) *record {
	r := &record{
		organization: organization, index: index{Shards: shards, Since: now.UTC(), Asked: map[string]time.Time{}, Reviews: map[string]review{}},
		interned: map[string]*Access{"": none}, dirty: map[int]struct{}{}, versions: map[string]string{},
	}
	r.split(shards)
	return r
}

// split distributes the users over a number of shards.
func (r *record) split(shards int) {
	old := r.shards
	r.index.Shards, r.shards = shards, make([]map[string]*entry, shards)
	for i := range r.shards {
		r.shards[i] = map[string]*entry{}
	}
	for _, users := range old {
		for user, e := range users {
			r.shardFor(user)[user] = e
		}
	}
}

// shardOf returns the number of the shard of a user.
func shardOf(user string, shards int) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(user)) // it never fails
	return int(hash.Sum32() % uint32(shards))
}

func (r *record) shardFor(user string) map[string]*entry {
	return r.shards[shardOf(user, r.index.Shards)]
}

// get returns the entry of the user, or nil.
func (r *record) get(user string) *entry { return r.shardFor(user)[user] }

// at returns the entry of the user. It adds an empty one if there is none.
func (r *record) at(user string) *entry {
	users := r.shardFor(user)
	if users[user] == nil {
		users[user] = &entry{told: none}
	}
	return users[user]
}

// each calls yield for every entry, by shard and user.
func (r *record) each(yield func(user string, e *entry)) {
	for _, users := range r.shards {
		for _, user := range slices.Sorted(maps.Keys(users)) {
			yield(user, users[user])
		}
	}
}

func (r *record) size() int {
	size := 0
	for _, users := range r.shards {
		size += len(users)
	}
	return size
}

// intern returns the shared copy of an access.
func (r *record) intern(a *Access) *Access {
	digest := a.digest()
	if known := r.interned[digest]; known != nil {
		return known
	}
	a.key = digest
	r.interned[digest] = a
	return a
}

// forgetUnused removes interned accesses that are not used any more, once there are many.
func (r *record) forgetUnused() {
	const few = 64
	if len(r.interned) <= few+2*r.retained {
		return
	}
	used := map[string]bool{"": true}
	r.each(func(_ string, e *entry) {
		for _, digest := range e.digests() {
			used[digest] = true
		}
	})
	maps.DeleteFunc(r.interned, func(digest string, _ *Access) bool { return !used[digest] })
	r.retained = len(r.interned)
}

// writeDelay is how long changes are collected that no notice waits for.
const writeDelay = time.Second

// touch marks the entry of a user as changed.
func (r *record) touch(user string, now time.Time) { r.touchPart(shardOf(user, r.index.Shards), now) }

// touchPart marks a shard or the index as changed.
func (r *record) touchPart(part int, now time.Time) {
	r.dirty[part] = struct{}{}
	if r.writeAt.IsZero() {
		r.writeAt = now.Add(writeDelay)
	}
}

// usersPerShard keeps shards small: a shard is written after every few deliveries.
const usersPerShard = 128

// shardsFor returns the number of shards for a number of users: a power of two.
func shardsFor(users int) int {
	shards := 1
	for shards*usersPerShard < users && shards < 1024 {
		shards *= 2
	}
	return shards
}
