package roster_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

func labelled(key, value string) accessv1alpha1.LabelSelector {
	return accessv1alpha1.LabelSelector{MatchLabels: map[string]accessv1alpha1.LabelValue{key: accessv1alpha1.LabelValue(value)}}
}

func bySuite(value, role string) []accessv1alpha1.ApplicationSelectorGrant {
	return []accessv1alpha1.ApplicationSelectorGrant{{Selector: labelled("suite", value), Role: accessv1alpha1.RoleName(role)}}
}

func applicationOf(namespace, name, suite string) *accessv1alpha1.ApplicationAccess {
	aa := &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if suite != "" {
		aa.Labels = map[string]string{"suite": suite}
	}
	return aa
}

func namespaceOf(name, stage string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"stage": stage}}}
}

// TestALabelTouchesThoseWhomItConcerns changes one label and checks for which users the roster decides again.
func TestALabelTouchesThoseWhomItConcerns(t *testing.T) {
	objects := []runtime.Object{
		namespaceOf("acme", "test"), namespaceOf("globex", "prod"),
		applicationOf("acme", "red", "finance"), applicationOf("acme", "blue", ""), applicationOf("globex", "red", ""),
		group("acme", "finance", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members, s.ApplicationSelectors = members("ana"), bySuite("finance", "Viewer")
		}),
		group("acme", "sales", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members, s.ApplicationSelectors = members("ben"), bySuite("sales", "Viewer")
		}),
		group("acme", "others", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members, s.ApplicationAccess = members("cy"), viewer("*")
		}),
		group("access-system", "sre", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Type, s.Members = accessv1alpha1.GroupTypeSystem, members("dee")
			s.SystemAccessSelectors = []accessv1alpha1.SystemSelectorGrant{{
				Selector: labelled("stage", "prod"), ApplicationSelectors: bySuite("sales", "Editor"), OrganizationRole: "Viewer",
			}}
		}),
		&accessv1alpha1.UserAccess{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "eve"},
			Spec:       accessv1alpha1.UserAccessSpec{User: "eve", ApplicationSelectors: bySuite("sales", "Editor")},
		},
	}
	for name, tc := range map[string]struct {
		set, remove runtime.Object
		want        []string
	}{
		"a label that a group selects":                    {set: applicationOf("acme", "blue", "finance"), want: []string{"acme/ana"}},
		"a label that a group and a user select":          {set: applicationOf("acme", "blue", "sales"), want: []string{"acme/ben", "acme/eve"}},
		"a label that leaves one group for others":        {set: applicationOf("acme", "red", "sales"), want: []string{"acme/ana", "acme/ben", "acme/eve"}},
		"a label that nobody selects":                     {set: applicationOf("acme", "blue", "other")},
		"an ApplicationAccess that comes":                 {set: applicationOf("acme", "green", "finance"), want: []string{"acme/ana"}},
		"one that goes":                                   {remove: applicationOf("acme", "red", "finance"), want: []string{"acme/ana"}},
		"a label in the organization of a system group":   {set: applicationOf("globex", "red", "sales"), want: []string{"globex/dee"}},
		"a namespace that is selected":                    {set: namespaceOf("acme", "prod"), want: []string{"acme/dee"}},
		"a namespace that is not selected any more":       {set: namespaceOf("globex", "test"), want: []string{"globex/dee"}},
		"a Namespace object that goes, with its labels":   {remove: namespaceOf("globex", "prod"), want: []string{"globex/dee"}},
		"a label of a namespace by which nothing changes": {set: namespaceOf("acme", "other")},
	} {
		t.Run(name, func(t *testing.T) {
			r := settled(t, objects...)
			if tc.set != nil {
				must(t, r.Set(tc.set))
			} else {
				must(t, r.Remove(tc.remove))
			}
			if diff := cmp.Diff(tc.want, touched(r.Settle(june)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("touched (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnAttributeTouchesItsUser changes the attributes of one user, in the organization and in the system namespace.
func TestAnAttributeTouchesItsUser(t *testing.T) {
	account := func(namespace, user string, values ...accessv1alpha1.AttributeValue) *accessv1alpha1.UserAccess {
		ua := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user}}
		ua.Spec.User = accessv1alpha1.UserName(user)
		if len(values) > 0 {
			ua.Spec.Attributes = []accessv1alpha1.UserAttribute{{Name: "countries", Values: values}}
		}
		return ua
	}
	staff := group("acme", "staff", func(s *accessv1alpha1.AccessGroupSpec) {
		s.Members, s.ApplicationAccess = members("ana", "ben"), viewer("red")
		s.DataPermissions = []accessv1alpha1.DataPermission{{
			Application: "red", AnyOf: []accessv1alpha1.RowAlternative{{AllOf: []accessv1alpha1.RowRequirement{{
				Attribute: "country", Operator: "In", UserAttribute: "countries",
			}}}},
		}}
	})
	r := settled(t, staff, account("acme", "ana", "France"), account("acme", "ben", "France"))
	filter := func(user string) string {
		return r.View().Decision("acme", user).Application("red").Filters[0].JSON()
	}
	holds := func(value string) string {
		return `{"anyOf":[{"allOf":[{"attribute":"country","operator":"In","values":["` + value + `"]}]}]}`
	}
	for _, step := range []struct {
		set         runtime.Object
		want        []string
		ana, benHas string
	}{
		{account("acme", "ana", "Spain"), []string{"acme/ana"}, holds("Spain"), holds("France")},
		{account("access-system", "ana", "Italy"), nil, holds("Spain"), holds("France")},
		{account("acme", "ana"), []string{"acme/ana"}, holds("Italy"), holds("France")},
		{account("access-system", "ana"), []string{"acme/ana"}, `{"anyOf":[]}`, holds("France")},
	} {
		must(t, r.Set(step.set))
		if diff := cmp.Diff(step.want, touched(r.Settle(june)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("touched (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{step.ana, step.benHas}, []string{filter("ana"), filter("ben")}); diff != "" {
			t.Errorf("filters of ana and ben (-want +got):\n%s", diff)
		}
	}
}

// TestReviewsAreActedOnByTheClockAlone lets the review of a group become due without a change of an object.
func TestReviewsAreActedOnByTheClockAlone(t *testing.T) {
	const day = 24 * time.Hour
	reviewed := func(name string, missed accessv1alpha1.MissedReview) *accessv1alpha1.AccessGroup {
		return group("acme", name, func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members, s.ApplicationAccess = members("ana"), viewer("red")
			at := metav1.NewTime(june.Add(-29 * day))
			s.Review, s.ReviewedAt = accessv1alpha1.GroupReview{EveryDays: 30, IfMissed: missed}, &at
		})
	}
	due := june.Add(day)
	for missed, want := range map[accessv1alpha1.MissedReview]struct {
		role string
		end  time.Time
	}{
		accessv1alpha1.MissedReviewEnd:  {"NoAccess", due},
		accessv1alpha1.MissedReviewKeep: {"Viewer", time.Time{}},
	} {
		t.Run(string(missed), func(t *testing.T) {
			g := reviewed("staff", missed)
			r := settled(t, g)
			if at := r.View().Decision("acme", "ana").Application("red").NotAfter; !at.Equal(want.end) {
				t.Errorf("the access ends at %v, want %v", at, want.end)
			}
			if next := r.View().Next(); !next.Equal(due) {
				t.Errorf("next is %v, want %v", next, due)
			}
			if report := r.View().Group("acme", "staff", 0); !report.ReviewDue.Equal(due) {
				t.Errorf("the review is due at %v, want %v", report.ReviewDue, due)
			}
			changes := r.Settle(due)
			if !slices.Contains(changes.Objects, roster.ObjectOf(g)) {
				t.Errorf("the review is not among the changes; touched are %v", changes.Objects)
			}
			if role := r.View().Decision("acme", "ana").Application("red").Role; role != want.role {
				t.Errorf("the role is %s, want %s", role, want.role)
			}
			if next := r.View().Next(); !next.IsZero() {
				t.Errorf("next is %v after the last one", next)
			}
		})
	}
}
