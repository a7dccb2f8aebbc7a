package source

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/roster"
)

// Overlay returns the objects of the cluster after an apply of the objects in made. With prune, it omits the
// declared objects of the cluster in the namespaces of made that are not in made.
func Overlay(base, made *objects.Set, prune bool) *objects.Set {
	all := &objects.Set{Problems: made.Problems, Notes: made.Notes}
	given, namespaces := map[string]bool{}, map[string]bool{}
	for _, o := range made.Objects {
		given[objects.Name(o.Object)] = true
		namespaces[o.GetNamespace()] = true
	}
	were := map[string]*objects.Object{}
	for i := range base.Objects {
		o := &base.Objects[i]
		name := objects.Name(o.Object)
		were[name] = o
		if !given[name] && !(prune && namespaces[o.GetNamespace()] && prunable(o.Object)) {
			all.Objects = append(all.Objects, *o)
		}
	}
	for _, o := range made.Objects {
		if was := were[objects.Name(o.Object)]; was != nil {
			o.Object = laidOver(was.Object, o.Object)
		}
		all.Objects = append(all.Objects, o)
	}
	return all
}

// prunable reports whether the object is a declared object, which a prune may remove.
func prunable(o client.Object) bool {
	if ua, is := o.(*accessv1alpha1.UserAccess); is {
		return !roster.IsMaterialized(ua)
	}
	return !IsNamespace(o)
}

// laidOver returns the object after an apply. It keeps the deletion timestamp, because an apply does not cancel a
// deletion.
func laidOver(was, made client.Object) client.Object {
	made = made.DeepCopyObject().(client.Object)
	made.SetUID(was.GetUID())
	made.SetDeletionTimestamp(was.GetDeletionTimestamp())
	made.SetFinalizers(was.GetFinalizers())
	made.SetOwnerReferences(was.GetOwnerReferences())
	return made
}

// ChangesBetween lists the objects of the four kinds that differ: first created and changed objects in the order of
// the files, then removed objects.
func ChangesBetween(base, made *objects.Set) []objects.Change {
	were := map[string]*objects.Object{}
	for i := range base.Objects {
		were[objects.Name(base.Objects[i].Object)] = &base.Objects[i]
	}
	var changes []objects.Change
	for i := range made.Objects {
		o := &made.Objects[i]
		name := objects.Name(o.Object)
		was := were[name]
		delete(were, name)
		if was == nil || !SameDeclaration(was.Object, o.Object) {
			changes = append(changes, objects.Change{Before: was, After: o})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(were)) {
		changes = append(changes, objects.Change{Before: were[name]})
	}
	return slices.DeleteFunc(changes, func(c objects.Change) bool { return IsNamespace(c.Object().Object) })
}

// IsNamespace reports whether the object is a Namespace.
func IsNamespace(o client.Object) bool {
	_, is := o.(*corev1.Namespace)
	return is
}

// SameDeclaration reports whether two objects are equal apart from the fields that the cluster adds.
func SameDeclaration(a, b client.Object) bool {
	return maps.Equal(a.GetLabels(), b.GetLabels()) &&
		a.GetAnnotations()[accessv1alpha1.AnnotationAllowRevocation] == b.GetAnnotations()[accessv1alpha1.AnnotationAllowRevocation] &&
		equality.Semantic.DeepEqual(specOf(a), specOf(b))
}

func specOf(o client.Object) any {
	switch each := o.(type) {
	case *accessv1alpha1.AccessGroup:
		return each.Spec
	case *accessv1alpha1.UserAccess:
		return each.Spec
	case *accessv1alpha1.ApplicationAccess:
		return each.Spec
	case *accessv1alpha1.AccessPolicy:
		return each.Spec
	default:
		return nil
	}
}
