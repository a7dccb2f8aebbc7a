package roster

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Revision counts the changes to the objects of the namespace, and to its labels: while it stays the same, so does all
// that rests on them.
func (r *Roster) Revision(namespace string) uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.revisionOf(namespace)
}

func (r *Roster) revisionOf(namespace string) uint64 {
	if n := r.namespaces[namespace]; n != nil {
		return n.revision
	}
	return 0
}

// HasNamespace says whether the roster knows the namespace as given, or where nil that there is none.
func (r *Roster) HasNamespace(name string, found *corev1.Namespace) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[name]
	if n == nil || !n.known {
		return found == nil
	}
	return found != nil && sameLabels(n.labels, found.Labels)
}

// HasExactly says whether the roster's objects of the kind in the namespace are these, in what counts: the same objects
// with the same generations and labels, being deleted or not.
func (r *Roster) HasExactly(kind Kind, namespace string, found []metav1.PartialObjectMetadata) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.namespaces[namespace]
	if n == nil {
		return len(found) == 0
	}
	count := 0
	n.each(func(o Object) {
		if o.Kind == kind {
			count++
		}
	})
	if count != len(found) {
		return false
	}
	for i := range found {
		if has := r.lookup(Object{kind, namespace, found[i].Name}); has == nil || !sameInWhatCounts(has, &found[i]) {
			return false
		}
	}
	return true
}

func sameInWhatCounts(a client.Object, b *metav1.PartialObjectMetadata) bool {
	return a.GetUID() == b.UID && a.GetGeneration() == b.Generation && sameLabels(a.GetLabels(), b.Labels) &&
		(a.GetDeletionTimestamp() == nil) == (b.DeletionTimestamp == nil)
}

// Holds reports whether the roster has the object as given: the same UID, generation, labels and spec, and both or neither
// being deleted.
func (r *Roster) Holds(object client.Object) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	has := r.lookup(ObjectOf(object))
	if has == nil || has.GetUID() != object.GetUID() || has.GetGeneration() != object.GetGeneration() ||
		!sameLabels(has.GetLabels(), object.GetLabels()) ||
		(has.GetDeletionTimestamp() == nil) != (object.GetDeletionTimestamp() == nil) {
		return false
	}
	return SameSpec(has, object)
}

// SameSpec reports whether two objects of one of the four kinds have the same spec.
func SameSpec(a, b client.Object) bool {
	switch a := a.(type) {
	case *accessv1alpha1.AccessGroup:
		b, same := b.(*accessv1alpha1.AccessGroup)
		return same && equality.Semantic.DeepEqual(&a.Spec, &b.Spec)
	case *accessv1alpha1.UserAccess:
		b, same := b.(*accessv1alpha1.UserAccess)
		return same && equality.Semantic.DeepEqual(&a.Spec, &b.Spec)
	case *accessv1alpha1.ApplicationAccess:
		b, same := b.(*accessv1alpha1.ApplicationAccess)
		return same && equality.Semantic.DeepEqual(&a.Spec, &b.Spec)
	case *accessv1alpha1.AccessPolicy:
		b, same := b.(*accessv1alpha1.AccessPolicy)
		return same && equality.Semantic.DeepEqual(&a.Spec, &b.Spec)
	default:
		return false
	}
}
