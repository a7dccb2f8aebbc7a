package feed

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllertest"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func newFeed() *Feed {
	return New(roster.New(roster.Options{SystemNamespace: "access-system"}), nil, func() time.Time { return june })
}

func group(name, uid string, generation int64) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{}
	g.ObjectMeta = metav1.ObjectMeta{Namespace: "acme", Name: name, UID: types.UID(uid), Generation: generation}
	g.Spec.Members = make([]accessv1alpha1.Member, generation)
	return g
}

func TestEverySubscriberGetsAllSettlementsInOrder(t *testing.T) {
	f := newFeed()
	settlings := 0
	f.Now = func() time.Time { // Now is called once for each settlement
		settlings++
		return june.Add(time.Duration(settlings) * time.Second)
	}
	number := func(s *Settlement) int { return int(s.Now.Sub(june) / time.Second) }
	stop, blocked := make(chan struct{}), make(chan struct{})
	var slow, quick []int
	f.Subscribe(func(s *Settlement) {
		if s.First {
			close(blocked)
			<-stop
		}
		slow = append(slow, number(s))
	})
	f.Subscribe(func(s *Settlement) { quick = append(quick, number(s)) })
	f.Settle()
	go f.subscriptions[0].run(t.Context())
	<-blocked
	f.Settle() // although the first subscriber has not processed the first settlement
	f.subscriptions[1].drain()
	f.Settle()
	if diff := cmp.Diff([]int{1, 2}, quick); diff != "" {
		t.Errorf("the second subscriber while the first is busy (-want +got):\n%s", diff)
	}
	close(stop)
	f.Flush()
	want := []int{1, 2, 3}
	if diff := cmp.Diff([][]int{want, want}, [][]int{slow, quick}); diff != "" {
		t.Errorf("settlements (-want +got):\n%s", diff)
	}
}

func TestSettlementIncludesWatchedObjects(t *testing.T) {
	f := newFeed()
	var objects [][]string
	f.Settled = func(s *Settlement) {
		var names []string
		for _, o := range s.Changes.Objects {
			names = append(names, o.String())
		}
		objects = append(objects, names)
	}
	h := f.Handler()
	h.OnAdd(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, true)
	h.OnAdd(group("one", "1", 1), true)
	h.OnAdd(group("two", "2", 1), true)
	f.Settle()
	h.OnUpdate(group("one", "1", 1), group("one", "1", 2))
	f.Settle()
	h.OnDelete(group("one", "1", 2))
	h.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "acme/two", Obj: group("two", "2", 1)})
	f.Settle()
	one, two := "AccessGroup/acme/one", "AccessGroup/acme/two"
	if diff := cmp.Diff([][]string{{one, two}, {one}, {one, two}}, objects); diff != "" {
		t.Errorf("objects of each settlement (-want +got):\n%s", diff)
	}
}

func TestOnlyARenewalMayWait(t *testing.T) {
	deleted, labelled := group("one", "1", 1), group("one", "1", 1)
	deleted.DeletionTimestamp = &metav1.Time{Time: june}
	labelled.Labels = map[string]string{"team": "red"}
	for name, tc := range map[string]struct {
		updated *accessv1alpha1.AccessGroup
		wanted  bool
		want    string
	}{
		"the same generation":       {group("one", "1", 1), true, "settles soon"},
		"one that nobody wants":     {group("one", "1", 1), false, "settles with the next change"},
		"another generation":        {group("one", "1", 2), false, "settles at once"},
		"other labels":              {labelled, false, "settles at once"},
		"deleted and created again": {group("one", "2", 1), false, "settles at once"},
		"being deleted":             {deleted, false, "settles at once"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFeed()
			f.Wanted = func(updated client.Object) bool { return tc.wanted && updated == client.Object(tc.updated) }
			f.Handler().OnUpdate(group("one", "1", 1), tc.updated)
			got := map[[2]int]string{
				{0, 0}: "settles with the next change", {1, 0}: "settles soon", {0, 1}: "settles at once",
			}[[2]int{len(f.renewed), len(f.wake)}]
			if got != tc.want {
				t.Errorf("the roster %s, want that it %s", got, tc.want)
			}
		})
	}
}

// TestRenewalIsPartOfTheNextSettlement updates the status of an object, which nobody wants to know of.
func TestRenewalIsPartOfTheNextSettlement(t *testing.T) {
	f := newFeed()
	h := f.Handler()
	one := group("one", "1", 1)
	h.OnAdd(one, true)
	f.Settle()
	renewed := one.DeepCopy()
	renewed.ResourceVersion = "9"
	h.OnUpdate(one, renewed)
	if has := f.View().Index().Lookup(roster.ObjectOf(one)); has != client.Object(renewed) {
		t.Errorf("the view of a review has version %q", has.GetResourceVersion())
	}
}

// TestStart holds back one list, and has the watch show an object when the feed is ready.
func TestStart(t *testing.T) {
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(accessv1alpha1.AddToScheme(scheme))
	informers := &informertest.FakeInformers{Scheme: scheme}
	late := controllertest.NewFakeInformer()
	informers.InformersByGVK = map[schema.GroupVersionKind]toolscache.SharedIndexInformer{
		corev1.SchemeGroupVersion.WithKind("ConfigMap"): late,
	}
	f := New(roster.New(roster.Options{SystemNamespace: "access-system"}), informers, func() time.Time { return june })
	f.Handle(&corev1.ConfigMap{}, toolscache.ResourceEventHandlerFuncs{})
	settlements := make(chan *Settlement)
	f.Subscribe(func(s *Settlement) { settlements <- s })
	ended := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- f.Start(ctx) }()

	if f.IsReady() || f.SettledAt() != 0 {
		t.Error("the feed is ready before the list of another kind was handled")
	}
	late.Synced()
	if first := <-settlements; !first.First {
		t.Error("the settlement of the first lists is not the first")
	}
	<-f.Ready()
	groups, err := informers.FakeInformerFor(t.Context(), &accessv1alpha1.AccessGroup{})
	if err != nil {
		t.Fatal(err)
	}
	groups.Add(group("one", "1", 1))
	want := []roster.Object{{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "one"}}
	if diff := cmp.Diff(want, (<-settlements).Changes.Objects); diff != "" {
		t.Errorf("objects of the settlement (-want +got):\n%s", diff)
	}
	if err := f.Alive(); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
