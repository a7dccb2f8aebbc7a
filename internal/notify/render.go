package notify

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

// Usher's own words.
var (
	ownSubject = template.Must(template.ParseFS(templates, "templates/subject.txt"))
	ownText    = template.Must(template.ParseFS(templates, "templates/body.txt"))
	ownHTML    = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/body.html"))
)

// words is what a mail says.
type words struct{ Subject, Text, HTML string }

// render says the notice in the words of the template, and in Usher's own where a part is absent or fails. problem says
// which part failed and why; there are words all the same.
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
		if err != nil { // a test executes them on everything that a view may hold
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
