package index

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Set is a set.
type Set[T comparable] map[T]struct{}

// Add adds the element.
func (s Set[T]) Add(element T) { s[element] = struct{}{} }

// Touched is what changes of objects bear on.
type Touched struct {
	// Namespaces have something to decide anew.
	Namespaces map[string]*TouchedNamespace
	// Objects are those of which the report may differ.
	Objects Set[Object]
	// Renewed are the objects that were set again with the spec that they had, as they are now.
	Renewed map[Object]client.Object
	// Applications are the ApplicationAccess objects that came, went or changed.
	Applications Set[Object]
	// Accounts are the users whose UserAccess objects came, went or changed.
	Accounts Set[Account]

	organizations Set[string] // namespaces that were organizations before they changed
}

// TouchedNamespace is what changes of objects bear on in a namespace.
type TouchedNamespace struct {
	// Users are those to decide for, with the objects that are the reason.
	Users map[string]Causes
	// Rules and Names say that the rules, or the list of named applications, may differ.
	Rules, Names bool
	// Causes are the objects on whose account they may.
	Causes Set[Object]
}

// Account is a user as a namespace knows one.
type Account struct {
	Namespace string
	User      string
}

// Compare orders accounts by namespace and user.
func (a Account) Compare(b Account) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.User, b.User))
}

// Causes are the objects whose change made a new decision necessary. They are shared between users, and not changed.
type Causes []Object

// With adds a cause, which is given as a list so that all users whom it alone touches share that; nil adds none.
func (c Causes) With(cause Causes) Causes {
	if len(c) == 0 {
		return cause
	}
	if len(cause) == 0 || slices.Contains(c, cause[0]) {
		return c
	}
	return append(slices.Clip(c), cause[0])
}

func newTouched() *Touched {
	return &Touched{
		Namespaces: map[string]*TouchedNamespace{}, Objects: Set[Object]{}, Renewed: map[Object]client.Object{},
		Applications: Set[Object]{}, Accounts: Set[Account]{}, organizations: Set[string]{},
	}
}

// IsEmpty reports whether there is nothing to decide anew, in any namespace.
func (t *Touched) IsEmpty() bool {
	return len(t.Namespaces)+len(t.Objects)+len(t.Renewed)+len(t.Applications)+len(t.Accounts) == 0
}

// Namespace returns what is noted of the namespace, to add to it.
func (t *Touched) Namespace(name string) *TouchedNamespace {
	n := t.Namespaces[name]
	if n == nil {
		n = &TouchedNamespace{Users: map[string]Causes{}, Causes: Set[Object]{}}
		t.Namespaces[name] = n
	}
	return n
}

// User notes that there is something to decide for the user, on account of the cause, which may be nil.
func (n *TouchedNamespace) User(user string, cause Causes) { n.Users[user] = n.Users[user].With(cause) }

func (t *Touched) rules(namespace string, cause Object) {
	n := t.Namespace(namespace)
	n.Rules = true
	n.Causes.Add(cause)
}

func (t *Touched) names(namespace string, cause Object) {
	n := t.Namespace(namespace)
	n.Names = true
	n.Causes.Add(cause)
}

// TouchAll notes every object of the namespace.
func (t *Touched) TouchAll(n *Namespace) {
	for o := range n.Objects() {
		t.Objects.Add(o)
	}
}

// TouchUserAccess notes the user's UserAccess objects.
func (t *Touched) TouchUserAccess(n *Namespace, user string) {
	if a := n.accounts.Get(user); a != nil {
		for _, ua := range a.All() {
			t.Objects.Add(Object{KindUserAccess, n.name, ua.Name})
		}
	}
}

// TouchPolicy notes the policy of the namespace and that of the system namespace.
func (t *Touched) TouchPolicy(x *Index, n *Namespace) {
	for _, at := range []*Namespace{n, x.System()} {
		if at != nil && at.policy != nil {
			t.Objects.Add(Object{KindAccessPolicy, at.name, accessv1alpha1.AccessPolicyName})
		}
	}
}

// TouchPolicies notes all policies.
func (t *Touched) TouchPolicies(x *Index) {
	for _, n := range x.namespaces.All() {
		t.TouchPolicy(x, n)
	}
}

// touchUser marks the user for a new decision in the namespace and in those that a change there reaches.
func (l *Layer) touchUser(n *Namespace, user string, reach []string, cause Causes) {
	l.touched.Namespace(n.name).User(user, cause)
	for _, name := range reach {
		l.touched.Namespace(name).User(user, cause)
	}
}

