// Package objects reads the objects that a command needs: from files, from the output of a kustomization, or from a
// cluster. It does not evaluate them. It reports what it could not read along with what it could.
package objects

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Origin is the file and line of an object. The zero value stands for a cluster.
type Origin struct {
	File string
	Line int
}

// String returns file:line, the format of compilers and editors.
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

// Object is one object with its origin.
type Object struct {
	client.Object
	Origin Origin

	text    *document // nil for an object of a cluster
	path    string    // within the document: empty, or "items[#2]"
	encoded []byte    // as JSON
}

// Line returns the line of a field of the object, such as spec.members[3].user, or of the deepest part of the path
// that exists. It returns 0 for an object of a cluster.
func (o *Object) Line(field string) int {
	if o.text == nil {
		return 0
	}
	return o.text.line(joinPath(o.path, field))
}

// Problem is something that could not be read. It makes answers incomplete.
type Problem struct {
	Origin Origin
	Err    error
}

// String returns the origin and the error.
func (p Problem) String() string {
	if p.Origin.File == "" {
		return p.Err.Error()
	}
	return p.Origin.String() + ": " + p.Err.Error()
}

// Set is the result of reading.
type Set struct {
	// Objects are the objects of the four kinds and the Namespaces, in the order in which they were read.
	Objects []Object
	// Problems list what could not be read.
	Problems []Problem
	// Notes list what was skipped without any need for action.
	Notes []string

	ignored map[string]int // the number of objects of each kind that the plugin does not use
}

func (s *Set) ignore(kind string) {
	if s.ignored == nil {
		s.ignored = map[string]int{}
	}
	s.ignored[kind]++
}

// noteIgnored adds one note for all objects of other kinds.
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

// noteDuplicates reports objects that are declared twice, because the result would depend on their order.
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

// Name returns Kind/namespace/name, or Kind/name for a Namespace.
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
