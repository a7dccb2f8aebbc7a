package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// ConflictError reports that a ConfigMap which Usher did not write has the name of a document.
type ConflictError struct {
	Key types.NamespacedName
}

// Error describes the error and how to fix it.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("ConfigMap %s has the name of a published document but was not written by Usher; "+
		"Usher does not change it: rename or delete it", e.Key)
}

// errReplaced reports that an immutable ConfigMap has been deleted, and that the wanted one has not been created yet.
var errReplaced = errors.New("it was immutable and has been deleted, to be created again")

// Publisher writes ConfigMaps. Every write and delete carries the observed resourceVersion. If the ConfigMap has
// changed in the meantime, the write fails and is planned again; changes are never overwritten.
type Publisher struct {
	// Client writes as [FieldManager]. Live reads from the API server what the cache does not hold.
	Client   client.Client
	Live     client.Reader
	Observed *Observed
	// Grace is how long an emptied document stays before it is deleted.
	Grace time.Duration
	// Now is the clock.
	Now func() time.Time
	// Wrote, if set, is called after every write with the operation ("create", "update" or "delete"), the kind of
	// document and the bytes of data.
	Wrote func(operation, document string, bytes int)

	repairs repairs
}

// Write describes a write that the API server has answered.
type Write struct {
	// Version is the resourceVersion of the ConfigMap after the write. The answer to a deletion has none; Version is
	// then the version that was deleted.
	Version string
	Deleted bool
}

// Publish writes the ConfigMap as wanted. It returns the last write that the API server has answered, even together
// with an error, or the zero value if there was none. A *[ConflictError] reports that the name is taken. An
// *[AlteredError] reports that the ConfigMap does not stay as it was written. An API error of the kind Conflict reports
// a change that the watch has not shown yet.
func (p *Publisher) Publish(ctx context.Context, want *Want, data map[string]string) (Write, error) {
	seen := p.Observed.Get(want.Key)
	if want.Matches(seen) {
		return Write{}, nil
	}
	p.Observed.notEmpty(want.Key)
	if seen == nil {
		return p.create(ctx, want, data, false)
	}
	frozen := isImmutable(seen)
	if want.Holds(seen) || (frozen && seen.DeletionTimestamp != nil) {
		return Write{}, nil // it is being deleted, and is created again when the watch shows the deletion
	}
	repair := want.isRepair(seen)
	if rest := p.restOf(want, seen); repair && rest > 0 {
		return Write{}, p.altered(ctx, want, data, rest)
	}
	if !frozen {
		return p.update(ctx, seen, want, data, repair)
	}
	deleted, err := p.delete(ctx, seen)
	if err != nil {
		return Write{}, err
	}
	created, err := p.create(ctx, want, data, true)
	return cmp.Or(created, deleted), err
}

func isImmutable(cm *corev1.ConfigMap) bool { return cm.Immutable != nil && *cm.Immutable }

// isRepair reports whether the observed ConfigMap has already been written with the wanted data, or was edited.
func (w *Want) isRepair(seen *corev1.ConfigMap) bool {
	digest := seen.Annotations[accessv1alpha1.AnnotationDigest]
	return digest == "" || digest == w.Digest
}

// restOf returns how long a repair has to wait. Replacing an immutable ConfigMap deletes it for a time. If the last
// such replacement by the same data had no effect, the next one waits for longer.
func (p *Publisher) restOf(want *Want, seen *corev1.ConfigMap) time.Duration {
	now := p.Now()
	rest := p.repairs.rest(want, now)
	if isImmutable(seen) && seen.Annotations[accessv1alpha1.AnnotationDigest] == want.Digest && p.repairs.inVain(want, now) {
		return max(rest, lastRestInVain)
	}
	return rest
}

// altered reads the ConfigMap and returns an *[AlteredError] if it is not as wanted, or nil if it is and the watch has
// not shown it yet.
func (p *Publisher) altered(ctx context.Context, want *Want, data map[string]string, rest time.Duration) error {
	live := &corev1.ConfigMap{}
	if err := p.Live.Get(ctx, want.Key, live); err != nil {
		return err
	}
	if differences := want.differences(live, data); len(differences) > 0 {
		return &AlteredError{Key: want.Key, Differences: differences, Rest: rest}
	}
	return nil
}

