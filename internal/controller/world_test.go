package controller

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/feed"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
)

// world is a leader with an API server whose watch shows every write at once. It has its own clock and reconciles one
// output at a time.
type world struct {
	t    *testing.T
	kube client.WithWatch
	// refuse, if set, is the API server's answer to a write of a ConfigMap or a UserAccess.
	refuse func(client.Object) error
	audit  *Audit // of the next leader
	// alter, if set, changes every written ConfigMap, as a mutating admission policy does.
	alter func(*corev1.ConfigMap)
	// late keeps the watch of the four kinds from showing anything.
	late       bool
	writes     map[string]int // by name of the ConfigMap
	reconciler *Reconciler
	now        time.Time
	waiting    map[Output]time.Time // when the output is due
	generation int64
}

// worldScheme has the kinds of the world.
var worldScheme = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(accessv1alpha1.AddToScheme(scheme))
	return scheme
})

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: june}
	w.writes = map[string]int{}
	refused := func(o client.Object) error {
		if cm, ok := o.(*corev1.ConfigMap); ok {
			w.writes[o.GetName()]++
			if w.alter != nil {
				w.alter(cm)
			}
		}
		if w.refuse == nil {
			return nil
		}
		return w.refuse(o)
	}
	w.kube = interceptor.NewClient(fake.NewClientBuilder().WithScheme(worldScheme()).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if err := refused(o); err != nil {
				return err
			}
			o.SetUID(types.UID("uid of " + o.GetName()))
			if err := c.Create(ctx, o, options...); err != nil {
				return err
			}
			w.show(o)
			return nil
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			if err := refused(o); err != nil {
				return err
			}
			before := o.DeepCopyObject().(client.Object)
			if err := c.Get(ctx, client.ObjectKeyFromObject(o), before); err == nil && same(before, o) {
				o.SetResourceVersion(before.GetResourceVersion())
				return nil // the watch shows nothing
			}
			if err := c.Update(ctx, o, options...); err != nil {
				return err
			}
			w.show(o)
			return nil
		},
		Get: func(
			ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption,
		) error {
			err := c.Get(ctx, key, o, options...)
			if o.GetAnnotations()[accessv1alpha1.AnnotationDigest] != "" {
				// The fake API server does not record who wrote what.
				o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: publish.FieldManager}})
			}
			return err
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			if err := refused(o); err != nil {
				return err
			}
			last := o.DeepCopyObject().(client.Object)
			if err := c.Get(ctx, client.ObjectKeyFromObject(o), last); err != nil {
				return err
			}
			if err := c.Delete(ctx, o, options...); err != nil {
				return err
			}
			// An object with finalizers still exists.
			if kept := o.DeepCopyObject().(client.Object); c.Get(ctx, client.ObjectKeyFromObject(o), kept) == nil {
				w.show(kept)
				return nil
			}
			w.showGone(last)
			return nil
		},
	})
	w.startLeader(publish.NewObserved())
	return w
}

// same reports whether the objects are equal in everything that a write could change.
func same(a, b client.Object) bool {
	b = b.DeepCopyObject().(client.Object)
	b.SetResourceVersion(a.GetResourceVersion())
	b.SetManagedFields(a.GetManagedFields())
	return equality.Semantic.DeepEqual(a, b)
}

// newReconciler returns a reconciler without informers.
func newReconciler(publisher *publish.Publisher) *Reconciler {
	fed := feed.New(roster.New(roster.Options{SystemNamespace: "access-system"}), nil, publisher.Now)
	return New(fed, publisher, NewMetrics(prometheus.NewRegistry()))
}

// settle settles the roster and returns when the outputs are marked.
func (r *Reconciler) settle() {
	r.Feed.Settle()
	r.Feed.Flush()
}

