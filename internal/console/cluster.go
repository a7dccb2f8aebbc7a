package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

// settle is the longest time after which windows that have opened or closed appear.
const settle = 10 * time.Second

// clusterBackend follows the objects of a cluster, with the rights of the caller.
type clusterBackend struct {
	newest

	config *rest.Config
	client client.WithWatch
	writer *objects.Writer
	clock  func() time.Time
	caller string

	pending struct {
		sync.Mutex
		objects map[string]seen
		signal  chan struct{}
	}
	failures struct {
		sync.Mutex
		by map[string]error // by what is watched
	}
}

// seen is the newest version of an object that a watch or a write has shown. The object is nil if it was deleted.
type seen struct {
	object  client.Object
	version uint64
}

// NewCluster returns a backend that follows the objects of the cluster until the context ends.
func NewCluster(ctx context.Context, from *source.Source, clock func() time.Time) (Backend, error) {
	config, err := from.Cluster.RESTConfig()
	if err != nil {
		return nil, err
	}
	w, err := from.LoadToChange(ctx, clock().UTC().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	b := &clusterBackend{config: rest.CopyConfig(config), clock: clock}
	b.config.WarningHandler = rest.NoWarnings{}
	if b.writer, err = objects.NewWriter(config, objects.FieldManager); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(errors.Join(accessv1alpha1.AddToScheme(scheme), authenticationv1.AddToScheme(scheme)))
	if b.client, err = client.NewWithWatch(b.config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	b.pending.objects, b.pending.signal = map[string]seen{}, make(chan struct{}, 1)
	b.failures.by = map[string]error{}
	b.set(w)
	review := &authenticationv1.SelfSubjectReview{}
	if err := b.client.Create(ctx, review); err == nil {
		b.caller = review.Status.UserInfo.Username
	}
	b.follow(ctx, w)
	return b, nil
}

// follow watches the kinds in the namespaces that the world was read from.
func (b *clusterBackend) follow(ctx context.Context, w *source.World) {
	namespaces := []string{metav1.NamespaceAll}
	if w.Scope != "" {
		namespaces = []string{w.Scope}
		if system := w.SystemNamespace(); system != w.Scope && len(w.Set.Problems) == 0 {
			namespaces = append(namespaces, system)
		}
	}
	for _, list := range []client.ObjectList{
		&accessv1alpha1.AccessGroupList{}, &accessv1alpha1.UserAccessList{}, &accessv1alpha1.ApplicationAccessList{}, &accessv1alpha1.AccessPolicyList{},
	} {
		for _, namespace := range namespaces {
			go b.reflect(ctx, list, namespace)
		}
	}
	go b.apply(ctx)
}

// reflect lists and watches one kind in one namespace.
func (b *clusterBackend) reflect(ctx context.Context, list client.ObjectList, namespace string) {
	what := fmt.Sprintf("%T in namespace %q", list, namespace)
	note := func(err error) {
		b.failures.Lock()
		defer b.failures.Unlock()
		if delete(b.failures.by, what); err != nil && ctx.Err() == nil {
			b.failures.by[what] = err
		}
	}
	lists := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			made := list.DeepCopyObject().(client.ObjectList)
			err := b.client.List(ctx, made, &client.ListOptions{Namespace: namespace, Raw: &options})
			note(err)
			return made, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			made, err := b.client.Watch(ctx, list.DeepCopyObject().(client.ObjectList), &client.ListOptions{Namespace: namespace, Raw: &options})
			note(err)
			return made, err
		},
	}
	store := &watched{backend: b, namespace: namespace, names: map[string]bool{}}
	reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lists, b.client), nil, store, cache.ReflectorOptions{Name: what})
	// Every page shows the failures. The log of client-go would disturb the terminal.
	reflector.RunWithContext(logr.NewContext(ctx, logr.Discard()))
}

// watched receives what one reflector sees.
type watched struct {
	backend   *clusterBackend
	namespace string
	names     map[string]bool
}

func versionOf(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64) // a version that is not a number counts as the oldest
	return n
}

// Add receives a new object.
func (s *watched) Add(object any) error { return s.Update(object) }

// Update receives a changed object.
func (s *watched) Update(object any) error {
	o := object.(client.Object)
	s.names[objects.Name(o)] = true
	s.backend.note(objects.Name(o), seen{o, versionOf(o.GetResourceVersion())})
	return nil
}

// Delete receives a deleted object.
func (s *watched) Delete(object any) error {
	o, is := object.(client.Object)
	if !is {
		return nil
	}
	delete(s.names, objects.Name(o))
	s.backend.note(objects.Name(o), seen{nil, versionOf(o.GetResourceVersion())})
	return nil
}

// Replace receives a list.
func (s *watched) Replace(all []any, version string) error {
	were := s.names
	s.names = map[string]bool{}
	for _, each := range all {
		_ = s.Update(each) // never fails
	}
	for name := range were {
		if !s.names[name] {
			s.backend.note(name, seen{nil, versionOf(version)})
		}
	}
	return nil
}

// Resync does nothing.
func (s *watched) Resync() error { return nil }

