package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
)

// written identifies something that the manager writes: a ConfigMap, or the status of an object.
type written struct {
	resource string
	name     string
}

// content is the content of a written object: the object as it is sent, and its bytes without the fields that differ
// between writes.
type content struct {
	object client.Object
	bytes  string
}

// snapshot is everything that the manager has written.
type snapshot map[written]content

func (l *lab) snapshot(ctx context.Context) (snapshot, error) {
	all := snapshot{}
	for _, list := range []client.ObjectList{
		&corev1.ConfigMapList{}, &accessv1alpha1.UserAccessList{}, &accessv1alpha1.AccessGroupList{},
		&accessv1alpha1.ApplicationAccessList{}, &accessv1alpha1.AccessPolicyList{},
	} {
		if err := l.admin.List(ctx, list, client.InNamespace(organization)); err != nil {
			return nil, fmt.Errorf("read what is published: %w", err)
		}
		if err := all.take(list); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// documentsOf returns what the manager has written of one application's document.
func (l *lab) documentsOf(ctx context.Context, application string) (snapshot, error) {
	all := snapshot{}
	for shard := 0; ; shard++ {
		cm := &corev1.ConfigMap{}
		key := client.ObjectKey{Namespace: organization, Name: publish.ApplicationName(application, shard)}
		if err := l.admin.Get(ctx, key, cm); apierrors.IsNotFound(err) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what is published: %w", err)
		}
		if err := all.takeItem(cm); err != nil {
			return nil, err
		}
	}
}

// identity returns the metadata with which a status is sent.
func identity(object client.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: object.GetNamespace(), Name: object.GetName(), UID: object.GetUID()}
}

func (s snapshot) take(list client.ObjectList) error {
	return meta.EachListItem(list, s.takeItem)
}

func (s snapshot) takeItem(item runtime.Object) error {
	switch o := item.(type) {
	case *corev1.ConfigMap:
		if o.Labels[accessv1alpha1.LabelManagedBy] != accessv1alpha1.ManagedBy {
			return nil
		}
		stripped := o.DeepCopy()
		stripped.ManagedFields, stripped.ResourceVersion = nil, ""
		return s.put(configMaps, stripped, stripped)
	case *accessv1alpha1.UserAccess:
		return s.put(userAccess, &accessv1alpha1.UserAccess{ObjectMeta: identity(o), Status: o.Status}, o.Status)
	case *accessv1alpha1.AccessGroup:
		return s.put(groupAccess, &accessv1alpha1.AccessGroup{ObjectMeta: identity(o), Status: o.Status}, o.Status)
	case *accessv1alpha1.ApplicationAccess:
		return s.put(appAccess, &accessv1alpha1.ApplicationAccess{ObjectMeta: identity(o), Status: o.Status}, o.Status)
	case *accessv1alpha1.AccessPolicy:
		return s.put(policies, &accessv1alpha1.AccessPolicy{ObjectMeta: identity(o), Status: o.Status}, o.Status)
	default:
		return fmt.Errorf("the manager writes no %T", item)
	}
}

func (s snapshot) put(resource string, object client.Object, compared any) error {
	text, err := json.Marshal(compared)
	if err != nil {
		return fmt.Errorf("read what is published: %w", err)
	}
	s[written{resource, object.GetName()}] = content{object, string(text)}
	return nil
}

// change is a difference between two snapshots. One side is nil if it did not exist.
type change struct {
	written
	before, after client.Object
}

// difference lists the differences in the order of the manager's writes: application documents, user documents,
// statuses. It leaves out what others declared or deleted, such as a group.
func difference(before, after snapshot) []change {
	var changes []change
	for _, key := range slices.Collect(maps.Keys(union(before, after))) {
		b, a := before[key], after[key]
		if b.bytes == a.bytes || (key.resource == groupAccess && a.object == nil) {
			continue
		}
		changes = append(changes, change{key, b.object, a.object})
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.order(), b.order()), cmp.Compare(a.resource, b.resource), cmp.Compare(a.name, b.name))
	})
	return changes
}

func union(a, b snapshot) map[written]struct{} {
	keys := map[written]struct{}{}
	for key := range a {
		keys[key] = struct{}{}
	}
	for key := range b {
		keys[key] = struct{}{}
	}
	return keys
}

func (w *written) order() int {
	switch {
	case w.resource != configMaps:
		return 3
	case strings.HasPrefix(w.name, "application-access-"):
		return 1
	default:
		return 2
	}
}

// of lists the changes of the documents of an application.
func of(changes []change, application string) []change {
	return slices.DeleteFunc(slices.Clone(changes), func(c change) bool {
		e := event{resource: c.resource, name: c.name}
		return e.application() != application
	})
}

// updates lists the changes that a client can make and undo by updates.
func updates(changes []change) []change {
	return slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return c.before == nil || c.after == nil })
}