// startLeader starts a manager, which becomes the leader when it has seen all objects.
func (w *world) startLeader(observed *publish.Observed) {
	w.t.Helper()
	now := func() time.Time { return w.now }
	w.waiting = map[Output]time.Time{}
	w.reconciler = newReconciler(&publish.Publisher{
		Client: w.kube, Live: w.kube, Observed: observed, Grace: 2 * time.Second, Now: now,
	})
	w.reconciler.Audit = w.audit
	w.reconciler.LastLed = func() time.Time { return june.Add(-time.Hour) }
	for _, list := range []client.ObjectList{
		&accessv1alpha1.AccessPolicyList{}, &accessv1alpha1.ApplicationAccessList{}, &accessv1alpha1.AccessGroupList{},
		&accessv1alpha1.UserAccessList{}, &corev1.ConfigMapList{},
	} {
		if err := w.kube.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
		if err := meta.EachListItem(list, func(o runtime.Object) error { w.show(o.(client.Object)); return nil }); err != nil {
			w.t.Fatal(err)
		}
	}
	w.reconciler.settle()
	if err := w.reconciler.becomeLeader(w); err != nil {
		w.t.Fatal(err)
	}
	w.run()
}

// restart stops the manager and starts another one.
func (w *world) restart() { w.startLeader(publish.NewObserved()) }

// show delivers the object as a watch event.
func (w *world) show(o client.Object) {
	shown := o.DeepCopyObject().(client.Object)
	if cm, ok := shown.(*corev1.ConfigMap); ok {
		publish.Observe(cm)
		if cm.Labels[accessv1alpha1.LabelManagedBy] == accessv1alpha1.ManagedBy {
			w.reconciler.configMapHandler().OnAdd(cm, false)
		} else if seen := w.reconciler.Publisher.Observed.Get(client.ObjectKeyFromObject(cm)); seen != nil {
			last := seen.DeepCopy() // the watch selects by label
			last.ResourceVersion = cm.ResourceVersion
			w.reconciler.configMapHandler().OnDelete(last)
		}
		return
	}
	if !w.late {
		w.reconciler.Feed.Handler().OnAdd(shown, false)
	}
}

func (w *world) showGone(o client.Object) {
	if cm, ok := o.(*corev1.ConfigMap); ok {
		publish.Observe(cm)
		w.reconciler.configMapHandler().OnDelete(cm)
		return
	}
	w.reconciler.Feed.Handler().OnDelete(o)
}

// declare writes an object of the four kinds with the spec in YAML, and runs the manager until it has nothing to do.
func (w *world) declare(o client.Object, name, spec string) {
	w.t.Helper()
	w.write(o, name, spec)
	w.run()
}

