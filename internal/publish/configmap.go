package publish

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// FieldManager is the field manager of Usher's writes.
const FieldManager = "usher"

// Prefixes of the names of published ConfigMaps.
const (
	applicationPrefix   = "application-access-"
	userPrefix          = "user-access-"
	organizationsPrefix = "user-organizations-"
)

// ApplicationName returns the name of the ConfigMap of a shard of an application document.
func ApplicationName(application string, shard int) string {
	if shard == 0 {
		return applicationPrefix + application
	}
	return applicationPrefix + application + "." + strconv.Itoa(shard)
}

// UserDocumentName returns the name of the ConfigMap of a user document. user is the name derived from the user, not
// the identity.
func UserDocumentName(user string) string { return userPrefix + user }

// OrganizationsName returns the name of the ConfigMap of an organizations document. user is the name derived from the
// user.
func OrganizationsName(user string) string { return organizationsPrefix + user }

// ParseName parses the name of a ConfigMap. It returns the kind of document (a Document value of the API), the
// application or the name of the user, and the shard. The kind is empty if the name is not that of a document.
func ParseName(name string) (kind, subject string, shard int) {
	if rest, ok := strings.CutPrefix(name, applicationPrefix); ok && rest != "" {
		application, number, sharded := strings.Cut(rest, ".")
		if !sharded {
			return accessv1alpha1.DocumentApplication, application, 0
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || ApplicationName(application, n) != name {
			return "", "", 0
		}
		return accessv1alpha1.DocumentApplication, application, n
	}
	if rest, ok := strings.CutPrefix(name, userPrefix); ok && rest != "" {
		return accessv1alpha1.DocumentUser, rest, 0
	}
	if rest, ok := strings.CutPrefix(name, organizationsPrefix); ok && rest != "" {
		return accessv1alpha1.DocumentOrganizations, rest, 0
	}
	return "", "", 0
}

// Digest returns the hexadecimal SHA-256 of the data of a ConfigMap. It hashes the keys in order, and each key and
// value with its length, so that different data cannot have the same input.
func Digest(data map[string]string) string {
	d := newDigester()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		digestText(d, key)
		digestText(d, data[key])
	}
	return d.sum()
}

// digester computes a digest from texts.
type digester struct {
	hash.Hash

	chunk [512]byte // copying a whole text would allocate as much as the data
}

func newDigester() *digester { return &digester{Hash: sha256.New()} }

func digestText[T string | []byte](d *digester, text T) {
	d.Write(binary.BigEndian.AppendUint64(d.chunk[:0], uint64(len(text))))
	for len(text) > 0 {
		n := copy(d.chunk[:], text)
		d.Write(d.chunk[:n])
		text = text[n:]
	}
}

func (d *digester) sum() string { return hex.EncodeToString(d.Sum(nil)) }

// Want is a wanted ConfigMap without its data.
type Want struct {
	Key      types.NamespacedName
	Document string // a Document value of the API
	Digest   string
	Owner    metav1.OwnerReference
	// Labels are the labels in addition to those of every published ConfigMap: see [FormatLabels].
	Labels map[string]string
}

func (w *Want) labels() map[string]string {
	labels := map[string]string{
		accessv1alpha1.LabelManagedBy: accessv1alpha1.ManagedBy,
		accessv1alpha1.LabelDocument:  w.Document,
	}
	maps.Copy(labels, w.Labels)
	return labels
}

// Matches reports whether the ConfigMap, as reduced by [Observe], is as wanted and is not being deleted.
func (w *Want) Matches(seen *corev1.ConfigMap) bool {
	return w.Holds(seen) && seen.DeletionTimestamp == nil
}

// Holds reports whether the parts of the ConfigMap that Usher owns are as wanted: the data and its digest, Usher's
// labels, and the owner. The ConfigMap is as reduced by [Observe]. Labels, annotations, finalizers and further owners
// of others are ignored.
func (w *Want) Holds(seen *corev1.ConfigMap) bool {
	return seen != nil &&
		seen.Annotations[accessv1alpha1.AnnotationDigest] == w.Digest &&
		(seen.Immutable == nil || !*seen.Immutable) && w.labelled(seen.Labels) && w.owned(seen.OwnerReferences)
}

