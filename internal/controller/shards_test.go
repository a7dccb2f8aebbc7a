package controller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/usher-dev/usher/api/document"
	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// TestNobodyIsMissingWhileShardsChange changes the number of shards at random, lets writes fail, leaves what was begun
// and starts something else, and holds after every single write that each user is in a shard.
func TestNobodyIsMissingWhileShardsChange(t *testing.T) {
	organization := resolve.NewOrganization(resolve.Rules{
		Organization: "acme", ApplicationRoles: resolve.BuiltInApplicationRoles(),
		OrganizationRoles: resolve.BuiltInOrganizationRoles(), SystemRoles: resolve.BuiltInSystemRoles(),
	})
	source := organization.Bind(&resolve.Source{
		Name: "AccessGroup/acme/team", Applications: []resolve.ApplicationGrant{{Application: "red", Role: "Viewer"}},
	}, nil)
	viewer := organization.Resolve(&resolve.User{Holdings: []resolve.Holding{{Source: source}}}, june)
	users := make([]string, 40)
	for i := range users {
		users[i] = fmt.Sprintf("user-%d", i)
	}
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newShardWorld(t, random)
		grow := func(shards int) ([]publish.Want, func(int) map[string]string) {
			made := publish.Application(organization, "red", shards, func(yield func(string, *resolve.Decision)) {
				for _, user := range users {
					yield(user, &viewer)
				}
			})
			wants := make([]publish.Want, made.Shards)
			for i := range wants {
				wants[i] = publish.Want{
					Key:      types.NamespacedName{Namespace: "acme", Name: publish.ApplicationName("red", i)},
					Document: accessv1alpha1.DocumentApplication, Digest: made.Digest(i),
				}
			}
			return wants, made.Data
		}
		for step := range 12 {
			wants, data := grow(1 << random.IntN(4))
			w.failing = step > 0
			for range random.IntN(4) + 1 {
				w.now = w.now.Add(time.Second)
				_, err := w.reconciler.writeShards(t.Context(), w.output, wants, w.reconciler.differing(w.output, wants), data)
				if err != nil && !errors.Is(err, errFails) {
					t.Fatal(err)
				}
				w.failing = w.failing && random.IntN(2) == 0
			}
			if w.missing == nil && step == 0 {
				w.missing = func() string { return absentUser(w.reconciler.Publisher.Observed, w.texts, users) }
			}
		}
	}
}

// declareTeam declares application red, and a group that gives ana the role in it.
func declareTeam(t *testing.T, r *Reconciler, role accessv1alpha1.RoleName, generation int64) {
	t.Helper()
	application := &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "red"}}
	group := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "team", Generation: generation}}
	group.Spec.Members = []accessv1alpha1.Member{{User: "ana@acme.example"}}
	group.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{{Application: "red", Role: role}}
	for _, o := range []client.Object{application, group} {
		r.Feed.Handler().OnAdd(o, false)
	}
	r.settle()
}

