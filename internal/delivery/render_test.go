package delivery

import (
	"strings"
	"testing"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/mailtext"
)

const acme = "acme"

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// everyNotice returns notices of each reason, with changes of every kind and scope.
func everyNotice() map[string]*Notice {
	end, later := start.AddDate(0, 0, 40), start.AddDate(0, 0, 50)
	groups := []Group{{Namespace: acme, Name: "france", DisplayName: "France", Message: "<Ask> & tell"}}
	newNotice := func(reason Reason, changes ...Change) *Notice {
		return &Notice{
			ID: "1", Reason: reason, Organization: acme, User: "ana@acme.example", Address: "ana@acme.example", At: start,
			Changes: changes, Groups: groups,
		}
	}
	source := "AccessGroup/acme/france"
	reviews := newNotice(ReasonReview)
	reviews.Groups, reviews.MoreReviews = nil, 3
	for _, state := range []ReviewState{ReviewComing, ReviewDue} {
		reviews.Reviews = append(reviews.Reviews, Review{
			Namespace: acme, Group: "spain", Title: "Spain & friends", Due: end, State: state, IfMissed: "Keep",
		})
	}
	for _, state := range []ReviewState{ReviewComing, ReviewEnded} {
		reviews.Reviews = append(reviews.Reviews, Review{Namespace: acme, Group: "france", Due: end, State: state, IfMissed: "End"})
	}
	digest := newNotice(ReasonDigest)
	digest.Digest = &mailtext.Counts{Users: 80, Granted: 70, Revoked: 10}
	return map[string]*Notice{
		"granted": newNotice(ReasonChanged,
			Change{Kind: Granted, Scope: ScopeOrganization, Before: NoAccess, After: "Viewer", Source: source},
			Change{Kind: Granted, Scope: ScopeApplication, Application: "hr", Before: NoAccess, After: "Viewer", Until: end}),
		"changed": newNotice(ReasonChanged,
			Change{Kind: Changed, Scope: ScopeApplication, Application: "a", Before: "Viewer", After: "Editor", Until: end},
			Change{Kind: Changed, Scope: ScopeApplication, Application: "b", Before: "Viewer", After: "Viewer", UntilBefore: end},
			Change{Kind: Changed, Scope: ScopeApplication, Application: "c", Before: "Viewer", After: "Viewer", Until: end},
			Change{Kind: Changed, Scope: ScopeDefault, Before: "Viewer", After: "Viewer", Until: end, UntilBefore: later}),
		"revoked":  newNotice(ReasonChanged, Change{Kind: Revoked, Scope: ScopeDefault, Before: "Viewer", After: NoAccess, Source: source}),
		"expiring": newNotice(ReasonChanged, Change{Kind: Expiring, Scope: ScopeApplication, Application: "a", Before: "Viewer", Until: end}),
		"asked":    newNotice(ReasonAsked, Change{Kind: Unchanged, Scope: ScopeApplication, Application: "a", Before: "Viewer", After: "Viewer"}),
		"nothing":  newNotice(ReasonAsked),
		"digest":   digest,
		"reviews":  reviews,
	}
}

func TestUshersOwnWords(t *testing.T) {
	for name, n := range everyNotice() {
		t.Run(name, func(t *testing.T) {
			said, err := render(n, &accessv1alpha1.MailTemplate{})
			if err != nil {
				t.Fatal(err)
			}
			if said.Subject == "" || strings.ContainsAny(said.Subject, "\r\n") {
				t.Errorf("subject %q", said.Subject)
			}
			for i := range n.Changes {
				text := lineOf(&n.Changes[i]).Text
				if !strings.Contains(said.Text, text) {
					t.Errorf("the text does not say %q:\n%s", text, said.Text)
				}
				if !strings.Contains(said.HTML, text) {
					t.Errorf("the HTML does not say %q:\n%s", text, said.HTML)
				}
			}
			for i := range n.Reviews {
				if text := reviewLine(&n.Reviews[i]).Text; !strings.Contains(said.Text, text) || !strings.Contains(said.HTML, text) {
					t.Errorf("%q is missing:\n%s\n%s", text, said.Text, said.HTML)
				}
			}
			if strings.Contains(said.HTML, "<Ask>") {
				t.Error("what a group says is not escaped")
			}
			if len(n.Groups) > 0 && n.Digest == nil && !strings.Contains(said.Text, "<Ask> & tell") {
				t.Error("what a group says is missing in the text")
			}
		})
	}
}

