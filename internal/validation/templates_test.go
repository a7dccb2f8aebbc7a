package validation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mailPolicy returns a policy with one mail channel whose template has these parts.
func mailPolicy(limit, template string) string {
	return fmt.Sprintf(`
AccessPolicy acme/default
spec:
  revocationLimit: {users: %s}
  notificationChannels:
  - name: mail
    type: SMTP
    smtp: {server: "smtp.acme.example:587", sender: access@acme.example, template: {%s}}
`, limit, template)
}

func TestTemplatesOfMailsAreJudged(t *testing.T) {
	const good, bad = `subject: "News for {{.Name}}"`, `subject: "News for {{.Nom}}", html: "<p>{{printf .Name}}</p>"`
	refusal := func(part, value, why string) string {
		return "spec.notificationChannels[mail].smtp.template." + part + `: Invalid value: "` + value + `": it cannot be rendered: ` + why
	}
	subject := refusal("subject", "News for {{.Nom}}", `template: :1:11: executing "" at <.Nom>: can't evaluate field Nom`)
	html := refusal("html", "<p>{{printf .Name}}</p>", "line 1: function printf is not among")
	for name, tc := range map[string]struct {
		before, after string
		want          []string // how refusals begin
	}{
		"a good one":                         {after: mailPolicy("1", good)},
		"none":                               {after: mailPolicy("1", "")},
		"a bad one":                          {after: mailPolicy("1", bad), want: []string{subject, html}},
		"one that becomes bad":               {before: mailPolicy("1", good), after: mailPolicy("1", bad), want: []string{subject, html}},
		"one that was bad before":            {before: mailPolicy("1", bad), after: mailPolicy("2", bad)},
		"another part of one that was bad":   {before: mailPolicy("1", bad), after: mailPolicy("1", bad+`, text: "Hello"`)},
		"a bad part beside one that was bad": {before: mailPolicy("1", `subject: "News for {{.Nom}}"`), after: mailPolicy("1", bad), want: []string{html}},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.after)
			got := []string{}
			for i, e := range j.Errors {
				text := e.Error()
				if !strings.HasSuffix(text, "to send Usher's own text") {
					t.Errorf("%q does not say what to do", text)
				}
				if i < len(tc.want) && strings.HasPrefix(text, tc.want[i]) {
					text = tc.want[i]
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(append([]string{}, tc.want...), got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}
