package index

import (
	"cmp"
	"iter"
	"sync"

	"github.com/google/btree"
)

// Tree is a sorted set of items. Assigning a Tree copies it, if [Tree.Share] is called on the original: both then have the
// same items and share the nodes that neither changes. So a copy costs nothing, and a change costs the nodes on the path
// to the item. The zero value is empty, but [Tree.Set] needs an order, which [NewTree] gives.
//
// A Tree that nobody changes may be read and assigned by any number of goroutines.
type Tree[T any] struct {
	compare func(a, b T) int
	nodes   *nodes[T]
	owned   bool // nodes belong to this Tree alone
}

type nodes[T any] struct {
	*btree.BTreeG[T]
	cloning sync.Mutex // a clone writes to what it is made of
}

// degree is half the number of items in a node: small nodes are cheap to copy, large ones are found in fewer steps.
const degree = 16

// NewTree returns an empty tree in the given order.
func NewTree[T any](compare func(a, b T) int) Tree[T] { return Tree[T]{compare: compare} }

// Share makes the tree copy its nodes before it changes them. Call it whenever the Tree was assigned.
func (t *Tree[T]) Share() { t.owned = false }

func (t *Tree[T]) own() *btree.BTreeG[T] {
	switch {
	case t.owned:
	case t.nodes == nil:
		compare := t.compare
		less := func(a, b T) bool { return compare(a, b) < 0 }
		t.nodes = &nodes[T]{BTreeG: btree.NewWithFreeListG(degree, less, btree.NewFreeListG[T](0))}
	default:
		t.nodes.cloning.Lock()
		clone := t.nodes.Clone()
		t.nodes.cloning.Unlock()
		t.nodes = &nodes[T]{BTreeG: clone}
	}
	t.owned = true
	return t.nodes.BTreeG
}

// Set adds the item, in place of one that compares as equal.
func (t *Tree[T]) Set(item T) { t.own().ReplaceOrInsert(item) }

// Delete removes the item that compares as equal, where there is one.
func (t *Tree[T]) Delete(item T) {
	if _, has := t.Get(item); has {
		t.own().Delete(item)
	}
}

// Get returns the item that compares as equal.
func (t *Tree[T]) Get(item T) (found T, has bool) {
	if t.nodes == nil {
		return found, false
	}
	return t.nodes.Get(item)
}

// Len returns the number of items.
func (t *Tree[T]) Len() int {
	if t.nodes == nil {
		return 0
	}
	return t.nodes.Len()
}

// From iterates over the items from the given one on, in order.
func (t *Tree[T]) From(first T) iter.Seq[T] {
	return func(yield func(T) bool) {
		if t.nodes != nil {
			t.nodes.AscendGreaterOrEqual(first, yield)
		}
	}
}

// All iterates over the items in order.
func (t *Tree[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		if t.nodes != nil {
			t.nodes.Ascend(yield)
		}
	}
}

// Map is a sorted map by string, which is copied as a [Tree] is. The zero value is empty and ready.
type Map[V any] struct{ tree Tree[mapped[V]] }

type mapped[V any] struct {
	key   string
	value V
}

func (m mapped[V]) compare(n mapped[V]) int { return cmp.Compare(m.key, n.key) }

// Share is [Tree.Share].
func (m *Map[V]) Share() { m.tree.Share() }

// Set maps the key to the value.
func (m *Map[V]) Set(key string, value V) {
	m.tree.compare = mapped[V].compare
	m.tree.Set(mapped[V]{key, value})
}

// Delete removes the key, where it is there.
func (m *Map[V]) Delete(key string) { m.tree.Delete(mapped[V]{key: key}) }

// Get returns the value of the key, or the zero value.
func (m *Map[V]) Get(key string) V {
	found, _ := m.tree.Get(mapped[V]{key: key})
	return found.value
}

// Len returns the number of keys.
func (m *Map[V]) Len() int { return m.tree.Len() }

// All iterates over keys and values, by key.
func (m *Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		m.tree.All()(func(e mapped[V]) bool { return yield(e.key, e.value) })
	}
}

// From iterates over keys and values, by key, from the given key on.
func (m *Map[V]) From(first string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		m.tree.From(mapped[V]{key: first})(func(e mapped[V]) bool { return yield(e.key, e.value) })
	}
}

// Keys iterates over the keys in order.
func (m *Map[V]) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		m.tree.All()(func(e mapped[V]) bool { return yield(e.key) })
	}
}

// Count is a map of numbers that has no zeros.
type Count struct{ Map[int] }

// Add adds to the number of the key and returns the sum.
func (c *Count) Add(key string, by int) int {
	sum := c.Get(key) + by
	if sum == 0 {
		c.Delete(key)
	} else {
		c.Set(key, sum)
	}
	return sum
}

// links says which names lead from a name to which others.
type links struct{ tree Tree[link] }

type link struct{ from, to string }

func (l link) compare(m link) int {
	return cmp.Or(cmp.Compare(l.from, m.from), cmp.Compare(l.to, m.to))
}

func (l *links) put(from, to string, in bool) {
	l.tree.compare = link.compare
	if in {
		l.tree.Set(link{from, to})
	} else {
		l.tree.Delete(link{from, to})
	}
}

// from iterates over the names to which the name leads, in order.
func (l *links) from(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		l.tree.From(link{from: name})(func(each link) bool { return each.from == name && yield(each.to) })
	}
}