// verify reads the ConfigMap after a write whose result may differ from what was written. That is the case if the
// metadata in the answer differs, or after a repair, because admission may change the data of every write. The watch
// does not show a write that changes nothing. It does show changes by others after the write.
func (p *Publisher) verify(ctx context.Context, want *Want, answer *corev1.ConfigMap, data map[string]string, repair bool) error {
	if want.labelled(answer.Labels) && want.owned(answer.OwnerReferences) &&
		answer.Annotations[accessv1alpha1.AnnotationDigest] == want.Digest && !repair {
		return nil
	}
	live := &corev1.ConfigMap{}
	if err := p.Live.Get(ctx, want.Key, live); err != nil {
		return err
	}
	var differences []string
	if live.ResourceVersion == answer.ResourceVersion {
		differences = want.differences(live, data)
	}
	rest := p.repairs.note(want, len(differences) > 0, p.Now())
	if len(differences) == 0 {
		return nil
	}
	return &AlteredError{Key: want.Key, Differences: differences, Rest: rest}
}

func (p *Publisher) create(ctx context.Context, want *Want, data map[string]string, repair bool) (Write, error) {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: want.Key.Namespace, Name: want.Key.Name}}
	want.fill(cm, data)
	err := p.Client.Create(ctx, cm)
	if err == nil {
		p.notify("create", want.Document, data)
		return Write{Version: cm.ResourceVersion}, p.verify(ctx, want, cm, data, repair)
	}
	if !apierrors.IsAlreadyExists(err) {
		return Write{}, err
	}
	// Either the watch has not shown the ConfigMap yet, or the ConfigMap does not have our label.
	live := &corev1.ConfigMap{}
	if err := p.Live.Get(ctx, want.Key, live); err != nil {
		return Write{}, err
	}
	if !isOurs(live) {
		return Write{}, &ConflictError{Key: want.Key}
	}
	if rest := p.repairs.rest(want, p.Now()); rest > 0 {
		return Write{}, p.altered(ctx, want, data, rest)
	}
	if isImmutable(live) {
		deleted, err := p.delete(ctx, live)
		if err != nil {
			return Write{}, err
		}
		return deleted, apierrors.NewConflict(corev1.Resource("configmaps"), want.Key.Name, errReplaced)
	}
	return p.update(ctx, live, want, data, true)
}

// update writes the whole ConfigMap. It keeps labels, annotations, finalizers and further owners of others.
func (p *Publisher) update(
	ctx context.Context, seen *corev1.ConfigMap, want *Want, data map[string]string, repair bool,
) (Write, error) {
	cm := seen.DeepCopy()
	cm.ManagedFields = nil
	want.fill(cm, data)
	if err := p.Client.Update(ctx, cm); err != nil {
		return Write{}, err
	}
	p.notify("update", want.Document, data)
	repair = repair || cm.ResourceVersion == seen.ResourceVersion
	return Write{Version: cm.ResourceVersion}, p.verify(ctx, want, cm, data, repair)
}

func (w *Want) fill(cm *corev1.ConfigMap, data map[string]string) {
	labels := maps.Clone(cm.Labels) // the labels of an observed ConfigMap may be shared
	if labels == nil {
		labels = map[string]string{}
	}
	for _, key := range ownLabels {
		delete(labels, key)
	}
	maps.Copy(labels, w.labels())
	cm.Labels = labels
	if cm.Annotations == nil {
		cm.Annotations = map[string]string{}
	}
	cm.Annotations[accessv1alpha1.AnnotationDigest] = w.Digest
	if !w.owned(cm.OwnerReferences) {
		others := slices.DeleteFunc(slices.Clone(cm.OwnerReferences), func(r metav1.OwnerReference) bool {
			return w.displaces(r) || sameOwner(r, w.Owner)
		})
		cm.OwnerReferences = append([]metav1.OwnerReference{w.Owner}, others...)
	}
	cm.Data, cm.BinaryData = data, nil
}

