package console

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
		notes := b.Notes()
		for _, p := range w.Set.Problems {
			notes = append(notes, p.String())
		}
		if condition(w.Users("acme"), strings.Join(notes, "\n")) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: users %v, notes %v", what, w.Users("acme"), notes)
		case <-ticker.C:
		}
	}
}

// lister is a client of an API server that lists before it watches, as the fake one does.
type lister struct{ client.WithWatch }

func (lister) IsWatchListSemanticsUnSupported() bool { return true }

// newFollower returns a backend over an empty cluster that refuses lists with an error.
func newFollower(t *testing.T, refusal func(client.ObjectList) error) (*clusterBackend, client.Client) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(accessv1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := refusal(list); err != nil {
				return err
			}
			return c.List(ctx, list, options...)
		},
	}).Build()
	b := &clusterBackend{client: lister{cluster}, clock: func() time.Time { return now }}
	b.pending.objects, b.pending.signal = map[string]seen{}, make(chan struct{}, 1)
	b.failures.by = map[string]error{}
	b.set(settledBy(t))
	return b, cluster
}

// TestFollowTheCluster watches a cluster in which others create, change and delete an object, and which fails meanwhile.
func TestFollowTheCluster(t *testing.T) {
	var gone atomic.Bool
	b, cluster := newFollower(t, func(client.ObjectList) error {
		if gone.Load() {
			return errors.New("connection refused")
		}
		return nil
	})
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

// TestFollowNamespaces changes what makes a namespace an organization, and its labels, while others follow the cluster.
func TestFollowNamespaces(t *testing.T) {
	var denied atomic.Bool
	denied.Store(true)
	b, cluster := newFollower(t, func(list client.ObjectList) error {
		if _, is := list.(*corev1.NamespaceList); is && denied.Load() {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "", nil)
		}
		return nil
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	users := func(notes string, want ...string) func([]string, string) bool {
		return func(users []string, seen string) bool {
			return slices.Equal(users, want) && strings.Contains(seen, notes) && (notes != "" || seen == "")
		}
	}
	w, _ := b.World()
	b.follow(t.Context(), w)
	readers := groupAt("readers", 0, "ana")
	readers.ResourceVersion = ""
	must(cluster.Create(t.Context(), readers))
	await(t, b, "namespaces that nobody selects may not be read", users("", "ana"))
	must(cluster.Create(t.Context(), &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "access-system", Name: "emea"},
		Spec: accessv1alpha1.AccessGroupSpec{
			Type: accessv1alpha1.GroupTypeSystem, Members: []accessv1alpha1.Member{{User: "zoe"}},
			SystemAccessSelectors: []accessv1alpha1.SystemSelectorGrant{{
				Selector:         accessv1alpha1.LabelSelector{MatchLabels: map[string]accessv1alpha1.LabelValue{"region": "emea"}},
				OrganizationRole: "Viewer",
			}},
		},
	}))
	await(t, b, "a group selects namespaces, which may not be read", users("what systemAccessSelectors give by labels of namespaces is left out", "ana"))
	acme := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme", Labels: map[string]string{"region": "emea"}}}
	must(cluster.Create(t.Context(), acme))
	denied.Store(false)
	await(t, b, "the namespace is selected", users("", "ana", "zoe"))
	acme.Labels["region"] = "apac"
	must(cluster.Update(t.Context(), acme))
	await(t, b, "the namespace has another label", users("", "ana"))

	ready := func(reason string) {
		readers.Status.Conditions = []metav1.Condition{{Type: accessv1alpha1.ConditionReady, Reason: reason}}
		must(cluster.Update(t.Context(), readers))
	}
	ready(accessv1alpha1.ReasonNotAnOrganization)
	await(t, b, "the manager does not take it for an organization", users("namespace acme is left out"))
	ready("Published")
	await(t, b, "the manager takes it for an organization", users("", "ana"))
}
