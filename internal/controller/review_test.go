package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// reviewed is a group of acme that was created a hundred days before june and last reviewed the given time before it.
func reviewed(everyDays int32, ifMissed accessv1alpha1.MissedReview, before time.Duration) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: "acme", Name: "team", CreationTimestamp: metav1.NewTime(june.AddDate(0, 0, -100)),
	}}
	g.Spec.Review = accessv1alpha1.GroupReview{EveryDays: everyDays, IfMissed: ifMissed}
	g.Spec.ReviewedAt = &metav1.Time{Time: june.Add(-before)}
	return g
}

func TestReviewDue(t *testing.T) {
	const day = 24 * time.Hour
	keep, end := accessv1alpha1.MissedReviewKeep, accessv1alpha1.MissedReviewEnd
	neverReviewed := func(everyDays int32) *accessv1alpha1.AccessGroup {
		g := reviewed(everyDays, keep, 0)
		g.Spec.ReviewedAt = nil
		return g
	}
	deleted := reviewed(10, end, 20*day)
	deleted.DeletionTimestamp = &metav1.Time{Time: june}
	for name, tc := range map[string]struct {
		group  *accessv1alpha1.AccessGroup
		reason string // empty: the condition is absent
		parts  []string
	}{
		"no review":                 {group: reviewed(0, "", 0)},
		"not yet":                   {group: reviewed(10, keep, 9*day)},
		"a second before":           {group: reviewed(10, end, 10*day-time.Second)},
		"a group that is deleted":   {group: deleted},
		"never reviewed, not yet":   {group: neverReviewed(101)},
		"reviewed minutes from now": {group: reviewed(10, end, -5*time.Minute)},
		"due, and the access stays": {
			group: reviewed(10, keep, 10*day), reason: accessv1alpha1.ReasonReviewMissed,
			parts: []string{
				"due at 2026-06-01T00:00:00Z, 10 days after spec.reviewedAt", "keeps what it gives",
				"kubectl access review team --namespace=acme --confirm", "requires the right to update the group.",
			},
		},
		"without ifMissed the access stays": {group: reviewed(10, "", 11*day), reason: accessv1alpha1.ReasonReviewMissed},
		"due, and the access has ended": {
			group: reviewed(1, end, 2*day), reason: accessv1alpha1.ReasonAccessEnded,
			parts: []string{
				"due at 2026-05-31T00:00:00Z, 1 day after spec.reviewedAt", "gives only NoAccess",
				"the right to update the group and the right to grant what it gives.",
			},
		},
		"never reviewed": {
			group: neverReviewed(100), reason: accessv1alpha1.ReasonReviewMissed, parts: []string{"100 days after its creation."},
		},
		"reviewed in the future": {
			group: reviewed(30, end, -6*time.Minute), reason: accessv1alpha1.ReasonAccessEnded,
			parts: []string{"after its creation (spec.reviewedAt is in the future and counts as absent)."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			due, _ := roster.ReviewDue(tc.group, june)
			status := groupStatus(&roster.GroupReport{Object: tc.group, ReviewDue: due}, publication{}, noticeFailure{}, "access-system", june)
			got := meta.FindStatusCondition(status.Conditions, accessv1alpha1.ConditionReviewDue)
			if got == nil {
				got = &metav1.Condition{}
			} else if got.Status != metav1.ConditionTrue {
				t.Errorf("status %s", got.Status)
			}
			if got.Reason != tc.reason {
				t.Errorf("reason %q, want %q", got.Reason, tc.reason)
			}
			for _, part := range tc.parts {
				if !strings.Contains(got.Message, part) {
					t.Errorf("%q is not in %q", part, got.Message)
				}
			}
			if ready := meta.FindStatusCondition(status.Conditions, accessv1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
				t.Errorf("Ready is %+v", ready)
			}
		})
	}
}

func TestReviewsAreCounted(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system", Organizations: labels.Everything()})
	const day = 24 * time.Hour
	keep, end := accessv1alpha1.MissedReviewKeep, accessv1alpha1.MissedReviewEnd
	inert := reviewed(10, end, 20*day)
	inert.Spec.Type = accessv1alpha1.GroupTypeSystem
	atSystem := reviewed(10, end, 20*day)
	atSystem.Namespace, atSystem.Spec.Type = "access-system", accessv1alpha1.GroupTypeSystem
	for name, g := range map[string]*accessv1alpha1.AccessGroup{
		"none": reviewed(0, "", 0), "later": reviewed(15, keep, 0), "coming": reviewed(14, keep, 0), "next": reviewed(10, end, 9*day),
		"pending": reviewed(10, keep, 10*day), "ended": reviewed(10, end, 10*day), "inert": inert, "system": atSystem,
	} {
		g.Name = name
		if err := r.Set(g); err != nil {
			t.Fatal(err)
		}
	}
	got := reviews(r.Settle(june).View, june)
	if diff := cmp.Diff(map[string]int{reviewComing: 2, reviewPending: 1, reviewEnded: 2}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Time alone makes a review due: no event says so, and the status is enqueued then.
func TestReviewDueIsComputedInTime(t *testing.T) {
	w := newWorld(t)
	w.declare(&accessv1alpha1.AccessGroup{}, "team",
		`{members: [{user: a@acme.example}], organizationRole: Viewer, review: {everyDays: 1}, reviewedAt: "2026-06-01T00:00:00Z"}`)
	output, due := Output{GroupStatus, "acme", "team"}, june.AddDate(0, 0, 1)
	w.pass(due.Add(-time.Minute).Sub(w.now))
	w.run()
	if got := w.condition(GroupStatus, "team", accessv1alpha1.ConditionReviewDue); got.Reason != "" {
		t.Errorf("ReviewDue is %+v before the review is due", got)
	}
	w.pass(due.Sub(w.now))
	w.reconciler.settle()
	if _, queued := w.waiting[output]; !queued {
		t.Error("the status is not enqueued when the review is due")
	}
	if got := w.condition(GroupStatus, "team", accessv1alpha1.ConditionReviewDue); got.Reason != accessv1alpha1.ReasonReviewMissed {
		t.Errorf("ReviewDue is %+v, want reason %s", got, accessv1alpha1.ReasonReviewMissed)
	}
}