// labelled reports whether Usher's labels are as wanted.
func (w *Want) labelled(labels map[string]string) bool {
	own := 0
	for _, key := range ownLabels {
		if _, has := labels[key]; has {
			own++
		}
	}
	wanted := w.labels()
	if own != len(wanted) {
		return false
	}
	for key, value := range wanted {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// ownLabels are the labels that Usher sets and removes.
var ownLabels = append([]string{accessv1alpha1.LabelManagedBy, accessv1alpha1.LabelDocument}, labelsOfFormats()...)

// owned reports whether the wanted owner is among the references and no other reference takes its place.
func (w *Want) owned(references []metav1.OwnerReference) bool {
	return slices.ContainsFunc(references, func(r metav1.OwnerReference) bool { return sameOwner(r, w.Owner) }) &&
		!slices.ContainsFunc(references, w.displaces)
}

// displaces reports whether the reference cannot coexist with that of the owner. An object has at most one controller,
// and a published ConfigMap has at most one owner of Usher's kinds.
func (w *Want) displaces(r metav1.OwnerReference) bool {
	return !sameOwner(r, w.Owner) &&
		(isOurOwner(r) || (r.Controller != nil && *r.Controller) || r.UID == w.Owner.UID)
}

// isOurOwner reports whether the reference is to an object of Usher's kinds.
func isOurOwner(r metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(r.APIVersion, "/")
	return group == accessv1alpha1.GroupVersion.Group
}

func sameOwner(a, b metav1.OwnerReference) bool {
	isTrue := func(p *bool) bool { return p != nil && *p }
	return a.APIVersion == b.APIVersion && a.Kind == b.Kind && a.Name == b.Name && a.UID == b.UID &&
		isTrue(a.Controller) == isTrue(b.Controller) && isTrue(a.BlockOwnerDeletion) == isTrue(b.BlockOwnerDeletion)
}

// Owner returns the controller reference from a ConfigMap to its ApplicationAccess or UserAccess.
func Owner(kind string, object metav1.Object) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: accessv1alpha1.GroupVersion.String(), Kind: kind, Name: object.GetName(), UID: object.GetUID(),
		Controller: &yes, BlockOwnerDeletion: &yes,
	}
}

// Observe reduces a published ConfigMap to what the cache keeps: metadata without managed fields, and the keys of
// formats (see [FormatsIn]) instead of the data. It keeps the digest annotation only if the annotation matches the
// data. It changes the ConfigMap and is idempotent, because client-go calls it twice for an initial list.
func Observe(cm *corev1.ConfigMap) {
	if Stripped(cm) {
		return
	}
	if digest, has := cm.Annotations[accessv1alpha1.AnnotationDigest]; has &&
		(len(cm.BinaryData) > 0 || digest != Digest(cm.Data)) {
		delete(cm.Annotations, accessv1alpha1.AnnotationDigest)
	}
	cm.Data, cm.BinaryData = formatKeys(cm.Data), nil
	if labels := usualLabels[cm.Labels[accessv1alpha1.LabelDocument]]; maps.Equal(cm.Labels, labels) {
		cm.Labels = labels
	}
	Strip(cm)
}

// usualLabels are the labels of a document without formats, by kind. Tens of thousands of cached ConfigMaps share these
// maps.
var usualLabels = map[string]map[string]string{
	accessv1alpha1.DocumentApplication:   (&Want{Document: accessv1alpha1.DocumentApplication}).labels(),
	accessv1alpha1.DocumentUser:          (&Want{Document: accessv1alpha1.DocumentUser}).labels(),
	accessv1alpha1.DocumentOrganizations: (&Want{Document: accessv1alpha1.DocumentOrganizations}).labels(),
}

// Strip replaces an object's managed fields, which the cache does not need, with an empty list. An object from the API
// server never has an empty list, so [Stripped] recognizes objects that have already been reduced.
func Strip(object metav1.Object) { object.SetManagedFields([]metav1.ManagedFieldsEntry{}) }

// Stripped reports whether the object has already been reduced for the cache.
func Stripped(object metav1.Object) bool {
	fields := object.GetManagedFields()
	return fields != nil && len(fields) == 0
}

// isLabelled reports whether the ConfigMap has Usher's label, by which the watch selects.
func isLabelled(cm *corev1.ConfigMap) bool {
	return cm.Labels[accessv1alpha1.LabelManagedBy] == accessv1alpha1.ManagedBy
}

// isOurs reports whether Usher wrote the ConfigMap, which has the name of a document: it has Usher's label or field
// manager.
func isOurs(cm *corev1.ConfigMap) bool {
	return isLabelled(cm) ||
		slices.ContainsFunc(cm.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == FieldManager })
}
