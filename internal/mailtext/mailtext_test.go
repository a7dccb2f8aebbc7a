package mailtext

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	const within = "{{range .Changed}}{{range $.Changed}}{{.Where}}, {{.Text}}{{end}}{{end}}"
	for name, tc := range map[string]struct {
		source string
		text   string // what is wrong, as text; empty: nothing
		html   string // and as HTML
	}{
		"nothing":                    {},
		"words alone":                {source: "Your access has changed."},
		"fields and lists":           {source: "{{.Name}}{{range .Changed}}{{.Where}}: {{.Text}}{{else}}nothing{{end}} {{.Digest.Users}} {{.At}}"},
		"not closed":                 {source: "{{if .Name}}Hello", text: "unexpected EOF", html: "unexpected EOF"},
		"a field that is not there":  {source: "Hello {{.Nom}}", text: "can't evaluate field Nom", html: "can't evaluate field Nom"},
		"a field of a line":          {source: "{{range .Ending}}{{.When}}{{end}}", text: "can't evaluate field When", html: "can't evaluate field When"},
		"in the branch of a digest":  {source: "{{if .Changed}}{{else}}{{.Nobody}}{{end}}", text: "field Nobody", html: "field Nobody"},
		"another function":           {source: `{{printf "%s" .Name}}`, text: "function printf is not among", html: "function printf is not among"},
		"a function that is unknown": {source: `{{upper .Name}}`, text: `function "upper" not defined`, html: `function "upper" not defined`},
		"fails without changes":      {source: "{{(index .Changed 0).Where}}", text: "index out of range", html: "index out of range"},
		"careful without changes":    {source: "{{if .Changed}}{{(index .Changed 0).Where}}{{end}}"},
		"too much for a large notice": {
			source: within, text: "it goes over lists in lists too often for this notice (602 lines)", html: "it goes over lists in lists too often",
		},
		"an attribute that is not closed": {source: `<a href="{{.Name}}`, html: "ends in a non-text context"},
		"larger than a mail":              {source: strings.Repeat("x", LargestPart+1), text: "more than 512 KiB", html: "more than 512 KiB"},
	} {
		for kind, parse := range map[string]Parse{"text": Text, "html": HTML} {
			want := tc.text
			if kind == "html" {
				want = tc.html
			}
			t.Run(name+", "+kind, func(t *testing.T) {
				err := Validate(tc.source, parse)
				if (want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), want)) {
					t.Errorf("got %v, want %q", err, want)
				}
			})
		}
	}
}
