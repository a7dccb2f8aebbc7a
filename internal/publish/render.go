package publish

import (
	"slices"
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

// ApplicationDocument is an application document that can be rendered, one shard at a time. Every shard is rendered into
// the same buffers, so it must not be used from several goroutines at once.
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

	layout   *layout
	list     *filterList
	shards   []shard
	texts    texts
	places   []int
	rendered int // the shard that the texts are of; -1: none
}

// Grows reports whether the document has come near to being split further, so that who mounts it should mount more.
func (d *ApplicationDocument) Grows() bool {
	return d.Shards < MaximumShards && d.Bytes > MaximumShardBytes/100*growsPercent
}

// Application prepares the document of one application. The decisions are those of every user of the organization;
// their order does not matter. It has at least minimumShards shards, a power of two, and in each of them the formats
// beside JSON. The cost grows with the users. The document keeps the decisions, which must not be changed.
func Application(
	o *resolve.Organization, application string, minimumShards int,
	decisions func(yield func(user string, d *resolve.Decision)), formats ...accessv1alpha1.PublishFormat,
) *ApplicationDocument {
	d := &ApplicationDocument{
		UsersByRole: map[string]int{}, list: newFilterList(), rendered: -1,
		layout: newLayout(o.Rules().Organization, application, applicationRoles(o), formats),
	}
	d.WithoutPermissions = d.layout.withoutPermissions
	entries := d.layout.entries(o, d.list, decisions)
	d.list.rank()
	slices.SortFunc(entries, func(a, b userEntry) int { return strings.Compare(a.user, b.user) })
	d.divide(entries, minimumShards)
	for i := range d.shards {
		d.fit(&d.shards[i])
		for _, e := range d.shards[i].entries {
			d.Users++
			d.UsersByRole[e.access.Role]++
			if d.layout.omits(e) {
				d.Omitted++
			}
			if e.withoutRows {
				d.WithoutRows = append(d.WithoutRows, e.user)
			}
		}
	}
	slices.Sort(d.LeftOut)
	slices.Sort(d.WithoutRows)
	return d
}

// Digest renders shard n and returns the [Digest] of its data.
func (d *ApplicationDocument) Digest(n int) string {
	d.render(n)
	return d.layout.digest(&d.texts)
}

// Data renders shard n and returns the data of its ConfigMap by key.
func (d *ApplicationDocument) Data(n int) map[string]string {
	d.render(n)
	return d.layout.data(&d.texts)
}

func (d *ApplicationDocument) render(n int) {
	if d.rendered == n {
		return
	}
	var used []int
	used, d.places = d.list.places(d.shards[n].sets, d.places)
	d.layout.write(&d.texts, &d.shards[n], d.list, used, d.places)
	d.rendered = n
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
