package controller

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// said lists conditions as type=status reason.
func said(list []metav1.Condition) []string {
	var lines []string
	for _, c := range list {
		lines = append(lines, c.Type+"="+string(c.Status)+" "+c.Reason)
	}
	return lines
}

func TestGroupStatus(t *testing.T) {
	missing := []accessv1alpha1.UnresolvedReference{{
		Field: "spec.applicationAccess[red].role", Kind: accessv1alpha1.ReferenceApplicationRole, Name: "Edtior",
	}}
	taken := &publish.ConflictError{Key: types.NamespacedName{Namespace: "acme", Name: "application-access-red"}}
	for name, tc := range map[string]struct {
		report  roster.GroupReport
		p       publication
		want    []string
		message string // part of Ready's
	}{
		"published": {
			want: []string{"Ready=True Published", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts"},
		},
		"on its way": {
			p:    publication{pending: true},
			want: []string{"Ready=False Publishing", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts"},
		},
		"names what does not exist": {
			report: roster.GroupReport{Report: roster.Report{Unresolved: missing}},
			want: []string{
				"Ready=False UnresolvedReferences", "ResolvedRefs=False UnresolvedReferences", "RoleConflict=False NoConflicts",
			},
			message: `spec.applicationAccess[red].role: no role "Edtior" is on the application ladder`,
		},
		"conflicts": {
			report: roster.GroupReport{Conflicts: 2},
			want:   []string{"Ready=True Published", "ResolvedRefs=True Resolved", "RoleConflict=True Conflicts"},
		},
		"filters that are too large together": {
			report: roster.GroupReport{OverBound: 3},
			want: []string{
				"Ready=True Published", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts",
				"FiltersTooLarge=True OverLimit",
			},
		},
		"in the wrong namespace": {
			report:  roster.GroupReport{Report: roster.Report{Inert: accessv1alpha1.ReasonWrongNamespace}},
			p:       publication{pending: true},
			want:    []string{"Ready=False WrongNamespace", "Stalled=True WrongNamespace"},
			message: "access-system",
		},
		"a name is taken": {
			p: publication{blocked: taken},
			want: []string{
				"Ready=False ConfigMapConflict", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts",
				"Stalled=True ConfigMapConflict",
			},
			message: "acme/application-access-red",
		},
		"a quota": {
			p:       publication{blocked: errors.New("exceeded quota")},
			want:    []string{"Ready=False PublishFailed", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts"},
			message: "exceeded quota",
		},
		"a loss that cannot be published": {
			report:  roster.GroupReport{Report: roster.Report{Unresolved: missing}},
			p:       publication{blocked: errors.New("exceeded quota"), loss: "it still gives"},
			want:    []string{"Ready=False LossNotPublished", "ResolvedRefs=False UnresolvedReferences", "RoleConflict=False NoConflicts"},
			message: "it still gives",
		},
		"members who do not fit": {
			p:       publication{unpublished: 2},
			want:    []string{"Ready=True Published", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts"},
			message: "except for what status.unpublished counts (2)",
		},
		"a system role is not mapped": {
			report: roster.GroupReport{Report: roster.Report{Unmapped: []string{"acme"}}},
			want: []string{
				"Ready=True Published", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts",
				"SystemRoleUnmapped=True RoleNotOnLadder",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.report.Object = &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Generation: 3}}
			got := groupStatus(&tc.report, tc.p, untold{}, "access-system", june)
			if diff := cmp.Diff(tc.want, said(got.Conditions)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if got.ObservedGeneration != 3 || got.Conditions[0].ObservedGeneration != 3 {
				t.Errorf("generation %d, %d", got.ObservedGeneration, got.Conditions[0].ObservedGeneration)
			}
			if !strings.Contains(got.Conditions[0].Message, tc.message) {
				t.Errorf("Ready says %q, want %q in it", got.Conditions[0].Message, tc.message)
			}
		})
	}
}

func TestConditionsKeepTheirTransition(t *testing.T) {
	before := []metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(june)},
		{Type: "Stalled", Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(june)},
	}
	later := june.Add(time.Hour)
	c := conditions{before: before, now: later}
	c.set("Ready", true, "Published", "")
	c.set("ResolvedRefs", true, "Resolved", "")
	want := []time.Time{june, later}
	for i := range c.list {
		if !c.list[i].LastTransitionTime.Time.Equal(want[i]) {
			t.Errorf("%s changed at %s, want %s", c.list[i].Type, c.list[i].LastTransitionTime, want[i])
		}
	}
	if len(c.list) != 2 {
		t.Errorf("%v: what is not set must go", said(c.list))
	}
}

func TestUserStatus(t *testing.T) {
	o := resolve.NewOrganization(resolve.Rules{
		Organization: "acme", ApplicationRoles: resolve.BuiltInApplicationRoles(),
		OrganizationRoles: resolve.BuiltInOrganizationRoles(), SystemRoles: resolve.BuiltInSystemRoles(),
	})
	hold := func(name, role string) resolve.Holding {
		return resolve.Holding{Source: o.Bind(&resolve.Source{
			Name: name, Applications: []resolve.ApplicationGrant{{Application: "red", Role: role}},
		}, nil)}
	}
	d := o.Resolve(&resolve.User{
		Holdings: []resolve.Holding{hold("AccessGroup/acme/a", "Viewer"), hold("AccessGroup/acme/b", "Editor")},
	}, june)
	got := userStatus(&roster.UserReport{
		Object: &accessv1alpha1.UserAccess{}, Decision: &d, Applications: []string{"blue", "red"}, Groups: []string{"a", "b"},
	}, publication{}, june)
	want := accessv1alpha1.UserAccessStatus{
		OrganizationRole: "NoAccess", DefaultRole: "NoAccess",
		ApplicationCount: 1, Applications: []accessv1alpha1.EffectiveRole{
			{Name: "red", Role: "Viewer", Source: "AccessGroup/acme/a", Rule: "MostRestrictive"},
		},
		GroupCount: 2, Groups: []accessv1alpha1.GroupName{"a", "b"},
		ConflictCount: 1, Conflicts: []accessv1alpha1.Conflict{{
			Scope: accessv1alpha1.ConflictScopeApplication, Application: "red", Result: "Viewer",
			Grants: []accessv1alpha1.ConflictingGrant{
				{Source: "AccessGroup/acme/a", Role: "Viewer"}, {Source: "AccessGroup/acme/b", Role: "Editor"},
			},
		}},
		Conditions: got.Conditions,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	wantConditions := []string{"Ready=True Published", "ResolvedRefs=True Resolved", "RoleConflict=True Conflicts"}
	if diff := cmp.Diff(wantConditions, said(got.Conditions)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func TestUserStatusOverLimit(t *testing.T) {
	o := resolve.NewOrganization(resolve.Rules{
		Organization: "acme", ApplicationRoles: resolve.BuiltInApplicationRoles(),
		OrganizationRoles: resolve.BuiltInOrganizationRoles(), SystemRoles: resolve.BuiltInSystemRoles(),
	})
	tooLarge := resolve.NewFilter([]resolve.Alternative{{AllOf: []resolve.Requirement{
		{Attribute: "country", Operator: "In", Values: []string{strings.Repeat("x", resolve.MaximumFilterBytes)}},
	}}})
	source := resolve.Source{Name: "AccessGroup/acme/a", Rows: []resolve.Rows{
		{Application: "red", Filter: tooLarge}, {Application: resolve.AnyApplication, Filter: tooLarge},
	}}
	for i := range resolve.MaximumInstants + 1 {
		source.Applications = append(source.Applications, resolve.ApplicationGrant{
			Application: "red", Role: "Viewer", Window: resolve.Window{NotAfter: june.Add(time.Duration(i+1) * time.Hour)},
		})
	}
	source.Applications = append(source.Applications, resolve.ApplicationGrant{Application: "blue", Role: "Viewer"})
	d := o.Resolve(&resolve.User{Holdings: []resolve.Holding{{Source: o.Bind(&source, nil)}}}, june)
	got := userStatus(&roster.UserReport{Object: &accessv1alpha1.UserAccess{}, Decision: &d}, publication{}, june)
	want := []string{
		"Ready=True Published", "ResolvedRefs=True Resolved", "RoleConflict=False NoConflicts",
		"FiltersTooLarge=True OverLimit", "TooManyWindows=True OverLimit",
	}
	if diff := cmp.Diff(want, said(got.Conditions)); diff != "" {
		t.Fatalf("conditions (-want +got):\n%s", diff)
	}
	for i, part := range []string{
		"no row of blue, red.", "bear on application blue, application red (",
	} {
		if message := got.Conditions[3+i].Message; !strings.Contains(message, part) {
			t.Errorf("%q does not say %q", message, part)
		}
	}
}

func TestLongMessagesAreCutBetweenCharacters(t *testing.T) {
	for size := longestMessage - 3; size < longestMessage+3; size++ {
		got := truncate(strings.Repeat("é", size))
		if len(got) > longestMessage || !utf8.ValidString(got) {
			t.Errorf("%d characters become %d bytes, valid: %t", size, len(got), utf8.ValidString(got))
		}
	}
}

func TestObservedStatusKeepsConditionsAndADigest(t *testing.T) {
	status := accessv1alpha1.AccessGroupStatus{
		Members: 5, Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue}},
	}
	g := &accessv1alpha1.AccessGroup{Status: status}
	g.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	ObserveStatus(g)
	if g.Status.Members != 0 || len(g.Status.Conditions) != 1 || len(g.ManagedFields) != 0 {
		t.Errorf("kept %+v, %v", g.Status, g.ManagedFields)
	}
	w := statusWrite{seen: g, status: status}
	if w.differs() {
		t.Error("the status that the API server has counts as another one")
	}
	status.Members = 6
	w.status = status
	if !w.differs() {
		t.Error("another status counts as the same")
	}
}
