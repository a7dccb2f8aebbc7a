package publish

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// What was deleted before it was empty is known until it exists again, or for a period.
func TestLostConfigMaps(t *testing.T) {
	const period = time.Minute
	start := time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)
	shard := func(n int) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: ApplicationName("red", n)}}
	}
	lost := func(o *Observed, since time.Time) []int {
		return slices.Sorted(maps.Keys(o.Lost("acme", accessv1alpha1.DocumentApplication, "red", since)))
	}
	for name, tc := range map[string]struct {
		then  func(o *Observed)
		since time.Time
		want  []int
	}{
		"all of them":                     {then: func(*Observed) {}, since: start, want: []int{0, 1}},
		"one is older than asked for":     {then: func(*Observed) {}, since: start.Add(time.Second), want: []int{1}},
		"one exists again":                {then: func(o *Observed) { o.Set(shard(1)) }, since: start, want: []int{0}},
		"one of another document is lost": {then: func(o *Observed) { o.Lose(userMap(), start.Add(3*time.Second), period) }, since: start, want: []int{0, 1}},
		"one is lost after the period":    {then: func(o *Observed) { o.Lose(userMap(), start.Add(period+time.Second), period) }, since: start, want: []int{1}},
		"one is lost again after the period": {
			then: func(o *Observed) {
				o.Lose(shard(0), start.Add(period), period)
				o.Lose(userMap(), start.Add(period+time.Second), period)
			},
			since: start, want: []int{0, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewObserved()
			o.Lose(shard(0), start, period)
			o.Lose(shard(1), start.Add(2*time.Second), period)
			tc.then(o)
			if diff := cmp.Diff(tc.want, lost(o, tc.since)); diff != "" {
				t.Errorf("lost shards (-want +got):\n%s", diff)
			}
		})
	}
}

func userMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: UserDocumentName("ana")}}
}
