package app

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheManagerKnowsItsKinds(t *testing.T) {
	known, err := knownKinds()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"AccessGroup", "AccessPolicy", "ApplicationAccess", "UserAccess"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(known))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := newerKinds(known, known); err != nil {
		t.Errorf("they are newer than themselves: %v", err)
	}
	if known["AccessGroup"].Properties["members"].Items.Properties["notAfter"] == nil {
		t.Error("a member has no notAfter")
	}
}

func TestNewerKinds(t *testing.T) {
	const group = `{"properties": {"state": {"enum": ["Active", "Suspended"]}, "members": {"items": {"properties": {"user": {}}}},
		"labels": {"additionalProperties": {"properties": {"a": {}}}}, "any": {"additionalProperties": true}}}`
	for name, tc := range map[string]struct {
		served string
		want   []string // every string must be in the error; empty for no error
	}{
		"same":          {served: group},
		"earlier":       {served: `{"properties": {"state": {"enum": ["Active"]}}}`},
		"another field": {served: `{"properties": {"deny": {}}}`, want: []string{"AccessGroup.spec.deny."}},
		"in a list":     {served: `{"properties": {"members": {"items": {"properties": {"deny": {}}}}}}`, want: []string{"AccessGroup.spec.members[].deny"}},
		"in a map":      {served: `{"properties": {"labels": {"additionalProperties": {"properties": {"deny": {}}}}}}`, want: []string{"AccessGroup.spec.labels{}.deny"}},
		"several, sorted": {
			served: `{"properties": {"z": {}, "state": {"enum": ["Active", "Deleted"]}, "any": {"additionalProperties": false}}}`,
			want:   []string{"AccessGroup.spec.state=Deleted, AccessGroup.spec.z. Run the later version"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := newerKinds(map[string]*schema{"AccessGroup": parsed(t, group)}, map[string]*schema{
				"AccessGroup": parsed(t, tc.served), "Later": parsed(t, group),
			})
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatalf("got %v", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func parsed(t *testing.T, text string) *schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func TestDescribedKinds(t *testing.T) {
	got, err := describedKinds([]byte(`{"components": {"schemas": {
		"dev.usher.access.v1alpha1.AccessGroup": {"properties": {"spec": {"properties": {"type": {}}}, "status": {}}},
		"dev.usher.access.v1alpha1.AccessGroupList": {"properties": {"items": {}}},
		"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]*schema{"AccessGroup": {Properties: map[string]*schema{"type": {}}}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := describedKinds([]byte(`{"components": {"schemas": {"dev.usher.access.v1alpha1.AccessGroup": {}}}}`)); err == nil {
		t.Error("a kind without a spec was taken")
	}
}
