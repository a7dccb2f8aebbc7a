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

// changes lists the parts of an object that differ: the fields of its spec by their JSON names, its labels and its owner
// references.
type changes struct {
	deleted, created bool
	fields           []string
	labels           bool
	// owners is set where the owner references differ, owned where one of them is new. A reference that differs in any
	// part is a new one: a name that does not exist has the garbage collector delete the object, too.
	owners, owned bool
	// pointing, where set, is what messages point to.
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

// hasMoreOwners reports whether a has an owner reference that b does not have, in every part.
func hasMoreOwners(a, b client.Object) bool {
	return slices.ContainsFunc(a.GetOwnerReferences(), func(reference metav1.OwnerReference) bool {
		return !slices.ContainsFunc(b.GetOwnerReferences(), func(other metav1.OwnerReference) bool {
			return equality.Semantic.DeepEqual(reference, other)
		})
	})
}

func specOf(o client.Object) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName("Spec") }

// only reports whether nothing but some of the fields differ.
func (c *changes) only(fields ...string) bool {
	return !c.deleted && !c.created && !c.labels && !c.owners &&
		!slices.ContainsFunc(c.fields, func(f string) bool { return !slices.Contains(fields, f) })
}

// touch reports whether the field is new or differs.
func (c *changes) touch(name string) bool { return c.created || slices.Contains(c.fields, name) }

// path is what a message about the user points to: the one field that differs, where there is only one.
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

// deletedAt returns the object as it is while finalizers hold it.
func deletedAt(o client.Object, now time.Time) client.Object {
	deleted := o.DeepCopyObject().(client.Object)
	at := metav1.NewTime(now)
	deleted.SetDeletionTimestamp(&at)
	deleted.SetResourceVersion("")
	return deleted
}
