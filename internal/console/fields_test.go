package console

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

// valued are the types whose values are not any text or number.
var valued = map[reflect.Type]any{
	reflect.TypeFor[metav1.Time]():                      metav1.Date(2027, 1, 31, 9, 30, 15, 0, time.UTC),
	reflect.TypeFor[accessv1alpha1.DataOperator]():      accessv1alpha1.DataOperatorNotIn,
	reflect.TypeFor[accessv1alpha1.AttributeValue]():    accessv1alpha1.AttributeValue(` a, "b" (c) `),
	reflect.TypeFor[metav1.LabelSelectorOperator]():     metav1.LabelSelectorOpIn,
	reflect.TypeFor[accessv1alpha1.ChannelType]():       accessv1alpha1.ChannelTypeSMTP,
	reflect.TypeFor[accessv1alpha1.PublishFormat]():     accessv1alpha1.PublishFormatOPA,
	reflect.TypeFor[accessv1alpha1.UserState]():         accessv1alpha1.UserStateSuspended,
	reflect.TypeFor[accessv1alpha1.SMTPTLS]():           accessv1alpha1.SMTPTLSNone,
	reflect.TypeFor[accessv1alpha1.UserConfigMaps]():    accessv1alpha1.UserConfigMapsDisabled,
	reflect.TypeFor[accessv1alpha1.CrossObjectChecks](): accessv1alpha1.CrossObjectChecksIgnore,
}

// fill sets every field below the value. Lists get two entries with different texts.
func fill(v reflect.Value, text string) {
	if given, is := valued[v.Type()]; is {
		v.Set(reflect.ValueOf(given))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Struct:
		for i := range v.NumField() {
			fillField(v, i, text)
		}
		choose(v.Addr().Interface(), strings.HasSuffix(text, "b"))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), text+"b") // an order that sorting would change
		fill(v.Index(1), text+"a")
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(text)
	case reflect.Int32:
		v.SetInt(16)
	default:
		panic(fmt.Sprintf("no value for %s", v.Type()))
	}
}

func fillField(v reflect.Value, i int, text string) {
	fill(v.Field(i), text)
	if v.Type().Field(i).Name == "NotAfter" {
		v.Field(i).Set(reflect.ValueOf(&metav1.Time{Time: time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)}))
	}
}

// choose empties the fields that exclude others.
func choose(of any, first bool) {
	switch each := of.(type) {
	case *accessv1alpha1.RowRequirement:
		if first {
			each.Values = nil
		} else {
			each.UserAttribute = ""
		}
	case *accessv1alpha1.NotificationChannel:
		if first {
			each.Webhook = accessv1alpha1.WebhookChannel{}
		} else {
			each.Type, each.SMTP = accessv1alpha1.ChannelTypeWebhook, accessv1alpha1.SMTPChannel{}
		}
	}
}

func specValue(o client.Object) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName("Spec") }

// sent returns the fields of the form as a browser sends them if nobody changes anything.
func sent(f *form) url.Values {
	values := url.Values{}
	f.each(func(field *formField) {
		switch field.Type {
		case typeCheckbox:
			if field.IsChecked() {
				values.Add(field.Name, field.Value)
			}
		case typeSelect:
			for _, o := range field.Options {
				if o.Selected {
					values.Add(field.Name, o.Value)
				}
			}
			if len(values[field.Name]) == 0 {
				values.Add(field.Name, field.Options[0].Value) // browsers choose the first
			}
		default:
			values.Add(field.Name, strings.ReplaceAll(field.Value, "\n", "\r\n"))
		}
	})
	return values
}

// save sends every step of the form of the object without a change, and returns the object.
func save(t *testing.T, w *source.World, o client.Object) client.Object {
	t.Helper()
	before := &objects.Object{Object: o}
	d := newForm(formOf(o), "", before, o.DeepCopyObject().(client.Object))
	server := New(&Options{})
	for _, step := range steps[d.kind] {
		in := newEntered(sent(server.formOf(&frame{}, w, d, step)))
		takeStep(in, w, d, step)
		if len(in.errors) > 0 {
			t.Errorf("step %s: %v", step, in.errors)
		}
	}
	return d.object()
}

func formOf(o client.Object) formKind {
	switch o.(type) {
	case *accessv1alpha1.UserAccess:
		return formUser
	case *accessv1alpha1.AccessPolicy:
		return formPolicy
	case *accessv1alpha1.ApplicationAccess:
		return formApplication
	default:
		return formGroup
	}
}

// TestEveryFieldSurvivesAnEdit saves objects without a change: with all fields, and with each field alone. A field that
// a form omits, or shows in a shorter way, must not change by that.
func TestEveryFieldSurvivesAnEdit(t *testing.T) {
	meta := func(namespace string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: "default", ResourceVersion: "1"}
	}
	for name, empty := range map[string]func() client.Object{
		"AccessGroup": func() client.Object { return &accessv1alpha1.AccessGroup{ObjectMeta: meta("acme")} },
		"AccessGroup of the system": func() client.Object {
			return &accessv1alpha1.AccessGroup{ObjectMeta: meta("access-system"), Spec: accessv1alpha1.AccessGroupSpec{Type: accessv1alpha1.GroupTypeSystem}}
		},
		"UserAccess":                 func() client.Object { return &accessv1alpha1.UserAccess{ObjectMeta: meta("acme")} },
		"UserAccess of the system":   func() client.Object { return &accessv1alpha1.UserAccess{ObjectMeta: meta("access-system")} },
		"AccessPolicy":               func() client.Object { return &accessv1alpha1.AccessPolicy{ObjectMeta: meta("acme")} },
		"AccessPolicy of the system": func() client.Object { return &accessv1alpha1.AccessPolicy{ObjectMeta: meta("access-system")} },
		"ApplicationAccess":          func() client.Object { return &accessv1alpha1.ApplicationAccess{ObjectMeta: meta("acme")} },
	} {
		w := settledBy(t, groupAt("readers", 1, "ana"))
		check := func(t *testing.T, o client.Object) {
			t.Helper()
			if diff := cmp.Diff(specOf(o), specOf(save(t, w, o))); diff != "" {
				t.Errorf("-before +after:\n%s", diff)
			}
		}
		t.Run(name, func(t *testing.T) {
			filled := empty()
			for i := range specValue(filled).NumField() {
				field := specValue(filled).Type().Field(i).Name
				if field == "Type" {
					continue // it selects the form
				}
				fillField(specValue(filled), i, "x")
				t.Run(field, func(t *testing.T) {
					one := empty()
					fillField(specValue(one), i, "x")
					check(t, one)
				})
			}
			check(t, filled)
		})
	}
}
