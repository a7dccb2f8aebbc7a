package publish

import (
	"cmp"
	"slices"
	"strings"
)

// maximumCountedBytes bounds the size of one entry when the number of shards is chosen, so that no single entry can
// increase the number of shards. Legal entries are smaller.
const maximumCountedBytes = 16 << 10

// shard is one shard of an application document.
type shard struct {
	summary

	number, count int
	rendered      bool
	entries       []*userEntry // only of a rendered shard, sorted by user
}

// sets yields the filters of each user.
func (s *shard) sets(yield func(*filterSet) bool) {
	for _, e := range s.entries {
		if !yield(e.filters) {
			return
		}
	}
}

// divide chooses the number of shards from the entries alone, without the texts of filters. It is the smallest power of
// two, not below the minimum, for which the entries of every shard are within [MaximumShardBytes], and at most
// [MaximumShards]. Row-level filters alone therefore never move users to other ConfigMaps.
func (d *ApplicationDocument) divide(entries []*userEntry, minimum int) {
	for d.Shards = fewestShards(minimum); ; d.Shards *= 2 {
		d.split(entries, EveryShard)
		d.measure()
		if d.Bytes <= MaximumShardBytes || d.Shards >= MaximumShards {
			return
		}
	}
}

// fewestShards rounds the minimum number of shards up to a power of two.
func fewestShards(minimum int) int {
	shards := 1
	for shards < min(minimum, MaximumShards) {
		shards *= 2
	}
	return shards
}

// split distributes the sorted entries over the shards by the users' hashes. entries must be all entries of the
// rendered shards.
func (d *ApplicationDocument) split(entries []*userEntry, rendered ShardSet) {
	sizes := make([]int, d.Shards)
	for _, e := range entries {
		sizes[e.hash%uint32(d.Shards)]++
	}
	d.shards = make([]shard, d.Shards)
	for n := range d.shards {
		d.shards[n] = shard{
			number: n, count: d.Shards, rendered: rendered.Has(n, d.Shards), entries: make([]*userEntry, 0, sizes[n]),
		}
	}
	for _, e := range entries {
		s := &d.shards[e.hash%uint32(d.Shards)]
		s.entries = append(s.entries, e)
	}
}

// measure computes the size of the entries of each rendered shard, and of the largest shard.
func (d *ApplicationDocument) measure() {
	d.Bytes = 0
	for n := range d.shards {
		if s := &d.shards[n]; s.rendered {
			s.entryBytes = d.entryBytes(s)
		}
		d.Bytes = max(d.Bytes, d.shards[n].entryBytes)
	}
}

// entryBytes returns the size of the shard's entries that determines the number of shards.
func (d *ApplicationDocument) entryBytes(s *shard) int {
	_, d.places = d.list.places(s.sets, d.places)
	size := 0
	for _, e := range s.entries {
		size += min(e.bytes(d.places, d.layout.copies()), maximumCountedBytes)
	}
	if len(s.entries) > 0 {
		size -= d.layout.copies() // the last entry has no comma
	}
	return size
}

// dataBytes returns the size of the shard's data including filters, in all keys together.
func (d *ApplicationDocument) dataBytes(s *shard) int {
	var used []int
	used, d.places = d.list.places(s.sets, d.places)
	copies := d.layout.copies()
	size := d.layout.fixedBytes(s.number, s.count)
	if len(used) > 0 {
		size += (len(filtersOpen) + len(filtersClose) + len(used) - 1) * copies
	}
	for _, rank := range used {
		size += len(d.list.texts[rank]) * copies
	}
	for _, e := range s.entries {
		size += e.bytes(d.places, copies)
	}
	if len(s.entries) > 0 {
		size -= copies
	}
	return size
}

// fits reports whether the shard is small enough for the API server.
func (d *ApplicationDocument) fits(s *shard) bool { return d.dataBytes(s) <= MaximumDataBytes }

// fit makes the shard small enough to be written. It hides the rows of the users with the largest filters until the
// shard fits, and then leaves users out. Revocations of other users can therefore be published, whatever anybody
// declares.
func (d *ApplicationDocument) fit(s *shard) {
	if d.fits(s) {
		return
	}
	d.takeRows(s)
	if !d.fits(s) {
		d.leaveOut(s)
	}
}

// takeRows hides the rows of the users with the largest filters, then with the greatest names, until the shard fits.
func (d *ApplicationDocument) takeRows(s *shard) {
	var order []*userEntry
	for _, e := range s.entries {
		if e.rowBytes() > d.list.nothing.bytes {
			order = append(order, e)
		}
	}
	slices.SortFunc(order, func(a, b *userEntry) int {
		return cmp.Or(cmp.Compare(b.rowBytes(), a.rowBytes()), strings.Compare(b.user, a.user))
	})
	had := make([]*filterSet, len(order))
	for i, e := range order {
		had[i] = e.filters
	}
	take := func(count int) {
		for i, e := range order {
			e.filters, e.withoutRows = had[i], i < count
			if e.withoutRows {
				e.filters = d.list.nothing
			}
		}
	}
	// Every user, from the first on, makes the shard smaller.
	take(fewest(min(1, len(order)), len(order), func(count int) bool {
		take(count)
		return d.fits(s)
	}))
}

// leaveOut leaves users out until the shard fits: first by lowest rung with protected grants last, then by largest
// entry, then by greatest name.
func (d *ApplicationDocument) leaveOut(s *shard) {
	_, d.places = d.list.places(s.sets, d.places)
	sizes := make(map[*userEntry]int, len(s.entries))
	for _, e := range s.entries {
		sizes[e] = e.bytes(d.places, d.layout.copies())
	}
	protected := func(e *userEntry) int {
		if e.protected {
			return 1
		}
		return 0
	}
	all := s.entries
	order := slices.SortedFunc(slices.Values(all), func(a, b *userEntry) int {
		return cmp.Or(
			cmp.Compare(protected(a), protected(b)), cmp.Compare(b.rung, a.rung),
			cmp.Compare(sizes[b], sizes[a]), strings.Compare(b.user, a.user),
		)
	})
	leave := func(count int) {
		out := make(map[*userEntry]bool, count)
		for _, e := range order[:count] {
			out[e] = true
		}
		s.entries = slices.DeleteFunc(slices.Clone(all), func(e *userEntry) bool { return out[e] })
	}
	count := fewest(0, len(order), func(count int) bool {
		leave(count)
		return d.fits(s)
	})
	leave(count)
	for _, e := range order[:count] {
		s.leftOut = append(s.leftOut, e.user)
	}
}

// fewest returns the smallest number in the range for which enough returns true, or last if there is none before it.
// enough must be monotonic.
func fewest(first, last int, enough func(int) bool) int {
	for first < last {
		if middle := first + (last-first)/2; enough(middle) {
			last = middle
		} else {
			first = middle + 1
		}
	}
	return first
}
