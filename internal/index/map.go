package index

import (
	"cmp"
	"iter"
	"strings"
	"sync"

	"github.com/google/btree"
)

// Tree is a sorted set of items with cheap copies. To copy a Tree, assign it and call [Tree.Share] on the
// original. Both copies then share all nodes that neither changes. A copy costs nothing, and a change copies
// only the nodes on the path to the item. The zero value is empty and readable, but [Tree.Set] needs an order,
// which [NewTree] sets.
//
// Any number of goroutines may read and assign a Tree concurrently while none changes it.
type Tree[T any] struct {
	compare func(a, b T) int
	nodes   *nodes[T]
	owned   bool // only this Tree uses the nodes
}

type nodes[T any] struct {
	*btree.BTreeG[T]
	cloning sync.Mutex // cloning writes to the original
}

// degree is half the number of items in a node. Small nodes are cheaper to copy, and large nodes make the tree
// shallower.
const degree = 16

// NewTree returns an empty tree that sorts items by compare.
func NewTree[T any](compare func(a, b T) int) Tree[T] { return Tree[T]{compare: compare} }

// Share makes the tree copy its nodes before it changes them. Call it after each assignment of the Tree.
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

// Set adds the item. It replaces an item that compares as equal.
func (t *Tree[T]) Set(item T) { t.own().ReplaceOrInsert(item) }

// Delete removes the item that compares as equal, if there is one.
func (t *Tree[T]) Delete(item T) {
	if _, has := t.Get(item); has {
		t.own().Delete(item)
	}
}

// Get returns the item that compares as equal, and reports whether there is one.
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

// From iterates in order over the items that are not less than first.
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

// Map is a sorted map with string keys. It has the copy semantics of [Tree]. The zero value is empty and ready
// to use.
type Map[V any] struct{ tree Tree[mapped[V]] }

type mapped[V any] struct {
	key   string
	value V
}

func (m mapped[V]) compare(n mapped[V]) int { return strings.Compare(m.key, n.key) }

// Share has the semantics of [Tree.Share].
func (m *Map[V]) Share() { m.tree.Share() }

// Set sets the value of the key.
func (m *Map[V]) Set(key string, value V) {
	m.tree.compare = mapped[V].compare
	m.tree.Set(mapped[V]{key, value})
}

// Delete removes the key, if it exists.
func (m *Map[V]) Delete(key string) { m.tree.Delete(mapped[V]{key: key}) }

// Get returns the value of the key, or the zero value if the key does not exist.
func (m *Map[V]) Get(key string) V {
	found, _ := m.tree.Get(mapped[V]{key: key})
	return found.value
}

// Len returns the number of keys.
func (m *Map[V]) Len() int { return m.tree.Len() }

// All iterates over the keys and values, sorted by key.
func (m *Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		m.tree.All()(func(e mapped[V]) bool { return yield(e.key, e.value) })
	}
}

// From iterates over the keys that are not less than first and their values, sorted by key.
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

// Count maps keys to numbers. It stores no zeros.
type Count struct{ Map[int] }

// Add adds by to the number of the key and returns the sum.
func (c *Count) Add(key string, by int) int {
	sum := c.Get(key) + by
	if sum == 0 {
		c.Delete(key)
	} else {
		c.Set(key, sum)
	}
	return sum
}

// links is a set of directed links between names.
type links struct{ tree Tree[link] }

type link struct{ from, to string }

func (l link) compare(m link) int {
	return cmp.Or(strings.Compare(l.from, m.from), strings.Compare(l.to, m.to))
}

func (l *links) put(from, to string, in bool) {
	l.tree.compare = link.compare
	if in {
		l.tree.Set(link{from, to})
	} else {
		l.tree.Delete(link{from, to})
	}
}

// from iterates in order over the names that the given name links to.
func (l *links) from(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		l.tree.From(link{from: name})(func(each link) bool { return each.from == name && yield(each.to) })
	}
}
