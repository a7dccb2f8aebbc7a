package console

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/usher-dev/usher/internal/cli/query"
)

// formKind names the form of a draft.
type formKind string

const (
	formGroup       formKind = "group"
	formUser        formKind = "user"
	formPolicy      formKind = "policy"
	formApplication formKind = "application"
)

// The steps of drafts. The names are parts of addresses.
const (
	stepGeneral      = "general"
	stepPrivileges   = "privileges"
	stepNotification = "notification"
	stepReview       = "review"
)

// steps are the steps of each form. The review follows.
var steps = map[formKind][]string{
	formGroup: {stepGeneral, stepPrivileges, stepNotification}, formUser: {stepGeneral}, formPolicy: {stepGeneral}, formApplication: {stepGeneral},
}

// form is one step of a draft as fields.
type form struct {
	Parts []formPart
}

// formPart is a group of fields, or of rows of fields.
type formPart struct {
	Legend, Help string
	Fields       []formField
	Rows         [][]formField
	Filter       *filter
	Pages        *pages
}

// The types of fields.
const (
	typeText     = "text"
	typeLines    = "textarea"
	typeSelect   = "select"
	typeInstant  = "datetime-local"
	typeNumber   = "number"
	typeCheckbox = "checkbox"
	typeHidden   = "hidden"
)

// formField is a field. Path is the field of the object that it sets, so that remarks about the object appear beside
// it. Admission names entries of a list by their key, and the API server by their index: Indexed is the path with the
// index.
type formField struct {
	Name, Label, Type, Value, Help, Path, Indexed string
	Options                                       []option
	// Suggest is the kind of names that the script suggests.
	Suggest  string
	Required bool
	Errors   []string
	Warnings []string
}

// entered is what a person entered, with the errors by the name of the field.
type entered struct {
	values url.Values
	errors map[string]string
}

func newEntered(values url.Values) *entered {
	return &entered{values: values, errors: map[string]string{}}
}

func (in *entered) text(name string) string { return strings.TrimSpace(in.values.Get(name)) }

// textOver returns the text of the field, or the value before if the field was not changed. So white space at the ends
// of a value stays in an object that is edited for another reason.
func (in *entered) textOver(name, before string) string {
	if in.values.Get(name) == before {
		return before
	}
	return strings.ReplaceAll(in.text(name), "\r\n", " ")
}

func (in *entered) fail(name string, err error) {
	if err != nil && in.errors[name] == "" {
		in.errors[name] = err.Error()
	}
}

// lines returns the words of the field, which are separated by white space, commas or semicolons, without duplicates.
func (in *entered) lines(name string) []string {
	all := strings.FieldsFunc(in.values.Get(name), func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
	var kept []string
	for _, each := range all {
		if !slices.Contains(kept, each) {
			kept = append(kept, each)
		}
	}
	return kept
}

const (
	minutes = "2006-01-02T15:04"
	seconds = "2006-01-02T15:04:05"
)

// instant returns the instant of the field in UTC, or nil if the field is empty.
func (in *entered) instant(name string) *metav1.Time {
	text := in.text(name)
	if text == "" {
		return nil
	}
	for _, layout := range []string{minutes, seconds, time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return &metav1.Time{Time: t.UTC()}
		}
	}
	in.fail(name, fmt.Errorf("%q is not a date and time; write it as 2027-01-31T09:00, in UTC", text))
	return nil
}

// window returns the instants of two fields, and an error if they are in the wrong order.
func (in *entered) window(prefix string) (notBefore, notAfter *metav1.Time) {
	notBefore, notAfter = in.instant(prefix+"notBefore"), in.instant(prefix+"notAfter")
	if notBefore != nil && notAfter != nil && !notBefore.Before(notAfter) {
		in.fail(prefix+"notAfter", errors.New("the end is not after the begin"))
	}
	return notBefore, notAfter
}

// number returns the number of the field, or nil if the field is empty.
func (in *entered) number(name string, least, most int) *int32 {
	text := in.text(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		in.fail(name, fmt.Errorf("%q is not a number from %d to %d", text, least, most))
		return nil
	}
	return new(int32(n))
}

// rows returns the prefixes of the rows that were sent, such as "member.3.".
func (in *entered) rows(name string) []string {
	var found []int
	for key := range in.values {
		rest, is := strings.CutPrefix(key, name+".")
		if !is {
			continue
		}
		number, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(number); err == nil && !slices.Contains(found, n) {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	made := make([]string, len(found))
	for i, n := range found {
		made[i] = fmt.Sprintf("%s.%d.", name, n)
	}
	return made
}

// instantValue returns the value of a field for an instant.
func instantValue(t *metav1.Time) string {
	switch {
	case t == nil:
		return ""
	case t.Second() == 0:
		return t.UTC().Format(minutes)
	default:
		return t.UTC().Format(seconds)
	}
}

// windowFields returns the two fields of a window.
func windowFields(prefix string, notBefore, notAfter *metav1.Time) []formField {
	return []formField{
		{Name: prefix + "notBefore", Label: "From (UTC)", Type: typeInstant, Value: instantValue(notBefore)},
		{Name: prefix + "notAfter", Label: "Until (UTC)", Type: typeInstant, Value: instantValue(notAfter)},
	}
}

// each calls do for every field of the form.
func (f *form) each(do func(*formField)) {
	for i := range f.Parts {
		for j := range f.Parts[i].Fields {
			do(&f.Parts[i].Fields[j])
		}
		for _, r := range f.Parts[i].Rows {
			for j := range r {
				do(&r[j])
			}
		}
	}
}

// refill sets the values and errors of a form that was sent with an error.
func (f *form) refill(in *entered) {
	f.each(func(field *formField) {
		if values, sent := in.values[field.Name]; sent && field.Type != typeCheckbox {
			field.Value = values[0]
			if field.Type == typeSelect {
				field.Options = options(field.Value, field.Options...)
			}
		}
		if text := in.errors[field.Name]; text != "" {
			field.Errors = append(field.Errors, text)
			delete(in.errors, field.Name)
		}
	})
}

// annotate puts each remark beside the field with the longest path that the remark is about.
func (f *form) annotate(remarks []query.Remark, refusals bool) {
	for _, each := range remarks {
		var found *formField
		longest := 0
		f.each(func(field *formField) {
			for _, path := range []string{field.Path, field.Indexed} {
				if len(path) > longest && isAbout(each.Field, path) {
					found, longest = field, len(path)
				}
			}
		})
		switch {
		case found == nil:
		case refusals:
			found.Errors = append(found.Errors, each.Message)
		default:
			found.Warnings = append(found.Warnings, each.Message)
		}
	}
}

// isAbout reports whether the field of an object is the path, or within it.
func isAbout(field, path string) bool {
	rest, is := strings.CutPrefix(field, path)
	return is && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