// TestADocumentIsRenderedWhenItWasTouched changes what a document is made of without touching it, and then touches it.
func TestADocumentIsRenderedWhenItWasTouched(t *testing.T) {
	w := newShardWorld(t, rand.New(rand.NewPCG(1, 1)))
	r := w.reconciler
	reconcile := func() progress {
		w.now = w.now.Add(time.Second)
		p, err := w.reconciler.reconcileApplication(t.Context(), w.output, r.tracker.begin(w.output))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	holds := func(role string) {
		t.Helper()
		if text := w.texts[publish.ApplicationName("red", 0)]; !strings.Contains(text, fmt.Sprintf(`"role":%q`, role)) {
			t.Errorf("the document does not give %s: %s", role, text)
		}
	}

	declareTeam(t, r, "Viewer", 1)
	r.tracker.touch(w.output, touch{}, w.now)
	if p := reconcile(); p.done {
		t.Error("a document that was just written is done before it was looked at again")
	}
	holds("Viewer")
	if p := reconcile(); !p.done {
		t.Error("a document that stands is not done")
	}

	declareTeam(t, r, "Editor", 2)
	if p := reconcile(); !p.done {
		t.Error("a document that was not touched is not done")
	}
	holds("Viewer")
	r.tracker.touch(w.output, touch{}, w.now)
	reconcile()
	holds("Editor")
}

var errFails = errors.New("the API server is busy")

// shardWorld is an API server whose watch shows every write at once.
type shardWorld struct {
	reconciler *Reconciler
	output     Output
	now        time.Time
	texts      map[string]string // of access.json, by ConfigMap
	failing    bool
	missing    func() string
}

func newShardWorld(t *testing.T, random *rand.Rand) *shardWorld {
	w := &shardWorld{output: Output{ApplicationDocument, "acme", "red"}, now: june, texts: map[string]string{}}
	observed := publish.NewObserved()
	wrote := func(cm *corev1.ConfigMap) {
		shown := cm.DeepCopy()
		w.texts[cm.Name] = cm.Data[document.AccessKey]
		publish.Observe(shown)
		observed.Set(shown)
		if w.missing != nil {
			if user := w.missing(); user != "" {
				t.Fatalf("user %s is in no shard after the write of %s", user, cm.Name)
			}
		}
	}
	fails := func() error {
		if w.failing && random.IntN(3) == 0 {
			return errFails
		}
		return nil
	}
	kube := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if err := errors.Join(fails(), c.Create(ctx, o, options...)); err != nil {
				return err
			}
			wrote(o.(*corev1.ConfigMap))
			return nil
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			if err := fails(); err != nil {
				return err
			}
			if err := c.Update(ctx, o, options...); err != nil {
				return err
			}
			wrote(o.(*corev1.ConfigMap))
			return nil
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			if err := c.Delete(ctx, o, options...); err != nil {
				return err
			}
			observed.Delete(o.GetNamespace(), o.GetName())
			delete(w.texts, o.GetName())
			return nil
		},
	})
	now := func() time.Time { return w.now }
	w.reconciler = newReconciler(&publish.Publisher{
		Client: kube, Live: kube, Observed: observed, Grace: 2 * time.Second, Now: now,
	})
	return w
}

// absentUser returns a user whom no shard has.
func absentUser(observed *publish.Observed, texts map[string]string, users []string) string {
	var all strings.Builder
	for _, cm := range observed.Shards("acme", "red") {
		all.WriteString(texts[cm.Name])
	}
	for _, user := range users {
		if !strings.Contains(all.String(), fmt.Sprintf("%q:{", user)) {
			return user
		}
	}
	return ""
}

func TestApplicationStatusWarnsBeforeShardsGrow(t *testing.T) {
	report := &roster.ApplicationReport{Object: &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Name: "red"}}}
	for name, tc := range map[string]struct {
		holders holders
		p       publication
		want    string
	}{
		"small": {holders{shards: 1}, publication{}, "All that this generation changes is published."},
		"one shard": {
			holders{shards: 1, growing: true}, publication{},
			"All that this generation changes is published. The document has nearly outgrown its ConfigMaps (1): soon there " +
				"will be 2. Let workloads mount application-access-red.1 too, optionally, before they are needed, or set " +
				"publish.minimumShards to 2.",
		},
		"many": {
			holders{shards: 32, growing: true}, publication{},
			"All that this generation changes is published. The document has nearly outgrown its ConfigMaps (32): soon there " +
				"will be 64. Let workloads mount application-access-red.32, application-access-red.33, " +
				"application-access-red.34, application-access-red.35, application-access-red.36 and 27 more too, " +
				"optionally, before they are needed, or set publish.minimumShards to 64.",
		},
		"on its way": {
			holders{shards: 1, growing: true}, publication{pending: true},
			"Documents that this generation changes are not all published yet.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			status := applicationStatus(report, tc.p, tc.holders, nil, june)
			if got := status.Conditions[0].Message; got != tc.want {
				t.Errorf("Ready says\n%q, want\n%q", got, tc.want)
			}
		})
	}
}

func TestTheWarningIsToldOnce(t *testing.T) {
	recorder := events.NewFakeRecorder(4)
	r := &Reconciler{Recorder: recorder}
	ready := func(message string) []metav1.Condition {
		return []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Published", Message: message}}
	}
	for _, step := range []struct{ before, after, want string }{
		{"All.", "All.", ""},
		{"All.", "All. It grows.", "Warning ShardsGrow It grows."},
		{"All. It grows.", "All. It grows.", ""},
		{"All. It grows.", "All.", ""},
	} {
		r.tell(&statusWrite{
			seen: &accessv1alpha1.ApplicationAccess{}, before: ready(step.before), after: ready(step.after), warning: "It grows.",
		})
		got := ""
		select {
		case got = <-recorder.Events:
		default:
		}
		if got != step.want {
			t.Errorf("from %q to %q: told %q, want %q", step.before, step.after, got, step.want)
		}
	}
}
