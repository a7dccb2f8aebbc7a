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

// Set is a set of comparable elements.
type Set[T comparable] map[T]struct{}

// Add adds the element to the set.
func (s Set[T]) Add(element T) { s[element] = struct{}{} }

// Touched records what changes of objects affect.
type Touched struct {
	// Namespaces are the namespaces with something to decide again.
	Namespaces map[string]*TouchedNamespace
	// Objects are the objects whose status may differ.
	Objects Set[Object]
	// Renewed are the current versions of the objects that were set again with the same spec.
	Renewed map[Object]client.Object
	// Applications are the ApplicationAccess objects that were created, changed or deleted.
	Applications Set[Object]
	// Accounts are the users whose UserAccess objects were created, changed or deleted.
	Accounts Set[Account]

	organizations Set[string] // namespaces that were organizations before the change
}

// TouchedNamespace records what changes of objects affect in one namespace.
type TouchedNamespace struct {
	// Users are the users to decide for, with the objects that caused it.
	Users map[string]Causes
	// Rules and Names report whether the rules and the list of named applications may differ.
	Rules, Names bool
	// Causes are the objects that caused these differences.
	Causes Set[Object]
}

// Account identifies a user in a namespace.
type Account struct {
	Namespace string
	User      string
}

// Compare orders accounts by namespace and user.
func (a Account) Compare(b Account) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.User, b.User))
}

// Causes are the objects whose change made a new decision necessary. Users share these slices, which must not be
// changed.
type Causes []Object

// With returns c with the cause added. The cause is a slice so that all users with that single cause share it. A
// nil cause adds nothing.
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

// IsEmpty reports whether there is nothing to decide again in any namespace.
func (t *Touched) IsEmpty() bool {
	return len(t.Namespaces)+len(t.Objects)+len(t.Renewed)+len(t.Applications)+len(t.Accounts) == 0
}

// Namespace returns the record of the namespace. It creates the record if it does not exist.
func (t *Touched) Namespace(name string) *TouchedNamespace {
	n := t.Namespaces[name]
	if n == nil {
		n = &TouchedNamespace{Users: map[string]Causes{}, Causes: Set[Object]{}}
		t.Namespaces[name] = n
	}
	return n
}

// User marks the user for a new decision because of the cause, which may be nil.
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

// TouchAll marks every object of the namespace.
func (t *Touched) TouchAll(n *Namespace) {
	for o := range n.Objects() {
		t.Objects.Add(o)
	}
}

// TouchUserAccess marks the UserAccess objects of the user.
func (t *Touched) TouchUserAccess(n *Namespace, user string) {
	if a := n.accounts.Get(user); a != nil {
		for _, ua := range a.All() {
			t.Objects.Add(Object{KindUserAccess, n.name, ua.Name})
		}
	}
}

// TouchPolicy marks the policy of the namespace and that of the system namespace.
func (t *Touched) TouchPolicy(x *Index, n *Namespace) {
	for _, at := range []*Namespace{n, x.System()} {
		if at != nil && at.policy != nil {
			t.Objects.Add(Object{KindAccessPolicy, at.name, accessv1alpha1.AccessPolicyName})
		}
	}
}

// TouchPolicies marks all policies.
func (t *Touched) TouchPolicies(x *Index) {
	for _, n := range x.namespaces.All() {
		t.TouchPolicy(x, n)
	}
}

// touchUser marks the user for a new decision in the namespace and in the organizations in reach.
func (l *Layer) touchUser(n *Namespace, user string, reach []string, cause Causes) {
	l.touched.Namespace(n.name).User(user, cause)
	for _, name := range reach {
		l.touched.Namespace(name).User(user, cause)
	}
}

// reach returns the organizations that a change to the group of the system namespace may affect. These are the
// organizations that the group, or a group that contains it, grants roles in. Without a group, reach returns all
// of them. A change outside the system namespace reaches no other namespace. The result includes namespaces that
// have ceased to be organizations, because they may become organizations again before the next settling.
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

// touchSpanning marks the objects outside the organization whose status depends on its ladders. That status
// lists unresolved and unmapped roles that objects of the system namespace grant in the organization. A role in
// an entry with a selector exists if any ladder has it.
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

// touchNaming marks the objects that name the group, because their status reports whether the name resolves.
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

// onlyMembersDiffer reports whether the two versions of the group differ at most in the list of members.
func onlyMembersDiffer(old, made *accessv1alpha1.AccessGroup) bool {
	if old.UID != made.UID || (old.DeletionTimestamp == nil) != (made.DeletionTimestamp == nil) {
		return false
	}
	a, b := old.Spec, made.Spec
	a.Members, b.Members = nil, nil
	return equality.Semantic.DeepEqual(&a, &b)
}

// differingMembers returns the users whose entry in the list of members differs between the two versions.
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
