package scim

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// appliedFields returns the fields that identity providers have applied to the object.
func appliedFields(o metav1.Object) (*fieldpath.Set, error) {
	for _, entry := range o.GetManagedFields() {
		if entry.Manager != FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply ||
			entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		fields := &fieldpath.Set{}
		if err := fields.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return nil, fmt.Errorf("%s %s: read its managed fields: %w", kindAccessGroup.name, o.GetName(), err)
		}
		return fields, nil
	}
	return &fieldpath.Set{}, nil
}

// child returns the set below a field.
func child(set *fieldpath.Set, name string) *fieldpath.Set {
	return set.WithPrefix(fieldpath.PathElement{FieldName: &name})
}

// provisionedMembers returns the members that identity providers have added to the group, in the group's order. Members
// of other field managers, such as Git, belong to these.
func provisionedMembers(ag *accessv1alpha1.AccessGroup) ([]string, error) {
	fields, err := appliedFields(ag)
	if err != nil {
		return nil, err
	}
	owned := members{}
	own := child(child(fields, "spec"), "members")
	note := func(element fieldpath.PathElement) {
		if element.Key == nil {
			return
		}
		for _, key := range *element.Key {
			if key.Name == "user" && key.Value.IsString() {
				owned[key.Value.AsString()] = true
			}
		}
	}
	for element := range own.Members.All() {
		note(element)
	}
	for element := range own.Children.All() {
		note(element)
	}
	var found []string
	for _, member := range ag.Spec.Members {
		if owned[string(member.User)] {
			found = append(found, string(member.User))
		}
	}
	return found, nil
}

// lastModified returns when the object was last changed, changes of its status aside.
func lastModified(o metav1.Object) time.Time {
	last := o.GetCreationTimestamp().Time
	for _, entry := range o.GetManagedFields() {
		if entry.Subresource == "" && entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}
