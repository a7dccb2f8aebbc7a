package publish

import (
	"iter"
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// ShardSet is a set of shards of an application document. It has one bit for each shard of a document with
// [MaximumShards] shards. The number of shards is a power of two, so each shard of a smaller document corresponds to
// several bits, and a set stays valid when the number of shards changes.
type ShardSet uint64

// EveryShard is the set of all shards, for any number of shards.
const EveryShard = ^ShardSet(0)

// ShardOf returns the set with the shard of the user.
func ShardOf(user string) ShardSet { return 1 << (hashOf(user) % MaximumShards) }

// ShardAt returns the set with one shard of a document that has the given number of shards.
func ShardAt(shard, shards int) ShardSet {
	var set ShardSet
	for bit := shard; bit < MaximumShards; bit += shards {
		set |= 1 << bit
	}
	return set
}

// Has reports whether the set includes users of the shard, in a document that has the given number of shards.
func (s ShardSet) Has(shard, shards int) bool { return s&ShardAt(shard, shards) != 0 }

// Input is the input for rendering an application document.
type Input struct {
	Organization *resolve.Organization
	Application  string
	// MinimumShards is the minimum number of shards. It is rounded up to a power of two.
	MinimumShards int
	// Formats are the formats in addition to JSON.
	Formats []accessv1alpha1.PublishFormat
	// Decisions yields every user of the organization with the decision, in any order. Order by user is fastest. The
	// document keeps the decisions, which must not be modified.
	Decisions iter.Seq2[string, *resolve.Decision]
}

// NewInput returns the input for the document of the ApplicationAccess.
func NewInput(
	o *resolve.Organization, application *accessv1alpha1.ApplicationAccess, decisions iter.Seq2[string, *resolve.Decision],
) *Input {
	in := &Input{Organization: o, Application: application.Name, MinimumShards: 1, Decisions: decisions}
	if spec := application.Spec.Publish; spec != nil {
		in.MinimumShards, in.Formats = int(spec.MinimumShards), spec.Formats
	}
	return in
}

// each converts a function that calls yield for every decision to an iterator.
func each(decisions func(yield func(user string, d *resolve.Decision))) iter.Seq2[string, *resolve.Decision] {
	return func(yield func(string, *resolve.Decision) bool) {
		decisions(func(user string, d *resolve.Decision) { yield(user, d) }) // rendering never stops early
	}
}

// Plan is what is kept of an application document between two renderings, so that the next one renders only the shards
// with touched users. It takes a few hundred bytes for each shard and keeps no users except the names of those who do
// not fit. The zero value is a plan without a previous rendering. A Plan is not safe for concurrent use.
type Plan struct {
	organization *resolve.Organization
	application  string
	minimum      int
	formats      []accessv1alpha1.PublishFormat
	shards       []summary
}

// summary is what is known of a shard without its entries.
type summary struct {
	digest string // empty if it has not been computed
	// entryBytes is the size of the entries that determines the number of shards.
	entryBytes           int
	users, omitted       int
	byRole               map[string]int
	leftOut, withoutRows []string
}

// Render renders the shards in touched and takes the others from the plan. touched must include every user whose access
// to the application has changed since the last call. The document is byte for byte the same as that of [Application].
// Render renders all shards in the first call, after a change of the organization's rules or of another field of the
// input, and when the number of shards may have to change.
func (p *Plan) Render(in *Input, touched ShardSet) *ApplicationDocument {
	d := p.renderAgain(in, touched)
	if d == nil {
		d = renderWhole(in)
	}
	p.organization, p.application, p.minimum = in.Organization, in.Application, in.MinimumShards
	p.formats = slices.Clone(in.Formats)
	p.shards = make([]summary, d.Shards)
	for n := range p.shards {
		d.Digest(n)
		p.shards[n] = d.shards[n].summary
	}
	return d
}

// renderAgain renders the touched shards. It returns nil if the plan cannot be used.
func (p *Plan) renderAgain(in *Input, touched ShardSet) *ApplicationDocument {
	if p.shards == nil || p.organization != in.Organization || p.application != in.Application ||
		p.minimum != in.MinimumShards || !slices.Equal(p.formats, in.Formats) {
		return nil
	}
	var again ShardSet
	for n := range p.shards {
		if touched.Has(n, len(p.shards)) {
			again |= ShardAt(n, len(p.shards))
		}
	}
	d := newDocument(in)
	var entries []*userEntry
	if again != 0 {
		entries = d.collect(in, again)
	}
	d.Shards = len(p.shards)
	d.split(entries, again)
	for n := range d.shards {
		if !d.shards[n].rendered {
			d.shards[n].summary = p.shards[n]
		}
	}
	d.measure()
	if !d.isDivided(in.MinimumShards) {
		return nil
	}
	d.finish()
	return d
}

// isDivided reports whether [ApplicationDocument.divide] is certain to choose the current number of shards. It returns
// false if divide might choose half as many: the sizes of the shards do not tell, because in a longer list of filters
// some places have more digits.
func (d *ApplicationDocument) isDivided(minimum int) bool {
	if d.Bytes > MaximumShardBytes && d.Shards < MaximumShards {
		return false
	}
	if d.Shards == fewestShards(minimum) {
		return true
	}
	half := d.Shards / 2
	for n := range half {
		a, b := d.shards[n].entryBytes, d.shards[n+half].entryBytes
		together := a + b
		if a > 0 && b > 0 {
			together += d.layout.copies() // the comma between the entries
		}
		if together > MaximumShardBytes {
			return true
		}
	}
	return false
}
