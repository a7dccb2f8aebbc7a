package controller

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

func TestEchoIsTheStatusThatWasWritten(t *testing.T) {
	team := Output{GroupStatus, "acme", "team"}
	seen := func(members int32) *accessv1alpha1.AccessGroup {
		g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "team"}}
		g.Status.Members = members
		ObserveStatus(g)
		return g
	}
	for name, tc := range map[string]struct {
		expect func(e *echoes)
		shown  []int32
		want   []bool
	}{
		"what was written, once": {func(e *echoes) { e.expect(team, digestOf(seen(5))) }, []int32{5, 5}, []bool{true, false}},
		"what somebody else wrote": {
			func(e *echoes) { e.expect(team, digestOf(seen(5))) }, []int32{6, 5}, []bool{false, true},
		},
		"a write that failed": {
			func(e *echoes) { e.expect(team, digestOf(seen(5))); e.drop(team) }, []int32{5}, []bool{false},
		},
		"nothing was written":   {func(*echoes) {}, []int32{5}, []bool{false}},
		"what has no digest":    {func(e *echoes) { e.expect(team, "") }, []int32{5}, []bool{false}},
		"written over, not yet": {func(e *echoes) { e.expect(team, digestOf(seen(6))) }, []int32{5, 6}, []bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			var e echoes
			tc.expect(&e)
			for i, members := range tc.shown {
				if got := e.expects(team, seen(members)); got != tc.want[i] {
					t.Errorf("status %d of %v: expected %t, want %t", i, tc.shown, got, tc.want[i])
				}
				if got := e.take(team, seen(members)); got != tc.want[i] {
					t.Errorf("status %d of %v: taken for an echo %t, want %t", i, tc.shown, got, tc.want[i])
				}
			}
		})
	}
}

func digestOf(g *accessv1alpha1.AccessGroup) string { return g.Annotations[statusDigestKey] }

// TestAnEchoThatIsNoLongerRightIsLookedAt changes what a status says and changes it back, before the watch shows the status
// that was written in between.
func TestAnEchoThatIsNoLongerRightIsLookedAt(t *testing.T) {
	var written *accessv1alpha1.AccessGroup
	kube := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		SubResourceUpdate: func(_ context.Context, _ client.Client, _ string, o client.Object, _ ...client.SubResourceUpdateOption) error {
			written = o.DeepCopyObject().(*accessv1alpha1.AccessGroup)
			return nil
		},
	})
	feed := NewFeed(roster.New(roster.Options{SystemNamespace: "access-system"}), publish.NewObserved(), nil,
		NewMetrics(prometheus.NewRegistry()), func() time.Time { return june })
	r := &Reconciler{Feed: feed, Publisher: &publish.Publisher{Client: kube, Observed: feed.Observed, Now: feed.Now}}
	watched := feed.rosterHandler()

	group := func(name string, generation int64, spec accessv1alpha1.AccessGroupSpec) *accessv1alpha1.AccessGroup {
		g := &accessv1alpha1.AccessGroup{Spec: spec}
		g.ObjectMeta = metav1.ObjectMeta{Namespace: "acme", Name: name, Generation: generation}
		ObserveStatus(g)
		return g
	}
	team := func(generation int64, users ...accessv1alpha1.UserName) *accessv1alpha1.AccessGroup {
		var spec accessv1alpha1.AccessGroupSpec
		for _, user := range users {
			spec.Members = append(spec.Members, accessv1alpha1.Member{User: user})
		}
		return group("team", generation, spec)
	}
	all := accessv1alpha1.AccessGroupSpec{MemberGroups: []accessv1alpha1.GroupName{"team"}}
	status := Output{GroupStatus, "acme", "all"}
	reconcile := func() *accessv1alpha1.AccessGroup {
		t.Helper()
		written = nil
		if _, err := r.reconcileStatus(t.Context(), status); err != nil {
			t.Fatal(err)
		}
		return written
	}
	// show has the watch show the status that was written.
	show := func(o *accessv1alpha1.AccessGroup) {
		shown := o.DeepCopy()
		shown.Generation, shown.Spec = 1, all
		ObserveStatus(shown)
		watched.OnUpdate(nil, shown)
	}
	isLookedAt := func() bool {
		changes := feed.Roster.Settle(june)
		return slices.Contains(changes.Objects, roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "all"})
	}

	watched.OnAdd(group("all", 1, all), true)
	watched.OnAdd(team(1, "ana@acme.example"), true)
	feed.Roster.Settle(june)
	one := reconcile()
	show(one)
	if isLookedAt() {
		t.Error("the echo of a status is looked at")
	}

	watched.OnUpdate(nil, team(2, "ana@acme.example", "ben@acme.example"))
	feed.Roster.Settle(june)
	two := reconcile()
	if two == nil || two.Status.Members != 2 {
		t.Fatalf("written with two members: %+v", two)
	}
	watched.OnUpdate(nil, team(3, "ana@acme.example"))
	feed.Roster.Settle(june)
	if again := reconcile(); again != nil {
		t.Fatalf("written although the watch shows it so: %+v", again.Status)
	}
	show(two)
	if !isLookedAt() {
		t.Fatal("a status that should be another one by now is taken for an echo")
	}
	if again := reconcile(); again == nil || again.Status.Members != 1 {
		t.Errorf("written with one member again: %+v", again)
	}
}