func TestTemplates(t *testing.T) {
	n := everyNotice()["granted"]
	for name, tc := range map[string]struct {
		template accessv1alpha1.MailTemplate
		want     words  // an empty part stands for the default template
		problem  string // in the error; empty: none
	}{
		"all parts": {
			template: accessv1alpha1.MailTemplate{
				Subject: "{{.Name}}\n and {{len .Changed}}", Text: `{{range .Changed}}{{.Where}}={{.After}} {{end}}`,
				HTML: `<p title="{{index .Messages 0}}">{{range $i, $m := .Messages}}{{if eq $i 0}}{{$m}}{{end}}{{end}}</p>`,
			},
			want: words{
				Subject: "ana@acme.example and 2", Text: "The organization=Viewer hr=Viewer ",
				HTML: `<p title="&lt;Ask&gt; &amp; tell">&lt;Ask&gt; &amp; tell</p>`,
			},
		},
		"no template at all": {template: accessv1alpha1.MailTemplate{Text: "{{"}, problem: "smtp.template.text: template: "},
		"no such field":      {template: accessv1alpha1.MailTemplate{Text: "{{.Password}}"}, problem: "can't evaluate field Password"},
		"HTML that cannot be escaped": {
			template: accessv1alpha1.MailTemplate{HTML: `<a href='{{.Name}}`}, problem: "smtp.template.html: ",
		},
		"a number without an end": {
			template: accessv1alpha1.MailTemplate{Text: "{{range 1000000000000}}{{end}}"}, problem: "range goes over a list of the notice",
		},
		"a number in a variable": {
			template: accessv1alpha1.MailTemplate{Text: "{{$n := 1000000000000}}{{range $n}}{{end}}"}, problem: "range goes over a list of the notice",
		},
		"a number in a pipe": {
			template: accessv1alpha1.MailTemplate{Text: "{{range (len .User)}}{{end}}"}, problem: "range goes over a list of the notice",
		},
		"lists upon lists": {
			template: accessv1alpha1.MailTemplate{Text: strings.Repeat("{{range $.Changed}}", 3) + strings.Repeat("{{end}}", 3)},
			problem:  "at most 2 lists within each other",
		},
		"a template that calls itself": {
			template: accessv1alpha1.MailTemplate{Text: `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`}, problem: "may not call another one",
		},
		"a function that makes much of little": {
			template: accessv1alpha1.MailTemplate{Text: `{{len (printf "%1000000d" 1)}}`}, problem: "function printf is not among",
		},
		"such a function, hidden": {
			template: accessv1alpha1.MailTemplate{Text: `{{if (and true (printf "%1000000d" 1)).Name}}{{end}}`}, problem: "function printf is not among",
		},
		"too much": {
			template: accessv1alpha1.MailTemplate{
				Text: "{{range .Changed}}{{range $.Changed}}" + strings.Repeat("x", mailtext.LargestPart/2) + "{{end}}{{end}}",
			},
			problem: "it says more than 512 KiB",
		},
	} {
		t.Run(name, func(t *testing.T) {
			own, err := render(n, &accessv1alpha1.MailTemplate{})
			if err != nil {
				t.Fatal(err)
			}
			want := words{orOwn(tc.want.Subject, own.Subject), orOwn(tc.want.Text, own.Text), orOwn(tc.want.HTML, own.HTML)}
			got, err := render(n, &tc.template)
			if got != want {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
			if (err == nil) != (tc.problem == "") || (err != nil && !strings.Contains(err.Error(), tc.problem)) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func orOwn(part, own string) string {
	if part == "" {
		return own
	}
	return part
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"ana@acme.example": true, "o'hara+x@acme.example": true, "zoë@acme.example": true,
		"": false, "ana": false, "oidc|4711": false, "ana@": false, "@acme.example": false, "a b@acme.example": false,
		"ana@acme.example\r\nBcc: all@acme.example": false, "ana@acme.example\n": false, "Ana <ana@acme.example>": false,
		"ana@acme.example,ben@acme.example": false, `"a"@acme.example`: false, "ana@acme.example ": false,
		strings.Repeat("a", 251) + "@b.c": false,
	} {
		if got := IsAddress(text); got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
}

// The schema refuses such an address, and so does the mail channel.
func TestAMailToAnAddressWithLineBreaks(t *testing.T) {
	n := everyNotice()["granted"]
	n.Address = "ana@acme.example\r\nBcc: all@acme.example"
	m := &mailer{sender: "access@acme.example"}
	if message, _, err := m.message(n); err == nil {
		t.Errorf("got %v", message)
	}
	n.Address, n.Name = "ana@acme.example", "Ana\r\nBcc: all@acme.example"
	message, _, err := m.message(n)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := message.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "\r\n\r\n")
	if strings.Contains(head, "Bcc") {
		t.Errorf("the name became a header:\n%s", head)
	}
}

func TestSigningKeys(t *testing.T) {
	for text, want := range map[string]string{
		"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=":   "",
		"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n": "",
		"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=":         `must begin with "whsec_"`,
		"whsec_!":        "must be base64",
		"whsec_c2hvcnQ=": "it has 5 bytes, and must have 24 to 64",
	} {
		_, err := signingKey(text)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestWhatSlackWouldReadAsMore(t *testing.T) {
	n := everyNotice()["granted"]
	n.User, n.Name = "ana", "<!everyone> *`x`*"
	text := slackText(n)
	if strings.Contains(text, "<") || strings.Count(text, "*") != 4 {
		t.Errorf("got %q", text)
	}
	for range mostLines {
		n.Changes = append(n.Changes, n.Changes[0])
	}
	if text := slackText(n); !strings.Contains(text, "• and 2 more") {
		t.Errorf("got %q", text)
	}
}

func TestSlackListsReviews(t *testing.T) {
	n := everyNotice()["reviews"]
	want := `Groups in *acme* must be reviewed:
• Spain &amp; friends (spain): The review is due on 1 January 2027, 09:00 UTC. If it is missed, the group keeps its access.
• Spain &amp; friends (spain): The review was due on 1 January 2027, 09:00 UTC. The group keeps its access.
• france: The review is due on 1 January 2027, 09:00 UTC. If it is missed, the access that the group gives ends.
• france: The review was due on 1 January 2027, 09:00 UTC. The access that the group gave has ended.
• and 3 more`
	if got := slackText(n); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for range mostLines {
		n.Reviews = append(n.Reviews, n.Reviews[0])
	}
	if got := slackText(n); !strings.HasSuffix(got, "\n• and 7 more") {
		t.Errorf("got %q", got)
	}
}

func TestAnswers(t *testing.T) {
	for code, want := range map[int]string{
		200: "delivered", 204: "delivered", 301: "channel", 307: "channel", 400: "refused", 413: "refused", 422: "refused",
		401: "channel", 403: "channel", 404: "channel", 408: "channel", 410: "channel", 429: "channel", 500: "channel", 503: "channel",
	} {
		got := "channel"
		switch err := answer(code, "text").(type) { //nolint:errorlint // the test checks the type
		case nil:
			got = "delivered"
		case *NoticeError:
			if err.Final {
				got = "refused"
			}
		}
		if got != want {
			t.Errorf("%d: %s", code, got)
		}
	}
}

func TestEventsAreValid(t *testing.T) {
	for name, n := range everyNotice() {
		if _, err := encodeEvent(n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
