package console

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// await waits until the newest world and its notes fulfil the condition.
func await(t *testing.T, b *clusterBackend, what string, condition func(users []string, notes string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		w, _ := b.World()
		if condition(w.Users("acme"), strings.Join(b.Notes(), "\n")) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: users %v, notes %v", what, w.Users("acme"), b.Notes())
		case <-ticker.C:
		}
	}
}

// lister is a client of an API server that lists before it watches, as the fake one does.
type lister struct{ client.WithWatch }

func (lister) IsWatchListSemanticsUnSupported() bool { return true }

// TestFollowTheCluster watches a cluster in which others create, change and delete an object, and which fails meanwhile.
func TestFollowTheCluster(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := accessv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var gone atomic.Bool
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if gone.Load() {
				return errors.New("connection refused")
			}
			return c.List(ctx, list, options...)
		},
	}).Build()
	b := &clusterBackend{client: lister{cluster}, clock: func() time.Time { return now }}
	b.pending.objects, b.pending.signal = map[string]seen{}, make(chan struct{}, 1)
	b.failures.by = map[string]error{}
	b.set(settledBy(t))
	gone.Store(true)
	w, version := b.World()
	changed := b.Changed()
	b.follow(t.Context(), w)
	await(t, b, "the API server is gone", func(_ []string, notes string) bool { return strings.Contains(notes, "connection refused") })
	gone.Store(false)
	g := groupAt("readers", 0, "ana")
	g.ResourceVersion = ""
	if err := cluster.Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	await(t, b, "created", func(users []string, notes string) bool { return slices.Equal(users, []string{"ana"}) && notes == "" })
	<-changed
	if _, later := b.World(); later == version {
		t.Error("the version is the same")
	}
	g.Spec.Members[0].User = "ben"
	if err := cluster.Update(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	await(t, b, "changed", func(users []string, _ string) bool { return slices.Equal(users, []string{"ben"}) })
	if err := cluster.Delete(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	await(t, b, "deleted", func(users []string, _ string) bool { return len(users) == 0 })
}
