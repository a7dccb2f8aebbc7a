package objects

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// ownership is one entry of managedFields for the main resource, without subresources.
type ownership struct {
	manager   string
	operation metav1.ManagedFieldsOperationType
	fields    *fieldpath.Set
}

// applies reports whether the entry records a server-side apply by the manager.
func (o *ownership) applies(manager string) bool {
	return o.manager == manager && o.operation == metav1.ManagedFieldsOperationApply
}

func ownerships(o client.Object) ([]ownership, error) {
	var all []ownership
	for _, entry := range o.GetManagedFields() {
		if entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		fields := &fieldpath.Set{}
		if err := fields.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return nil, fmt.Errorf("%s: read the fields that %s manages: %w", Name(o), entry.Manager, err)
		}
		all = append(all, ownership{entry.Manager, entry.Operation, fields})
	}
	return all, nil
}

// appliedBy returns the part of the spec that the manager has applied. A later apply with fewer fields gives up the
// rest, and the API server removes the fields without another owner.
func appliedBy(o client.Object, all []ownership, manager string) map[string]any {
	name := "spec"
	for i := range all {
		if !all[i].applies(manager) {
			continue
		}
		if fields, has := all[i].fields.Children.Get(fieldpath.PathElement{FieldName: &name}); has {
			return pickFields(spec(o), fields)
		}
	}
	return map[string]any{}
}

// pickFields returns the values that are in the set.
func pickFields(values map[string]any, fields *fieldpath.Set) map[string]any {
	picked := map[string]any{}
	for element := range fields.Members.All() {
		if element.FieldName == nil {
			continue
		}
		if _, inner := fields.Children.Get(element); inner {
			continue // the set of its children is more precise
		}
		if each, has := values[*element.FieldName]; has {
			picked[*element.FieldName] = each
		}
	}
	for element := range fields.Children.All() {
		if element.FieldName == nil {
			continue
		}
		name := *element.FieldName
		inner, _ := fields.Children.Get(element)
		switch each := values[name].(type) {
		case map[string]any:
			picked[name] = pickFields(each, inner)
		case []any:
			if entries := pickEntries(listKeys[name], each, inner); len(entries) > 0 {
				picked[name] = entries
			}
		}
	}
	return picked
}

// pickEntries returns the entries that are in the set, in their order.
func pickEntries(key string, entries []any, fields *fieldpath.Set) []any {
	var picked []any
	for _, each := range entries {
		entry, isMap := each.(map[string]any)
		if !isMap {
			if fields.Members.Has(valueElement(each)) {
				picked = append(picked, each)
			}
			continue
		}
		element := entryElement(key, asString(entry[key]))
		if inner, parts := fields.Children.Get(element); parts {
			part := pickFields(entry, inner)
			part[key] = entry[key]
			picked = append(picked, part)
		} else if fields.Members.Has(element) {
			picked = append(picked, entry)
		}
	}
	return picked
}

// otherOwners lists the other managers that own one of the paths or a path below it.
func otherOwners(all []ownership, manager string, paths []fieldpath.Path) []string {
	var names []string
	for i := range all {
		if all[i].applies(manager) {
			continue
		}
		if slices.ContainsFunc(paths, func(p fieldpath.Path) bool { return all[i].has(p) }) {
			names = append(names, all[i].manager)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (o *ownership) has(path fieldpath.Path) bool {
	if o.fields.Has(path) {
		return true
	}
	within := o.fields
	for _, element := range path {
		if within = within.WithPrefix(element); within.Empty() {
			return false
		}
	}
	return true
}

// merge merges the fields of over into those of base, entry by entry.
func merge(base, over map[string]any) map[string]any {
	for _, name := range sortedNames(over, nil) {
		was, is := base[name], over[name]
		key := listKeys[name]
		switch {
		case key != "":
			base[name] = mergeEntries(name, asList(was), asList(is))
		case setLists[name]:
			base[name] = append(slices.Clone(asList(was)), asList(is)...)
		default:
			base[name] = is
		}
	}
	return base
}

func mergeEntries(list string, base, over []any) []any {
	key := listKeys[list]
	merged := slices.Clone(base)
	for _, each := range over {
		i := slices.IndexFunc(merged, func(other any) bool { return asMap(other)[key] == asMap(each)[key] })
		switch {
		case i < 0:
			merged = append(merged, each)
		case granular[list]:
			merged[i] = merge(asMap(merged[i]), asMap(each))
		default:
			merged[i] = each
		}
	}
	return merged
}

// drop removes the paths from the fields.
func drop(fields map[string]any, paths []fieldpath.Path) {
	for _, path := range paths {
		dropPath(fields, path[1:]) // without "spec"
	}
}

func dropPath(fields map[string]any, path fieldpath.Path) {
	if len(path) == 0 || path[0].FieldName == nil {
		return
	}
	name := *path[0].FieldName
	if len(path) == 1 {
		delete(fields, name)
		return
	}
	key := listKeys[name]
	entries := asList(fields[name])
	i := slices.IndexFunc(entries, func(each any) bool { return elementOf(key, each).Equals(path[1]) })
	switch {
	case i < 0:
	case len(path) > 2:
		dropPath(asMap(entries[i]), path[2:])
	case len(entries) == 1:
		delete(fields, name)
	default:
		fields[name] = slices.Delete(slices.Clone(entries), i, i+1)
	}
}
