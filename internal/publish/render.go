package publish

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// MaximumShardBytes is how large the data of one ConfigMap of an application document may be, all keys together,
// before the document is split.
const MaximumShardBytes = 256 << 10

// growsPercent is how full the largest shard is when its document counts as growing.
const growsPercent = 80

// maximumShards is where splitting ends: a quarter of a gigabyte in one document.
const maximumShards = 1024

// ApplicationDocument is an application document ready to be written.
type ApplicationDocument struct {
	// Shards has the data of each ConfigMap by key, shard 0 first.
	Shards []map[string]string
	// Users is how many users have access; UsersByRole how many hold each role of the ladder.
	Users       int
	UsersByRole map[string]int
	// Omitted is how many of the users a format leaves out.
	Omitted int
	// Bytes is the size of the largest shard, all keys together.
	Bytes int
}

// Grows says whether the document has come near to being split further, so that who mounts it should mount more.
func (d *ApplicationDocument) Grows() bool {
	return len(d.Shards) < maximumShards && d.Bytes > MaximumShardBytes/100*growsPercent
}

// Application renders the document of one application. The decisions are those of every user of the organization;
// their order does not matter. It has at least minimumShards shards, a power of two, and in each of them the formats
// beside JSON. The cost grows with the users.
func Application(
	o *resolve.Organization, application string, minimumShards int,
	decisions func(yield func(user string, d *resolve.Decision)), formats ...accessv1alpha1.PublishFormat,
) ApplicationDocument {
	made := ApplicationDocument{UsersByRole: map[string]int{}}
	l := newLayout(o.Rules().Organization, application, applicationRoles(o), formats)
	var entries []userEntry
	decisions(func(user string, d *resolve.Decision) {
		access := d.Application(application)
		if !access.GivesAccess() {
			return
		}
		made.UsersByRole[access.Role]++
		entry, omitted := l.newUserEntry(user, access)
		if omitted {
			made.Omitted++
		}
		entries = append(entries, entry)
	})
	made.Users = len(entries)
	slices.SortFunc(entries, func(a, b userEntry) int { return strings.Compare(a.user, b.user) })
	for shards := fewestShards(entries, minimumShards); ; shards *= 2 {
		var fits bool
		made.Shards, made.Bytes, fits = l.split(entries, shards)
		if fits || shards >= maximumShards {
			return made
		}
	}
}

// EmptyApplication renders shard n of a document that ends: nobody is in it, and no role means anything any more.
func EmptyApplication(
	organization, application string, shard int, formats ...accessv1alpha1.PublishFormat,
) map[string]string {
	return newLayout(organization, application, []document.Role{}, formats).data(nil, shard, shard+1)
}

func applicationRoles(o *resolve.Organization) []document.Role {
	ladder := o.Rules().ApplicationRoles
	roles := make([]document.Role, len(ladder))
	for i := range ladder {
		roles[i] = document.Role{Name: ladder[i].Name, Permissions: o.Permissions(ladder[i].Name)}
	}
	return roles
}

// userEntry is a user with the text of what the document says of them.
type userEntry struct {
	user string
	hash uint32
	key  string // the user as JSON has it; empty: the user between quotes
	said string // {...}
	line *line  // nil where no format has lines
}

func (l *layout) newUserEntry(user string, access *resolve.Access) (_ userEntry, omitted bool) {
	h := fnv.New32a()
	h.Write([]byte(user))
	e := userEntry{user: user, hash: h.Sum32(), said: l.said(access)}
	if !plain(user) {
		e.key = canonical(user)
	}
	if l.hasLines {
		e.line, omitted = l.line(user, access)
	}
	return e, omitted
}

// size is at least what the entry takes in the document.
func (e *userEntry) size() int { return max(len(e.key), len(e.user)+2) + len(e.said) + 2 }

// write adds the entry to the document.
func (e *userEntry) write(b *strings.Builder) {
	if e.key != "" {
		b.WriteString(e.key)
	} else {
		b.WriteByte('"')
		b.WriteString(e.user)
		b.WriteByte('"')
	}
	b.WriteByte(':')
	b.WriteString(e.said)
}

// grant is what a document says of a user whom no rows and no end limit.
type grant struct{ role, source string }

// said is the text of what the document says of a user. Thousands have the same role from the same source, so that is
// encoded once.
func (l *layout) said(access *resolve.Access) string {
	unlimited := access.Filters == nil && access.NotAfter.IsZero()
	key := grant{access.Role, access.Source}
	if text, known := l.grants[key]; known && unlimited {
		return text
	}
	text := canonical(document.ApplicationUser{
		Filters: filters(access.Filters), NotAfter: access.NotAfter, Role: access.Role, Source: access.Source,
	})
	if unlimited {
		l.grants[key] = text
	}
	return text
}

// fewestShards is a power of two times the minimum with fewer than which some shard of several users would be too large,
// whoever is in it: so many need not be tried.
func fewestShards(entries []userEntry, minimum int) int {
	size := 0
	for i := range entries {
		size += min(entries[i].size()-1, MaximumShardBytes) // the last one has no comma
	}
	shards := max(minimum, 1)
	for shards < maximumShards && size > shards*MaximumShardBytes {
		shards *= 2
	}
	return shards
}