// write writes an object of the four kinds with the spec in YAML, into its namespace or into acme. The watch shows it.
func (w *world) write(o client.Object, name, spec string) {
	w.t.Helper()
	key := types.NamespacedName{Namespace: cmp.Or(o.GetNamespace(), "acme"), Name: name}
	before := o.DeepCopyObject().(client.Object)
	exists := w.kube.Get(w.t.Context(), key, before) == nil
	o.SetUID(before.GetUID())
	o.SetResourceVersion(before.GetResourceVersion())
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	w.generation++
	o.SetGeneration(w.generation)
	if err := yaml.Unmarshal([]byte("spec: "+spec), o); err != nil {
		w.t.Fatal(err)
	}
	var err error
	if exists {
		err = w.kube.Update(w.t.Context(), o)
	} else {
		err = w.kube.Create(w.t.Context(), o)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// delete deletes an object in acme. The manager does not run.
func (w *world) delete(o client.Object, name string) {
	w.t.Helper()
	if err := w.kube.Get(w.t.Context(), types.NamespacedName{Namespace: "acme", Name: name}, o); err != nil {
		w.t.Fatal(err)
	}
	if err := w.kube.Delete(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// drop deletes an object of the four kinds, and runs the manager until it has nothing to do.
func (w *world) drop(o client.Object, name string) {
	w.t.Helper()
	w.delete(o, name)
	w.run()
}

// edit changes a published ConfigMap as a third party would.
func (w *world) edit(name string, change func(*corev1.ConfigMap)) {
	w.t.Helper()
	cm := &corev1.ConfigMap{}
	if err := w.kube.Get(w.t.Context(), types.NamespacedName{Namespace: "acme", Name: name}, cm); err != nil {
		w.t.Fatal(err)
	}
	change(cm)
	if err := w.kube.Update(w.t.Context(), cm); err != nil {
		w.t.Fatal(err)
	}
	if err := w.kube.Get(w.t.Context(), types.NamespacedName{Namespace: "acme", Name: name}, cm); err != nil {
		w.showGone(cm)
	}
}

// run reconciles documents until none is due. It first advances the clock by a second, so that the write interval
// delays nothing.
func (w *world) run() {
	w.t.Helper()
	for w.pass(time.Second); ; w.pass(writeInterval) {
		w.reconciler.settle()
		due := w.due()
		if len(due) == 0 {
			return
		}
		for _, o := range due {
			delete(w.waiting, o)
			if o.isDocument() {
				w.reconcile(o)
			}
		}
	}
}

// reconcile reconciles one output.
func (w *world) reconcile(o Output) {
	w.t.Helper()
	result, err := w.reconciler.Reconcile(w.t.Context(), o)
	if err != nil {
		w.t.Fatalf("%+v: %v", o, err)
	}
	if result.RequeueAfter > 0 {
		if at, waits := w.waiting[o]; !waits || w.now.Add(result.RequeueAfter).Before(at) {
			w.waiting[o] = w.now.Add(result.RequeueAfter)
		}
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) due() []Output {
	var due []Output
	for o, at := range w.waiting {
		if !at.After(w.now) {
			due = append(due, o)
		}
	}
	slices.SortFunc(due, func(a, b Output) int {
		if a.priority() != b.priority() {
			return b.priority() - a.priority()
		}
		return strings.Compare(a.Name, b.Name)
	})
	return due
}

// condition returns the condition from the status of the object.
func (w *world) condition(kind OutputKind, name, condition string) metav1.Condition {
	w.t.Helper()
	w.pass(2 * patience)
	write, wait := w.reconciler.planStatus(Output{kind, "acme", name})
	if write == nil {
		w.t.Fatalf("%s %s has no status, look again after %s", kind, name, wait)
	}
	if found := meta.FindStatusCondition(write.after, condition); found != nil {
		return *found
	}
	return metav1.Condition{}
}

// ready checks the Ready condition: its reason, and parts of its message.
func (w *world) ready(kind OutputKind, name, reason string, parts ...string) {
	w.t.Helper()
	got := w.condition(kind, name, accessv1alpha1.ConditionReady)
	if got.Reason != reason {
		w.t.Errorf("%s %s: Ready has reason %s, want %s; its message: %s", kind, name, got.Reason, reason, got.Message)
	}
	for _, part := range parts {
		if !strings.Contains(got.Message, part) {
			w.t.Errorf("%s %s: Ready says %q, want %q in it", kind, name, got.Message, part)
		}
	}
}

// published returns the data of the ConfigMap, or "" if it does not exist.
func (w *world) published(name, key string) string {
	w.t.Helper()
	cm := &corev1.ConfigMap{}
	if err := w.kube.Get(w.t.Context(), types.NamespacedName{Namespace: "acme", Name: name}, cm); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return cm.Data[key]
}

// The world is the queue of its manager.
var _ priorityqueue.PriorityQueue[Output] = (*world)(nil)

func (w *world) AddWithOpts(_ priorityqueue.AddOpts, outputs ...Output) {
	for _, o := range outputs {
		w.waiting[o] = w.now
	}
}

func (w *world) Add(o Output)                           { w.waiting[o] = w.now }
func (w *world) AddAfter(o Output, after time.Duration) { w.waiting[o] = w.now.Add(after) }
func (w *world) AddRateLimited(o Output)                { w.Add(o) }
func (w *world) Len() int                               { return len(w.waiting) }
func (*world) Get() (Output, bool)                      { panic("the world reconciles outputs itself") }
func (*world) GetWithPriority() (Output, int, bool)     { panic("the world reconciles outputs itself") }
func (*world) Done(Output)                              {}
func (*world) Forget(Output)                            {}
func (*world) NumRequeues(Output) int                   { return 0 }
func (*world) ShutDown()                                {}
func (*world) ShutDownWithDrain()                       {}
func (*world) ShuttingDown() bool                       { return false }
