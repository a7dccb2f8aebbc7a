package index

import (
	"errors"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Version identifies one state of an object. A recreated object has another UID, and the generation changes with
// the spec.
type Version struct {
	UID        types.UID
	Generation int64
}

// Version returns the version of the object, and reports whether the object exists.
func (x *Index) Version(o Object) (Version, bool) {
	found := x.Lookup(o)
	if found == nil {
		return Version{}, false
	}
	return Version{found.GetUID(), found.GetGeneration()}, true
}

// HasNamespace reports whether the index agrees with the given Namespace object. A nil object means that the
// namespace does not exist.
func (x *Index) HasNamespace(name string, found *corev1.Namespace) bool {
	n := x.Namespace(name)
	if !n.Known() {
		return found == nil
	}
	return found != nil && labels.Equals(n.labels, found.Labels)
}

// HasExactly reports whether the index has exactly the given objects of the kind in the namespace. It compares
// UIDs, generations, labels, and whether the objects are being deleted.
func (x *Index) HasExactly(kind Kind, namespace string, found []metav1.PartialObjectMetadata) bool {
	n := x.Namespace(namespace)
	if n == nil {
		return len(found) == 0
	}
	count := 0
	for o := range n.Objects() {
		if o.Kind == kind {
			count++
		}
	}
	if count != len(found) {
		return false
	}
	for i := range found {
		has := x.Lookup(Object{kind, namespace, found[i].Name})
		if has == nil || has.GetUID() != found[i].UID || has.GetGeneration() != found[i].Generation ||
			!sameMetadata(has, &found[i]) {
			return false
		}
	}
	return true
}

// Holds reports whether the index has the object in the given state: the same UID, generation, labels and spec,
// and both or neither being deleted.
func (x *Index) Holds(object client.Object) bool {
	has := x.Lookup(ObjectOf(object))
	return has != nil && has.GetUID() == object.GetUID() && has.GetGeneration() == object.GetGeneration() &&
		sameMetadata(has, object) && SameSpec(has, object)
}

func sameMetadata(a, b client.Object) bool {
	return labels.Equals(a.GetLabels(), b.GetLabels()) && (a.GetDeletionTimestamp() == nil) == (b.GetDeletionTimestamp() == nil)
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

// SameObject returns an error unless before and after are the same object of the four kinds, with the same kind,
// namespace and name. One of them may be nil, for an object that is created or deleted, but not both.
func SameObject(before, after client.Object) error {
	switch {
	case IsNil(before) && IsNil(after):
		return errors.New("a change needs an object before it or after it; both are missing")
	case IsNil(before) || IsNil(after):
		return nil
	}
	if was, is := ObjectOf(before), ObjectOf(after); was != is {
		return fmt.Errorf("a change is of one object: the object before it is %s, the object after it is %s", was, is)
	}
	return nil
}

// IsNil reports whether o is nil or holds a nil pointer.
func IsNil(o client.Object) bool { return o == nil || reflect.ValueOf(o).IsNil() }
