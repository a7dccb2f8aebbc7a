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

// FieldManager is the name under which Usher writes.
const FieldManager = "usher"

// Prefixes of the names of published ConfigMaps.
const (
	applicationPrefix   = "application-access-"
	userPrefix          = "user-access-"
	organizationsPrefix = "user-organizations-"
)

// ApplicationName is the name of the ConfigMap that holds the shard of an application document.
func ApplicationName(application string, shard int) string {
	if shard == 0 {
		return applicationPrefix + application
	}
	return applicationPrefix + application + "." + strconv.Itoa(shard)
}

// UserDocumentName is the name of the ConfigMap of a user document; user is the name of the user, not the identity.
func UserDocumentName(user string) string { return userPrefix + user }

// OrganizationsName is the name of the ConfigMap of an organizations document; user is the name of the user.
func OrganizationsName(user string) string { return organizationsPrefix + user }

// ParseName says what a ConfigMap's name stands for: the kind of document (a Document value of the API), the
// application or the name of the user, and the shard. The kind is empty for any other name.
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

// Digest is the SHA-256, in hexadecimal, over the data of a ConfigMap: keys in order, each key and value preceded by
// its length, so that no two different data have the same.
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

	chunk [512]byte // a copy of a whole text would be garbage as large as the data
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

// Want is a published ConfigMap as it should be, but for its data.
type Want struct {
	Key      types.NamespacedName
	Document string // a Document value of the API
	Digest   string
	Owner    metav1.OwnerReference
	// Labels are those beside the ones that every published ConfigMap carries: see [FormatLabels].
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

// Matches says whether the ConfigMap, as package publish observes it, is as wanted and stays.
func (w *Want) Matches(seen *corev1.ConfigMap) bool {
	return w.Holds(seen) && seen.DeletionTimestamp == nil
}

// Holds reports whether the ConfigMap, as package publish observes it, is as wanted in all that is Usher's: the data and
// its digest, Usher's own labels, and the owner. Labels, annotations, finalizers and further owners of others do not count.
func (w *Want) Holds(seen *corev1.ConfigMap) bool {
	return seen != nil &&
		seen.Annotations[accessv1alpha1.AnnotationDigest] == w.Digest &&
		(seen.Immutable == nil || !*seen.Immutable) && w.labelled(seen.Labels) && w.owned(seen.OwnerReferences)
}

// labelled reports whether Usher's own labels are as wanted.
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

// ownLabels are the labels that are Usher's to set and to take away.
var ownLabels = append([]string{accessv1alpha1.LabelManagedBy, accessv1alpha1.LabelDocument}, labelsOfFormats()...)

// owned reports whether the owner is one of these and no other one is in its place.
func (w *Want) owned(references []metav1.OwnerReference) bool {
	return slices.ContainsFunc(references, func(r metav1.OwnerReference) bool { return sameOwner(r, w.Owner) }) &&
		!slices.ContainsFunc(references, w.displaces)
}

// displaces reports whether the reference may not stand beside that of the owner: there is one controller, and of
// Usher's kinds one owner.
func (w *Want) displaces(r metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(r.APIVersion, "/")
	return !sameOwner(r, w.Owner) &&
		(group == accessv1alpha1.GroupVersion.Group || (r.Controller != nil && *r.Controller) || r.UID == w.Owner.UID)
}

func sameOwner(a, b metav1.OwnerReference) bool {
	isTrue := func(p *bool) bool { return p != nil && *p }
	return a.APIVersion == b.APIVersion && a.Kind == b.Kind && a.Name == b.Name && a.UID == b.UID &&
		isTrue(a.Controller) == isTrue(b.Controller) && isTrue(a.BlockOwnerDeletion) == isTrue(b.BlockOwnerDeletion)
}

// Owner makes the reference by which an ApplicationAccess or a UserAccess controls its ConfigMaps.
func Owner(kind string, object metav1.Object) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: accessv1alpha1.GroupVersion.String(), Kind: kind, Name: object.GetName(), UID: object.GetUID(),
		Controller: &yes, BlockOwnerDeletion: &yes,
	}
}

// Observe is the cache's view of a published ConfigMap: metadata without managed fields, and instead of the data a
// digest annotation that tells the truth about it, or is not there, and the keys of formats (see [FormatsIn]). It
// changes the ConfigMap; observing it again, which client-go does with a first list, changes nothing.
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

// usualLabels are those of a document without formats, by kind. In the cache tens of thousands of ConfigMaps share them.
var usualLabels = map[string]map[string]string{
	accessv1alpha1.DocumentApplication:   (&Want{Document: accessv1alpha1.DocumentApplication}).labels(),
	accessv1alpha1.DocumentUser:          (&Want{Document: accessv1alpha1.DocumentUser}).labels(),
	accessv1alpha1.DocumentOrganizations: (&Want{Document: accessv1alpha1.DocumentOrganizations}).labels(),
}

// Strip takes an object's managed fields away, which the cache has no use for, and leaves an empty list in their place:
// from the API server no object has one, so [Stripped] tells what the cache has made ready already.
func Strip(object metav1.Object) { object.SetManagedFields([]metav1.ManagedFieldsEntry{}) }

// Stripped says whether the cache has made the object ready.
func Stripped(object metav1.Object) bool {
	fields := object.GetManagedFields()
	return fields != nil && len(fields) == 0
}

// isOurs says whether a ConfigMap with a name of ours was written by Usher: it has our label or our field manager.
func isOurs(cm *corev1.ConfigMap) bool {
	return cm.Labels[accessv1alpha1.LabelManagedBy] == accessv1alpha1.ManagedBy ||
		slices.ContainsFunc(cm.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == FieldManager })
}
