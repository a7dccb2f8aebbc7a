package index

import (
	"fmt"
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// Layer is an [Index] that accepts changes and records what they affect. It is not safe for concurrent use.
//
// A layer keeps the objects that are set. It neither copies nor changes them, and the caller must not change
// them either.
type Layer struct {
	Index
	mine    map[string]struct{} // namespaces that no index shares yet
	touched *Touched
}

// New returns a layer without objects.
func New(options Options) *Layer {
	if options.Organizations == nil {
		options.Organizations = labels.Everything()
	}
	l := (&Index{options: options, reviews: NewTree(review.compare)}).Layer()
	l.namespace(options.SystemNamespace)
	return l
}

// Freeze returns a snapshot of the current objects. Later changes to the layer do not affect it.
func (l *Layer) Freeze() *Index {
	l.share()
	frozen := l.Index
	clear(l.mine)
	return &frozen
}

// Touched returns what the changes since the last call of Take affect. The caller must not retain it.
func (l *Layer) Touched() *Touched { return l.touched }

// Take returns what the changes since the last call affect, and starts a new record.
func (l *Layer) Take() *Touched {
	taken := l.touched
	l.touched = newTouched()
	return taken
}

// Set adds or replaces an object: one of the four kinds, or a Namespace. It returns an error for any other
// object. Setting the same object again has no effect.
func (l *Layer) Set(object runtime.Object) error {
	switch o := object.(type) {
	case *accessv1alpha1.AccessGroup:
		l.setGroup(o)
	case *accessv1alpha1.UserAccess:
		l.setUserAccess(o)
	case *accessv1alpha1.ApplicationAccess:
		l.setApplication(o)
	case *accessv1alpha1.AccessPolicy:
		l.setPolicy(o)
	case *corev1.Namespace:
		l.setNamespace(o)
	default:
		return fmt.Errorf("the roster has no use for a %T", object)
	}
	return nil
}

// Remove removes a deleted object. It reads only the kind, namespace and name.
func (l *Layer) Remove(object runtime.Object) error {
	switch o := object.(type) {
	case *accessv1alpha1.AccessGroup:
		l.RemoveObject(Object{KindAccessGroup, o.Namespace, o.Name})
	case *accessv1alpha1.UserAccess:
		l.RemoveObject(Object{KindUserAccess, o.Namespace, o.Name})
	case *accessv1alpha1.ApplicationAccess:
		l.RemoveObject(Object{KindApplicationAccess, o.Namespace, o.Name})
	case *accessv1alpha1.AccessPolicy:
		l.RemoveObject(Object{KindAccessPolicy, o.Namespace, o.Name})
	case *corev1.Namespace:
		l.removeNamespace(o.Name)
	default:
		return fmt.Errorf("the roster has no use for a %T", object)
	}
	return nil
}

// RemoveObject removes an object of one of the four kinds.
func (l *Layer) RemoveObject(o Object) {
	if l.Lookup(o) == nil {
		return
	}
	n := l.namespace(o.Namespace)
	switch o.Kind {
	case KindAccessGroup:
		l.removeGroup(n, o.Name)
	case KindUserAccess:
		l.replaceUserAccess(n, n.userAccess.Get(o.Name), nil, o)
	case KindApplicationAccess:
		l.removeApplication(n, o.Name)
	case KindAccessPolicy:
		l.replacePolicy(n, nil)
	}
}

// revisions numbers the changes of all layers. A revision identifies one state, regardless of the layer that
// holds it.
var revisions atomic.Uint64

// revise records that decisions that depend on the objects of the namespace may differ. Callers call it before
// they change the objects.
func (l *Layer) revise(n *Namespace) {
	if l.IsOrganization(n) {
		l.touched.organizations.Add(n.name)
	}
	l.touched.Namespace(n.name) // the namespace may become an organization, or cease to be one
	n.revision = revisions.Add(1)
}

// Ensure adds the namespace to the index, even if it has no objects.
func (l *Layer) Ensure(name string) { l.namespace(name) }

// namespace returns a namespace that the layer may change.
func (l *Layer) namespace(name string) *Namespace {
	n := l.namespaces.Get(name)
	if _, mine := l.mine[name]; mine {
		return n
	}
	if n == nil {
		n = &Namespace{name: name, atSystem: name == l.options.SystemNamespace}
	} else {
		n = n.clone()
	}
	l.namespaces.Set(name, n)
	l.mine[name] = struct{}{}
	return n
}

// Forget removes the namespace if it has no objects and no Namespace object.
func (l *Layer) Forget(name string) {
	if n := l.namespaces.Get(name); n != nil && !n.atSystem && !n.known && n.IsEmpty() {
		l.namespaces.Delete(name)
		delete(l.mine, name)
	}
}

func (l *Layer) removeNamespace(name string) {
	if l.namespaces.Get(name) == nil {
		return
	}
	n := l.namespace(name)
	l.revise(n)
	l.touchSelected(n, nil)
	n.known, n.terminating = false, false
}

func (l *Layer) setNamespace(o *corev1.Namespace) {
	n := l.namespace(o.Name)
	if !n.known || !labels.Equals(n.labels, o.Labels) {
		l.revise(n)
		l.touchSelected(n, labels.Set(o.Labels))
	}
	n.known = true
	if terminating := o.DeletionTimestamp != nil; terminating != n.terminating {
		n.terminating = terminating
		l.touched.TouchAll(n)
	}
}

// setGroup records the users that the change affects. These are all members before and after the change or, if
// only the list of members differs, the users whose entry differs.
func (l *Layer) setGroup(o *accessv1alpha1.AccessGroup) {
	n := l.namespace(o.Namespace)
	key := Object{KindAccessGroup, o.Namespace, o.Name}
	old := n.groups.Get(o.Name)
	if old != nil && sameSpec(&old.Object.ObjectMeta, &o.ObjectMeta, &old.Object.Spec, &o.Spec) {
		n.replaceSame(old, o)
		l.touched.Renewed[key] = o
		return
	}
	l.touched.Objects.Add(key)
	l.revise(n)
	made := newGroup(o, n.atSystem)
	if old == nil || old.Inert != made.Inert {
		l.touchNaming(n, o.Name)
	}
	if old != nil && onlyMembersDiffer(old.Object, o) {
		// The grants of the group do not change, so it keeps its source and the bindings of that source.
		made.Source = old.Source
		n.indexGroup(old, false)
		l.indexReview(old, false)
		n.groups.Set(o.Name, made)
		n.indexGroup(made, true)
		l.indexReview(made, true)
		l.blame(n, key)
		reach := l.reach(n, o.Name)
		for _, user := range differingMembers(old.Object, o) {
			l.touchUser(n, user, reach, Causes{key})
		}
		return
	}
	if old != nil {
		l.touchMembers(n, old, key)
	}
	l.replaceGroup(n, old, made, key)
	l.touchMembers(n, made, key)
}

func (l *Layer) removeGroup(n *Namespace, name string) {
	old := n.groups.Get(name)
	l.revise(n)
	key := Object{KindAccessGroup, n.name, name}
	l.touched.Objects.Add(key)
	l.touchMembers(n, old, key)
	l.touchNaming(n, name)
	l.replaceGroup(n, old, nil, key)
}

// replaceGroup replaces old with made in the index. Either may be nil.
func (l *Layer) replaceGroup(n *Namespace, old, made *Group, cause Object) {
	if old != nil {
		n.indexGroup(old, false)
		l.indexReview(old, false)
		l.span(n, old.Source, false, old.Inert, cause)
		n.groups.Delete(old.Object.Name)
	}
	if made != nil {
		n.groups.Set(made.Object.Name, made)
		n.indexGroup(made, true)
		l.indexReview(made, true)
		l.span(n, made.Source, true, made.Inert, cause)
	}
	l.blame(n, cause)
}

// span updates the index of the system namespace's sources that name applications in organizations.
func (l *Layer) span(n *Namespace, s *resolve.Source, in, inert bool, cause Object) {
	if !n.atSystem || s == nil || inert {
		return
	}
	l.touched.TouchPolicies(&l.Index) // their status lists unmapped system roles
	switch {
	case in && slices.ContainsFunc(s.System, func(g resolve.SystemGrant) bool { return len(g.Applications) > 0 }):
		l.spanning.Set(s.Name, s)
	case !in && l.spanning.Get(s.Name) != nil:
		l.spanning.Delete(s.Name)
	default:
		return
	}
	for name := range l.namespaces.Keys() {
		l.touched.names(name, cause)
	}
}

func (l *Layer) setApplication(o *accessv1alpha1.ApplicationAccess) {
	n := l.namespace(o.Namespace)
	key := Object{KindApplicationAccess, o.Namespace, o.Name}
	old := n.applications.Get(o.Name)
	n.applications.Set(o.Name, o)
	if old == nil || !labels.Equals(old.Labels, o.Labels) {
		l.revise(n)
		if !n.atSystem {
			l.touchSelecting(n, labelsOf(old), labelsOf(o), key)
		}
	}
	if old != nil && sameSpec(&old.ObjectMeta, &o.ObjectMeta, &old.Spec, &o.Spec) {
		l.touched.Renewed[key] = o
		return
	}
	l.touched.Objects.Add(key)
	l.revise(n)
	l.touched.Applications.Add(key)
	if n.atSystem {
		return
	}
	if old == nil {
		n.count(true)
		n.nameApplication(o.Name, true)
		l.blame(n, key)
	}
	if (old == nil && hidesUnmatched(o)) || (old != nil && hidesUnmatched(old) != hidesUnmatched(o)) {
		l.touched.rules(n.name, key)
	}
}

func (l *Layer) removeApplication(n *Namespace, name string) {
	old := n.applications.Get(name)
	key := Object{KindApplicationAccess, n.name, name}
	l.touched.Objects.Add(key)
	l.touched.Applications.Add(key)
	l.revise(n)
	n.applications.Delete(name)
	if n.atSystem {
		return
	}
	l.touchSelecting(n, labelsOf(old), nil, key)
	n.count(false)
	n.nameApplication(name, false)
	l.blame(n, key)
	if hidesUnmatched(old) {
		l.touched.rules(n.name, key)
	}
}

// labelsOf returns the labels of the ApplicationAccess, or nil if it is nil.
func labelsOf(o *accessv1alpha1.ApplicationAccess) *map[string]string {
	if o == nil {
		return nil
	}
	return &o.Labels
}

func hidesUnmatched(o *accessv1alpha1.ApplicationAccess) bool {
	return o.Spec.UnmatchedRows == accessv1alpha1.UnmatchedRowsNone
}

func (l *Layer) setPolicy(o *accessv1alpha1.AccessPolicy) {
	if o.Name != accessv1alpha1.AccessPolicyName {
		return // the schema accepts no other name, and an object with another name has no effect
	}
	n := l.namespace(o.Namespace)
	if n.policy != nil && sameSpec(&n.policy.ObjectMeta, &o.ObjectMeta, &n.policy.Spec, &o.Spec) {
		n.policy = o
		l.touched.Renewed[ObjectOf(o)] = o
		return
	}
	l.replacePolicy(n, o)
}

func (l *Layer) replacePolicy(n *Namespace, o *accessv1alpha1.AccessPolicy) {
	l.revise(n)
	if (n.policy == nil) != (o == nil) && !n.atSystem {
		n.count(o != nil)
	}
	n.policy = o
	key := Object{KindAccessPolicy, n.name, accessv1alpha1.AccessPolicyName}
	l.touched.Objects.Add(key)
	if !n.atSystem {
		l.touched.rules(n.name, key)
		l.touchSpanning(n)
		return
	}
	l.touched.TouchAll(n)
	for name := range l.namespaces.Keys() {
		if name != n.name {
			l.touched.rules(name, key)
		}
	}
}

// blame records the indexed object as a cause if it may have changed the list of named applications.
func (l *Layer) blame(n *Namespace, cause Object) {
	if n.nameChanged {
		l.touched.names(n.name, cause)
	}
	n.nameChanged = false
}

// sameSpec reports whether two versions of an object are the same in everything that resolution reads.
func sameSpec[T any](old, made metav1.Object, oldSpec, spec *T) bool {
	if old.GetUID() != made.GetUID() || (old.GetDeletionTimestamp() == nil) != (made.GetDeletionTimestamp() == nil) {
		return false
	}
	if g := made.GetGeneration(); g != 0 && g == old.GetGeneration() {
		return true
	}
	return equality.Semantic.DeepEqual(oldSpec, spec)
}
