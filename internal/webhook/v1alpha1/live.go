package v1alpha1

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

const (
	// pageSize bounds what the API server holds for one read.
	pageSize = 1000
	// confirming bounds the memory and the reads that refused requests take.
	confirming = 2
	// confirmingFor is how long warnings may take to confirm: they are not worth a longer wait.
	confirmingFor = 2 * time.Second
	// mostRead is up to how many objects of a kind in a namespace are read to confirm warnings.
	mostRead = 250
	// mostConfirmed is up to how many namespaces are read to confirm warnings.
	mostConfirmed = 8
)

// Live judges a request by what the API server holds now.
type Live struct {
	// API reads from the API server, Cached from the watch.
	API, Cached client.Reader
	// Roster follows the watch; Options are those of one that is built anew.
	Roster  *roster.Roster
	Options roster.Options
	// By returns how to judge by a view that is not that of the watch.
	By func(*roster.View) Judge

	busy, warning chan struct{} // of refusals, and of warnings, which must not keep refusals waiting
}

// NewLive returns it.
func NewLive(api, cached client.Reader, follows *roster.Roster, options roster.Options, by func(*roster.View) Judge) *Live {
	return &Live{
		API: api, Cached: cached, Roster: follows, Options: options, By: by,
		busy: make(chan struct{}, confirming), warning: make(chan struct{}, confirming),
	}
}

// Judge makes sure of a judgement: it stands where the roster that it rests on held, and still holds, what the API server
// holds. Otherwise a roster of the object's namespace, the system namespace and the organizations is built anew, and the
// request judged by that.
func (l *Live) Judge(
	ctx context.Context, request *validation.Request, judged *validation.Judgement,
) (*validation.Judgement, error) {
	return l.judge(ctx, request, judged, l.busy, unlimited)
}

func (l *Live) judge(
	ctx context.Context, request *validation.Request, judged *validation.Judgement, busy chan struct{}, most int,
) (*validation.Judgement, error) {
	select {
	case busy <- struct{}{}:
		defer func() { <-busy }()
	case <-ctx.Done():
		return nil, fmt.Errorf("too many requests are being confirmed: %w", ctx.Err())
	}
	names := append([]string{object(request).GetNamespace(), l.Options.SystemNamespace}, judged.Organizations...)
	slices.Sort(names)
	stands := true
	var found []*present
	for _, name := range slices.Compact(names) {
		p, err := l.present(ctx, name, most)
		if err != nil {
			return nil, fmt.Errorf("reading namespace %s: %w", name, err)
		}
		found = append(found, p)
		stands = stands && l.follows(p, judged)
	}
	if stands {
		return judged, nil
	}
	fresh := roster.New(l.Options)
	for _, p := range found {
		if err := l.load(ctx, p, fresh); err != nil {
			return nil, fmt.Errorf("reading namespace %s: %w", p.name, err)
		}
	}
	return l.By(fresh.Settle(request.Now).View)(ctx, request)
}

// Confirm returns the judgement with the warnings that hold for what the API server holds now; nothing else of it differs.
// Where that would take the reading of many namespaces, or too long, or fails, the warnings stay as they are: one that is
// behind is better than none, and than a refusal. A kind with many objects in a namespace is not read but taken from the
// watch: where it is UserAccess, most of these are written by Usher, and no warning rests on them.
func (l *Live) Confirm(
	ctx context.Context, request *validation.Request, judged *validation.Judgement,
) *validation.Judgement {
	if len(judged.Organizations) > mostConfirmed {
		return judged
	}
	ctx, cancel := context.WithTimeout(ctx, confirmingFor)
	defer cancel()
	now, err := l.judge(ctx, request, judged, l.warning, mostRead)
	if err != nil {
		log.FromContext(ctx).V(1).Info("warnings are not confirmed", "why", err.Error())
		return judged
	}
	if now == judged {
		return judged
	}
	confirmed := *judged
	confirmed.Warnings, confirmed.Hints = now.Warnings, now.Hints
	if object(request).GetNamespace() == l.Options.SystemNamespace {
		// What is read are some of the organizations: what is said of all of them takes both.
		confirmed.Warnings = slices.DeleteFunc(slices.Clone(judged.Warnings), func(warning string) bool {
			return !slices.Contains(now.Warnings, warning)
		})
	}
	return &confirmed
}

// Holds reports whether the API server holds the object as given: the same UID, generation and spec.
func (l *Live) Holds(ctx context.Context, object client.Object) (bool, error) {
	found := object.DeepCopyObject().(client.Object)
	if err := l.API.Get(ctx, client.ObjectKeyFromObject(object), found); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return found.GetUID() == object.GetUID() && found.GetGeneration() == object.GetGeneration() &&
		roster.SameSpec(found, object), nil
}

