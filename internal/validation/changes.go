package validation

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/roster"
)

// changes lists the parts in which the old and the new object differ: the fields of the spec by their JSON names,
// the labels and the owner references.
type changes struct {
	deleted, created bool
	fields           []string
	labels           bool
	// owners is set if the owner references differ, owned if one of them is new. A reference that differs in any
	// field is new: the garbage collector also deletes an object whose owner does not exist.
	owners, owned bool
	// pointing, if set, is the field that messages name.
	pointing *field.Path
}

func changesOf(request *Request) changes {
	switch {
	case request.Old == nil:
		owned := len(request.New.GetOwnerReferences()) > 0
		return changes{created: true, owners: owned, owned: owned}
	case request.New == nil:
		return changes{deleted: true}
	}
	c := changes{
		labels: !labels.Equals(request.Old.GetLabels(), request.New.GetLabels()),
		owned:  hasMoreOwners(request.New, request.Old),
	}
	c.owners = c.owned || hasMoreOwners(request.Old, request.New)
	was, is := specOf(request.Old), specOf(request.New)
	for i := range was.NumField() {
		if !equality.Semantic.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			name, _, _ := strings.Cut(was.Type().Field(i).Tag.Get("json"), ",")
			c.fields = append(c.fields, name)
		}
	}
	return c
}

// hasMoreOwners reports whether a has an owner reference that b does not have. It compares all fields of a
// reference.
func hasMoreOwners(a, b client.Object) bool {
	return slices.ContainsFunc(a.GetOwnerReferences(), func(reference metav1.OwnerReference) bool {
		return !slices.ContainsFunc(b.GetOwnerReferences(), func(other metav1.OwnerReference) bool {
			return equality.Semantic.DeepEqual(reference, other)
		})
	})
}

func specOf(o client.Object) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName("Spec") }

// only reports whether the request is an update that changes only the named fields.
func (c *changes) only(fields ...string) bool {
	return !c.deleted && !c.created && !c.labels && !c.owners &&
		!slices.ContainsFunc(c.fields, func(f string) bool { return !slices.Contains(fields, f) })
}

// touch reports whether the field is new or differs.
func (c *changes) touch(name string) bool { return c.created || slices.Contains(c.fields, name) }

// path returns the field that a message about the user names: the changed field if there is only one.
func (c *changes) path(user string) *field.Path {
	spec := field.NewPath("spec")
	switch {
	case c.pointing != nil:
		return c.pointing
	case c.deleted:
		return field.NewPath("metadata", "name")
	case c.labels && len(c.fields) == 0:
		return field.NewPath("metadata", "labels")
	case c.labels || len(c.fields) != 1:
		return spec
	case c.fields[0] == "members" && user != "":
		return spec.Child("members").Key(user)
	default:
		return spec.Child(c.fields[0])
	}
}

func (j *judge) object() roster.Object {
	if j.request.New != nil {
		return roster.ObjectOf(j.request.New)
	}
	return roster.ObjectOf(j.request.Old)
}

// deletedAt returns a copy of the object that is being deleted, as it is while finalizers keep it.
func deletedAt(o client.Object, now time.Time) client.Object {
	deleted := o.DeepCopyObject().(client.Object)
	at := metav1.NewTime(now)
	deleted.SetDeletionTimestamp(&at)
	deleted.SetResourceVersion("")
	return deleted
}
