package publish

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Read returns a published ConfigMap with its data from the API server. It returns nil if there is no ConfigMap of that
// name or if Usher did not write it.
func (p *Publisher) Read(ctx context.Context, key types.NamespacedName) (*corev1.ConfigMap, error) {
	live := &corev1.ConfigMap{}
	if err := p.Live.Get(ctx, key, live); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if !isOurs(live) {
		return nil, nil
	}
	return live, nil
}

// Version returns the current resourceVersion of the object on the API server, whoever wrote it, or "" if there is none.
func (p *Publisher) Version(ctx context.Context, kind schema.GroupVersionKind, key types.NamespacedName) (string, error) {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(kind)
	if err := p.Live.Get(ctx, key, live); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	return live.ResourceVersion, nil
}

// IsGoing reports whether the API server is deleting the object, has deleted it, or has another one of that name.
func (p *Publisher) IsGoing(ctx context.Context, kind schema.GroupVersionKind, object client.Object) (bool, error) {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(kind)
	err := p.Live.Get(ctx, client.ObjectKeyFromObject(object), live)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return live.UID != object.GetUID() || live.DeletionTimestamp != nil, err
}
