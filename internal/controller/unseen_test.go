package controller

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

func TestUnseenWrites(t *testing.T) {
	red := Output{ApplicationDocument, "acme", "red"}
	key := types.NamespacedName{Namespace: "acme", Name: publish.ApplicationName("red", 0)}
	other := types.NamespacedName{Namespace: "acme", Name: publish.ApplicationName("red", 1)}
	shows := func(key types.NamespacedName, digest string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, Annotations: map[string]string{accessv1alpha1.AnnotationDigest: digest},
		}}
	}
	writes := func(u *unseen, key types.NamespacedName, digest string) { u.expect(red, key, digest, june)(true, nil) }
	for name, tc := range map[string]struct {
		happens func(u *unseen)
		later   time.Duration
		want    bool
	}{
		"nothing":            {func(*unseen) {}, 0, false},
		"under way":          {func(u *unseen) { u.expect(red, key, "a", june) }, 0, true},
		"written":            {func(u *unseen) { writes(u, key, "a") }, 0, true},
		"written and shown":  {func(u *unseen) { writes(u, key, "a"); u.shown(red, shows(key, "a")) }, 0, false},
		"another is shown":   {func(u *unseen) { writes(u, key, "a"); u.shown(red, shows(key, "b")) }, 0, true},
		"the other's shown":  {func(u *unseen) { writes(u, key, "a"); u.shown(red, shows(other, "a")) }, 0, true},
		"one of two is":      {func(u *unseen) { writes(u, key, "a"); writes(u, other, "a"); u.shown(red, shows(key, "a")) }, 0, true},
		"the first of two":   {func(u *unseen) { writes(u, key, "a"); writes(u, key, "b"); u.shown(red, shows(key, "a")) }, 0, true},
		"the second of two":  {func(u *unseen) { writes(u, key, "a"); writes(u, key, "b"); u.shown(red, shows(key, "b")) }, 0, false},
		"not necessary":      {func(u *unseen) { u.expect(red, key, "a", june)(false, nil) }, 0, false},
		"in the dark":        {func(u *unseen) { u.expect(red, key, "a", june)(true, errors.New("connection lost")) }, 0, true},
		"failed, or perhaps": {func(u *unseen) { u.expect(red, key, "a", june)(true, apierrors.NewInternalError(errFails)) }, 0, true},
		"refused": {
			func(u *unseen) {
				u.expect(red, key, "a", june)(true, apierrors.NewConflict(corev1.Resource("configmaps"), key.Name, nil))
			}, 0, false,
		},
		"refused after one that was not": {
			func(u *unseen) {
				writes(u, key, "a")
				u.expect(red, key, "a", june)(true, apierrors.NewConflict(corev1.Resource("configmaps"), key.Name, nil))
			}, 0, true,
		},
		"never shown":         {func(u *unseen) { writes(u, key, "a") }, longestUnseen, false},
		"the clock went back": {func(u *unseen) { writes(u, key, "a") }, -time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			var u unseen
			tc.happens(&u)
			if got := u.any(red, june.Add(tc.later)); got != tc.want {
				t.Errorf("any is %t, want %t", got, tc.want)
			}
			if u.any(Output{ApplicationDocument, "acme", "blue"}, june) {
				t.Error("there are writes of another document")
			}
		})
	}
}

// TestADocumentThatChangedBackIsFinishedWhenTheWatchShowsThat takes a role away again before the watch shows the document
// that gives it.
func TestADocumentThatChangedBackIsFinishedWhenTheWatchShowsThat(t *testing.T) {
	var written *corev1.ConfigMap
	version := 0
	keep := func(o client.Object) {
		version++
		o.SetResourceVersion(strconv.Itoa(version))
		written = o.(*corev1.ConfigMap).DeepCopy()
	}
	kube := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			keep(o)
			return nil
		},
		Update: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.UpdateOption) error {
			keep(o)
			return nil
		},
	})
	now := june
	feed := NewFeed(roster.New(roster.Options{SystemNamespace: "access-system"}), publish.NewObserved(), nil,
		NewMetrics(prometheus.NewRegistry()), func() time.Time { return now })
	r := &Reconciler{Feed: feed, Publisher: &publish.Publisher{Client: kube, Live: kube, Observed: feed.Observed, Now: feed.Now}}
	red := Output{ApplicationDocument, "acme", "red"}

	// gives has the document touched and reconciled, and says whether it is finished.
	gives := func(role accessv1alpha1.RoleName, generation int64) bool {
		t.Helper()
		now = now.Add(longestUnseen / 4)
		declareTeam(t, feed, role, generation)
		feed.tracker.touch(red, nil, false, now)
		if _, err := r.reconcileDocument(t.Context(), red); err != nil {
			t.Fatal(err)
		}
		return feed.tracker.openSince(red).IsZero()
	}
	show := func(cm *corev1.ConfigMap) {
		shown := cm.DeepCopy()
		publish.Observe(shown)
		feed.configMapHandler().OnUpdate(nil, shown)
	}
	holds := func(role string) {
		t.Helper()
		if text := written.Data[document.AccessKey]; !strings.Contains(text, `"role":"`+role+`"`) {
			t.Errorf("what was written does not give %s: %s", role, text)
		}
	}

	gives("Viewer", 1)
	show(written)
	if !feed.tracker.openSince(red).IsZero() {
		t.Error("a document that the watch shows is not finished")
	}

	gives("Administrator", 2)
	raised := written
	holds("Administrator")
	if gives("Viewer", 3) {
		t.Error("a document is finished although the watch has yet to show that it gives more")
	}
	show(raised)
	gives("Viewer", 3)
	holds("Viewer")
	show(written)
	if !feed.tracker.openSince(red).IsZero() {
		t.Error("a document that changed back is not finished")
	}
}
