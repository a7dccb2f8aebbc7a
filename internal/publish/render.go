package publish

import (
	"slices"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// MaximumShardBytes is how large the entries of one shard of an application document may be, all keys together, before
// the document is split further.
const MaximumShardBytes = 256 << 10

// MaximumDataBytes is how large the data of a shard may be, all keys together: what the API server takes, with some room.
const MaximumDataBytes = 900 << 10

// MaximumShards is the largest number of shards of a document.
const MaximumShards = 64

// growsPercent is how full the largest shard is when its document counts as growing.
const growsPercent = 80

// ApplicationDocument is an application document. [Application] makes one whose shards can all be rendered, [Plan.Render]
// one that knows only the digests of the shards that have not changed. The text of a shard is made when it is asked for,
// in the same buffers for every shard, so the document must not be used from several goroutines at once.
type ApplicationDocument struct {
	// Shards is the number of shards, a power of two.
	Shards int
	// Users is how many users are in the document; UsersByRole how many of them hold each role of the ladder.
	Users       int
	UsersByRole map[string]int
	// Omitted is how many of the users a format leaves out.
	Omitted int
	// Bytes is the size of the entries of the largest shard, all keys together.
	Bytes int
	// LeftOut lists the users who have access and are not in the document, because their shard would be too large to be
	// written. WithoutRows lists the users to whom it shows no row for the same reason. Both are sorted.
	LeftOut, WithoutRows []string
	// WithoutPermissions reports that the ladder is too large: the roles are published without their permissions.
	WithoutPermissions bool

	layout  *layout
	list    *filterList
	shards  []shard
	texts   texts
	places  []int
	written int // the shard that the texts are of; -1: none
}

// Grows reports whether the document has come near to being split further, so that who mounts it should mount more.
func (d *ApplicationDocument) Grows() bool {
	return d.Shards < MaximumShards && d.Bytes > MaximumShardBytes/100*growsPercent
}

// Application makes the whole document of one application. The decisions are those of every user of the organization, in
// any order. The number of shards is a power of two and at least minimumShards. Each shard has the formats beside JSON.
// The cost grows with the users. The document keeps the decisions, which must not be changed.
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

// collect makes the entries of the users of the shards, sorted by user.
func (d *ApplicationDocument) collect(in *Input, shards ShardSet) []*userEntry {
	entries := d.layout.entries(in, d.list, shards)
	d.list.rank()
	slices.SortFunc(entries, func(a, b *userEntry) int { return strings.Compare(a.user, b.user) })
	return entries
}

// finish makes the rendered shards fit, and adds up what is known of all shards.
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

// IsRendered reports whether the document has the data of shard n. A document of [Plan.Render] has only the shards that it
// had to render.
func (d *ApplicationDocument) IsRendered(n int) bool { return d.shards[n].rendered }

// Digest returns the [Digest] of the data of shard n.
func (d *ApplicationDocument) Digest(n int) string {
	if s := &d.shards[n]; s.digest == "" {
		d.write(n)
		s.digest = d.layout.digest(&d.texts)
	}
	return d.shards[n].digest
}

// Data returns the data of the ConfigMap of shard n by key. It panics where the shard is not rendered.
func (d *ApplicationDocument) Data(n int) map[string]string {
	d.write(n)
	return d.layout.data(&d.texts)
}

// write makes the texts of shard n.
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

// EmptyApplication renders shard n of a document that ends: nobody is in it, and no role means anything any more.
func EmptyApplication(
	organization, application string, n int, formats ...accessv1alpha1.PublishFormat,
) map[string]string {
	var made texts
	l := newLayout(organization, application, []document.Role{}, formats)
	l.write(&made, &shard{number: n, count: n + 1}, nil, nil, nil)
	return l.data(&made)
}

func applicationRoles(o *resolve.Organization) []document.Role {
	ladder := o.Rules().ApplicationRoles
	roles := make([]document.Role, len(ladder))
	for i := range ladder {
		roles[i] = document.Role{Name: ladder[i].Name, Permissions: o.Permissions(ladder[i].Name)}
	}
	return roles
}

// dataBytes is the size of a ConfigMap's data, all keys together.
func dataBytes(data map[string]string) int {
	size := 0
	for key, text := range data {
		size += len(key) + len(text)
	}
	return size
}
