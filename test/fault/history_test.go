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

// version is what a ConfigMap held from a revision of the store on.
type version struct {
	key      types.NamespacedName
	revision int64
	data     map[string]string // nil: the ConfigMap is gone
}

// history is everything that stood in published ConfigMaps for a while, and what may have stood there.
//
// It knows of no clock, client or manager: what is wrong with a history is a matter of that history alone.
type history struct {
	// before is what stood there at first, versions are all that came after it, in order.
	before   contents
	versions []version
	// states are what a fresh resolution gives for every state that the objects were in, from first to last.
	states []contents
	// foreign has what somebody else than the manager wrote, by revision. Nobody answers for what stands there until the
	// manager has written it again.
	foreign map[int64]struct{}
}

// judge looks at every version. No user ever has what none of the states gives, in any document or shard of it; and
// whoever has access in all of the states has it all the time.
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

// reading is what a text says; thousands of versions have the same.
type reading struct {
	said facts
	err  error
}

// expectation is what the states say of a document, and what stands there.
type expectation struct {
	states int                            // in how many it is
	ways   map[string]map[string]struct{} // each fact: all that it may say
	in     map[string]int                 // each fact: in how many states it is
	texts  map[string]struct{}
	stands map[types.NamespacedName]facts // by ConfigMap
	// foreign has the ConfigMaps in which somebody else's words stand.
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

// factsIn reads a ConfigMap; one that cannot be read says nothing, and is a failure.
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

// put takes over what stands in a ConfigMap now.
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

// look judges a version, and what it makes of its document.
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
		// What it leaves out has the default role.
		if _, allowed := e.texts[v.data[document.AccessKey]]; !allowed {
			j.fail(v, "is the document of no state: %s", v.data[document.AccessKey])
		}
	}
	if len(e.foreign) > 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(e.in)) {
		if e.in[name] == len(j.states) && !e.has(name) {
			j.fail(v, "leaves out %s, whom every state has, and no other shard has it", name)
		}
	}
}

// has says whether some ConfigMap of the document says something of the name.
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
