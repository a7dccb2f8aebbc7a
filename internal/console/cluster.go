package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
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
	// selector is the label selector for organizations, if the caller has given one. Otherwise, the status of the objects
	// says which namespaces the manager takes for organizations.
	selector string

	pending struct {
		sync.Mutex
		objects map[string]seen
		signal  chan struct{}
	}
	failures struct {
		sync.Mutex
		by map[string]error // by what is watched
		// namespaces is the refusal to list namespaces. It matters only if an object selects them by label.
		namespaces error
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
	b := &clusterBackend{config: rest.CopyConfig(config), clock: clock, selector: from.OrganizationSelector}
	b.config.WarningHandler = rest.NoWarnings{}
	if b.writer, err = objects.NewWriter(config, objects.FieldManager); err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(errors.Join(accessv1alpha1.AddToScheme(scheme), authenticationv1.AddToScheme(scheme), corev1.AddToScheme(scheme)))
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

// follow watches the kinds in the namespaces that the world was read from, and the labels of these namespaces.
func (b *clusterBackend) follow(ctx context.Context, w *source.World) {
	namespaces, labelled := []string{metav1.NamespaceAll}, client.ListOptions{}
	if w.Scope != "" {
		namespaces, labelled.FieldSelector = []string{w.Scope}, fields.OneTermEqualSelector(metav1.ObjectNameField, w.Scope)
		if system := w.SystemNamespace(); system != w.Scope && !slices.ContainsFunc(w.Set.Problems, isOfObjects) {
			namespaces = append(namespaces, system)
		}
	}
	for _, list := range []client.ObjectList{
		&accessv1alpha1.AccessGroupList{}, &accessv1alpha1.UserAccessList{}, &accessv1alpha1.ApplicationAccessList{}, &accessv1alpha1.AccessPolicyList{},
	} {
		for _, namespace := range namespaces {
			go b.reflect(ctx, list, client.ListOptions{Namespace: namespace})
		}
	}
	go b.reflect(ctx, &corev1.NamespaceList{}, labelled)
	go b.apply(ctx)
}

// isOfObjects reports whether objects of the four kinds could not be read.
func isOfObjects(p objects.Problem) bool {
	var namespaces *objects.UnreadNamespacesError
	return !errors.As(p.Err, &namespaces)
}

// reflect lists and watches one kind.
func (b *clusterBackend) reflect(ctx context.Context, list client.ObjectList, from client.ListOptions) {
	what := fmt.Sprintf("%T in namespace %q", list, from.Namespace)
	note := func(err error) {
		if ctx.Err() == nil {
			b.fail(what, list, err)
		}
	}
	options := func(raw *metav1.ListOptions) *client.ListOptions {
		made := from
		made.Raw = raw
		return &made
	}
	lists := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, raw metav1.ListOptions) (runtime.Object, error) {
			made := list.DeepCopyObject().(client.ObjectList)
			err := b.client.List(ctx, made, options(&raw))
			note(err)
			return made, err
		},
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			made, err := b.client.Watch(ctx, list.DeepCopyObject().(client.ObjectList), options(&raw))
			note(err)
			return made, err
		},
	}
	store := &watched{backend: b, names: map[string]bool{}}
	reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lists, b.client), nil, store, cache.ReflectorOptions{Name: what})
	// Every page shows the failures. The log of client-go would disturb the terminal.
	reflector.RunWithContext(logr.NewContext(ctx, logr.Discard()))
}

// watched receives what one reflector sees.
type watched struct {
	backend *clusterBackend
	names   map[string]bool
}

// fail records the result of a request: an error, or that what failed before is answered again.
func (b *clusterBackend) fail(what string, list client.ObjectList, err error) {
	b.failures.Lock()
	defer b.failures.Unlock()
	delete(b.failures.by, what)
	if _, is := list.(*corev1.NamespaceList); is && b.selector == "" {
		if !apierrors.IsForbidden(err) {
			b.failures.namespaces = nil
		} else {
			b.failures.namespaces, err = err, nil
		}
	}
	if err != nil {
		b.failures.by[what] = err
	}
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
	b.failures.Lock()
	namespaces := b.failures.namespaces
	b.failures.Unlock()
	made, err := merge(w, b.pending.objects, now, b.selector == "", namespaces)
	b.failures.Lock()
	delete(b.failures.by, "decide")
	if err != nil {
		b.failures.by["decide"] = err
	}
	b.failures.Unlock()
	// Versions stay known, so that a late event does not bring back an older one, and so that an object of a namespace that
	// becomes an organization appears.
	if made != nil {
		b.set(made)
	} else if due {
		b.set(at(w, now))
	}
}

// newestOf returns the objects of the world in their newest versions.
func newestOf(w *source.World, pending map[string]seen) *objects.Set {
	set := &objects.Set{}
	left := maps.Clone(pending)
	for _, o := range w.Set.Objects {
		name := objects.Name(o.Object)
		s, is := left[name]
		delete(left, name)
		switch known := versionOf(o.GetResourceVersion()); {
		case is && s.object == nil && s.version >= known:
			continue // deleted
		case is && s.object != nil && s.version > known:
			o = objects.Object{Object: s.object}
		}
		set.Objects = append(set.Objects, o)
	}
	for _, name := range sortedNames(left) {
		if left[name].object != nil {
			set.Objects = append(set.Objects, objects.Object{Object: left[name].object})
		}
	}
	return set
}

// merge returns the world with the versions of objects that were seen, or nil if nothing differs. With byStatus, the
// status of the objects says which namespaces are organizations. A refusal to list namespaces becomes a problem of the
// world if an object selects them.
func merge(w *source.World, pending map[string]seen, now time.Time, byStatus bool, namespaces error) (*source.World, error) {
	set := newestOf(w, pending)
	if byStatus {
		source.DropUnselected(set)
	}
	for _, p := range w.Set.Problems {
		if isOfObjects(p) {
			set.Problems = append(set.Problems, p)
		}
	}
	if namespaces != nil && objects.SelectsNamespaces(set) {
		set.Problems = append(set.Problems, objects.Problem{Err: &objects.UnreadNamespacesError{Err: namespaces}})
	}
	were := map[string]client.Object{}
	for _, o := range w.Set.Objects {
		were[objects.Name(o.Object)] = o.Object
	}
	fork := w.Fork()
	differs := !slices.Equal(set.Notes, w.Set.Notes) || len(set.Problems) != len(w.Set.Problems)
	for _, o := range set.Objects {
		name := objects.Name(o.Object)
		before := were[name]
		delete(were, name)
		if before == o.Object {
			continue
		}
		differs = true
		if err := fork.Set(o.Object); err != nil {
			return nil, err
		}
	}
	for _, name := range sortedNames(were) {
		differs = true
		if err := fork.Remove(were[name]); err != nil {
			return nil, err
		}
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
