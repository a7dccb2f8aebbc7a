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
	// pageSize bounds the objects of one list request, and so what the API server holds for it.
	pageSize = 1000
	// confirming bounds the concurrent confirmations, and so the memory and the reads that they take.
	confirming = 2
	// confirmingFor bounds the time to confirm warnings. They are not worth a longer wait.
	confirmingFor = 2 * time.Second
	// mostRead bounds the objects of a kind in a namespace that are read to confirm warnings.
	mostRead = 250
	// mostConfirmed bounds the namespaces that are read to confirm warnings.
	mostConfirmed = 8
)

// Live judges a request by what the API server currently holds.
type Live struct {
	// API reads from the API server, Cached from the watch.
	API, Cached client.Reader
	// Roster follows the watch. Options are the options of the rosters that Live builds. These settle once, so the
	// budget applies to the first settling.
	Roster  *roster.Roster
	Options roster.Options
	// By returns the Judge function for a view other than that of the watch.
	By func(*roster.View) Judge

	busy, warning chan struct{} // of refusals and of warnings: warnings must not delay refusals
}

// NewLive returns a Live that reads from the API server and from the cache of the watch.
func NewLive(api, cached client.Reader, follows *roster.Roster, options roster.Options, by func(*roster.View) Judge) *Live {
	options.LimitFirst = true
	return &Live{
		API: api, Cached: cached, Roster: follows, Options: options, By: by,
		busy: make(chan struct{}, confirming), warning: make(chan struct{}, confirming),
	}
}

// Judge confirms a judgement. The judgement is valid if its roster held, and the current roster still holds, the
// objects of the API server. Otherwise Judge builds a new roster of the object's namespace, the system namespace
// and the organizations of the judgement, and judges the request by them.
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

// Confirm returns the judgement with the warnings that apply to what the API server holds now. Nothing else in it
// changes. The warnings stay as they are if confirming them requires many namespaces, takes too long or fails: an
// outdated warning is better than none, and better than a refusal. If a namespace has many objects of a kind,
// Confirm takes them from the watch. Most of so many UserAccess objects are written by Usher, and no warning
// depends on them.
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
		// Only some of the organizations were read. A warning about all of them must be in both judgements.
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

// present lists the objects of a namespace in the API server. It has only their metadata.
type present struct {
	name      string
	namespace *corev1.Namespace // nil if it does not exist
	objects   map[roster.Kind][]metav1.PartialObjectMetadata
	// watched has the kinds that were not read because the watch shows too many objects.
	watched map[roster.Kind]bool
}

// unlimited makes present read every kind.
const unlimited = math.MaxInt

var kinds = []roster.Kind{
	roster.KindAccessPolicy, roster.KindApplicationAccess, roster.KindAccessGroup, roster.KindUserAccess,
}

// present lists the objects of a namespace. It skips a kind if the watch shows more than most objects of it there.
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

// follows reports whether the roster holds the listed objects, and held them when the request was judged.
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

// load copies the listed objects into the roster. It takes an object from the watch if the watch shows the same
// version. Reading is slow, so only objects that differ are read.
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

// object returns the object for the metadata, or nil if it has been removed since. It uses the cached object if
// the spec, the labels and the deletion are unchanged, because nothing else counts.
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

// cached returns the objects that the watch shows, by name. The caller must not modify them.
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

// list returns the objects that the watch shows. The caller must not modify them.
func (l *Live) list(ctx context.Context, namespace, kind string) (client.ObjectList, error) {
	list := newList(kind)
	return list, l.Cached.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy)
}
