package mailtext

import (
	"fmt"
	htmltemplate "html/template"
	"io"
	"strings"
	"text/template"
)

// Template is a text template or an HTML template.
type Template interface {
	Execute(w io.Writer, data any) error
}

// Parse parses a template and checks that it may be executed on the view.
type Parse func(source string, v *View) (Template, error)

// Text parses a subject or plain text.
func Text(source string, v *View) (Template, error) {
	t, err := template.New("").Parse(source)
	if err != nil {
		return nil, err
	}
	for _, each := range t.Templates() {
		if err := check(each.Tree, v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// HTML parses HTML. The template escapes the values of the view.
func HTML(source string, v *View) (Template, error) {
	t, err := htmltemplate.New("").Parse(source)
	if err != nil {
		return nil, err
	}
	for _, each := range t.Templates() {
		if err := check(each.Tree, v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Render parses, checks and executes a template.
func Render(source string, v *View, parse Parse) (string, error) {
	t, err := parse(source, v)
	if err != nil {
		return "", err
	}
	return Execute(t, v)
}

// LargestPart is the maximum size of a part of a mail in bytes.
const LargestPart = 512 << 10

// Execute executes a template on the view. It fails if the result is larger than LargestPart.
func Execute(t Template, v *View) (string, error) {
	w := &bounded{}
	if err := t.Execute(w, v); err != nil {
		return "", err
	}
	return w.String(), nil
}

// bounded is a builder of at most LargestPart bytes.
type bounded struct{ strings.Builder }

// Write returns an error if the text would become too large.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > LargestPart {
		return 0, fmt.Errorf("it says more than %d KiB", LargestPart>>10)
	}
	return b.Builder.Write(p)
}

// mostChanges is the number of changes in the largest notice of one group: the number of applications that it may name.
const mostChanges = 500

// Validate returns an error if a template cannot be used: it does not parse, does more than a template may, or fails on a
// sample notice. The samples are a notice in which everything has a value, one with empty lists, and one with as many
// changes as a group can cause and as many reviews as a notice has.
func Validate(source string, parse Parse) error {
	full := sample(1)
	for _, v := range []*View{full, {Reason: full.Reason, Organization: full.Organization, User: full.User, Name: full.Name, At: full.At}} {
		if _, err := Render(source, v, parse); err != nil {
			return err
		}
	}
	_, err := parse(source, sample(mostChanges))
	return err
}

// sample returns a notice in which everything has a value, with a number of changes.
func sample(changes int) *View {
	line := Line{
		Kind: "Granted", Where: "finance", Before: "Viewer", After: "Editor", Until: "1 January 2027, 00:00 UTC",
		By: "AccessGroup france", Text: "You now have the role Editor.",
	}
	v := &View{
		Reason: "Changed", Organization: "acme", User: "amelie@acme.example", Name: "Amelie", At: "1 January 2026, 00:00 UTC",
		Ending: []Line{line}, Standing: []Line{line}, Messages: []string{"Welcome."}, Groups: []string{"france"},
		MoreReviews: 1, Digest: Counts{Users: 80, Granted: 70, Changed: 5, Revoked: 5},
	}
	for range min(changes, MostReviews) {
		v.Reviews = append(v.Reviews, Line{
			Kind: "Coming", Where: "france", Until: line.Until, Text: "The review is due on 1 January 2027, 00:00 UTC.",
		})
	}
	for range changes {
		v.Changed = append(v.Changed, line)
	}
	return v
}
