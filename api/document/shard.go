package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// shard is a compiled application document. It is immutable.
type shard struct {
	organization string
	number       int
	count        int
	// over is true for a surplus shard, which is left over when the number of shards has decreased. It has no users.
	over  bool
	users map[string]*entry
}

// entry is the entry of a user in a shard.
type entry struct {
	role     *rung
	filters  Filters
	notAfter time.Time
}

// rung is a role of the ladder.
type rung struct {
	name string
	// height is the number of rungs below.
	height      int
	permissions map[string]struct{}
}

// compileShard returns a compiler of documents of one application.
func compileShard(application, organization string) func([]byte) (*shard, error) {
	return func(data []byte) (*shard, error) {
		documents, err := Parse(data)
		if err != nil {
			return nil, err
		}
		if len(documents.Applications) != 1 {
			return nil, wrong("kind", documents.kind(), KindApplication)
		}
		d := &documents.Applications[0]
		switch {
		case d.Application != application:
			return nil, wrong("application", d.Application, application)
		case organization != "" && d.Organization != organization:
			return nil, wrong("organization", d.Organization, organization)
		}
		return newShard(d), nil
	}
}

func newShard(d *Application) *shard {
	ladder := map[string]*rung{}
	for i, role := range d.Roles {
		r := &rung{name: role.Name, height: len(d.Roles) - 1 - i, permissions: map[string]struct{}{}}
		for _, permission := range role.Permissions {
			r.permissions[permission] = struct{}{}
		}
		ladder[role.Name] = r
	}
	s := &shard{
		organization: d.Organization, number: d.Shard, count: d.Shards, over: over(d),
		users: make(map[string]*entry, len(d.Users)),
	}
	entries := make([]entry, 0, len(d.Users))
	for user, u := range d.Users {
		entries = append(entries, entry{role: ladder[u.Role], filters: pick(d.Filters, u.Filters), notAfter: u.NotAfter})
		s.users[user] = &entries[len(entries)-1]
	}
	return s
}

// over reports whether a document is a surplus shard, which is left over when the number of shards has decreased. Such
// a shard has no roles or a number that is not below the count. Shard 0 always exists: if it has no roles, the
// application is being removed.
func over(d *Application) bool {
	return d.Shard > 0 && len(d.Users) == 0 && (len(d.Roles) == 0 || d.Shard >= d.Shards)
}

// covers reports whether users with this hash belong to the shard, or did before it became surplus.
func (s *shard) covers(hash uint32) bool { return int(hash&uint32(s.count-1)) == s.number }

// gives reports whether the shard that replaced this one does not hold all of its users any more, because some moved to
// a new shard or back to an old one.
func (s *shard) gives(to *shard) bool {
	return !s.over && (to.over || to.count > s.count && to.covers(uint32(s.number)))
}

// oneOrganization returns an error for each document if they are of different organizations.
func oneOrganization(candidates map[string]*shard) map[string]string {
	organizations := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(candidates)) {
		name := candidates[path].organization
		if _, ok := organizations[name]; !ok {
			organizations[name] = path
		}
	}
	if len(organizations) < 2 {
		return nil
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(organizations)) {
		found = append(found, fmt.Sprintf("%s (%s)", shorten(name), organizations[name]))
	}
	reasons := map[string]string{}
	for path := range candidates {
		reasons[path] = "documents of different organizations: " + strings.Join(found, ", ")
	}
	return reasons
}

// activeShard is a shard that is used for answers until an instant; zero means without end.
type activeShard struct {
	*shard
	until time.Time
}

func (s *activeShard) answers(now time.Time) bool { return !passed(s.until, now) }

// answers are the combined answers of all shards. They are immutable.
type answers struct {
	// byHash maps each residue of a user's hash to the shards of users with that residue. There is one shard, except
	// while the number of shards changes.
	byHash [][]activeShard
	// held are replaced shards for users who are in no current shard. The newest comes first.
	held  []activeShard
	until time.Time
	stats Stats
}

func newAnswers(shards, held []activeShard, until time.Time, stats Stats) *answers {
	a := &answers{until: until, stats: stats}
	size := 1
	for i := range shards {
		if !shards[i].over {
			size = max(size, shards[i].count)
		}
	}
	a.byHash = make([][]activeShard, size)
	for i := range shards {
		if shards[i].over {
			continue
		}
		for residue := shards[i].number; residue < size; residue += shards[i].count {
			a.byHash[residue] = append(a.byHash[residue], shards[i])
		}
	}
	a.held = slices.DeleteFunc(slices.Clone(held), func(s activeShard) bool { return a.covered(s.shard) })
	slices.SortStableFunc(a.held, func(s, t activeShard) int { return t.until.Compare(s.until) })
	return a
}

// covered reports whether all users of a held shard are in another shard now.
func (a *answers) covered(s *shard) bool {
	if s.count > len(a.byHash) {
		return len(a.byHash[s.number%len(a.byHash)]) > 0
	}
	for residue := s.number; residue < len(a.byHash); residue += s.count {
		if len(a.byHash[residue]) == 0 {
			return false
		}
	}
	return true
}

// missing lists the shards that should exist but do not, for the highest number of shards in the documents.
func (a *answers) missing() []int {
	var missing []int
	for residue := range a.byHash {
		if len(a.byHash[residue]) == 0 {
			missing = append(missing, residue)
		}
	}
	return missing
}

// find appends the entries of a user, one for each shard that the user belongs to. It returns none unless all of these
// shards have the user: if one has removed the user, the access is revoked, and a user who keeps access is in all of
// them.
func (a *answers) find(user string, now time.Time, to []*entry) []*entry {
	if passed(a.until, now) {
		return nil
	}
	h := hash(user)
	covering := a.byHash[h&uint32(len(a.byHash)-1)]
	lives := false
	for i := range covering {
		if !covering[i].answers(now) {
			continue
		}
		lives = true
		e, ok := covering[i].users[user]
		if !ok || passed(e.notAfter, now) {
			return nil
		}
		to = append(to, e)
	}
	if lives {
		return to
	}
	for i := range a.held {
		held := &a.held[i]
		if !held.covers(h) || !held.answers(now) {
			continue
		}
		if e, ok := held.users[user]; ok && !passed(e.notAfter, now) {
			return append(to, e)
		}
		return nil
	}
	return nil
}
