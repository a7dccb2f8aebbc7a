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

// changes says which parts of an object differ: the fields of its spec by their JSON names, and its labels. It is owned
// where it gets an owner that it did not have.
type changes struct {
	deleted, created bool
	fields           []string
	labels, owned    bool
	// pointing, where set, is what messages point to.
	pointing *field.Path
}

func changesOf(request *Request) changes {
	switch {
	case request.Old == nil:
		return changes{created: true, owned: len(request.New.GetOwnerReferences()) > 0}
	case request.New == nil:
		return changes{deleted: true}
	}
	c := changes{
		labels: !labels.Equals(request.Old.GetLabels(), request.New.GetLabels()),
		owned:  getsOwner(request.Old, request.New),
	}
	was, is := specOf(request.Old), specOf(request.New)
	for i := range was.NumField() {
		if !equality.Semantic.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			name, _, _ := strings.Cut(was.Type().Field(i).Tag.Get("json"), ",")
			c.fields = append(c.fields, name)
		}
	}
	return c
}

func getsOwner(old, made client.Object) bool {
	return slices.ContainsFunc(made.GetOwnerReferences(), func(o metav1.OwnerReference) bool {
		return !slices.ContainsFunc(old.GetOwnerReferences(), func(was metav1.OwnerReference) bool { return was.UID == o.UID })
	})
}

func specOf(o client.Object) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName("Spec") }

// only says whether nothing but some of the fields differ.
func (c *changes) only(fields ...string) bool {
	return !c.deleted && !c.created && !c.labels && !c.owned &&
		!slices.ContainsFunc(c.fields, func(f string) bool { return !slices.Contains(fields, f) })
}

// touch says whether the field is new or differs.
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
