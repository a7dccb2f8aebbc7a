package publish

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/internal/resolve"
)

// userEntry is the entry of a user in an application document.
type userEntry struct {
	user    string
	hash    uint32
	key     string // the user in JSON; empty if it is the user between quotes
	access  *resolve.Access
	filters *filterSet // nil if the user sees every row
	tail    string     // the JSON after the rows
	lines   int        // bytes of the lines in other formats
	// withoutRows is true if the filters were replaced by one that matches no row, to make the shard fit.
	withoutRows bool
	// protected is true if the access comes from a protected grant of the user.
	protected bool
	rung      int
}

// limited reports whether filters or an end limit the access.
func (e *userEntry) limited() bool { return e.filters != nil || !e.access.NotAfter.IsZero() }

// rowBytes returns the size of the user's filters.
func (e *userEntry) rowBytes() int {
	if e.filters == nil {
		return 0
	}
	return e.filters.bytes
}

const placesOpen, placesClose = `"filters":[`, `],`

// write writes the user's entry of access.json.
func (e *userEntry) write(to *bytes.Buffer, places []int) {
	if e.key != "" {
		to.WriteString(e.key)
	} else {
		to.WriteByte('"')
		to.WriteString(e.user)
		to.WriteByte('"')
	}
	to.WriteString(`:{`)
	for i, rank := range e.filters.ranks() {
		if i == 0 {
			to.WriteString(placesOpen)
		} else {
			to.WriteByte(',')
		}
		to.Write(strconv.AppendInt(to.AvailableBuffer(), int64(places[rank]), 10))
	}
	if e.filters != nil {
		to.WriteString(placesClose)
	}
	to.WriteString(e.tail)
}

// bytes returns the size of the entry in all keys, including a comma in each copy of access.json.
func (e *userEntry) bytes(places []int, copies int) int {
	size := max(len(e.key), len(e.user)+2) + len(`:{`) + len(e.tail) + len(`,`)
	if ranks := e.filters.ranks(); len(ranks) > 0 {
		size += len(placesOpen) + len(placesClose) + len(ranks) - 1
		for _, rank := range ranks {
			size += digits(places[rank])
		}
	}
	return size*copies + e.lines
}

func digits(n int) int {
	count := 1
	for ; n > 9; n /= 10 {
		count++
	}
	return count
}

// entriesAtOnce is the number of entries that are allocated together.
const entriesAtOnce = 256

// entries returns the entries of the users in the shards who have access, in the order of the decisions.
func (l *layout) entries(in *Input, list *filterList, shards ShardSet) []*userEntry {
	var entries []*userEntry
	var room []userEntry
	var scratch texts
	rules := in.Organization.Rules()
	for user, d := range in.Decisions {
		hash := hashOf(user)
		if shards>>(hash%MaximumShards)&1 == 0 {
			continue
		}
		access := d.Application(l.application)
		if !access.GivesAccess() {
			continue
		}
		if len(room) == cap(room) {
			room = make([]userEntry, 0, entriesAtOnce)
		}
		room = append(room, userEntry{
			user: user, hash: hash, access: access, filters: list.add(access.Filters), tail: l.tail(access),
			rung: l.ladder[access.Role], protected: isProtected(rules, access),
		})
		e := &room[len(room)-1]
		if !plain(user) {
			e.key = canonical(user)
		}
		scratch.reset(l)
		e.lines = l.addLines(&scratch, e)
		entries = append(entries, e)
	}
	return entries
}

// hashOf returns the 32-bit FNV-1a hash of the user, which determines the user's shard. Package hash/fnv would allocate
// for every user.
func hashOf(user string) uint32 {
	const offset, prime = 2166136261, 16777619
	hash := uint32(offset)
	for i := range len(user) {
		hash = (hash ^ uint32(user[i])) * prime
	}
	return hash
}

// isProtected reports whether an access comes from a protected grant (docs/rules.md R3), as far as a decision shows:
// either its rule says so, or its role is the highest and its source is a UserAccess whose namespace protects
// administrators.
func isProtected(rules *resolve.Rules, access *resolve.Access) bool {
	if access.Rule == resolve.RuleProtectedAdministrator {
		return true
	}
	source, individual := strings.CutPrefix(access.Source, "UserAccess/")
	if !individual || len(rules.ApplicationRoles) == 0 || access.Role != rules.ApplicationRoles[0].Name {
		return false
	}
	if namespace, _, _ := strings.Cut(source, "/"); namespace != rules.Organization {
		return rules.SystemProtected
	}
	return rules.Protected
}
