package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// shard is an application document as it answers. It does not change.
type shard struct {
	organization string
	number       int
	count        int
	// over: what is left of a shard when there are fewer. Nobody lives in it.
	over  bool
	users map[string]*entry
}

// entry is what a shard says of a user.
type entry struct {
	role     *rung
	filters  Filters
	notAfter time.Time
}

// rung is a role of the ladder.
type rung struct {
	name string
	// height is how many rungs are below.
	height      int
	permissions map[string]struct{}
}

// compileShard gives the compiler of documents about one application.
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

// over says that a document is what is left of a shard when there are fewer. It has no roles, so it says nothing of
// anybody, or a number that is not below the count. Shard 0 is always there: when it has no roles, the application ends.
func over(d *Application) bool {
	return d.Shard > 0 && len(d.Users) == 0 && (len(d.Roles) == 0 || d.Shard >= d.Shards)
}

// covers says whether the users of that hash live in the shard, or have when it was not over.
func (s *shard) covers(hash uint32) bool { return int(hash&uint32(s.count-1)) == s.number }

// gives says that of the users of that shard the other one, which was put in its place, no longer speaks for all: they
// live in a shard that there was not before, or that has taken them back.
func (s *shard) gives(to *shard) bool {
	return !s.over && (to.over || to.count > s.count && to.covers(uint32(s.number)))
}

// oneOrganization finds documents of different organizations.
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
	var of []string
	for _, name := range slices.Sorted(maps.Keys(organizations)) {
		of = append(of, fmt.Sprintf("%s (%s)", shorten(name), organizations[name]))
	}
	reasons := map[string]string{}
	for path := range candidates {
		reasons[path] = "documents of different organizations: " + strings.Join(of, ", ")
	}
	return reasons
}

// standing is a shard and until when it answers; zero: without end.
type standing struct {
	*shard
	until time.Time
}

func (s *standing) answers(now time.Time) bool { return !passed(s.until, now) }

// answers are those of the shards together. They do not change.
type answers struct {
	// byHash has for each residue of a user's hash the shards that users of that residue live in: one, but while the
	// count changes.
	byHash [][]standing
	// held are shards that others have replaced, for users who live in no shard now. The newest comes first.
	held  []standing
	until time.Time
	stats Stats
}

func newAnswers(shards, held []standing, until time.Time, stats Stats) *answers {
	a := &answers{until: until, stats: stats}
	size := 1
	for i := range shards {
		if !shards[i].over {
			size = max(size, shards[i].count)
		}
	}
	a.byHash = make([][]standing, size)
	for i := range shards {
		if shards[i].over {
			continue
		}
		for residue := shards[i].number; residue < size; residue += shards[i].count {
			a.byHash[residue] = append(a.byHash[residue], shards[i])
		}
	}
	a.held = slices.DeleteFunc(slices.Clone(held), func(s standing) bool { return a.covered(s.shard) })
	slices.SortStableFunc(a.held, func(s, t standing) int { return t.until.Compare(s.until) })
	return a
}

// covered says that all users of the shard, which is held, live in another one now.
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

// missing lists shards that should be there, of the highest count that there is.
func (a *answers) missing() []int {
	var missing []int
	for residue := range a.byHash {
		if len(a.byHash[residue]) == 0 {
			missing = append(missing, residue)
		}
	}
	return missing
}

// find appends the entries of a user, one for each shard that the user lives in. It gives none unless all of them have
// the user: what one of them has taken away is gone, and who keeps access is in all of them.
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
