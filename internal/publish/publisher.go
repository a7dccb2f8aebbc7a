package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// ConflictError says that a ConfigMap that is not Usher's has the name of a document.
type ConflictError struct {
	Key types.NamespacedName
}

// Error says what to do about it.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("ConfigMap %s has the name of a published document but was not written by Usher; "+
		"it is left alone: rename or delete it", e.Key)
}

// errReplaced says that what stood in the way is gone, and that what was wanted is yet to be written.
var errReplaced = errors.New("it was immutable and has been deleted, to be created again")

// Publisher writes ConfigMaps. Every write and every delete carries the resourceVersion that was observed: what
// changed in the meantime is looked at again, never overwritten.
type Publisher struct {
	// Client writes as [FieldManager]. Live reads from the API server, for what the cache does not show.
	Client   client.Client
	Live     client.Reader
	Observed *Observed
	// Grace is how long an emptied document stays before it is removed.
	Grace time.Duration
	// Now is the clock.
	Now func() time.Time
	// Wrote is told of every write: "create", "update" or "delete", the kind of document, and the bytes of data.
	Wrote func(operation, document string, bytes int)
}

// Publish makes the ConfigMap be as wanted and says whether it wrote. A *[ConflictError] says that the name is taken;
// an API error of the kind Conflict, that something changed that the watch has yet to show.
func (p *Publisher) Publish(ctx context.Context, want *Want, data map[string]string) (wrote bool, err error) {
	seen := p.Observed.Get(want.Key)
	if want.Matches(seen) {
		return false, nil
	}
	p.Observed.notEmpty(want.Key)
	if seen == nil {
		return true, p.create(ctx, want, data)
	}
	frozen := seen.Immutable != nil && *seen.Immutable
	if want.Holds(seen) || (frozen && seen.DeletionTimestamp != nil) {
		return false, nil // it is on its way out; when the watch shows its end, it is created again
	}
	if frozen {
		if err := p.delete(ctx, seen); err != nil {
			return true, err
		}
		return true, p.create(ctx, want, data)
	}
	return true, p.update(ctx, seen, want, data)
}

func (p *Publisher) create(ctx context.Context, want *Want, data map[string]string) error {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: want.Key.Namespace, Name: want.Key.Name}}
	want.fill(cm, data)
	err := p.Client.Create(ctx, cm)
	if !apierrors.IsAlreadyExists(err) {
		return p.told(err, "create", want.Document, data)
	}
	// Either the watch has yet to show it, or it does not carry our label.
	live := &corev1.ConfigMap{}
	if err := p.Live.Get(ctx, want.Key, live); err != nil {
		return err
	}
	if !isOurs(live) {
		return &ConflictError{Key: want.Key}
	}
	if live.Immutable != nil && *live.Immutable {
		if err := p.delete(ctx, live); err != nil {
			return err
		}
		return apierrors.NewConflict(corev1.Resource("configmaps"), want.Key.Name, errReplaced)
	}
	return p.update(ctx, live, want, data)
}

// update writes the whole ConfigMap; annotations of others and finalizers stay.
func (p *Publisher) update(ctx context.Context, seen *corev1.ConfigMap, want *Want, data map[string]string) error {
	cm := seen.DeepCopy()
	cm.ManagedFields = nil
	want.fill(cm, data)
	return p.told(p.Client.Update(ctx, cm), "update", want.Document, data)
}

func (w *Want) fill(cm *corev1.ConfigMap, data map[string]string) {
	cm.Labels = w.labels()
	if cm.Annotations == nil {
		cm.Annotations = map[string]string{}
	}
	cm.Annotations[accessv1alpha1.AnnotationDigest] = w.Digest
	cm.OwnerReferences = []metav1.OwnerReference{w.Owner}
	cm.Data, cm.BinaryData = data, nil
}

// End ends a document: it is written empty, and removed when it has been empty for the grace period, so that a
// workload that keeps the last bytes keeps the empty ones. It returns how long to wait for the next step; zero: none.
func (p *Publisher) End(ctx context.Context, seen *corev1.ConfigMap, document string, empty map[string]string) (time.Duration, error) {
	key := client.ObjectKeyFromObject(seen)
	digest := Digest(empty)
	if seen.Annotations[accessv1alpha1.AnnotationDigest] != digest {
		if seen.Immutable != nil && *seen.Immutable {
			return 0, client.IgnoreNotFound(p.delete(ctx, seen))
		}
		cm := seen.DeepCopy()
		want := Want{Key: key, Document: document, Digest: digest, Labels: FormatLabels(FormatsIn(empty))}
		want.fill(cm, empty)
		cm.OwnerReferences = seen.OwnerReferences
		if err := p.told(p.Client.Update(ctx, cm), "update", document, empty); err != nil {
			return 0, client.IgnoreNotFound(err)
		}
	}
	if seen.DeletionTimestamp != nil {
		return 0, nil
	}
	now := p.Now()
	if wait := p.Grace - now.Sub(p.Observed.emptySince(key, now)); wait > 0 {
		return wait, nil
	}
	return 0, client.IgnoreNotFound(p.delete(ctx, seen))
}

func (p *Publisher) delete(ctx context.Context, seen *corev1.ConfigMap) error {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: seen.Namespace, Name: seen.Name}}
	err := p.Client.Delete(ctx, cm, client.Preconditions{UID: &seen.UID, ResourceVersion: &seen.ResourceVersion})
	return p.told(err, "delete", seen.Labels[accessv1alpha1.LabelDocument], nil)
}

func (p *Publisher) told(err error, operation, document string, data map[string]string) error {
	if err != nil || p.Wrote == nil {
		return err
	}
	p.Wrote(operation, document, dataBytes(data))
	return nil
}
