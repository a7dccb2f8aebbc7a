package objects

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
