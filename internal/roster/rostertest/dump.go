package rostertest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/usher-dev/usher/internal/roster"
)

// Dump writes the whole state of a roster as text: by the path of each field, what it holds. It reads unexported fields
// and follows every pointer, so a field that is added to the roster is in the dump without further work. Nothing may use
// the roster meanwhile.
//
// Locks and two caches are left out: the list of sorted decisions, and bindings of sources, which are made when they are
// first needed. What has no order, such as a map, a heap or a set, is sorted.
func Dump(r *roster.Roster) map[string]string {
	sections := map[string]string{}
	value := reflect.ValueOf(r).Elem()
	for i := range value.NumField() {
		name, field := value.Type().Field(i).Name, value.Field(i)
		if name != "namespaces" {
			add(sections, name, field)
			continue
		}
		for entries := field.MapRange(); entries.Next(); {
			namespace, at := entries.Value().Elem(), "namespaces["+entries.Key().String()+"]."
			for j := range namespace.NumField() {
				if name := namespace.Type().Field(j).Name; name != "bound" {
					add(sections, at+name, namespace.Field(j))
				}
			}
		}
	}
	return sections
}

// DumpLasting returns the part of [Dump] that depends on the objects and the instant alone. It leaves out what a roster
// that is built anew from the same objects may have otherwise: counters of changes, and users whose next instant has
// changed since it was queued.
func DumpLasting(r *roster.Roster) map[string]string {
	sections := Dump(r)
	for path := range sections {
		switch path[strings.LastIndexByte(path, '.')+1:] {
		case "unsettled", "windows":
			delete(sections, path)
		}
	}
	return sections
}

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
		if name := v.Type().Name(); name == "windowQueue" || v.Type().Elem().String() == "*roster.namespace" {
			return sortedLines(lines)
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
	if v.Type().String() == "*roster.namespace" {
		return "namespace " + v.Elem().FieldByName("name").String()
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
	var lines []string
	for i := range v.NumField() {
		if text := d.text(v.Field(i)); text != "" {
			lines = append(lines, v.Type().Field(i).Name+"="+text)
		}
	}
	return joined(lines)
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
