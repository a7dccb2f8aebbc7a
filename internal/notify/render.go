package notify

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"strings"
	"text/template"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

//go:embed templates
var templates embed.FS

// Usher's own words.
var (
	ownSubject = template.Must(template.ParseFS(templates, "templates/subject.txt"))
	ownText    = template.Must(template.ParseFS(templates, "templates/body.txt"))
	ownHTML    = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/body.html"))
)

// words is what a mail says.
type words struct{ Subject, Text, HTML string }

// executor is a template of either kind.
type executor interface {
	Execute(w io.Writer, data any) error
}

// render says the notice in the words of the template, and in Usher's own where a part is absent or fails. problem says
// which part failed and why; there are words all the same.
func render(n *Notice, t *accessv1alpha1.MailTemplate) (words, error) {
	v := viewOf(n)
	var problems []error
	part := func(field, source string, own executor, parse func(string, *View) (executor, error)) string {
		if source != "" {
			text, err := renderSource(v, source, parse)
			if err == nil {
				return text
			}
			problems = append(problems, fmt.Errorf("smtp.template.%s: %w", field, err))
		}
		text, err := execute(own, v)
		if err != nil { // a test executes them on everything that a view may hold
			problems = append(problems, err)
		}
		return text
	}
	var w words
	w.Subject = oneLine(part("subject", t.Subject, ownSubject, parseText))
	w.Text = part("text", t.Text, ownText, parseText)
	w.HTML = part("html", t.HTML, ownHTML, parseHTML)
	return w, errors.Join(problems...)
}

func renderSource(v *View, source string, parse func(string, *View) (executor, error)) (string, error) {
	t, err := parse(source, v)
	if err != nil {
		return "", err
	}
	return execute(t, v)
}

func parseText(source string, v *View) (executor, error) {
	t, err := template.New("").Parse(source)
	if err != nil {
		return nil, err
	}
	for _, each := range t.Templates() {
		if err := checkTemplate(each.Tree, v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func parseHTML(source string, v *View) (executor, error) {
	t, err := htmltemplate.New("").Parse(source)
	if err != nil {
		return nil, err
	}
	for _, each := range t.Templates() {
		if err := checkTemplate(each.Tree, v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// largestPart is how much a part of a mail may say.
const largestPart = 512 << 10

func execute(t executor, v *View) (string, error) {
	w := &bounded{}
	if err := t.Execute(w, v); err != nil {
		return "", err
	}
	return w.String(), nil
}

// bounded takes no more than a part may have.
type bounded struct{ strings.Builder }

// Write fails where the part would be too large.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > largestPart {
		return 0, fmt.Errorf("it says more than %d KiB", largestPart>>10)
	}
	return b.Builder.Write(p)
}

// mostSubject is how many characters a subject has. Mail servers refuse lines of 1,000 bytes, and a word is not broken.
const mostSubject = 300

// oneLine returns the text without what would end a line, cut to the length of a subject.
func oneLine(text string) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > mostSubject {
		return string(line[:mostSubject-1]) + "…"
	}
	return string(line)
}
