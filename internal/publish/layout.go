package publish

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strconv"
	"time"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// maximumLadderBytes is how large the texts of a document may be that do not depend on its users, all keys together.
// The ladder makes nearly all of them.
const maximumLadderBytes = 512 << 10

// layout is what all shards of an application document share: the texts that do not depend on the users, and the rules
// by which a user is written.
type layout struct {
	application string
	// before, after: access.json as far as the list of filters, and from there to the number of the shard.
	before, after         string
	rolesCSV, casbinRoles string

	hasCSV, hasCasbin, hasOPA bool
	// ladder has the place of each role on the ladder, the most permissive first.
	ladder map[string]int
	// tails has texts that are the same for many users.
	tails map[grant]string
	// withoutPermissions reports that the ladder is too large to be published with its permissions.
	withoutPermissions bool
}

// grant is what a document says of a user beside the rows.
type grant struct {
	role, source string
	notAfter     time.Time
}

func newLayout(
	organization, application string, roles []document.Role, formats []accessv1alpha1.PublishFormat,
) *layout {
	l := &layout{
		application: application, ladder: make(map[string]int, len(roles)), tails: map[grant]string{},
		hasCSV:    slices.Contains(formats, accessv1alpha1.PublishFormatCSV),
		hasCasbin: slices.Contains(formats, accessv1alpha1.PublishFormatCasbin),
		hasOPA:    slices.Contains(formats, accessv1alpha1.PublishFormatOPA),
	}
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
	if l.hasCSV {
		l.rolesCSV = rolesCSV(roles)
	}
	if l.hasCasbin {
		l.casbinRoles = casbinRoles(l.application, roles)
	}
}

// Texts of access.json around the list of filters and the users.
const (
	filtersOpen, filtersClose = `"filters":[`, `],`
	shardsName, usersOpen     = `,"shards":`, `,"users":{`
	usersClose                = `}}`
)

// copies is how many keys have the text of access.json.
func (l *layout) copies() int {
	if l.hasOPA {
		return 2
	}
	return 1
}

// fixedBytes is the size of a shard without users, all keys together.
func (l *layout) fixedBytes(shard, shards int) int {
	size := len(l.before) + len(l.after) + len(strconv.Itoa(shard)) + len(shardsName) + len(strconv.Itoa(shards)) +
		len(usersOpen) + len(usersClose)
	size = size*l.copies() + len(l.rolesCSV) + len(l.casbinRoles)
	for _, key := range l.keys() {
		size += len(key)
	}
	return size
}

// keys lists the keys of a shard's data, sorted.
func (l *layout) keys() []string {
	keys := []string{document.AccessKey}
	if l.hasCSV {
		keys = append(keys, UsersCSVKey, RolesCSVKey)
	}
	if l.hasCasbin {
		keys = append(keys, CasbinKey)
	}
	if l.hasOPA {
		keys = append(keys, OPAKey)
	}
	slices.Sort(keys)
	return keys
}

// tail is the text of what a document says of a user behind the rows. Thousands have the same role from the same source,
// so it is encoded once.
func (l *layout) tail(access *resolve.Access) string {
	key := grant{access.Role, access.Source, access.NotAfter}
	text, known := l.tails[key]
	if !known {
		text = canonical(document.ApplicationUser{NotAfter: access.NotAfter, Role: access.Role, Source: access.Source})[1:]
		l.tails[key] = text
	}
	return text
}

// lines writes the user for the formats that list users by lines. They know neither rows nor expiry: a user who has
// either would be given more, or for longer, and is left out.
func (l *layout) lines(e *userEntry, users *csv.Writer, casbin *bytes.Buffer) {
	if l.hasCSV && !e.limited() {
		// The buffer below the writer takes everything, and the comma is a legal one: there is no error to come.
		_ = users.Write([]string{e.user, e.access.Role})
		users.Flush()
	}
	if l.hasCasbin && !e.limited() && !l.isRole(e.user) {
		casbin.WriteString("g, " + e.user + ", " + e.access.Role + ", " + l.application + "\n")
	}
}

// omits reports whether one of the formats that list users by lines leaves the user out.
func (l *layout) omits(e *userEntry) bool {
	return (l.hasCSV || l.hasCasbin) && e.limited() || l.hasCasbin && l.isRole(e.user)
}

// isRole reports whether a user is named like a role. To Casbin users and roles are names of one kind: whoever holds the
// role would inherit the roles of that user too.
func (l *layout) isRole(user string) bool {
	_, named := l.ladder[user]
	return named
}

// texts are the texts of one shard. They are buffers, which are used again for the next shard.
type texts struct {
	access, users, casbin bytes.Buffer
}

// write makes the texts of a shard. The entries are sorted; used has the ranks of their filters, places the place of
// each.
func (l *layout) write(to *texts, s *shard, list *filterList, used, places []int) {
	to.access.Reset()
	to.users.Reset()
	to.casbin.Reset()
	access := &to.access
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
	to.casbin.WriteString(l.casbinRoles)
	users := csv.NewWriter(&to.users)
	for i, e := range s.entries {
		if i > 0 {
			access.WriteByte(',')
		}
		e.write(access, places)
		l.lines(e, users, &to.casbin)
	}
	access.WriteString(usersClose)
}

// text returns the text of a key. It is valid until the next shard is written.
func (l *layout) text(from *texts, key string) []byte {
	switch key {
	case UsersCSVKey:
		return from.users.Bytes()
	case RolesCSVKey:
		return []byte(l.rolesCSV)
	case CasbinKey:
		return from.casbin.Bytes()
	default:
		return from.access.Bytes()
	}
}

// data returns the texts as the data of a ConfigMap.
func (l *layout) data(from *texts) map[string]string {
	access := from.access.String()
	data := map[string]string{document.AccessKey: access}
	for _, key := range l.keys() {
		if key == document.AccessKey || key == OPAKey {
			data[key] = access // one string for both
			continue
		}
		data[key] = string(l.text(from, key))
	}
	return data
}

// digest is the [Digest] of the data.
func (l *layout) digest(from *texts) string {
	d := newDigester()
	for _, key := range l.keys() {
		digestText(d, key)
		digestText(d, l.text(from, key))
	}
	return d.sum()
}
