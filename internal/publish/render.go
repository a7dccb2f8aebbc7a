package publish

import (
	"slices"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// MaximumShardBytes is the maximum size of the entries of one shard of an application document, in all keys together. A
// larger document is split into more shards.
const MaximumShardBytes = 256 << 10

// MaximumDataBytes is the maximum size of the data of a shard, in all keys together. It is below the limit of the API
// server.
const MaximumDataBytes = 900 << 10

// MaximumShards is the maximum number of shards of a document.
const MaximumShards = 64

// growsPercent is how full the largest shard of a document must be for the document to count as growing.
const growsPercent = 80

// ApplicationDocument is a rendered application document. [Application] returns one that holds all shards.
// [Plan.Render] returns one that has only the digests of unchanged shards. The text of a shard is produced on demand in
// buffers that all shards share, so an ApplicationDocument is not safe for concurrent use.
type ApplicationDocument struct {
	// Shards is the number of shards, a power of two.
	Shards int
	// Users is the number of users in the document. UsersByRole is the number of users by role of the ladder.
	Users       int
	UsersByRole map[string]int
	// Omitted is the number of users that some format leaves out.
	Omitted int
	// Bytes is the size of the entries of the largest shard, in all keys together.
	Bytes int
	// LeftOut lists the users who have access but are not in the document, because their shard would be too large to
	// write. WithoutRows lists the users who see no row in the document for the same reason. Both are sorted.
	LeftOut, WithoutRows []string
	// WithoutPermissions is true if the ladder is too large, so that the roles are published without permissions.
	WithoutPermissions bool

	layout  *layout
	list    *filterList
	shards  []shard
	texts   texts
	places  []int
	written int // the shard in texts; -1 if none
}

// Grows reports whether the document is close to being split further, so that workloads should mount more ConfigMaps.
func (d *ApplicationDocument) Grows() bool {
	return d.Shards < MaximumShards && d.Bytes > MaximumShardBytes/100*growsPercent
}

// Application renders all shards of the document of an application. decisions yields every user of the organization, in
// any order. The number of shards is a power of two and at least minimumShards. Each shard has the formats in addition
// to JSON. The cost grows with the number of users. The document keeps the decisions, which must not be modified.
func Application(
	o *resolve.Organization, application string, minimumShards int,
	decisions func(yield func(user string, d *resolve.Decision)), formats ...accessv1alpha1.PublishFormat,
) *ApplicationDocument {
	return renderWhole(&Input{
		Organization: o, Application: application, MinimumShards: minimumShards, Formats: formats,
		Decisions: each(decisions),
	})
}

func renderWhole(in *Input) *ApplicationDocument {
	d := newDocument(in)
	d.divide(d.collect(in, EveryShard), in.MinimumShards)
	d.finish()
	return d
}

func newDocument(in *Input) *ApplicationDocument {
	o := in.Organization
	l := newLayout(o.Rules().Organization, in.Application, applicationRoles(o), in.Formats)
	return &ApplicationDocument{
		UsersByRole: map[string]int{}, WithoutPermissions: l.withoutPermissions, layout: l, list: newFilterList(), written: -1,
	}
}

// collect returns the entries of the users in the shards, sorted by user.
func (d *ApplicationDocument) collect(in *Input, shards ShardSet) []*userEntry {
	entries := d.layout.entries(in, d.list, shards)
	d.list.rank()
	slices.SortFunc(entries, func(a, b *userEntry) int { return strings.Compare(a.user, b.user) })
	return entries
}

// finish makes the rendered shards fit and adds up the totals of all shards.
func (d *ApplicationDocument) finish() {
	for n := range d.shards {
		s := &d.shards[n]
		if s.rendered {
			d.fit(s)
			d.count(s)
		}
		d.Users += s.users
		d.Omitted += s.omitted
		for role, users := range s.byRole {
			d.UsersByRole[role] += users
		}
		d.LeftOut = append(d.LeftOut, s.leftOut...)
		d.WithoutRows = append(d.WithoutRows, s.withoutRows...)
	}
	slices.Sort(d.LeftOut)
	slices.Sort(d.WithoutRows)
}

// count counts the users of a rendered shard.
func (d *ApplicationDocument) count(s *shard) {
	s.users, s.byRole = len(s.entries), map[string]int{}
	for _, e := range s.entries {
		s.byRole[e.access.Role]++
		if d.layout.omits(e) {
			s.omitted++
		}
		if e.withoutRows {
			s.withoutRows = append(s.withoutRows, e.user)
		}
	}
}

// IsRendered reports whether the document holds the data of shard n. A document of [Plan.Render] holds only the shards
// that had to be rendered.
func (d *ApplicationDocument) IsRendered(n int) bool { return d.shards[n].rendered }

// Digest returns the [Digest] of the data of shard n.
func (d *ApplicationDocument) Digest(n int) string {
	if s := &d.shards[n]; s.digest == "" {
		d.write(n)
		s.digest = d.layout.digest(&d.texts)
	}
	return d.shards[n].digest
}

// Data returns the data of the ConfigMap of shard n by key. It panics if the shard is not rendered.
func (d *ApplicationDocument) Data(n int) map[string]string {
	d.write(n)
	return d.layout.data(&d.texts)
}

// write produces the texts of shard n.
func (d *ApplicationDocument) write(n int) {
	if !d.shards[n].rendered {
		panic("publish: shard " + strconv.Itoa(n) + " is not rendered")
	}
	if d.written == n {
		return
	}
	var used []int
	used, d.places = d.list.places(d.shards[n].sets, d.places)
	d.layout.write(&d.texts, &d.shards[n], d.list, used, d.places)
	d.written = n
}

// EmptyApplication renders shard n of a document that is being removed. It has no users and no roles.
func EmptyApplication(
	organization, application string, n int, formats ...accessv1alpha1.PublishFormat,
) map[string]string {
	var empty texts
	l := newLayout(organization, application, []document.Role{}, formats)
	l.write(&empty, &shard{number: n, count: n + 1}, nil, nil, nil)
	return l.data(&empty)
}

func applicationRoles(o *resolve.Organization) []document.Role {
	ladder := o.Rules().ApplicationRoles
	roles := make([]document.Role, len(ladder))
	for i := range ladder {
		roles[i] = document.Role{Name: ladder[i].Name, Permissions: o.Permissions(ladder[i].Name)}
	}
	return roles
}

// dataBytes returns the size of a ConfigMap's data, in all keys together.
func dataBytes(data map[string]string) int {
	size := 0
	for key, text := range data {
		size += len(key) + len(text)
	}
	return size
}
