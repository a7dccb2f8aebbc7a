package publish

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// maximumLadderBytes bounds the parts of a document that do not depend on its users, in all keys together. The ladder
// is nearly all of them.
const maximumLadderBytes = 512 << 10

// layout is what all shards of an application document share: the texts that do not depend on users, and the way in
// which a user is written.
type layout struct {
	application string
	// before and after are the parts of access.json up to the list of filters, and from there to the number of the
	// shard.
	before, after string
	formats       []*format
	keys          []layoutKey // of the formats, sorted by name
	// ladder maps each role to its place on the ladder; the most permissive role is at 0.
	ladder map[string]int
	// tails caches texts that are the same for many users.
	tails map[userTail]string
	// withoutPermissions is true if the ladder is too large to be published with its permissions.
	withoutPermissions bool
}

// layoutKey is a key of a shard's data.
type layoutKey struct {
	*formatKey

	format   *format
	headText string
}

// userTail is the part of a user's entry other than the rows.
type userTail struct {
	role, source string
	notAfter     time.Time
}

func newLayout(
	organization, application string, roles []document.Role, names []accessv1alpha1.PublishFormat,
) *layout {
	l := &layout{
		application: application, formats: formatsNamed(names),
		ladder: make(map[string]int, len(roles)), tails: map[userTail]string{},
	}
	for _, f := range l.formats {
		for i := range f.keys {
			l.keys = append(l.keys, layoutKey{formatKey: &f.keys[i], format: f})
		}
	}
	slices.SortFunc(l.keys, func(a, b layoutKey) int { return strings.Compare(a.name, b.name) })
	for i := range roles {
		l.ladder[roles[i].Name] = i
	}
	l.before = `{"apiVersion":` + canonical(document.APIVersion) + `,"application":` + canonical(application) + `,`
	l.setRoles(organization, roles)
	if l.fixedBytes(MaximumShards-1, MaximumShards) > maximumLadderBytes {
		bare := make([]document.Role, len(roles))
		for i := range roles {
			bare[i] = document.Role{Name: roles[i].Name, Permissions: []string{}}
		}
		l.setRoles(organization, bare)
		l.withoutPermissions = true
	}
	return l
}

func (l *layout) setRoles(organization string, roles []document.Role) {
	l.after = `"kind":` + canonical(document.KindApplication) + `,"organization":` + canonical(organization) +
		`,"roles":` + canonical(roles) + `,"shard":`
	for i := range l.keys {
		if key := &l.keys[i]; key.head != nil {
			key.headText = key.head(l.application, roles)
		}
	}
}

// Texts of access.json around the list of filters and the users.
const (
	filtersOpen, filtersClose = `"filters":[`, `],`
	shardsName, usersOpen     = `,"shards":`, `,"users":{`
	usersClose                = `}}`
)

// copies returns the number of keys that hold the text of access.json.
func (l *layout) copies() int {
	count := 0
	for i := range l.keys {
		if l.keys[i].document {
			count++
		}
	}
	return count
}

// fixedBytes returns the size of a shard without users, in all keys together.
func (l *layout) fixedBytes(shard, shards int) int {
	access := len(l.before) + len(l.after) + len(strconv.Itoa(shard)) + len(shardsName) + len(strconv.Itoa(shards)) +
		len(usersOpen) + len(usersClose)
	size := access * l.copies()
	for i := range l.keys {
		size += len(l.keys[i].name) + len(l.keys[i].headText)
	}
	return size
}

// tail returns the JSON of a user's entry after the rows. Thousands of users have the same role from the same source,
// so the text is cached.
func (l *layout) tail(access *resolve.Access) string {
	key := userTail{access.Role, access.Source, access.NotAfter}
	text, known := l.tails[key]
	if !known {
		text = canonical(document.ApplicationUser{NotAfter: access.NotAfter, Role: access.Role, Source: access.Source})[1:]
		l.tails[key] = text
	}
	return text
}

// omits reports whether a format leaves the user out.
func (l *layout) omits(e *userEntry) bool {
	return slices.ContainsFunc(l.formats, func(f *format) bool { return f.omits != nil && f.omits(l, e) })
}

// isRole reports whether the user has the name of a role.
func (l *layout) isRole(user string) bool {
	_, named := l.ladder[user]
	return named
}

// texts are the texts of one shard. The buffers are reused for the next shard.
type texts struct {
	access bytes.Buffer
	lines  []lineBuffer // by place of the key in the layout
}

// reset empties the texts. The layout must be the same in every call.
func (t *texts) reset(l *layout) {
	t.access.Reset()
	if t.lines == nil {
		t.lines = make([]lineBuffer, len(l.keys))
	}
	for i := range t.lines {
		t.lines[i].Reset()
	}
}

// addLines writes the user's lines and returns their size.
func (l *layout) addLines(to *texts, e *userEntry) int {
	size := 0
	for i := range l.keys {
		key := &l.keys[i]
		if key.line == nil || (key.format.omits != nil && key.format.omits(l, e)) {
			continue
		}
		before := to.lines[i].Len()
		key.line(&to.lines[i], l, e)
		size += to.lines[i].Len() - before
	}
	return size
}

// write writes the texts of a shard. The entries are sorted. used holds the ranks of their filters, and places the
// place of each rank.
func (l *layout) write(to *texts, s *shard, list *filterList, used, places []int) {
	to.reset(l)
	for i := range l.keys {
		to.lines[i].WriteString(l.keys[i].headText)
	}
	access := &to.access
	access.Grow(len(l.before) + len(l.after) + s.entryBytes/l.copies()) // does not include the filters, which are usually small
	access.WriteString(l.before)
	for i, rank := range used {
		if i == 0 {
			access.WriteString(filtersOpen)
		} else {
			access.WriteByte(',')
		}
		access.WriteString(list.texts[rank])
	}
	if len(used) > 0 {
		access.WriteString(filtersClose)
	}
	access.WriteString(l.after)
	access.Write(strconv.AppendInt(access.AvailableBuffer(), int64(s.number), 10))
	access.WriteString(shardsName)
	access.Write(strconv.AppendInt(access.AvailableBuffer(), int64(s.count), 10))
	access.WriteString(usersOpen)
	for i, e := range s.entries {
		if i > 0 {
			access.WriteByte(',')
		}
		e.write(access, places)
		l.addLines(to, e)
	}
	access.WriteString(usersClose)
}

// text returns the text of the key at the place. It is valid until the next shard is written.
func (l *layout) text(from *texts, place int) []byte {
	if l.keys[place].document {
		return from.access.Bytes()
	}
	return from.lines[place].Bytes()
}

// data returns the texts as the data of a ConfigMap.
func (l *layout) data(from *texts) map[string]string {
	access := from.access.String()
	data := make(map[string]string, len(l.keys))
	for i := range l.keys {
		if l.keys[i].document {
			data[l.keys[i].name] = access // all copies share one string
			continue
		}
		data[l.keys[i].name] = string(l.text(from, i))
	}
	return data
}

// digest returns the [Digest] of the data.
func (l *layout) digest(from *texts) string {
	d := newDigester()
	for i := range l.keys {
		digestText(d, l.keys[i].name)
		digestText(d, l.text(from, i))
	}
	return d.sum()
}
