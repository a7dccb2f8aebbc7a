package controller

import "github.com/usher-dev/usher/internal/publish"

// rendering is what is kept of an application document between two renderings: the plan, and the shards that have been
// touched since.
type rendering struct {
	plan publish.Plan
	// includes is the last touch that the plan includes.
	includes uint64
	// touched holds the last touch of each shard of a document with [publish.MaximumShards] shards.
	touched [publish.MaximumShards]uint64
}

// touch records that the touch affects the shards.
func (r *rendering) touch(shards publish.ShardSet, touch uint64) {
	for n := range r.touched {
		if shards.Has(n, publish.MaximumShards) {
			r.touched[n] = touch
		}
	}
}

// open returns the shards that have a touch that the plan does not include.
func (r *rendering) open() publish.ShardSet {
	var shards publish.ShardSet
	for n, touch := range r.touched {
		if touch > r.includes {
			shards |= publish.ShardAt(n, publish.MaximumShards)
		}
	}
	return shards
}

// planOf returns the plan of an application document and the shards to render, so that the result includes every touch.
// Only the worker that has taken the document from the queue may use the plan.
func (t *tracker) planOf(o Output) (*publish.Plan, publish.ShardSet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil && d.rendering != nil {
		return &d.rendering.plan, d.rendering.open()
	}
	return &publish.Plan{}, publish.EveryShard
}

// planned records that the plan includes the touch. A later touch of a shard stays open, because it is not known
// whether the rendering already included it.
func (t *tracker) planned(o Output, touch uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.documents[o]; d != nil && d.rendering != nil {
		d.rendering.includes = touch
	}
}
