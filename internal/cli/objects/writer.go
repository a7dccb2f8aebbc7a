package objects

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// FieldManager is the field manager of what the plugin writes, and ImportManager that of what it imports. So a later import
// finds what an earlier one has written.
const (
	FieldManager  = "kubectl-access"
	ImportManager = "kubectl-access-import"
)

// Writer writes changes to a cluster. It writes an object only if the object has not changed since it was read.
type Writer struct {
	rest    *rest.RESTClient
	manager string
}

// NewWriter returns a writer for the cluster that writes as the field manager.
func NewWriter(config *rest.Config, manager string) (*Writer, error) {
	config = rest.CopyConfig(config)
	// The warnings come back from each write, and are shown with its object.
	config.WarningHandler = rest.NoWarnings{}
	access, err := restClient(config, accessv1alpha1.GroupVersion, "/apis")
	if err != nil {
		return nil, err
	}
	return &Writer{access, manager}, nil
}

// Written is the result of a write.
type Written struct {
	// Warnings are the warnings of the API server and of admission.
	Warnings []string
	// Overruled lists the managers whose values were overwritten or removed.
	Overruled []string
	// Object is the object after the write; nil if it was deleted.
	Object client.Object
}

// request is the API request that writes a change.
type request struct {
	kind  types.PatchType
	body  any
	force bool
	// overruled lists the managers that own the overwritten or removed values.
	overruled []string
}

// Write writes the change. It returns a conflict error if the object has changed since it was read.
func (w *Writer) Write(ctx context.Context, c *Change, dryRun bool) (*Written, error) {
	k, err := kindNamed(kindOf(c.Object().Object))
	if err != nil {
		return nil, err
	}
	if c.After == nil {
		return w.delete(ctx, k, c.Before, dryRun)
	}
	r, err := c.request(w.manager)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(r.body)
	if err != nil {
		return nil, err
	}
	options := &metav1.PatchOptions{FieldManager: w.manager, DryRun: dryRunOption(dryRun)}
	if r.kind == types.ApplyPatchType {
		options.Force = &r.force
	}
	into, err := scheme.New(accessv1alpha1.GroupVersion.WithKind(k.name))
	if err != nil {
		return nil, err
	}
	result := w.rest.Patch(r.kind).Namespace(c.After.GetNamespace()).Resource(k.resource).Name(c.After.GetName()).
		VersionedParams(options, metav1.ParameterCodec).Body(body).Do(ctx)
	written := &Written{Warnings: warnings(result), Overruled: r.overruled}
	if err := result.Into(into); err != nil {
		return written, err
	}
	written.Object = into.(client.Object)
	return written, nil
}

func (w *Writer) delete(ctx context.Context, k *kind, o *Object, dryRun bool) (*Written, error) {
	body, err := json.Marshal(&metav1.DeleteOptions{
		DryRun:        dryRunOption(dryRun),
		Preconditions: &metav1.Preconditions{UID: new(o.GetUID()), ResourceVersion: new(o.GetResourceVersion())},
	})
	if err != nil {
		return nil, err
	}
	result := w.rest.Delete().Namespace(o.GetNamespace()).Resource(k.resource).Name(o.GetName()).
		SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).Do(ctx)
	return &Written{Warnings: warnings(result)}, result.Error()
}

func dryRunOption(dryRun bool) []string {
	if dryRun {
		return []string{metav1.DryRunAll}
	}
	return nil
}

func warnings(result rest.Result) []string {
	var texts []string
	for _, warning := range result.Warnings() {
		texts = append(texts, warning.Text)
	}
	return texts
}

// Annotate sets an annotation of the object, regardless of other changes to the object.
func (w *Writer) Annotate(ctx context.Context, o client.Object, key, value string) error {
	k, err := kindNamed(kindOf(o))
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{key: value}}})
	if err != nil {
		return err
	}
	return w.rest.Patch(types.MergePatchType).Namespace(o.GetNamespace()).Resource(k.resource).Name(o.GetName()).
		VersionedParams(&metav1.PatchOptions{FieldManager: w.manager}, metav1.ParameterCodec).Body(body).Do(ctx).Error()
}

// Read returns the current object from the cluster.
func (w *Writer) Read(ctx context.Context, o client.Object) (client.Object, error) {
	k, err := kindNamed(kindOf(o))
	if err != nil {
		return nil, err
	}
	into, err := scheme.New(accessv1alpha1.GroupVersion.WithKind(k.name))
	if err != nil {
		return nil, err
	}
	err = w.rest.Get().Namespace(o.GetNamespace()).Resource(k.resource).Name(o.GetName()).Do(ctx).Into(into)
	return into.(client.Object), err
}

