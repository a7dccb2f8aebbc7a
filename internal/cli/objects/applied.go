package objects

import (
	"encoding/json"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// Helm is the field manager of Helm. annotationHelmRelease is the annotation with the name of the release.
const (
	helmManager           = "helm"
	annotationHelmRelease = "meta.helm.sh/release-name"
)

// annotationLastApplied is the annotation in which a client-side "kubectl apply" stores the manifest.
const annotationLastApplied = corev1.LastAppliedConfigAnnotation

// UndoneByApply returns the changed fields of the spec, such as spec.members, whose new value differs from the last
// client-side "kubectl apply". Such an apply sends a list as a whole, so the next one restores the value in its
// manifests. The result is empty if the object was last applied server-side, or never.
func (c *Change) UndoneByApply() []string {
	if c.Before == nil || c.After == nil {
		return nil
	}
	text, has := c.Before.GetAnnotations()[annotationLastApplied]
	if !has || isAppliedByServer(c.Before.Object) {
		return nil
	}
	applied, err := decodeSpec(text, kindOf(c.Before.Object))
	after := spec(c.After.Object)
	var fields []string
	for _, name := range c.changedFields() {
		// A malformed annotation may name any field.
		if last, named := applied[name]; err != nil || (named && !reflect.DeepEqual(last, after[name])) {
			fields = append(fields, "spec."+name)
		}
	}
	return fields
}

// UndoneByHelm returns the Helm release that the object belongs to, and the changed fields of the spec that Helm
// has written as a whole. A Helm upgrade with another value for such a field replaces it.
func (c *Change) UndoneByHelm() (release string, fields []string) {
	if c.Before == nil || c.After == nil {
		return "", nil
	}
	release = c.Before.GetAnnotations()[annotationHelmRelease]
	all, err := ownerships(c.Before.Object)
	if release == "" || err != nil {
		return "", nil
	}
	for _, name := range c.changedFields() {
		path := fieldpath.MakePathOrDie("spec", name)
		if slices.ContainsFunc(all, func(o ownership) bool {
			return o.manager == helmManager && o.operation == metav1.ManagedFieldsOperationUpdate && o.has(path)
		}) {
			fields = append(fields, "spec."+name)
		}
	}
	return release, fields
}

// changedFields returns the sorted names of the top-level spec fields that differ.
func (c *Change) changedFields() []string {
	before, after := spec(c.Before.Object), spec(c.After.Object)
	return slices.DeleteFunc(sortedNames(before, after), func(name string) bool {
		return reflect.DeepEqual(before[name], after[name])
	})
}

// isAppliedByServer reports whether a server-side apply was the last to write the annotation of client-side
// applies. "kubectl apply --server-side" keeps the annotation up to date, and takes over the fields of earlier
// client-side applies.
func isAppliedByServer(o client.Object) bool {
	all, err := ownerships(o)
	if err != nil {
		return false
	}
	path := fieldpath.MakePathOrDie("metadata", "annotations", annotationLastApplied)
	byServer := false
	for i := range all {
		if !all[i].fields.Has(path) {
			continue
		}
		if all[i].operation != metav1.ManagedFieldsOperationApply {
			return false
		}
		byServer = true
	}
	return byServer
}

// decodeSpec returns the spec of a manifest of the kind, in the same form as spec.
func decodeSpec(text, kind string) (map[string]any, error) {
	made, err := scheme.New(accessv1alpha1.GroupVersion.WithKind(kind))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), made); err != nil {
		return nil, err
	}
	return spec(made.(client.Object)), nil
}
