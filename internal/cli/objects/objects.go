// Package objects finds the objects that a command answers from: in files, in what a kustomization builds, or on a
// cluster. It reads and never judges; what could not be read is said beside what could.
package objects

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Origin is where an object stands. The zero value stands for a cluster.
type Origin struct {
	File string
	Line int
}

// String returns file:line, as compilers and editors have it.
func (o Origin) String() string {
	switch {
	case o.File == "":
		return "the cluster"
	case o.Line == 0:
		return o.File
	default:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	}
}

// Object is one object with where it stands.
type Object struct {
	client.Object
	Origin Origin

	text    *document // nil for one of a cluster
	path    string    // within the document: empty, or "items[#2]"
	encoded []byte    // as JSON
}

// Line returns the line of a field of the object, such as spec.members[3].user, or of what there is of it; 0 where the
// object is of a cluster.
func (o *Object) Line(field string) int {
	if o.text == nil {
		return 0
	}
	return o.text.line(joinPath(o.path, field))
}

// Problem is something that could not be read, so that answers are incomplete.
type Problem struct {
	Origin Origin
	Err    error
}

// String says where and what.
func (p Problem) String() string {
	if p.Origin.File == "" {
		return p.Err.Error()
	}
	return p.Origin.String() + ": " + p.Err.Error()
}

// Set is what was found.
type Set struct {
	// Objects are those of the four kinds, and namespaces, in the order in which they were found.
	Objects []Object
	// Problems say what is missing.
	Problems []Problem
	// Notes say what was passed over, and needs no mending.
	Notes []string

	ignored map[string]int // how many there are of each kind that is of no use here
}

func (s *Set) ignore(kind string) {
	if s.ignored == nil {
		s.ignored = map[string]int{}
	}
	s.ignored[kind]++
}

// noteIgnored says in one line what was of other kinds.
func (s *Set) noteIgnored() {
	if len(s.ignored) == 0 {
		return
	}
	kinds := make([]string, 0, len(s.ignored))
	count := 0
	for kind, n := range s.ignored {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
		count += n
	}
	slices.SortFunc(kinds, func(a, b string) int {
		return strings.Compare(a[strings.Index(a, " "):], b[strings.Index(b, " "):])
	})
	objects := "objects of other kinds"
	if count == 1 {
		objects = "object of another kind"
	}
	s.Notes = append(s.Notes, fmt.Sprintf("ignored %d %s: %s", count, objects, strings.Join(kinds, ", ")))
}

// noteDuplicates finds objects that are declared twice: which of them counts would depend on the order.
func (s *Set) noteDuplicates() {
	first := map[string]Origin{}
	kept := s.Objects[:0]
	for _, o := range s.Objects {
		key := fmt.Sprintf("%T/%s/%s", o.Object, o.GetNamespace(), o.GetName())
		origin, again := first[key]
		if !again {
			first[key] = o.Origin
			kept = append(kept, o)
			continue
		}
		s.Problems = append(s.Problems, Problem{o.Origin, fmt.Errorf("%s is declared at %s already; remove one of the two",
			Name(o.Object), origin)})
	}
	s.Objects = kept
}

// Name returns Kind/namespace/name, or Kind/name for a namespace.
func Name(o client.Object) string {
	kind := kindOf(o)
	if o.GetNamespace() == "" {
		return kind + "/" + o.GetName()
	}
	return kind + "/" + o.GetNamespace() + "/" + o.GetName()
}

func kindOf(o client.Object) string {
	kinds, _, err := scheme.ObjectKinds(o)
	if err != nil || len(kinds) == 0 {
		return fmt.Sprintf("%T", o)
	}
	return kinds[0].Kind
}