// reach returns the organizations in which a change to the group of the system namespace may matter: those that it, or
// a group around it, speaks of. Without a group it is all of them. Out of the system namespace nothing reaches further.
// A namespace that is no organization any more is among them: it may be one again before anybody decides.
func (l *Layer) reach(n *Namespace, group string) []string {
	if !n.atSystem {
		return nil
	}
	var sources []*resolve.Source
	if group != "" {
		sources = n.SourcesAbove(group)
	}
	var reached []string
	for name, o := range l.namespaces.All() {
		_, was := l.touched.organizations[name]
		if (was || l.IsOrganization(o)) && (group == "" || speakOf(sources, o.Place())) {
			reached = append(reached, name)
		}
	}
	return reached
}

func speakOf(sources []*resolve.Source, at *resolve.Place) bool {
	return slices.ContainsFunc(sources, func(s *resolve.Source) bool { return s.SpeaksOf(at) })
}

// touchSpanning notes what the ladders of the organization bear on beyond it: whether the roles that objects of the
// system namespace give there exist, and are mapped. Roles of an entry with a selector exist where any ladder has them.
func (l *Layer) touchSpanning(n *Namespace) {
	system, at := l.System(), n.Place()
	for name, g := range system.groups.All() {
		if g.Source.SpeaksOf(at) || system.bySelector.Get(g.Source.Name) != nil {
			l.touched.Objects.Add(Object{KindAccessGroup, system.name, name})
		}
	}
	for _, a := range system.accounts.All() {
		if a.Source != nil && (a.Source.SpeaksOf(at) || system.bySelector.Get(a.Source.Name) != nil) {
			l.touched.Objects.Add(Object{KindUserAccess, system.name, a.Counting().Name})
		}
	}
	if system.policy != nil {
		l.touched.Objects.Add(Object{KindAccessPolicy, system.name, accessv1alpha1.AccessPolicyName})
	}
}

func (l *Layer) touchMembers(n *Namespace, g *Group, cause Object) {
	reach, only := l.reach(n, g.Object.Name), Causes{cause}
	for user := range n.TransitiveMembers(g.Object.Name) {
		l.touchUser(n, user, reach, only)
	}
}

// touchNaming notes who names the group: whether the name means something is in their status.
func (l *Layer) touchNaming(n *Namespace, name string) {
	for parent := range n.parents.from(name) {
		l.touched.Objects.Add(Object{KindAccessGroup, n.name, parent})
	}
	for user := range n.naming.from(name) {
		if ua := n.accounts.Get(user).Counting(); ua != nil {
			l.touched.Objects.Add(Object{KindUserAccess, n.name, ua.Name})
		}
	}
}

// Objects iterates over the objects of the namespace, sorted by kind and name.
func (n *Namespace) Objects() iter.Seq[Object] {
	n = n.orEmpty()
	return func(yield func(Object) bool) {
		for name := range n.groups.Keys() {
			if !yield(Object{KindAccessGroup, n.name, name}) {
				return
			}
		}
		if n.policy != nil && !yield(Object{KindAccessPolicy, n.name, n.policy.Name}) {
			return
		}
		for name := range n.applications.Keys() {
			if !yield(Object{KindApplicationAccess, n.name, name}) {
				return
			}
		}
		for name := range n.userAccess.Keys() {
			if !yield(Object{KindUserAccess, n.name, name}) {
				return
			}
		}
	}
}

// onlyMembersDiffer reports whether the group gives what it gave, to a list of members that may differ.
func onlyMembersDiffer(old, made *accessv1alpha1.AccessGroup) bool {
	if old.UID != made.UID || (old.DeletionTimestamp == nil) != (made.DeletionTimestamp == nil) {
		return false
	}
	a, b := old.Spec, made.Spec
	a.Members, b.Members = nil, nil
	return equality.Semantic.DeepEqual(&a, &b)
}

// differingMembers returns the users whose entry in the list of members is not the same in both.
func differingMembers(old, made *accessv1alpha1.AccessGroup) []string {
	before := make(map[string]resolve.Window, len(old.Spec.Members))
	for i := range old.Spec.Members {
		m := &old.Spec.Members[i]
		before[string(m.User)] = window(m.NotBefore, m.NotAfter)
	}
	var differing []string
	for i := range made.Spec.Members {
		m := &made.Spec.Members[i]
		user := string(m.User)
		was, listed := before[user]
		if !listed || was != window(m.NotBefore, m.NotAfter) {
			differing = append(differing, user)
		}
		delete(before, user)
	}
	for user := range before {
		differing = append(differing, user)
	}
	return differing
}
