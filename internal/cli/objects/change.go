package objects

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

// listKeys are the fields that identify the entries of lists of maps, as the schemas of the kinds define.
var listKeys = map[string]string{
	"members": "user", "applicationAccess": "application", "systemAccess": "organization", "dataPermissions": "application",
	"attributes": "name",
}

// granular contains the lists in listKeys whose entries can have several owners. Entries of the other lists have
// one owner.
var granular = map[string]bool{"systemAccess": true, "dataPermissions": true}

// setLists are the lists whose values are owned individually.
var setLists = map[string]bool{"groups": true, "memberGroups": true, "channels": true}

// composite are the fields that a change sets as a whole, although their parts can have several owners.
var composite = map[string]bool{
	"applicationRoles": true, "organizationRoles": true, "systemRoles": true, "exclusiveAccess": true, "notificationChannels": true,
	"notification": true, "publish": true, "review": true, "revocationLimit": true,
}

// Change is an object before and after a change. Before is nil for a new object, and After for a deleted one.
type Change struct {
	Before, After *Object
}

// NewChange returns the change of an object. The object after the change has the origin of the object before it. before is
// nil for a new object, and after for a deleted one.
func NewChange(before *Object, after client.Object) Change {
	c := Change{Before: before}
	switch {
	case after == nil:
	case before == nil:
		c.After = &Object{Object: after}
	default:
		c.After = new(*before)
		c.After.Object = after
	}
	return c
}

// Object returns the object after the change, or the deleted object.
func (c *Change) Object() *Object { return cmp.Or(c.After, c.Before) }

// Name returns Kind/namespace/name.
func (c *Change) Name() string { return Name(c.Object().Object) }

// IsChange reports whether the spec changes, or the object is created or deleted.
func (c *Change) IsChange() bool {
	return c.Before == nil || c.After == nil || !reflect.DeepEqual(spec(c.Before.Object), spec(c.After.Object))
}

// delta is the difference between two specs.
type delta struct {
	// set contains the added and changed values, in the form of the spec.
	set map[string]any
	// overwritten and removed are the paths of previous values.
	overwritten, removed []fieldpath.Path
}

func (c *Change) delta() *delta {
	d := &delta{}
	before := map[string]any{}
	if c.Before != nil {
		before = spec(c.Before.Object)
	}
	d.set = d.compare(before, spec(c.After.Object), fieldpath.MakePathOrDie("spec"))
	return d
}

// spec returns the spec in its decoded JSON form.
func spec(o client.Object) map[string]any {
	encoded, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("%s cannot be encoded: %s", Name(o), err)) // the kinds contain only values that can be encoded
	}
	var fields struct {
		Spec map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(encoded, &fields); err != nil {
		panic(fmt.Sprintf("%s cannot be decoded: %s", Name(o), err)) // it was just encoded
	}
	return fields.Spec
}

func (d *delta) compare(before, after map[string]any, at fieldpath.Path) map[string]any {
	set := map[string]any{}
	for _, name := range sortedNames(before, after) {
		was, had := before[name]
		is, has := after[name]
		path := append(at.Copy(), fieldpath.PathElement{FieldName: &name})
		switch key := listKeys[name]; {
		case reflect.DeepEqual(was, is):
		case key != "":
			if entries := d.compareEntries(name, asList(was), asList(is), path); len(entries) > 0 {
				set[name] = entries
			}
		case setLists[name]:
			if values := d.compareValues(asList(was), asList(is), path); len(values) > 0 {
				set[name] = values
			}
		case !has:
			d.removed = append(d.removed, path)
		default:
			if had {
				d.overwritten = append(d.overwritten, path)
			}
			set[name] = is
		}
	}
	return set
}

// compareEntries returns the new and changed entries. It returns a changed entry as a whole, or only its
// differences if the list is granular.
func (d *delta) compareEntries(list string, before, after []any, at fieldpath.Path) []any {
	key := listKeys[list]
	were := map[string]map[string]any{}
	for _, each := range before {
		entry := asMap(each)
		were[asString(entry[key])] = entry
	}
	var set []any
	for _, each := range after {
		entry := asMap(each)
		name := asString(entry[key])
		was, had := were[name]
		delete(were, name)
		path := append(at.Copy(), entryElement(key, name))
		switch {
		case had && reflect.DeepEqual(was, entry):
		case had && granular[list]:
			if inner := d.compare(was, entry, path); len(inner) > 0 {
				inner[key] = name
				set = append(set, inner)
			}
		default:
			if had {
				d.overwritten = append(d.overwritten, path)
			}
			set = append(set, entry)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(were)) {
		d.removed = append(d.removed, append(at.Copy(), entryElement(key, name)))
	}
	return set
}

func (d *delta) compareValues(before, after []any, at fieldpath.Path) []any {
	var set []any
	for _, each := range after {
		if !slices.Contains(before, each) {
			set = append(set, each)
		}
	}
	for _, each := range before {
		if !slices.Contains(after, each) {
			d.removed = append(d.removed, append(at.Copy(), valueElement(each)))
		}
	}
	return set
}

func entryElement(key, name string) fieldpath.PathElement {
	return fieldpath.PathElement{Key: &value.FieldList{{Name: key, Value: value.NewValueInterface(name)}}}
}

func sortedNames(a, b map[string]any) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// A value of another type counts as absent: the values are encoded objects of our kinds.
func asList(v any) []any { list, _ := v.([]any); return list }

func asMap(v any) map[string]any { entries, _ := v.(map[string]any); return entries }

func asString(v any) string { text, _ := v.(string); return text }

// Manifest returns the object as a person would write it, without the fields that the API server and its clients
// add.
func Manifest(o client.Object) map[string]any {
	metadata := map[string]any{"name": o.GetName()}
	if o.GetNamespace() != "" {
		metadata["namespace"] = o.GetNamespace()
	}
	if labels := without(o.GetLabels(), accessv1alpha1.LabelMaterialized); len(labels) > 0 {
		metadata["labels"] = labels
	}
	if annotations := without(o.GetAnnotations(), annotationLastApplied); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return map[string]any{
		"apiVersion": accessv1alpha1.GroupVersion.String(), "kind": kindOf(o), "metadata": metadata, "spec": spec(o),
	}
}

func without(entries map[string]string, name string) map[string]any {
	kept := map[string]any{}
	for key, each := range entries {
		if key != name {
			kept[key] = each
		}
	}
	return kept
}

// elementOf returns the path element that identifies an entry of a list.
func elementOf(key string, entry any) fieldpath.PathElement {
	if fields, isMap := entry.(map[string]any); isMap {
		return entryElement(key, asString(fields[key]))
	}
	return valueElement(entry)
}

func valueElement(entry any) fieldpath.PathElement {
	held := value.NewValueInterface(entry)
	return fieldpath.PathElement{Value: &held}
}
