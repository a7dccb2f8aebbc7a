package objects

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// required are the fields of a spec that cannot be removed.
var required = map[string]bool{"user": true, "type": true}

// Strip returns a copy of the object without what only the manager has applied to its spec. Values and entries that
// another manager owns in part stay as they are. stripped is nil if the object belongs to the manager as a whole. found
// reports whether the manager has applied anything.
func Strip(o *Object, manager string) (stripped client.Object, found bool, err error) {
	all, err := ownerships(o.Object)
	if err != nil {
		return nil, false, err
	}
	applied := appliedBy(o.Object, all, manager)
	if len(applied) == 0 {
		return o.Object.DeepCopyObject().(client.Object), false, nil
	}
	alone := true
	for i := range all {
		alone = alone && all[i].manager == manager
	}
	if alone {
		return nil, true, nil
	}
	remaining := spec(o.Object)
	var removed []fieldpath.Path
	for _, path := range entries(applied) {
		if len(otherOwners(all, manager, []fieldpath.Path{path})) == 0 {
			removed = append(removed, path)
		}
	}
	drop(remaining, removed)
	stripped, err = withSpec(o, remaining)
	return stripped, true, err
}

// entries returns the paths of the values of a spec: each entry of a list whose entries have owners, and each other field.
func entries(of map[string]any) []fieldpath.Path {
	var paths []fieldpath.Path
	for _, name := range sortedNames(of, nil) {
		if required[name] {
			continue
		}
		at := fieldpath.MakePathOrDie("spec", name)
		if key := listKeys[name]; key != "" || setLists[name] {
			for _, each := range asList(of[name]) {
				paths = append(paths, append(at.Copy(), elementOf(key, each)))
			}
			continue
		}
		paths = append(paths, at)
	}
	return paths
}

// withSpec returns a copy of the object with another spec.
func withSpec(o *Object, fields map[string]any) (client.Object, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	made := o.Object.DeepCopyObject().(client.Object)
	switch each := made.(type) {
	case *accessv1alpha1.AccessGroup:
		each.Spec = accessv1alpha1.AccessGroupSpec{}
		err = json.Unmarshal(text, &each.Spec)
	case *accessv1alpha1.UserAccess:
		each.Spec = accessv1alpha1.UserAccessSpec{}
		err = json.Unmarshal(text, &each.Spec)
	default:
		err = fmt.Errorf("%s: it is not imported", Name(made))
	}
	return made, err
}