func kindNamed(name string) (*kind, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return nil, fmt.Errorf("kind %s: the plugin does not write it", name)
	}
	return &kinds[i], nil
}

// request returns the request that writes the change. It uses server-side apply, which leaves the fields of other
// managers alone. A value that another manager also owns stays when this manager stops applying it, so a JSON patch
// removes it, or replaces the spec if other fields change, too.
func (c *Change) request(manager string) (*request, error) {
	if c.Before == nil {
		made := Manifest(c.After.Object)
		// Without force, the request fails if another client has created the object in the meantime.
		return &request{kind: types.ApplyPatchType, body: made}, nil
	}
	all, err := ownerships(c.Before.Object)
	if err != nil {
		return nil, err
	}
	d := c.delta()
	others := otherOwners(all, manager, d.removed)
	parts := slices.DeleteFunc(slices.Clone(d.overwritten), func(p fieldpath.Path) bool { return !composite[*p[1].FieldName] })
	switch {
	case len(otherOwners(all, manager, parts)) > 0, len(others) > 0 && len(d.set) > 0:
		// An apply would leave the parts and entries of others that are not in the object any more.
		return &request{
			kind: types.JSONPatchType, body: []patchOperation{unlessChanged(c.Before), {"add", "/spec", spec(c.After.Object)}},
			overruled: named(otherOwners(all, manager, slices.Concat(d.removed, d.overwritten)), manager),
		}, nil
	case len(others) > 0:
		return &request{kind: types.JSONPatchType, body: removals(c.Before, d.removed), overruled: named(others, manager)}, nil
	}
	applied := appliedBy(c.Before.Object, all, manager)
	drop(applied, d.removed)
	metadata := map[string]any{
		"name": c.After.GetName(), "namespace": c.After.GetNamespace(),
		"uid": c.Before.GetUID(), "resourceVersion": c.Before.GetResourceVersion(),
	}
	body := map[string]any{
		"apiVersion": accessv1alpha1.GroupVersion.String(), "kind": kindOf(c.After.Object), "metadata": metadata,
	}
	if made := merge(applied, d.set); len(made) > 0 {
		body["spec"] = made
	}
	// The resource version makes the API server refuse the write if the object has changed, so force overwrites only
	// what was shown.
	return &request{
		kind: types.ApplyPatchType, body: body, force: true, overruled: named(otherOwners(all, manager, d.overwritten), manager),
	}, nil
}

// named returns the owners to name to people. What the manager has written by a JSON patch is its own.
func named(owners []string, manager string) []string {
	return slices.DeleteFunc(owners, func(name string) bool { return name == manager })
}

// patchOperation is one operation of a JSON patch.
type patchOperation struct {
	Operation string `json:"op"`
	Path      string `json:"path"`
	Value     any    `json:"value,omitempty"`
}

// unlessChanged makes the API server refuse the patch if the object has changed since it was read.
func unlessChanged(o *Object) patchOperation {
	return patchOperation{"replace", "/metadata/resourceVersion", o.GetResourceVersion()}
}

// removals returns the operations that remove the paths from the object as it was read. They remove the last
// elements of a list first, so that the indexes of the others stay valid.
func removals(o *Object, paths []fieldpath.Path) []patchOperation {
	var pointers [][]string
	for _, path := range paths {
		pointers = append(pointers, pointer(spec(o.Object), path[1:]))
	}
	slices.SortFunc(pointers, func(a, b []string) int { return -compareLast(a, b) })
	operations := []patchOperation{unlessChanged(o)}
	for _, each := range pointers {
		operations = append(operations, patchOperation{Operation: "remove", Path: "/spec/" + strings.Join(each, "/")})
	}
	return operations
}

func compareLast(a, b []string) int {
	m, errA := strconv.Atoi(a[len(a)-1])
	n, errB := strconv.Atoi(b[len(b)-1])
	if errA == nil && errB == nil {
		return m - n
	}
	return slices.Compare(a, b)
}

// pointer returns the segments of the path, with indexes instead of the names of list entries.
func pointer(values any, path fieldpath.Path) []string {
	var segments []string
	list := ""
	for _, element := range path {
		if element.FieldName != nil {
			list = *element.FieldName
			segments = append(segments, list)
			values = asMap(values)[list]
			continue
		}
		entries := asList(values)
		i := slices.IndexFunc(entries, func(each any) bool { return elementOf(listKeys[list], each).Equals(element) })
		segments = append(segments, strconv.Itoa(i))
		values = entries[i]
	}
	return segments
}
