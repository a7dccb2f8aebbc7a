package v1alpha1

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

const (
	// pageSize bounds what the API server holds for one read.
	pageSize = 1000
	// confirming bounds the memory and the reads that refused requests take.
	confirming = 2
)

// Live judges a request by what the API server holds now.
type Live struct {
	// API reads from the API server, Cached from the watch.
	API, Cached client.Reader
	// Roster are the options of the roster that is built anew.
	Roster roster.Options
	// By returns how to judge by a roster that does not change any more.
	By func(*roster.Roster) Judge

	busy chan struct{}
}

// NewLive returns it.
func NewLive(api, cached client.Reader, options roster.Options, by func(*roster.Roster) Judge) *Live {
	return &Live{API: api, Cached: cached, Roster: options, By: by, busy: make(chan struct{}, confirming)}
}

// Judge builds a roster of the object's namespace, the system namespace and the organizations, and judges by it.
func (l *Live) Judge(
	ctx context.Context, request *validation.Request, organizations []string,
) (*validation.Judgement, error) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return nil, fmt.Errorf("too many requests are being refused: %w", ctx.Err())
	}
	namespaces := append([]string{object(request).GetNamespace(), l.Roster.SystemNamespace}, organizations...)
	slices.Sort(namespaces)
	fresh := roster.New(l.Roster)
	for _, namespace := range slices.Compact(namespaces) {
		if err := l.load(ctx, namespace, fresh); err != nil {
			return nil, fmt.Errorf("reading namespace %s: %w", namespace, err)
		}
	}
	fresh.Settle(request.Now)
	return l.By(fresh)(request)
}

func (l *Live) load(ctx context.Context, namespace string, into *roster.Roster) error {
	found := &corev1.Namespace{}
	switch err := l.API.Get(ctx, client.ObjectKey{Name: namespace}, found); {
	case err == nil:
		if err := into.Set(found); err != nil {
			return err
		}
	case client.IgnoreNotFound(err) != nil:
		return err
	}
	for _, kind := range []string{kindPolicy, kindApplication, kindGroup, kindUser} {
		if err := l.loadKind(ctx, namespace, kind, into); err != nil {
			return fmt.Errorf("%s objects: %w", kind, err)
		}
	}
	return nil
}

// loadKind reads which objects there are from the API server, and takes each from the watch where that shows the same
// version: what takes long to read is read only where it differs.
func (l *Live) loadKind(ctx context.Context, namespace, kind string, into *roster.Roster) error {
	cached, err := l.cached(ctx, namespace, kind)
	if err != nil {
		return err
	}
	for next := ""; ; {
		page := &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(accessv1alpha1.GroupVersion.WithKind(kind + "List"))
		if err := l.API.List(ctx, page, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(next)); err != nil {
			return err
		}
		for i := range page.Items {
			found, err := l.object(ctx, kind, &page.Items[i], cached[page.Items[i].Name])
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
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// object returns the object that the metadata is of, or nil where it has gone since.
func (l *Live) object(
	ctx context.Context, kind string, now *metav1.PartialObjectMetadata, cached client.Object,
) (client.Object, error) {
	if cached != nil && cached.GetUID() == now.UID && cached.GetResourceVersion() == now.ResourceVersion {
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
	list := newList(kind)
	if err := l.Cached.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	found := map[string]client.Object{}
	err := meta.EachListItem(list, func(item runtime.Object) error {
		o, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("a %T in a list of %s", item, kind)
		}
		found[o.GetName()] = o
		return nil
	})
	return found, err
}