// split renders the entries in that many shards. It says how large the largest is, and whether all are within the
// bound.
func (l *layout) split(entries []userEntry, shards int) (made []map[string]string, largest int, fits bool) {
	split := make([][]userEntry, shards)
	for n := range split {
		split[n] = make([]userEntry, 0, len(entries)/shards+len(entries)/shards/8+8)
	}
	for i := range entries {
		n := int(entries[i].hash % uint32(shards))
		split[n] = append(split[n], entries[i])
	}
	fits = true
	for n := range split {
		data := l.data(split[n], n, shards)
		made = append(made, data)
		size := dataBytes(data)
		largest = max(largest, size)
		// A user alone in a shard cannot be split any further.
		fits = fits && (len(split[n]) == 1 || size <= MaximumShardBytes)
	}
	return made, largest, fits
}

// dataBytes is the size of a ConfigMap's data, all keys together.
func dataBytes(data map[string]string) int {
	size := 0
	for key, text := range data {
		size += len(key) + len(text)
	}
	return size
}

// text puts the entries, which are sorted, into the document around them.
func (l *layout) text(entries []userEntry, shard, shards int) string {
	around := canonical(document.Application{
		APIVersion: document.APIVersion, Application: l.application, Kind: document.KindApplication,
		Organization: l.organization, Roles: l.roles, Shard: shard, Shards: shards,
		Users: map[string]document.ApplicationUser{},
	})
	var b strings.Builder
	size := len(around)
	for i := range entries {
		size += entries[i].size()
	}
	b.Grow(size)
	b.WriteString(strings.TrimSuffix(around, "}}")) // users is the last key
	for i := range entries {
		if i > 0 {
			b.WriteByte(',')
		}
		entries[i].write(&b)
	}
	b.WriteString("}}")
	return b.String()
}

// Entry is what a user document says of one application.
type Entry struct {
	Application string
	Access      *resolve.Access
}

// Entries lists what a user document says of the applications named in the organization, which are sorted: one in which
// the user's role and the default role are both NoAccess is left out.
func Entries(d *resolve.Decision, applications []string) []Entry {
	var entries []Entry
	for name, access := range d.Each(applications) {
		if access.GivesAccess() || d.Default.GivesAccess() {
			entries = append(entries, Entry{name, access})
		}
	}
	return entries
}

// User makes the user document. The applications are those named in the organization, sorted.
func User(o *resolve.Organization, user string, d *resolve.Decision, applications []string) document.User {
	made := EmptyUser(o.Rules().Organization, user)
	made.DefaultRole, made.OrganizationRole = d.Default.Role, d.OrganizationRole.Role
	made.NotAfter = earlier(d.OrganizationRole.NotAfter, d.Default.NotAfter)
	if d.Default.GivesAccess() {
		made.DefaultFilters = filters(d.Default.Filters)
	}
	entries := Entries(d, applications)
	made.Applications = make(map[string]document.UserApplication, len(entries))
	for _, e := range entries {
		if !e.Access.GivesAccess() {
			made.Applications[e.Application] = document.UserApplication{Role: document.NoAccess}
			continue
		}
		made.Applications[e.Application] = document.UserApplication{
			Filters: filters(e.Access.Filters), NotAfter: e.Access.NotAfter,
			Permissions: o.Permissions(e.Access.Role), Role: e.Access.Role, Source: e.Access.Source,
		}
	}
	return made
}

// EmptyUser makes the document of a user who may do nothing.
func EmptyUser(organization, user string) document.User {
	return document.User{
		APIVersion: document.APIVersion, Kind: document.KindUser, Organization: organization, User: user,
		OrganizationRole: document.NoAccess, DefaultRole: document.NoAccess,
		Applications: map[string]document.UserApplication{},
	}
}

// UserData is the data of a user document's ConfigMap.
func UserData(d document.User) map[string]string {
	return map[string]string{document.AccessKey: canonical(d)}
}

// OrganizationsData is the data of an organizations document's ConfigMap. The organizations must be sorted by name.
func OrganizationsData(user string, organizations []document.Organization) map[string]string {
	if organizations == nil {
		organizations = []document.Organization{}
	}
	return map[string]string{document.OrganizationsKey: canonical(document.Organizations{
		APIVersion: document.APIVersion, Kind: document.KindOrganizations, Organizations: organizations, User: user,
	})}
}

func earlier[T interface {
	IsZero() bool
	Before(T) bool
}](a, b T) T {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// filters keeps the canonical order that package resolve gives.
func filters(from []resolve.Filter) []document.Filter {
	if from == nil {
		return nil
	}
	made := make([]document.Filter, len(from))
	for i := range from {
		made[i].AnyOf = make([]document.Alternative, len(from[i].AnyOf))
		for j := range from[i].AnyOf {
			allOf := from[i].AnyOf[j].AllOf
			made[i].AnyOf[j].AllOf = make([]document.Requirement, len(allOf))
			for k := range allOf {
				made[i].AnyOf[j].AllOf[k] = document.Requirement(allOf[k])
			}
		}
	}
	return made
}

// plain says whether JSON takes nothing but quotes around the string.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// canonical gives one line of JSON without escapes but the necessary ones. Types of package document have their fields
// in the order of their keys, and maps are encoded in it.
func canonical(v any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		// Documents consist of strings, numbers and instants of four-digit years: they always encode.
		panic("publish: " + strconv.Quote(err.Error()))
	}
	return strings.TrimSuffix(text.String(), "\n")
}
