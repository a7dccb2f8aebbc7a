package objects

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// TestDelta checks which parts of a change are applied: entries of lists one by one, and lists without a key as a
// whole.
func TestDelta(t *testing.T) {
	attributes := func(values ...accessv1alpha1.AttributeValue) *accessv1alpha1.UserAccess {
		ua := &accessv1alpha1.UserAccess{}
		ua.Spec.Attributes = []accessv1alpha1.UserAttribute{{Name: "countries", Values: values}, {Name: "site", Values: []accessv1alpha1.AttributeValue{"x"}}}
		return ua
	}
	reviewed := func(at time.Time) *accessv1alpha1.AccessGroup {
		g := &accessv1alpha1.AccessGroup{}
		g.Spec.Members = []accessv1alpha1.Member{{User: "ana"}}
		g.Spec.Review = accessv1alpha1.GroupReview{EveryDays: 30}
		g.Spec.ReviewedAt = &metav1.Time{Time: at}
		return g
	}
	selecting := func(roles ...accessv1alpha1.RoleName) *accessv1alpha1.AccessGroup {
		g := &accessv1alpha1.AccessGroup{}
		for _, role := range roles {
			g.Spec.ApplicationSelectors = append(g.Spec.ApplicationSelectors, accessv1alpha1.ApplicationSelectorGrant{Role: role})
		}
		return g
	}
	june := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		before, after client.Object
		set           map[string]any
		overwritten   []string
	}{
		"a value of an attribute": {
			before: attributes("France"), after: attributes("France", "Spain"),
			set: map[string]any{"attributes": []any{
				map[string]any{"name": "countries", "values": []any{"France", "Spain"}},
			}},
			overwritten: []string{`.spec.attributes[name="countries"]`},
		},
		"a confirmation": {
			before: reviewed(june), after: reviewed(june.Add(time.Hour)),
			set:         map[string]any{"reviewedAt": "2026-06-01T01:00:00Z"},
			overwritten: []string{".spec.reviewedAt"},
		},
		"one more selector": {
			before: selecting("Viewer"), after: selecting("Viewer", "Editor"),
			set: map[string]any{"applicationSelectors": []any{
				map[string]any{"role": "Viewer"}, map[string]any{"role": "Editor"},
			}},
			overwritten: []string{".spec.applicationSelectors"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewChange(&Object{Object: tc.before}, tc.after)
			d := c.delta()
			if diff := cmp.Diff(tc.set, d.set); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
			var overwritten []string
			for _, path := range d.overwritten {
				overwritten = append(overwritten, path.String())
			}
			if diff := cmp.Diff(tc.overwritten, overwritten); diff != "" {
				t.Errorf("overwritten (-want +got):\n%s", diff)
			}
			if len(d.removed) > 0 {
				t.Errorf("removed %v", d.removed)
			}
		})
	}
}

// TestRequest checks how a change is written: by an apply, unless that would leave what others own.
func TestRequest(t *testing.T) {
	owned := func(o client.Object, fields string) *Object {
		o.SetName("default")
		o.SetResourceVersion("7")
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: "somebody", Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}})
		return &Object{Object: o}
	}
	members := func(users ...accessv1alpha1.UserName) *accessv1alpha1.AccessGroup {
		g := &accessv1alpha1.AccessGroup{}
		for _, user := range users {
			g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: user})
		}
		return g
	}
	limit := func(users, percent *int32) *accessv1alpha1.AccessPolicy {
		return &accessv1alpha1.AccessPolicy{Spec: accessv1alpha1.AccessPolicySpec{RevocationLimit: accessv1alpha1.RevocationLimit{Users: users, Percent: percent}}}
	}
	const ana = `{"f:spec":{"f:members":{"k:{\"user\":\"ana\"}":{".":{},"f:user":{}}}}}`
	const users = `{"f:spec":{"f:revocationLimit":{"f:users":{}}}}`
	for name, tc := range map[string]struct {
		before *Object
		after  client.Object
		kind   types.PatchType
		last   string // the path of the last operation of a JSON patch
		names  []string
	}{
		"one more entry":                      {owned(members("ana"), ana), members("ana", "ben"), types.ApplyPatchType, "", nil},
		"an entry of another manager less":    {owned(members("ana"), ana), members(), types.JSONPatchType, "/spec/members/0", []string{"somebody"}},
		"one less and one more":               {owned(members("ana"), ana), members("ben"), types.JSONPatchType, "/spec", []string{"somebody"}},
		"an own entry less, and one more":     {owned(members("ana", "ben"), ana), members("ana", "cleo"), types.ApplyPatchType, "", nil},
		"a part of another manager less":      {owned(limit(new(int32(5)), nil), users), limit(nil, new(int32(5))), types.JSONPatchType, "/spec", []string{"somebody"}},
		"a whole field of another manager":    {owned(limit(new(int32(5)), nil), users), limit(nil, nil), types.JSONPatchType, "/spec/revocationLimit", []string{"somebody"}},
		"a field that nobody owns":            {owned(limit(new(int32(5)), nil), ana), limit(nil, new(int32(5))), types.ApplyPatchType, "", nil},
		"a new field beside those of another": {owned(limit(nil, nil), ana), limit(nil, new(int32(5))), types.ApplyPatchType, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.after.SetName("default")
			c := NewChange(tc.before, tc.after)
			r, err := c.request(FieldManager)
			if err != nil {
				t.Fatal(err)
			}
			last := ""
			if operations, is := r.body.([]patchOperation); is {
				last = operations[len(operations)-1].Path
			}
			if r.kind != tc.kind || last != tc.last || !slices.Equal(r.overruled, tc.names) {
				t.Errorf("%s %s, overrules %v", r.kind, last, r.overruled)
			}
		})
	}
}
