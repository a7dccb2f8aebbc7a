package delivery

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/mailtext"
)

//go:embed templates
var templates embed.FS

// The default templates.
var (
	ownSubject = template.Must(template.ParseFS(templates, "templates/subject.txt"))
	ownText    = template.Must(template.ParseFS(templates, "templates/body.txt"))
	ownHTML    = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/body.html"))
)

// words are the parts of a mail.
type words struct{ Subject, Text, HTML string }

// render executes a template on a notice. It uses the default template for a part that is absent or fails. The error names
// the parts that failed, and there are words nevertheless.
func render(n *Notice, t *accessv1alpha1.MailTemplate) (words, error) {
	v := viewOf(n)
	var problems []error
	part := func(field, source string, own mailtext.Template, parse mailtext.Parse) string {
		if source != "" {
			text, err := mailtext.Render(source, v, parse)
			if err == nil {
				return text
			}
			problems = append(problems, fmt.Errorf("smtp.template.%s: %w", field, err))
		}
		text, err := mailtext.Execute(own, v)
		if err != nil { // a test executes the default templates on all kinds of views
			problems = append(problems, err)
		}
		return text
	}
	var w words
	w.Subject = oneLine(part("subject", t.Subject, ownSubject, mailtext.Text))
	w.Text = part("text", t.Text, ownText, mailtext.Text)
	w.HTML = part("html", t.HTML, ownHTML, mailtext.HTML)
	return w, errors.Join(problems...)
}

// mostSubject is the maximum number of characters of a subject. Mail servers refuse lines of 1,000 bytes, and words are not
// broken.
const mostSubject = 300

// oneLine returns the text on one line, cut to the length of a subject.
func oneLine(text string) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > mostSubject {
		return string(line[:mostSubject-1]) + "…"
	}
	return string(line)
}