// End removes a document. It writes the document empty and without an owner, so that the garbage collector leaves it
// alone, and deletes it when it has been empty for the grace period. A workload that keeps the last content after the
// deletion so keeps empty content. End returns the last write, as [Publisher.Publish] does, and the delay before the next
// step, or zero if there is none.
func (p *Publisher) End(
	ctx context.Context, seen *corev1.ConfigMap, document string, empty map[string]string,
) (Write, time.Duration, error) {
	key := client.ObjectKeyFromObject(seen)
	var emptied Write
	if seen.Annotations[accessv1alpha1.AnnotationDigest] != Digest(empty) || slices.ContainsFunc(seen.OwnerReferences, isOurOwner) {
		if isImmutable(seen) {
			deleted, err := p.delete(ctx, seen)
			return deleted, 0, client.IgnoreNotFound(err)
		}
		cm := seen.DeepCopy()
		fillEmpty(cm, document, empty)
		if err := p.Client.Update(ctx, cm); err != nil {
			return Write{}, 0, client.IgnoreNotFound(err)
		}
		p.notify("update", document, empty)
		emptied.Version = cm.ResourceVersion
	}
	if seen.DeletionTimestamp != nil {
		return emptied, 0, nil
	}
	now := p.Now()
	if wait := p.Grace - now.Sub(p.Observed.emptySince(key, now)); wait > 0 {
		return emptied, wait, nil
	}
	deleted, err := p.delete(ctx, seen)
	return cmp.Or(deleted, emptied), 0, client.IgnoreNotFound(err)
}

// Leave writes an empty document where a ConfigMap is gone from the watch before it has been empty for the grace period. A
// kubelet may not have seen the deletion, and a mount that is not optional keeps the last content that the kubelet saw.
// The document has no owner; [Publisher.End] removes it after the grace period.
//
// Leave also takes a ConfigMap back whose label was removed, because the watch does not show it any more. Leave returns
// the zero value if the watch is going to show the ConfigMap, or if it belongs to somebody else.
func (p *Publisher) Leave(ctx context.Context, lost *corev1.ConfigMap, document string, empty map[string]string) (Write, error) {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: lost.Namespace, Name: lost.Name}}
	fillEmpty(cm, document, empty)
	err := p.Client.Create(ctx, cm)
	if err == nil {
		p.notify("create", document, empty)
		return Write{Version: cm.ResourceVersion}, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return Write{}, err
	}
	live := &corev1.ConfigMap{}
	if err := p.Live.Get(ctx, client.ObjectKeyFromObject(lost), live); err != nil {
		return Write{}, err
	}
	switch {
	case isLabelled(live):
		return Write{}, nil
	case !isOurs(live):
		p.Observed.Forget(lost)
		return Write{}, nil
	case isImmutable(live):
		_, err := p.delete(ctx, live) // the watch does not show this deletion
		return Write{}, err
	}
	live.ManagedFields = nil
	fillEmpty(live, document, empty)
	if err := p.Client.Update(ctx, live); err != nil {
		return Write{}, err
	}
	p.notify("update", document, empty)
	return Write{Version: live.ResourceVersion}, nil
}

// fillEmpty makes the ConfigMap an empty document without an owner of Usher's kinds.
func fillEmpty(cm *corev1.ConfigMap, document string, empty map[string]string) {
	others := slices.DeleteFunc(slices.Clone(cm.OwnerReferences), isOurOwner)
	want := Want{Document: document, Digest: Digest(empty), Labels: FormatLabels(FormatsIn(empty))}
	want.fill(cm, empty)
	cm.OwnerReferences = others
}

func (p *Publisher) delete(ctx context.Context, seen *corev1.ConfigMap) (Write, error) {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: seen.Namespace, Name: seen.Name}}
	err := p.Client.Delete(ctx, cm, client.Preconditions{UID: &seen.UID, ResourceVersion: &seen.ResourceVersion})
	if err != nil {
		return Write{}, err
	}
	p.notify("delete", seen.Labels[accessv1alpha1.LabelDocument], nil)
	return Write{Version: seen.ResourceVersion, Deleted: true}, nil
}

func (p *Publisher) notify(operation, document string, data map[string]string) {
	if p.Wrote != nil {
		p.Wrote(operation, document, dataBytes(data))
	}
}