// note records a version of an object, unless it is known, or a newer one is. A deletion can carry the version of the object
// before it.
func (b *clusterBackend) note(name string, s seen) {
	b.pending.Lock()
	defer b.pending.Unlock()
	before, has := b.pending.objects[name]
	if has && (before.version > s.version || (before.version == s.version && s.object != nil)) {
		return
	}
	b.pending.objects[name] = s
	select {
	case b.pending.signal <- struct{}{}:
	default:
	}
}

// apply takes over what watches have seen, and settles at least every ten seconds.
func (b *clusterBackend) apply(ctx context.Context) {
	ticker := time.NewTicker(settle)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.pending.signal:
		case <-ticker.C:
		}
		b.takeOver()
	}
}

// takeOver publishes a world with the pending versions. It publishes nothing if nothing differs.
func (b *clusterBackend) takeOver() {
	b.pending.Lock()
	defer b.pending.Unlock()
	w, _ := b.World()
	now := b.clock().UTC().Truncate(time.Second)
	due := !w.Next().IsZero() && !now.Before(w.Next())
	made, err := merge(w, b.pending.objects, now)
	b.failures.Lock()
	delete(b.failures.by, "decide")
	if err != nil {
		b.failures.by["decide"] = err
	}
	b.failures.Unlock()
	// Versions stay known, so that a late event does not bring back an older one.
	if made != nil {
		b.set(made)
	} else if due {
		b.set(at(w, now))
	}
}

// merge returns the world with the versions of objects that were seen, or nil if all are known.
func merge(w *source.World, pending map[string]seen, now time.Time) (*source.World, error) {
	fork := w.Fork()
	set := &objects.Set{Problems: w.Set.Problems, Notes: w.Set.Notes}
	left := map[string]seen{}
	for name, s := range pending {
		left[name] = s
	}
	differs := false
	for _, o := range w.Set.Objects {
		name := objects.Name(o.Object)
		s, is := left[name]
		delete(left, name)
		switch {
		case !is || (s.object == nil && s.version < versionOf(o.GetResourceVersion())):
		case s.object == nil:
			differs = true
			if err := fork.Remove(o.Object); err != nil {
				return nil, err
			}
			continue
		case s.version > versionOf(o.GetResourceVersion()):
			differs = true
			if err := fork.Set(s.object); err != nil {
				return nil, err
			}
			o = objects.Object{Object: s.object}
		}
		set.Objects = append(set.Objects, o)
	}
	for _, name := range sortedNames(left) {
		if left[name].object == nil {
			continue
		}
		differs = true
		if err := fork.Set(left[name].object); err != nil {
			return nil, err
		}
		set.Objects = append(set.Objects, objects.Object{Object: left[name].object})
	}
	if !differs {
		return nil, nil
	}
	return &source.World{View: fork.Settle(now).View, Set: set, Scope: w.Scope, Namespace: w.Namespace, Offline: w.Offline}, nil
}

// Describe names the API server and the caller.
func (b *clusterBackend) Describe() (from, caller string) {
	return "Cluster " + b.config.Host, b.caller
}

// Notes says what cannot be followed.
func (b *clusterBackend) Notes() []string {
	w, _ := b.World()
	notes := slices.Clone(w.Set.Notes)
	b.failures.Lock()
	defer b.failures.Unlock()
	for _, what := range sortedNames(b.failures.by) {
		notes = append(notes, fmt.Sprintf("The API server does not answer as it should, and the pages may be out of date. %s", b.failures.by[what]))
		break // one reason is enough: they are mostly the same
	}
	return notes
}

// InFiles returns false.
func (b *clusterBackend) InFiles() bool { return false }

// Manifests returns the changed objects.
func (b *clusterBackend) Manifests(changes []objects.Change) ([][]byte, error) {
	return edit.Manifests(changes, false)
}

// DryRun asks the API server.
func (b *clusterBackend) DryRun(ctx context.Context, plan *edit.Plan) []edit.Outcome {
	return plan.DryRun(ctx, b.writer, silent)
}

func silent(string, ...any) {}

// Write writes the changes, and takes over what the API server has answered.
func (b *clusterBackend) Write(ctx context.Context, plan *edit.Plan) []edit.Outcome {
	outcomes := plan.Write(ctx, b.writer, silent)
	for i := range outcomes {
		c, o := &plan.Changes[i], &outcomes[i]
		switch {
		case o.Failed || o.State != edit.StateApplied:
		case c.After == nil:
			b.note(o.Object, seen{nil, versionOf(c.Before.GetResourceVersion())})
		case o.Written != nil:
			b.note(o.Object, seen{o.Written, versionOf(o.Written.GetResourceVersion())})
		}
	}
	b.takeOver()
	return outcomes
}

// Notify sets the annotation that requests notices.
func (b *clusterBackend) Notify(ctx context.Context, all []edit.Notice, at time.Time) []edit.Outcome {
	made := make([]edit.Outcome, len(all))
	for i := range all {
		if len(all[i].Users) == 0 {
			made[i] = edit.Outcome{Object: objects.Name(all[i].Object), State: edit.StateUnchanged, Reason: "nobody would be told"}
			continue
		}
		made[i] = edit.Annotate(ctx, b.writer, all[i].Object, accessv1alpha1.AnnotationNotify, at.UTC().Format(time.RFC3339))
	}
	return made
}
