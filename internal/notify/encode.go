package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// version is that of the encoding. A record of another one counts as lost.
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
	Told   string        `json:"told,omitempty"`
	Ends   time.Time     `json:"ends,omitzero"`
	Email  string        `json:"email,omitempty"`
	Name   string        `json:"name,omitempty"`
	Duties []encodedDuty `json:"due,omitempty"`
}

type encodedDuty struct {
	duty
	Channel string `json:"channel"`
}

func (r *record) encodeIndex() ([]byte, error) {
	return json.Marshal(encodedIndex{version, r.index})
}

func decodeIndex(text []byte) (index, error) {
	var e encodedIndex
	if err := strictly(text, &e); err != nil {
		return index{}, err
	}
	if e.Version != version {
		return index{}, fmt.Errorf("version %d is not known, only %d", e.Version, version)
	}
	if n := e.Shards; n < 1 || n > 1<<16 || n&(n-1) != 0 {
		return index{}, fmt.Errorf("%d shards: not a power of two", n)
	}
	if e.Asked == nil {
		e.Asked = map[string]time.Time{}
	}
	return e.index, nil
}

func (r *record) encodeShard(shard int) ([]byte, error) {
	e := encodedShard{Version: version, Access: map[string]*Access{}, Users: map[string]encodedEntry{}}
	note := func(digest string) {
		if digest != "" {
			e.Access[digest] = r.interned[digest]
		}
	}
	for user, known := range r.shards[shard] {
		made := encodedEntry{Told: known.told.digest(), Ends: known.ends, Email: known.email, Name: known.name}
		note(made.Told)
		for _, d := range known.duties {
			note(d.Before)
			note(d.After)
			made.Duties = append(made.Duties, encodedDuty{*d, d.Channel.String()})
		}
		if made.Told != "" || len(made.Duties) > 0 {
			e.Users[user] = made
		}
	}
	return json.Marshal(e)
}

// decodeShard takes a shard in. Users that belong into another one were moved there before this one was written anew.
func (r *record) decodeShard(shard int, text []byte) error {
	var e encodedShard
	if err := strictly(text, &e); err != nil {
		return err
	}
	if e.Version != version {
		return fmt.Errorf("version %d is not known, only %d", e.Version, version)
	}
	access := map[string]*Access{"": none}
	for _, digest := range slices.Sorted(maps.Keys(e.Access)) {
		if e.Access[digest] == nil {
			return fmt.Errorf("access %q says nothing", digest)
		}
		access[digest] = r.intern(e.Access[digest])
	}
	users := make(map[string]*entry, len(e.Users))
	for user, known := range e.Users {
		if shardOf(user, r.index.Shards) != shard {
			continue
		}
		made := &entry{told: access[known.Told], ends: known.Ends, email: known.Email, name: known.Name}
		if made.told == nil {
			return fmt.Errorf("user %q: there is no access %q", user, known.Told)
		}
		for i := range known.Duties {
			d := known.Duties[i].duty
			channel, ok := parseChannelKey(known.Duties[i].Channel)
			if !ok || access[d.Before] == nil || access[d.After] == nil {
				return fmt.Errorf("user %q: a notice for channel %q of what is not there", user, known.Duties[i].Channel)
			}
			d.Channel = channel
			d.Before, d.After = access[d.Before].digest(), access[d.After].digest()
			made.duties = append(made.duties, &d)
		}
		users[user] = made
	}
	r.shards[shard] = users
	return nil
}

func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
