package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// stallStep is one status of an object, computed from the conditions of the previous step.
type stallStep struct {
	after      time.Duration // since the first step
	generation int64
	unresolved []string // names of roles
	blocked    error
	want       string        // the reason of Stalled, empty if the condition is absent
	again      time.Duration // when the status must be computed again, zero for never
}

func TestUnresolvedReferencesStall(t *testing.T) {
	const second, minute = time.Second, time.Minute
	edtior, viewr := []string{"Edtior"}, []string{"Edtior", "Viewr"}
	for name, steps := range map[string][]stallStep{
		"they resolve in time": {
			{generation: 1, unresolved: edtior, again: 2 * minute},
			{after: 119 * second, generation: 1, unresolved: edtior, again: second},
			{after: 119 * second, generation: 1},
		},
		"after two minutes, until they resolve": {
			{generation: 1, unresolved: edtior, again: 2 * minute},
			{after: 2 * minute, generation: 1, unresolved: edtior, want: "UnresolvedReferences"},
			{after: time.Hour, generation: 1, unresolved: edtior, want: "UnresolvedReferences"},
			{after: time.Hour, generation: 1},
			{after: 2 * time.Hour, generation: 1, unresolved: edtior, again: 2 * minute},
		},
		"a new generation with other references restarts the time": {
			{generation: 1, unresolved: edtior, again: 2 * minute},
			{after: time.Hour, generation: 1, unresolved: edtior, want: "UnresolvedReferences"},
			{after: time.Hour, generation: 2, unresolved: viewr, again: 2 * minute},
			{after: time.Hour + minute, generation: 2, unresolved: viewr, again: minute},
			{after: time.Hour + 2*minute, generation: 2, unresolved: viewr, want: "UnresolvedReferences"},
		},
		"a new generation that names the same goes on": {
			{generation: 1, unresolved: edtior, again: 2 * minute},
			{after: 3 * minute, generation: 2, unresolved: edtior, want: "UnresolvedReferences"},
		},
		"a reference that breaks later does not restart the time": {
			{generation: 1, unresolved: edtior, again: 2 * minute},
			{after: 3 * minute, generation: 1, unresolved: viewr, want: "UnresolvedReferences"},
		},
		"a clock that was set back restarts the time": {
			{generation: 1, unresolved: edtior, again: 2 * minute},
			{after: -time.Hour, generation: 1, unresolved: edtior, again: 2 * minute},
			{after: -time.Hour + 2*minute, generation: 1, unresolved: edtior, want: "UnresolvedReferences"},
		},
		"a taken name comes first": {
			{generation: 1, unresolved: edtior, blocked: &publish.ConflictError{}, want: "ConfigMapConflict", again: 2 * minute},
			{after: time.Hour, generation: 1, unresolved: edtior, blocked: &publish.ConflictError{}, want: "ConfigMapConflict"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before []metav1.Condition
			for i, step := range steps {
				now := june.Add(step.after)
				after := stalledStatuses(t, before, step, now)
				stalled, got := meta.FindStatusCondition(after, accessv1alpha1.ConditionStalled), ""
				if stalled != nil {
					got = stalled.Reason
				}
				if got != step.want {
					t.Errorf("step %d: Stalled has reason %q, want %q", i, got, step.want)
				}
				if again := nextStall(after, now); again != step.again {
					t.Errorf("step %d: to be computed again after %s, want %s", i, again, step.again)
				}
				if refs := meta.FindStatusCondition(after, accessv1alpha1.ConditionResolvedRefs); step.want == refs.Reason &&
					stalled.Message != refs.Message {
					t.Errorf("step %d: Stalled says %q, want %q", i, stalled.Message, refs.Message)
				}
				before = after
			}
		})
	}
}

// stalledStatuses computes the status of every kind that has references, and returns the conditions, which must be the
// same for all.
func stalledStatuses(t *testing.T, before []metav1.Condition, step stallStep, now time.Time) []metav1.Condition {
	t.Helper()
	var report roster.Report
	for _, role := range step.unresolved {
		report.Unresolved = append(report.Unresolved, accessv1alpha1.UnresolvedReference{
			Field: "spec.organizationRole", Kind: accessv1alpha1.ReferenceOrganizationRole, Name: role,
		})
	}
	p := publication{blocked: step.blocked}
	object := metav1.ObjectMeta{Namespace: "acme", Name: "default", Generation: step.generation}

	group := &accessv1alpha1.AccessGroup{ObjectMeta: object}
	group.Status.Conditions = before
	user := &accessv1alpha1.UserAccess{ObjectMeta: object}
	user.Status.Conditions = before
	policy := &accessv1alpha1.AccessPolicy{ObjectMeta: object}
	policy.Status.Conditions = before
	conditions := groupStatus(&roster.GroupReport{Report: report, Object: group}, p, noticeFailure{}, "access-system", now).Conditions
	for kind, other := range map[string][]metav1.Condition{
		"UserAccess":   userStatus(&roster.UserReport{Report: report, Object: user}, p, now).Conditions,
		"AccessPolicy": policyStatus(&roster.PolicyReport{Report: report, Object: policy}, p, now).Conditions,
	} {
		for _, condition := range []string{accessv1alpha1.ConditionResolvedRefs, accessv1alpha1.ConditionStalled} {
			want, got := meta.FindStatusCondition(conditions, condition), meta.FindStatusCondition(other, condition)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %s (-AccessGroup +%s):\n%s", condition, kind, kind, diff)
			}
		}
	}
	return conditions
}

// An object becomes stalled by the passage of time alone, without an event. A new leader reads the start time from the
// status.
func TestStalledIsComputedInTimeAndByTheNextLeader(t *testing.T) {
	w := newWorld(t)
	w.declare(&accessv1alpha1.AccessPolicy{}, "default", "{}")
	group := &accessv1alpha1.AccessGroup{}
	w.declare(group, "team", "{members: [{user: a@acme.example}], organizationRole: Edtior}")
	w.pass(2 * patience)
	output := Output{GroupStatus, "acme", "team"}

	write, wait := w.reconciler.planStatus(output)
	if write == nil || wait <= resolvesWithin-time.Second || wait > resolvesWithin { // conditions have whole seconds
		t.Fatalf("the status (missing: %t) is looked at again after %s, want about %s", write == nil, wait, resolvesWithin)
	}
	group.Status.Conditions = write.after
	if err := w.kube.Update(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	const before = 90 * time.Second
	w.pass(before)
	w.restart()
	w.pass(2 * patience)
	write, wait = w.reconciler.planStatus(output)
	if write == nil || wait <= 0 || wait >= resolvesWithin-before {
		t.Fatalf("the next leader looks at the status (missing: %t) again after %s, want less than %s",
			write == nil, wait, resolvesWithin-before)
	}
	w.pass(wait)
	if got := w.condition(GroupStatus, "team", accessv1alpha1.ConditionStalled); got.Reason != accessv1alpha1.ReasonUnresolvedReferences {
		t.Errorf("two minutes later Stalled is %+v, want reason %s", got, accessv1alpha1.ReasonUnresolvedReferences)
	}
}
