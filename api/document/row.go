package document

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// kind is the type of an attribute of a row.
type kind int

const (
	missing kind = iota
	text
	number
	instant
)

// value is an attribute of a row.
type value struct {
	kind    kind
	text    string
	number  decimal
	instant time.Time
}

// equals reports whether the attribute equals the value in a filter.
func (v value) equals(named string) bool {
	switch v.kind {
	case text:
		return v.text == named
	case number:
		d, ok := parseDecimal(named)
		return ok && v.number == d
	case instant:
		t, ok := parseInstant(named)
		return ok && v.instant.Equal(t)
	default:
		return false
	}
}

// compare compares two numbers or two instants. For anything else, ok is false.
func (v value) compare(named string) (c int, ok bool) {
	switch v.kind {
	case text:
		if d, ok := parseDecimal(v.text); ok {
			return value{kind: number, number: d}.compare(named)
		}
		if t, ok := parseInstant(v.text); ok {
			return value{kind: instant, instant: t}.compare(named)
		}
	case number:
		if d, ok := parseDecimal(named); ok {
			return v.number.compare(d), true
		}
	case instant:
		if t, ok := parseInstant(named); ok {
			return v.instant.Compare(t), true
		}
	}
	return 0, false
}

// as parses text as the given kind.
func (v value) as(k kind) value {
	if v.kind != text {
		return v
	}
	switch k {
	case number:
		if d, ok := parseNumber(v.text); ok {
			return value{kind: number, number: d}
		}
		return value{}
	case instant:
		if t, ok := parseInstant(v.text); ok {
			return value{kind: instant, instant: t}
		}
		return value{}
	default:
		return v
	}
}

// valueOf converts a Go value.
func valueOf(of any) value {
	switch of := of.(type) {
	case nil:
		return value{}
	case string:
		return value{kind: text, text: of}
	case []byte: // drivers return text in this form
		return value{kind: text, text: string(of)}
	case json.Number:
		return value{kind: text, text: of.String()}.as(number)
	case time.Time:
		return value{kind: instant, instant: of}
	}
	return reflectedValue(reflect.ValueOf(of))
}

func reflectedValue(v reflect.Value) value {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return value{}
	}
	if valuer, ok := v.Interface().(driver.Valuer); ok {
		plain, err := valuer.Value()
		if err != nil {
			return value{}
		}
		if _, again := plain.(driver.Valuer); again { // not a type that Value may return
			return value{}
		}
		return valueOf(plain)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return valueOf(v.Elem().Interface())
	case reflect.String:
		return value{kind: text, text: v.String()}
	case reflect.Bool:
		return value{kind: text, text: strconv.FormatBool(v.Bool())}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return value{kind: text, text: strconv.FormatInt(v.Int(), 10)}.as(number)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return value{kind: text, text: strconv.FormatUint(v.Uint(), 10)}.as(number)
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return value{}
		}
		return value{kind: number, number: floatDecimal(v.Float(), v.Type().Bits())}
	default:
		return value{}
	}
}

// attributeField is a field of a struct that is an attribute.
type attributeField struct {
	index []int
	as    kind
}

// structFields caches the map[string]attributeField, or the error, of every type.
var structFields sync.Map

// structRow returns the attributes of a struct by its tags.
func structRow(row any) (func(string) value, error) {
	v := reflect.ValueOf(row)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a row is a struct or a pointer to one, not %T", row)
	}
	plan, ok := structFields.Load(v.Type())
	if !ok {
		fields := map[string]attributeField{}
		plan = fields
		if err := addFields(fields, v.Type(), nil); err != nil {
			plan = err
		}
		structFields.Store(v.Type(), plan)
	}
	fields, ok := plan.(map[string]attributeField)
	if !ok {
		return nil, plan.(error)
	}
	return func(attribute string) value {
		field, ok := fields[attribute]
		if !ok {
			return value{}
		}
		of, err := v.FieldByIndexErr(field.index)
		if err != nil {
			return value{} // in a nil embedded struct
		}
		return valueOf(of.Interface()).as(field.as)
	}, nil
}

func addFields(to map[string]attributeField, t reflect.Type, index []int) error {
	for i := range t.NumField() {
		field := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		tag, ok := field.Tag.Lookup("usher")
		if embedded, is := embeddedStruct(&field); is && !ok {
			if len(at) > maximumDepth {
				return fmt.Errorf("%s: the type embeds itself", t)
			}
			if err := addFields(to, embedded, at); err != nil {
				return err
			}
			continue
		}
		if !ok || tag == "-" {
			continue
		}
		attribute, option, _ := strings.Cut(tag, ",")
		as, known := map[string]kind{"": missing, "number": number, "time": instant}[option]
		_, twice := to[attribute]
		switch {
		case !field.IsExported():
			return fmt.Errorf("%s.%s: an attribute must be an exported field", t, field.Name)
		case attribute == "" || !known:
			return fmt.Errorf(`%s.%s: tag usher:%q is not "attribute", "attribute,number" or "attribute,time"`, t, field.Name, tag)
		case twice:
			return fmt.Errorf("%s.%s: attribute %q is duplicated", t, field.Name, attribute)
		}
		to[attribute] = attributeField{at, as}
	}
	return nil
}

func embeddedStruct(field *reflect.StructField) (reflect.Type, bool) {
	t := field.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	// An unexported embedded type can be read only as a value, not through a pointer.
	reachable := field.IsExported() || field.Type.Kind() == reflect.Struct
	return t, field.Anonymous && t.Kind() == reflect.Struct && reachable
}
