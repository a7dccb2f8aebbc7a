package publish

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// AlteredError reports that the content of a ConfigMap does not stay as Usher writes it.
type AlteredError struct {
	Key types.NamespacedName
	// Differences describe, sorted, what differs and who wrote it.
	Differences []string
	// Rest is the delay before the next attempt.
	Rest time.Duration
}

// mostDifferences bounds the differences that a message lists.
const mostDifferences = 3

// Error names the differences and how to fix them.
func (e *AlteredError) Error() string {
	listed := strings.Join(e.Differences[:min(mostDifferences, len(e.Differences))], "; ")
	if more := len(e.Differences) - mostDifferences; more > 0 {
		listed += fmt.Sprintf("; and %d more", more)
	}
	return fmt.Sprintf("ConfigMap %s does not stay as Usher writes it: %s. Exclude ConfigMaps with label %s=%s from "+
		"what changes it", e.Key, listed, accessv1alpha1.LabelManagedBy, accessv1alpha1.ManagedBy)
}

// differences lists the differences between the ConfigMap on the API server and the wanted content, with the writers
// according to the managed fields.
func (w *Want) differences(live *corev1.ConfigMap, data map[string]string) []string {
	writers := writersOf(live)
	var found []string
	add := func(actual, what string, path ...string) {
		if actual != missing {
			actual += ", written by " + writers.of(path)
		}
		found = append(found, what+" is "+actual)
	}
	labels := w.labels()
	for _, key := range ownLabels {
		actual, has := live.Labels[key]
		wanted, wants := labels[key]
		if has != wants || actual != wanted {
			add(quotedOr(actual, has), "label "+key, "metadata", "labels", key)
		}
	}
	const digest = accessv1alpha1.AnnotationDigest
	if actual, has := live.Annotations[digest]; actual != w.Digest {
		add(quotedOr(actual, has), "annotation "+digest, "metadata", "annotations", digest)
	}
	for _, key := range slices.Sorted(maps.Keys(merged(live.Data, data))) {
		actual, has := live.Data[key]
		wanted, wants := data[key]
		switch {
		case !has:
			add(missing, "data key "+key, "data", key)
		case !wants:
			add("added", "data key "+key, "data", key)
		case actual != wanted:
			add("changed", "data key "+key, "data", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(live.BinaryData)) {
		add("added", "binary data key "+key, "binaryData", key)
	}
	if live.Immutable != nil && *live.Immutable {
		add("true", "field immutable", "immutable")
	}
	if !w.owned(live.OwnerReferences) {
		var names []string
		for _, o := range live.OwnerReferences {
			names = append(names, o.Kind+"/"+o.Name)
		}
		actual := missing
		if len(names) > 0 {
			actual = strings.Join(names, " and ")
		}
		add(actual, "the owner", "metadata", "ownerReferences")
	}
	return found
}

const missing = "missing"

func quotedOr(value string, has bool) string {
	if !has {
		return missing
	}
	return fmt.Sprintf("%q", value)
}

func merged(a, b map[string]string) map[string]string {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]string{}
	}
	maps.Copy(both, b)
	return both
}

// writers are the managed fields of an object.
type writers []writer

type writer struct {
	name   string
	fields *fieldpath.Set
}

// writersOf reads the managed fields. It skips entries that it cannot parse, because they are used only in messages.
func writersOf(o metav1.Object) writers {
	var all writers
	for _, entry := range o.GetManagedFields() {
		fields := &fieldpath.Set{}
		if entry.FieldsV1 == nil || fields.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			continue
		}
		all = append(all, writer{entry.Manager, fields})
	}
	return all
}

// of names the managers that wrote the field or a part of it.
func (w writers) of(path []string) string {
	var names []string
	for _, each := range w {
		fields := each.fields
		for i := range path[:len(path)-1] {
			fields = fields.WithPrefix(fieldpath.PathElement{FieldName: &path[i]})
		}
		last := fieldpath.PathElement{FieldName: &path[len(path)-1]}
		if fields.Members.Has(last) || !fields.WithPrefix(last).Empty() {
			names = append(names, named(each.name))
		}
	}
	if len(names) == 0 {
		return admission
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " and ")
}

// admission names the writer of fields that have no field manager of their own. The API server attributes a change by
// admission to the manager of the request, or to nobody.
const admission = "a mutating admission policy or webhook"

func named(manager string) string {
	if manager == FieldManager {
		return admission
	}
	return "field manager " + manager
}
