package index

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

func TestWhenAReviewIsDue(t *testing.T) {
	const day = 24 * time.Hour
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	on := func(days int) *time.Time { t := created.Add(time.Duration(days) * day); return &t }
	for name, tc := range map[string]struct {
		reviewed *time.Time
		missed   accessv1alpha1.MissedReview
		now      time.Time
		due      time.Time
		live     []resolve.Window
	}{
		"counted from the creation": {
			nil, accessv1alpha1.MissedReviewEnd, *on(5), *on(10), []resolve.Window{{NotAfter: *on(10)}},
		},
		"counted from the last review": {
			on(5), accessv1alpha1.MissedReviewEnd, *on(6), *on(15), []resolve.Window{{NotAfter: *on(15)}},
		},
		"a missed review that was made later": {
			on(20), accessv1alpha1.MissedReviewEnd, *on(25), *on(30),
			[]resolve.Window{{NotAfter: *on(10)}, {NotBefore: on(20).Add(-5 * time.Minute), NotAfter: *on(30)}},
		},
		"a review of the future counts as absent": {
			on(20), accessv1alpha1.MissedReviewEnd, on(20).Add(-5*time.Minute - time.Second), *on(10),
			[]resolve.Window{{NotAfter: *on(10)}, {NotBefore: on(20).Add(-5 * time.Minute), NotAfter: *on(30)}},
		},
		"one less than five minutes ahead counts": {
			on(20), accessv1alpha1.MissedReviewKeep, on(20).Add(-5 * time.Minute), *on(30), nil,
		},
		"access goes on with Keep": {on(5), accessv1alpha1.MissedReviewKeep, *on(25), *on(15), nil},
		"and without a policy":     {on(5), "", *on(25), *on(15), nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(created)}}
			g.Spec.Review = accessv1alpha1.GroupReview{EveryDays: 10, IfMissed: tc.missed}
			if tc.reviewed != nil {
				at := metav1.NewTime(*tc.reviewed)
				g.Spec.ReviewedAt = &at
			}
			due, reviewed := ReviewDue(g, tc.now)
			if !reviewed || !due.Equal(tc.due) {
				t.Errorf("ReviewDue() = %v, %t; want %v", due, reviewed, tc.due)
			}
			if diff := cmp.Diff(tc.live, live(g)); diff != "" {
				t.Errorf("windows (-want +got):\n%s", diff)
			}
			if lapsed := tc.live != nil && !isOpen(tc.live, tc.now); lapsed != (tc.missed == accessv1alpha1.MissedReviewEnd && !tc.now.Before(due)) {
				t.Errorf("lapsed: %t, although the review is due at %v and it is %v", lapsed, due, tc.now)
			}
		})
	}
	if _, reviewed := ReviewDue(&accessv1alpha1.AccessGroup{}, created); reviewed {
		t.Error("a group without a review is to be reviewed")
	}
}

func isOpen(windows []resolve.Window, t time.Time) bool {
	for _, w := range windows {
		if w.Contains(t) {
			return true
		}
	}
	return false
}

func TestSelectors(t *testing.T) {
	expression := func(key string, operator metav1.LabelSelectorOperator, values ...accessv1alpha1.LabelValue) accessv1alpha1.LabelSelector {
		return accessv1alpha1.LabelSelector{MatchExpressions: []accessv1alpha1.LabelSelectorRequirement{{
			Key: accessv1alpha1.LabelKey(key), Operator: operator, Values: values,
		}}}
	}
	for name, tc := range map[string]struct {
		selector accessv1alpha1.LabelSelector
		labels   map[string]string
		want     bool
	}{
		"without terms nothing":      {accessv1alpha1.LabelSelector{}, map[string]string{"a": "b"}, false},
		"a label":                    {accessv1alpha1.LabelSelector{MatchLabels: map[string]accessv1alpha1.LabelValue{"a": "b"}}, map[string]string{"a": "b"}, true},
		"another label":              {accessv1alpha1.LabelSelector{MatchLabels: map[string]accessv1alpha1.LabelValue{"a": "b"}}, map[string]string{"a": "c"}, false},
		"NotIn without the label":    {expression("a", metav1.LabelSelectorOpNotIn, "b"), nil, true},
		"Exists":                     {expression("a", metav1.LabelSelectorOpExists), map[string]string{"a": ""}, true},
		"In without values":          {expression("a", metav1.LabelSelectorOpIn), map[string]string{"a": ""}, false},
		"a key that is none":         {expression("-", metav1.LabelSelectorOpDoesNotExist), nil, false},
		"an operator that is none":   {expression("a", "Like", "b"), map[string]string{"a": "b"}, false},
		"a label value that is none": {expression("a", metav1.LabelSelectorOpNotIn, "b c"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newSelector(&tc.selector).Selects(tc.labels); got != tc.want {
				t.Errorf("Selects() = %t, want %t", got, tc.want)
			}
		})
	}
}
