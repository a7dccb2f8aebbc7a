package fault_test

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// contents are the data of ConfigMaps.
type contents map[types.NamespacedName]map[string]string

// version is the content of a ConfigMap from a revision of the store on.
type version struct {
	key      types.NamespacedName
	revision int64
	data     map[string]string // nil if the ConfigMap was deleted
}

// history is everything that published ConfigMaps contained for some time, and everything that they may have contained.
//
// It knows no clock, client or manager, so its errors depend only on its content.
type history struct {
	// before is the initial content. versions are all later versions, in order.
	before   contents
	versions []version
	// states are the results of a fresh resolution for every state of the objects, from first to last.
	states []contents
	// foreign holds the revisions that somebody other than the manager wrote. The content of such a ConfigMap is
	// ignored until the manager has written it again.
	foreign map[int64]struct{}
}

// judge checks every version. No user may ever have, in any document or shard, what none of the states gives. A user
// with access in all of the states must have it all the time.
func (h *history) judge() error {
	j := &judge{history: h, read: map[string]*reading{}, of: map[types.NamespacedName]*expectation{}}
	for _, state := range h.states {
		j.expect(state)
	}
	for _, key := range slices.SortedFunc(maps.Keys(h.before), compareKeys) {
		j.put(version{key: key, data: h.before[key]})
	}
	for _, v := range h.versions {
		j.put(v)
		j.look(v)
	}
	return first(j.failures)
}

type judge struct {
	*history
	read     map[string]*reading
	of       map[types.NamespacedName]*expectation // by document
	failures []error
}

// reading is a parsed text. Thousands of versions share the same text.
type reading struct {
	said facts
	err  error
}

// expectation is what the states give in a document, and the current content.
type expectation struct {
	states int                            // number of states that have the document
	ways   map[string]map[string]struct{} // for each fact, its possible values
	in     map[string]int                 // for each fact, the number of states that have it
	texts  map[string]struct{}
	stands map[types.NamespacedName]facts // by ConfigMap
	// foreign holds the ConfigMaps whose content somebody else wrote.
	foreign map[types.NamespacedName]struct{}
}

func (j *judge) expectation(key types.NamespacedName) (e *expectation, kind string) {
	key, kind = documentOf(key)
	e = j.of[key]
	if e == nil {
		e = &expectation{
			ways: map[string]map[string]struct{}{}, in: map[string]int{}, texts: map[string]struct{}{},
			stands: map[types.NamespacedName]facts{}, foreign: map[types.NamespacedName]struct{}{},
		}
		j.of[key] = e
	}
	return e, kind
}

func (j *judge) expect(state contents) {
	seen := map[*expectation]struct{}{}
	for key, data := range state {
		e, _ := j.expectation(key)
		seen[e] = struct{}{}
		said := j.factsIn(key, data)
		e.texts[data[document.AccessKey]] = struct{}{}
		for name, text := range said {
			if e.ways[name] == nil {
				e.ways[name] = map[string]struct{}{}
			}
			e.ways[name][text] = struct{}{}
			e.in[name]++
		}
	}
	for e := range seen {
		e.states++
	}
}

// factsIn reads a ConfigMap. One that cannot be read has no facts and counts as a failure.
func (j *judge) factsIn(key types.NamespacedName, data map[string]string) facts {
	text := textOf(data)
	r := j.read[text]
	if r == nil {
		r = &reading{}
		r.said, r.err = factsIn(data)
		j.read[text] = r
	}
	if r.err != nil {
		j.failures = append(j.failures, fmt.Errorf("ConfigMap %s: %w", key, r.err))
	}
	return r.said
}

// put records the new content of a ConfigMap.
func (j *judge) put(v version) {
	e, _ := j.expectation(v.key)
	_, edited := j.foreign[v.revision]
	if _, foreign := e.foreign[v.key]; edited || (foreign && v.data == nil) {
		e.foreign[v.key] = struct{}{}
		return
	}
	delete(e.foreign, v.key)
	if v.data == nil {
		delete(e.stands, v.key)
		return
	}
	e.stands[v.key] = j.factsIn(v.key, v.data)
}

// look checks a version and its document.
func (j *judge) look(v version) {
	e, kind := j.expectation(v.key)
	if _, foreign := e.foreign[v.key]; foreign {
		return
	}
	said := e.stands[v.key]
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if _, allowed := e.ways[name][said[name]]; !allowed && !givesNothing(kind, facts{name: said[name]}) {
			j.fail(v, "says of %s what no state gives: %s; allowed: %s", name, said[name], slices.Sorted(maps.Keys(e.ways[name])))
		}
	}
	if kind == accessv1alpha1.DocumentUser && v.data != nil && !givesNothing(kind, said) {
		// A document that omits a user gives the default role.
		if _, allowed := e.texts[v.data[document.AccessKey]]; !allowed {
			j.fail(v, "is the document of no state: %s", v.data[document.AccessKey])
		}
	}
	if len(e.foreign) > 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(e.in)) {
		if e.in[name] == len(j.states) && !e.has(name) {
			j.fail(v, "leaves out %s, although every state has it and no other shard does", name)
		}
	}
}

// has reports whether a ConfigMap of the document has a fact about the name.
func (e *expectation) has(name string) bool {
	for _, said := range e.stands {
		if _, has := said[name]; has {
			return true
		}
	}
	return false
}

func (j *judge) fail(v version, format string, args ...any) {
	j.failures = append(j.failures, fmt.Errorf("ConfigMap %s at revision %d %s", v.key, v.revision, fmt.Sprintf(format, args...)))
}
