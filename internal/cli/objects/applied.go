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

// Helm is the field manager of Helm, and the annotation in which it keeps the name of the release.
const (
	helmManager           = "helm"
	annotationHelmRelease = "meta.helm.sh/release-name"
)

// annotationLastApplied is where a client-side "kubectl apply" keeps the manifest.
const annotationLastApplied = corev1.LastAppliedConfigAnnotation

// UndoneByApply returns the fields of the spec, such as spec.members, that the change gives another value than the last
// client-side "kubectl apply" did. Such an apply sends a list as a whole, so the next one brings these fields back to what
// its manifests say. The result is empty where the object was last applied server-side, or never.
func (c *Change) UndoneByApply() []string {
	if c.Before == nil {
		return nil
	}
	text, has := c.Before.GetAnnotations()[annotationLastApplied]
	if !has || isAppliedByServer(c.Before.Object) {
		return nil
	}
	applied, err := decodeSpec(text, kindOf(c.Before.Object))
	after := spec(c.After)
	var fields []string
	for _, name := range c.changedFields() {
		// An annotation that nobody can read may name any field.
		if last, named := applied[name]; err != nil || (named && !reflect.DeepEqual(last, after[name])) {
			fields = append(fields, "spec."+name)
		}
	}
	return fields
}

// UndoneByHelm returns the release of Helm that the object belongs to, and the changed fields of the spec that Helm has
// written as a whole. An upgrade with another value for such a field replaces it.
func (c *Change) UndoneByHelm() (release string, fields []string) {
	if c.Before == nil {
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

// changedFields returns the names of the fields right below the spec that differ, sorted.
func (c *Change) changedFields() []string {
	before, after := spec(c.Before.Object), spec(c.After)
	return slices.DeleteFunc(sortedNames(before, after), func(name string) bool {
		return reflect.DeepEqual(before[name], after[name])
	})
}

// isAppliedByServer reports whether the annotation of client-side applies was last written by a server-side apply.
// "kubectl apply --server-side" keeps it up to date, and takes over what earlier client-side applies own.
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

// decodeSpec returns the spec of a manifest of the kind, in the form that spec gives.
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
