package index

import (
	"iter"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Selector returns the selector as one that matches labels. A selector without terms, and one that does not parse, selects
// nothing.
func Selector(s *accessv1alpha1.LabelSelector) labels.Selector {
	parsed, err := metav1.LabelSelectorAsSelector(StandardSelector(s))
	if err != nil || parsed.Empty() {
		return labels.Nothing() // in doubt, no access; admission and schema refuse what does not parse
	}
	return parsed
}

// StandardSelector returns the selector as the standard type has it.
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

// selector is a label selector as the rules see it.
type selector struct{ labels.Selector }

func (s selector) Selects(of map[string]string) bool { return s.Matches(labels.Set(of)) }

func newSelector(s *accessv1alpha1.LabelSelector) resolve.Selector { return selector{Selector(s)} }

// Labels returns the labels of the Namespace object.
func (n *Namespace) Labels() map[string]string { return n.orEmpty().labels }

// Place returns the namespace as an organization that selectors see.
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

// LabelRevision changes with every change of labels that selectors of applications and organizations look at in the
// namespace: its own, and those of its ApplicationAccess objects.
func (n *Namespace) LabelRevision() uint64 { return n.orEmpty().labelRevision }

// relabel notes that labels of the namespace, or of an ApplicationAccess in it, differ.
func (l *Layer) relabel(n *Namespace) { n.labelRevision = revisions.Add(1) }

// indexSelecting keeps track of the sources of the namespace that select by label.
func (n *Namespace) indexSelecting(s *resolve.Source, in bool) {
	switch {
	case s == nil || !s.HasSelectors():
	case in:
		n.bySelector.Set(s.Name, s)
	default:
		n.bySelector.Delete(s.Name)
	}
}

// touchSelecting marks the users of the organization to whom a selector gives a role in an application by one set of its
// labels and not by the other. Nil stands for no ApplicationAccess.
func (l *Layer) touchSelecting(n *Namespace, before, after *map[string]string, cause Object) {
	l.relabel(n)
	at := n.Place()
	for _, from := range []*Namespace{n, l.System()} {
		for _, s := range from.bySelector.All() {
			if s.SelectsDifferently(at, before, after) {
				l.touchHolders(from, s, n.name, cause)
			}
		}
	}
}

// touchSelected takes new labels of the namespace, and marks the users to whom a source of the system namespace says
// something else by them.
func (l *Layer) touchSelected(n *Namespace, after labels.Set) {
	l.relabel(n)
	before := n.Place()
	n.labels = after
	if n.atSystem {
		return
	}
	system := l.System()
	for _, s := range system.bySelector.All() {
		if slices.Equal(s.Entries(before), s.Entries(n.Place())) {
			continue
		}
		cause, _ := ParseObject(s.Name)
		l.touchHolders(system, s, n.name, cause)
		l.touched.names(n.name, cause)
		l.touched.Objects.Add(cause) // whether its roles are mapped where there is no policy stands there
		l.touched.TouchPolicy(&l.Index, n)
	}
}

// touchHolders marks those who hold the source of a namespace for a new decision in the organization.
func (l *Layer) touchHolders(from *Namespace, s *resolve.Source, organization string, cause Object) {
	t, only := l.touched.Namespace(organization), Causes{cause}
	switch o, _ := ParseObject(s.Name); o.Kind {
	case KindAccessGroup:
		for user := range from.TransitiveMembers(o.Name) {
			t.User(user, only)
		}
	case KindUserAccess:
		if ua := from.userAccess.Get(o.Name); ua != nil {
			t.User(string(ua.Spec.User), only)
		}
	}
}
