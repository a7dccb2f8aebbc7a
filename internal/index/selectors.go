package index

import (
	"iter"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Selector converts the selector to one that matches labels. A selector that has no terms or does not parse
// selects nothing.
func Selector(s *accessv1alpha1.LabelSelector) labels.Selector {
	parsed, err := metav1.LabelSelectorAsSelector(StandardSelector(s))
	if err != nil || parsed.Empty() {
		return labels.Nothing() // fail closed; admission and the schema reject a selector that does not parse
	}
	return parsed
}

// StandardSelector converts the selector to the standard Kubernetes type.
func StandardSelector(s *accessv1alpha1.LabelSelector) *metav1.LabelSelector {
	standard := &metav1.LabelSelector{}
	for key, value := range s.MatchLabels {
		if standard.MatchLabels == nil {
			standard.MatchLabels = make(map[string]string, len(s.MatchLabels))
		}
		standard.MatchLabels[key] = string(value)
	}
	for i := range s.MatchExpressions {
		e := &s.MatchExpressions[i]
		values := make([]string, len(e.Values))
		for v := range e.Values {
			values[v] = string(e.Values[v])
		}
		standard.MatchExpressions = append(standard.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: string(e.Key), Operator: e.Operator, Values: values,
		})
	}
	return standard
}

// selector adapts a label selector to resolve.Selector.
type selector struct{ labels.Selector }

func (s selector) Selects(of map[string]string) bool { return s.Matches(labels.Set(of)) }

func newSelector(s *accessv1alpha1.LabelSelector) resolve.Selector { return selector{Selector(s)} }

// Labels returns the labels of the Namespace object.
func (n *Namespace) Labels() map[string]string { return n.orEmpty().labels }

// Place returns the namespace as an organization for selectors to match.
func (n *Namespace) Place() *resolve.Place {
	return &resolve.Place{Organization: n.name, Labels: n.labels, Applications: n.labelledApplications()}
}

func (n *Namespace) labelledApplications() iter.Seq2[string, map[string]string] {
	return func(yield func(string, map[string]string) bool) {
		for name, a := range n.applications.All() {
			if !yield(name, a.Labels) {
				return
			}
		}
	}
}

// LabelRevision returns a number that changes with every change of the labels that selectors for applications
// and organizations read in the namespace: its own labels and those of its ApplicationAccess objects.
func (n *Namespace) LabelRevision() uint64 { return n.orEmpty().labelRevision }

// relabel records that the labels of the namespace, or of an ApplicationAccess in it, differ.
func (l *Layer) relabel(n *Namespace) { n.labelRevision = revisions.Add(1) }

// indexSelecting adds a source that selects by label to the index, or removes it.
func (n *Namespace) indexSelecting(s *resolve.Source, in bool) {
	switch {
	case s == nil || !s.HasSelectors():
	case in:
		n.bySelector.Set(s.Name, s)
	default:
		n.bySelector.Delete(s.Name)
	}
}

// touchSelecting marks the users of the organization who receive a role in an application by a selector that
// matches only one of the two label sets. Nil means that the ApplicationAccess does not exist.
func (l *Layer) touchSelecting(n *Namespace, before, after *map[string]string, cause Object) {
	l.relabel(n)
	at := n.Place()
	for _, from := range []*Namespace{n, l.System()} {
		causes := map[Object]Object{}
		for _, s := range from.bySelector.All() {
			if s.SelectsDifferently(at, before, after) {
				source, _ := ParseObject(s.Name)
				causes[source] = cause
			}
		}
		l.touchHolders(from, causes, n.name)
	}
}

// touchSelected sets the labels of the namespace. It marks the users to which a source of the system
// namespace grants something else with the new labels.
func (l *Layer) touchSelected(n *Namespace, after labels.Set) {
	l.relabel(n)
	before := n.Place()
	n.labels = after
	if n.atSystem {
		return
	}
	system, causes := l.System(), map[Object]Object{}
	for _, s := range system.bySelector.All() {
		if slices.Equal(s.Entries(before), s.Entries(n.Place())) {
			continue
		}
		cause, _ := ParseObject(s.Name)
		causes[cause] = cause
		l.touched.names(n.name, cause)
		l.touched.Objects.Add(cause) // its status lists unmapped roles of organizations without a policy
		l.touched.TouchPolicy(&l.Index, n)
	}
	l.touchHolders(system, causes, n.name)
}

// touchHolders marks the users who hold a source of the namespace for a new decision in the organization, also those who
// hold it only by a UserAccess that does not count: a preview must find what that declares. The keys of causes are the
// objects of the sources, and the values are what caused the change.
func (l *Layer) touchHolders(from *Namespace, causes map[Object]Object, organization string) {
	t := l.touched.Namespace(organization)
	groups := map[string]Causes{}
	for _, source := range slices.SortedFunc(maps.Keys(causes), Object.Compare) {
		only := Causes{causes[source]}
		switch source.Kind {
		case KindAccessGroup:
			groups[source.Name] = only
			for user := range from.TransitiveMembers(source.Name) {
				t.User(user, only)
			}
		case KindUserAccess:
			if ua := from.userAccess.Get(source.Name); ua != nil {
				t.User(string(ua.Spec.User), only)
			}
		}
	}
	if len(groups) == 0 {
		return
	}
	for user, memberships := range from.heldBack() {
		for _, m := range memberships {
			if only, holds := groups[m.Group.Object.Name]; holds {
				t.User(user, only)
			}
		}
	}
}
