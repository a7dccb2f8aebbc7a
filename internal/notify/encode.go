package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// version is the version of the encoding. A record of another version counts as lost.
const version = 1

type encodedIndex struct {
	Version int `json:"version"`
	index
}

type encodedShard struct {
	Version int                     `json:"version"`
	Access  map[string]*Access      `json:"access,omitempty"`
	Users   map[string]encodedEntry `json:"users,omitempty"`
}

type encodedEntry struct {
	Told   string    `json:"told,omitempty"`
	Ends   time.Time `json:"ends,omitzero"`
	Email  string    `json:"email,omitempty"`
	Name   string    `json:"name,omitempty"`
	Duties []*duty   `json:"due,omitempty"`
}

// encode returns a part of the record: a shard or the index.
func (r *record) encode(part int) ([]byte, error) {
	if part == indexPart {
		return json.Marshal(encodedIndex{version, r.index})
	}
	e := encodedShard{Version: version, Access: map[string]*Access{}, Users: map[string]encodedEntry{}}
	for user, known := range r.shards[part] {
		if known.told.isNone() && len(known.duties) == 0 {
			continue
		}
		e.Users[user] = encodedEntry{known.told.digest(), known.ends, known.email, known.name, known.duties}
		for _, digest := range known.digests() {
			if digest != "" {
				e.Access[digest] = r.interned[digest]
			}
		}
	}
	return json.Marshal(e)
}

func decodeIndex(text []byte) (index, error) {
	var e encodedIndex
	if err := decode(text, &e, &e.Version); err != nil {
		return index{}, err
	}
	if n := e.Shards; n < 1 || n > 1<<16 || n&(n-1) != 0 {
		return index{}, fmt.Errorf("%d shards: not a power of two", n)
	}
	if e.Asked == nil {
		e.Asked = map[string]time.Time{}
	}
	if e.Reviews == nil {
		e.Reviews = map[string]review{}
	}
	return e.index, nil
}

// decodeShard reads a shard. It skips users of other shards: they were moved there while the record grew.
func (r *record) decodeShard(shard int, text []byte) error {
	var e encodedShard
	if err := decode(text, &e, &e.Version); err != nil {
		return err
	}
	access := map[string]*Access{"": none}
	for digest, a := range e.Access {
		if a == nil {
			return fmt.Errorf("access %q is empty", digest)
		}
		access[digest] = r.intern(a)
	}
	users := make(map[string]*entry, len(e.Users))
	for user, known := range e.Users {
		if shardOf(user, r.index.Shards) != shard {
			continue
		}
		users[user] = &entry{told: access[known.Told], ends: known.Ends, email: known.Email, name: known.Name, duties: known.Duties}
		if users[user].told == nil {
			return fmt.Errorf("user %q: access %q is missing", user, known.Told)
		}
		for _, d := range known.Duties {
			if d == nil || access[d.Before] == nil || access[d.After] == nil {
				return fmt.Errorf("user %q: the access of a notice is missing", user)
			}
			d.Before, d.After = access[d.Before].digest(), access[d.After].digest()
		}
	}
	r.shards[shard] = users
	return nil
}

// decode decodes JSON without unknown fields, and checks its version.
func decode(text []byte, into any, found *int) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if *found != version {
		return fmt.Errorf("version %d is not supported, only %d", *found, version)
	}
	return nil
}