// present is what the API server holds of a namespace: which objects, not what they say.
type present struct {
	name      string
	namespace *corev1.Namespace // nil: there is none
	objects   map[roster.Kind][]metav1.PartialObjectMetadata
	// watched are the kinds that were not read, because the watch shows too many objects.
	watched map[roster.Kind]bool
}

// unlimited has every object read.
const unlimited = math.MaxInt

var kinds = []roster.Kind{
	roster.KindAccessPolicy, roster.KindApplicationAccess, roster.KindAccessGroup, roster.KindUserAccess,
}

// present reads which objects there are, but for kinds of which the watch shows more than most in the namespace.
func (l *Live) present(ctx context.Context, name string, most int) (*present, error) {
	p := &present{name: name, objects: map[roster.Kind][]metav1.PartialObjectMetadata{}, watched: map[roster.Kind]bool{}}
	found := &corev1.Namespace{}
	switch err := l.API.Get(ctx, client.ObjectKey{Name: name}, found); {
	case err == nil:
		p.namespace = found
	case client.IgnoreNotFound(err) != nil:
		return nil, err
	}
	for _, kind := range kinds {
		if most != unlimited {
			cached, err := l.list(ctx, name, string(kind))
			if err != nil {
				return nil, fmt.Errorf("%s objects: %w", kind, err)
			}
			if p.watched[kind] = meta.LenList(cached) > most; p.watched[kind] {
				continue
			}
		}
		for next := ""; ; {
			page := &metav1.PartialObjectMetadataList{}
			page.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(string(kind) + "List"))
			if err := l.API.List(ctx, page, client.InNamespace(name), client.Limit(pageSize), client.Continue(next)); err != nil {
				return nil, fmt.Errorf("%s objects: %w", kind, err)
			}
			p.objects[kind] = append(p.objects[kind], page.Items...)
			if next = page.Continue; next == "" {
				break
			}
		}
	}
	return p, nil
}

// follows reports whether the roster holds what is present, and held it when the request was judged.
func (l *Live) follows(p *present, judged *validation.Judgement) bool {
	revision, known := judged.Revisions[p.name]
	objects := l.Roster.Objects()
	if !known || !objects.HasNamespace(p.name, p.namespace) {
		return false
	}
	for _, kind := range kinds {
		if !p.watched[kind] && !objects.HasExactly(kind, p.name, p.objects[kind]) {
			return false
		}
	}
	return objects.Namespace(p.name).Revision() == revision
}

// load takes each object from the watch where that shows the same version: what takes long to read is read only where it
// differs.
func (l *Live) load(ctx context.Context, p *present, into *roster.Roster) error {
	if p.namespace != nil {
		if err := into.Set(p.namespace); err != nil {
			return err
		}
	}
	for _, kind := range kinds {
		if err := l.loadKind(ctx, kind, p, into); err != nil {
			return fmt.Errorf("%s objects: %w", kind, err)
		}
	}
	return nil
}

func (l *Live) loadKind(ctx context.Context, kind roster.Kind, p *present, into *roster.Roster) error {
	cached, err := l.cached(ctx, p.name, string(kind))
	if err != nil {
		return err
	}
	if p.watched[kind] {
		for _, object := range cached {
			if err := into.Set(object); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range p.objects[kind] {
		found, err := l.object(ctx, string(kind), &p.objects[kind][i], cached[p.objects[kind][i].Name])
		if err != nil {
			return err
		}
		if found == nil {
			continue
		}
		if err := into.Set(found); err != nil {
			return err
		}
	}
	return nil
}

// object returns the object that the metadata is of, or nil where it has gone since. What counts of it is its spec, its
// labels and whether it is being deleted.
func (l *Live) object(
	ctx context.Context, kind string, now *metav1.PartialObjectMetadata, cached client.Object,
) (client.Object, error) {
	if cached != nil && cached.GetUID() == now.UID && cached.GetGeneration() == now.Generation &&
		labels.Equals(cached.GetLabels(), now.Labels) &&
		cached.GetDeletionTimestamp().IsZero() == now.DeletionTimestamp.IsZero() {
		return cached, nil
	}
	found := newObject(metav1.GroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind)))
	if err := l.API.Get(ctx, client.ObjectKeyFromObject(now), found); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return found, nil
}

// cached returns what the watch shows, by name. It is not to be changed.
func (l *Live) cached(ctx context.Context, namespace, kind string) (map[string]client.Object, error) {
	list, err := l.list(ctx, namespace, kind)
	if err != nil {
		return nil, err
	}
	found := map[string]client.Object{}
	err = meta.EachListItem(list, func(item runtime.Object) error {
		o, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("a %T in a list of %s", item, kind)
		}
		found[o.GetName()] = o
		return nil
	})
	return found, err
}

// list returns what the watch shows. It is not to be changed.
func (l *Live) list(ctx context.Context, namespace, kind string) (client.ObjectList, error) {
	list := newList(kind)
	return list, l.Cached.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy)
}
