package objects

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// applied returns a group after a client-side apply, with the manifest in an annotation.
func applied(manifest string, managed ...metav1.ManagedFieldsEntry) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{}
	g.Name, g.Namespace = "team", "acme"
	g.Spec.Members = []accessv1alpha1.Member{{User: "ana"}}
	g.ManagedFields = managed
	if manifest != "" {
		g.Annotations = map[string]string{annotationLastApplied: manifest}
	}
	return g
}

func managedBy(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
	entry := metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, FieldsV1: &metav1.FieldsV1{}}
	entry.FieldsV1.SetRawString(fields)
	return entry
}

func TestUndoneByApply(t *testing.T) {
	const (
		members    = `{"spec":{"members":[{"user":"ana"}]}}`
		annotation = `{"f:metadata":{"f:annotations":{"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}`
	)
	byClient := managedBy("kubectl-client-side-apply", metav1.ManagedFieldsOperationUpdate, annotation)
	byServer := managedBy("kubectl-last-applied", metav1.ManagedFieldsOperationApply, annotation)
	for name, tc := range map[string]struct {
		before *accessv1alpha1.AccessGroup
		change func(*accessv1alpha1.AccessGroup)
		want   []string
	}{
		"a member is added":             {before: applied(members, byClient), want: []string{"spec.members"}},
		"another field manager applied": {before: applied(members, managedBy("ci", metav1.ManagedFieldsOperationUpdate, annotation)), want: []string{"spec.members"}},
		"nobody is noted as the owner":  {before: applied(members), want: []string{"spec.members"}},
		"applied server-side since":     {before: applied(members, byServer)},
		"applied by both":               {before: applied(members, byServer, byClient), want: []string{"spec.members"}},
		"never applied":                 {before: applied("")},
		"the manifest has no members":   {before: applied(`{"spec":{"memberGroups":["all"]}}`, byClient)},
		"the manifest has this member":  {before: applied(`{"spec":{"members":[{"user":"ana"},{"user":"ben"}]}}`, byClient)},
		"the annotation is broken":      {before: applied(`{"spec":`, byClient), want: []string{"spec.members"}},
		"only what the manifest names": {
			before: applied(members, byClient),
			change: func(g *accessv1alpha1.AccessGroup) { g.Spec.DisplayName = "Team" },
			want:   []string{"spec.members"},
		},
		"each field that the manifest names": {
			before: applied(`{"spec":{"members":[{"user":"ana"}],"applicationAccess":[{"application":"a","role":"Viewer"}]}}`, byClient),
			change: func(g *accessv1alpha1.AccessGroup) {
				g.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{Application: "b", Role: "Viewer"}}
			},
			want: []string{"spec.applicationAccess", "spec.members"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			after := tc.before.DeepCopy()
			after.Spec.Members = append(after.Spec.Members, accessv1alpha1.Member{User: "ben"})
			if tc.change != nil {
				tc.change(after)
			}
			c := NewChange(&Object{Object: tc.before}, after)
			if diff := cmp.Diff(tc.want, c.UndoneByApply()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestUndoneByHelm(t *testing.T) {
	const members = `{"f:spec":{"f:members":{"k:{\"user\":\"ana\"}":{}}}}`
	for name, tc := range map[string]struct {
		release string
		managed metav1.ManagedFieldsEntry
		want    []string
	}{
		"Helm wrote the list":          {"access", managedBy("helm", metav1.ManagedFieldsOperationUpdate, members), []string{"spec.members"}},
		"Helm applied it server-side":  {"access", managedBy("helm", metav1.ManagedFieldsOperationApply, members), nil},
		"Helm wrote another field":     {"access", managedBy("helm", metav1.ManagedFieldsOperationUpdate, `{"f:spec":{"f:memberGroups":{}}}`), nil},
		"somebody else wrote the list": {"access", managedBy("ci", metav1.ManagedFieldsOperationUpdate, members), nil},
		"it belongs to no release":     {"", managedBy("helm", metav1.ManagedFieldsOperationUpdate, members), nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := applied("", tc.managed)
			if tc.release != "" {
				before.Annotations = map[string]string{annotationHelmRelease: tc.release}
			}
			after := before.DeepCopy()
			after.Spec.Members = append(after.Spec.Members, accessv1alpha1.Member{User: "ben"})
			c := NewChange(&Object{Object: before}, after)
			if _, got := c.UndoneByHelm(); !cmp.Equal(tc.want, got) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
