package rostertest

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/usher-dev/usher/internal/roster"
)

// Dump writes the whole state of a roster as text: by the path of each field, what its view holds, and what objects affect
// that are not settled. It reads unexported fields and follows every pointer, so a field that is added is in the dump without
// further work. Nothing may settle the roster meanwhile.
//
// Locks and caches are left out: bindings of sources, which are made when they are first needed, and the filters that
// decisions share. What has no order, such as a map, is sorted.
func Dump(r *roster.Roster) map[string]string {
	sections := map[string]string{}
	for at, of := range map[string]any{"view": r.View(), "objects": r.Objects()} {
		value := reflect.ValueOf(of).Elem()
		for i := range value.NumField() {
			add(sections, at+"."+value.Type().Field(i).Name, value.Field(i))
		}
	}
	layer := reflect.ValueOf(r).Elem().FieldByName("layer").Elem()
	add(sections, "touched", layer.FieldByName("touched"))
	return sections
}

// DumpLasting returns the part of [Dump] that depends on the objects and the instant alone. It leaves out counters of changes,
// which a roster that is built again from the same objects may have otherwise.
func DumpLasting(r *roster.Roster) map[string]string {
	sections := Dump(r)
	for path, text := range sections {
		if sections[path] = revision.ReplaceAllString(text, ""); strings.HasSuffix(path, ".revision") {
			delete(sections, path)
		}
	}
	return sections
}

var revision = regexp.MustCompile(`(revision|labelRevision)=\d+(; )?`)

func add(sections map[string]string, name string, field reflect.Value) {
	d := dumper{under: map[unsafe.Pointer]bool{}}
	if text := d.text(field); text != "" {
		sections[name] = text
	}
}

// dumper writes values as text. What is empty is written as nothing, be it nil or not.
type dumper struct {
	under map[unsafe.Pointer]bool // pointers that are being written
}

func (d *dumper) text(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return d.target(v)
	case reflect.Map:
		lines := make([]string, 0, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			lines = append(lines, d.text(entries.Key())+": "+d.text(entries.Value()))
		}
		return sortedLines(lines)
	case reflect.Slice, reflect.Array:
		lines := make([]string, 0, v.Len())
		for i := range v.Len() {
			lines = append(lines, d.text(v.Index(i)))
		}
		return joined(lines)
	case reflect.Struct:
		return d.structure(v)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return "" // none is part of the state
	case reflect.String:
		return v.String()
	default:
		if v.IsZero() {
			return ""
		}
		return fmt.Sprint(v)
	}
}

func (d *dumper) target(v reflect.Value) string {
	if v.IsNil() {
		return ""
	}
	if v.Kind() == reflect.Interface {
		return d.text(v.Elem())
	}
	switch v.Type().String() {
	case "*resolve.sharedFilters", "*resolve.templates", "*[1]resolve.Filter":
		return ""
	}
	at := v.UnsafePointer()
	if d.under[at] {
		return "(as above)"
	}
	d.under[at] = true
	defer delete(d.under, at)
	return d.text(v.Elem())
}

func (d *dumper) structure(v reflect.Value) string {
	switch v.Type().PkgPath() {
	case "sync", "sync/atomic":
		return ""
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		// Two words and a pointer to a location, all of them unexported: the copy can be read.
		at := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			from := v.Field(i)
			to := at.Field(i)
			reflect.NewAt(to.Type(), to.Addr().UnsafePointer()).Elem().Set(readable(from))
		}
		if t := at.Interface().(time.Time); !t.IsZero() {
			return t.UTC().Format(time.RFC3339Nano)
		}
		return ""
	}
	if v.Type().PkgPath() == "github.com/google/btree" && v.FieldByName("root").IsValid() {
		return joined(d.items(v.FieldByName("root"), nil))
	}
	var lines []string
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name == "bound" || name == "owned" {
			continue
		}
		if text := d.text(v.Field(i)); text != "" {
			lines = append(lines, v.Type().Field(i).Name+"="+text)
		}
	}
	return joined(lines)
}

// items adds the items of a node of a tree, in order: two trees with the same items may have other nodes.
func (d *dumper) items(node reflect.Value, lines []string) []string {
	if node.IsNil() {
		return lines
	}
	items, children := node.Elem().FieldByName("items"), node.Elem().FieldByName("children")
	for i := range items.Len() + 1 {
		if i < children.Len() {
			lines = d.items(children.Index(i), lines)
		}
		if i < items.Len() {
			lines = append(lines, d.text(items.Index(i)))
		}
	}
	return lines
}

// readable returns the value of an unexported field as one that may be assigned.
func readable(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Uint64:
		return reflect.ValueOf(v.Uint())
	case reflect.Int64:
		return reflect.ValueOf(v.Int())
	default:
		return reflect.NewAt(v.Type().Elem(), v.UnsafePointer())
	}
}

func sortedLines(lines []string) string {
	slices.Sort(lines)
	return joined(lines)
}

func joined(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "{" + strings.Join(lines, "; ") + "}"
}
