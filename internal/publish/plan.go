package publish

import (
	"iter"
	"slices"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// ShardSet is a set of shards of an application document. It has a bit for each shard of a document of [MaximumShards]
// shards. Numbers of shards are powers of two, so each shard of a smaller document stands for several bits, and the set
// stays valid when the number of shards changes.
type ShardSet uint64

// EveryShard is the set of all shards, whatever their number.
const EveryShard = ^ShardSet(0)

// ShardOf returns the set of the one shard that holds the user.
func ShardOf(user string) ShardSet { return 1 << (hashOf(user) % MaximumShards) }

// ShardAt returns the set of the one shard of a document of that many shards.
func ShardAt(shard, shards int) ShardSet {
	var set ShardSet
	for bit := shard; bit < MaximumShards; bit += shards {
		set |= 1 << bit
	}
	return set
}

// Has reports whether the set and the shard have a user in common, where the document has that many shards.
func (s ShardSet) Has(shard, shards int) bool { return s&ShardAt(shard, shards) != 0 }

// Input is what an application document is rendered from.
type Input struct {
	Organization *resolve.Organization
	Application  string
	// MinimumShards is the least number of shards; the document has a power of two of them.
	MinimumShards int
	// Formats are those beside JSON.
	Formats []accessv1alpha1.PublishFormat
	// Decisions yields every user of the organization with the decision, in any order; sorted by user costs least. The
	// document keeps the decisions, which must not be changed.
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

// each makes an iterator of a function that calls yield for every decision.
func each(decisions func(yield func(user string, d *resolve.Decision))) iter.Seq2[string, *resolve.Decision] {
	return func(yield func(string, *resolve.Decision) bool) {
		decisions(func(user string, d *resolve.Decision) { yield(user, d) }) // a rendering takes all of them
	}
}

// Plan is what is kept of an application document between two renderings, so that the next one needs to render only the
// shards that hold a touched user. It has a few hundred bytes for each shard, and nothing of the users but the names of
// those who do not fit in. The zero value knows of no rendering. A Plan must not be used from several goroutines at once.
type Plan struct {
	organization *resolve.Organization
	application  string
	minimum      int
	formats      []accessv1alpha1.PublishFormat
	shards       []summary
}

// summary is what is known of a shard without its users.
type summary struct {
	digest string // empty: it has not been computed
	// entryBytes is the size of the entries as it counts for the number of shards.
	entryBytes           int
	users, omitted       int
	byRole               map[string]int
	leftOut, withoutRows []string
}

// Render renders the shards that hold a touched user, and takes all others from the plan: touched has to include every
// user whose access to the application has changed since the last call. The document is the same as one of [Application],
// byte for byte. It is rendered whole by the first call, after a change of the organization's rules or of another field of
// the input, and where the number of shards may have to change.
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

// renderAgain renders the touched shards; nil where the plan is of no use.
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

// isDivided reports whether [ApplicationDocument.divide] is sure to choose the number of shards that the document has.
// Where it might choose half as many, the bytes of the shards are not enough to know: in a list of more filters some places
// have more digits.
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
			together += d.layout.copies() // the comma between them
		}
		if together > MaximumShardBytes {
			return true
		}
	}
	return false
}
