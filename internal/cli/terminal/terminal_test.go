package terminal_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

func TestEscape(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"plain text":             {"Zoë 日本 €", "Zoë 日本 €"},
		"the cursor":             {"a\x1b[2Jb\r\n\t", `a\u001b[2Jb\u000d\u000a\u0009`},
		"the other introducer":   {"\u009b2J", `\u009b2J`},
		"the other direction":    {"\u202egnp.exe", `\u202egnp.exe`},
		"nothing to see":         {"a\u200bb\ufeff", `a\u200bb\ufeff`},
		"lines of their own":     {"a\u2028b", `a\u2028b`},
		"tags":                   {"\U000e0041", `\U000e0041`},
		"no UTF-8":               {"a\xffb", `a\xffb`},
		"the replacement itself": {"\ufffd", "\ufffd"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := terminal.Escape(tc.text); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("a\x1b[2Jb\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		if got := terminal.Escape(text); !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q became %q", text, got)
		}
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		escaped := terminal.EscapeJSON(encoded)
		if bytes.ContainsFunc(escaped, unicode.IsControl) {
			t.Errorf("%q became %q", encoded, escaped)
		}
		var want, got string
		if json.Unmarshal(encoded, &want) != nil || json.Unmarshal(escaped, &got) != nil || want != got {
			t.Errorf("%q was decoded as %q, and is as %q", text, want, got)
		}
	})
}

func table() *terminal.Table {
	t := &terminal.Table{Columns: []string{"USER", "SOURCE"}}
	t.Add("ana@acme.example", "AccessGroup/acme/a-rather-long-name-of-a-group")
	t.Add("ben\x1b[1A", "")
	return t
}

func TestTable(t *testing.T) {
	for name, tc := range map[string]struct {
		width int
		want  string
	}{
		"no terminal": {0, `USER               SOURCE
ana@acme.example   AccessGroup/acme/a-rather-long-name-of-a-group
ben\u001b[1A
`},
		"narrow": {40, `USER               SOURCE
ana@acme.example   AccessGroup/acme/a-
                   rather-long-name-of-
                   a-group
ben\u001b[1A
`},
		"narrower": {24, `USER           SOURCE
ana@acme.      AccessGroup/
example        acme/a-
               rather-long-
               name-of-a-
               group
ben\u001b[1A
`},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := table().Write(&terminal.Streams{Out: &b, Width: tc.width}); err != nil {
				t.Fatal(err)
			}
			if b.String() != tc.want {
				t.Errorf("got\n%s\nwant\n%s", b.String(), tc.want)
			}
		})
	}
}

func TestATableThatIsTooWideIsCutIntoParts(t *testing.T) {
	wide := &terminal.Table{Columns: []string{"USER", "FINANCE", "LOGISTICS", "SALES"}, Keep: 1}
	wide.Add("ana", "Viewer", "Editor", "日本日本日本日")
	var b bytes.Buffer
	if err := wide.Write(&terminal.Streams{Out: &b, Width: 30}); err != nil {
		t.Fatal(err)
	}
	want := "USER   FINANCE   LOGISTICS\nana    Viewer    Editor\n\nUSER   SALES\nana    日本日本日本日\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	for line := range strings.Lines(b.String()) {
		if len([]rune(line)) > 31 {
			t.Errorf("%q does not fit", line)
		}
	}
}

func TestColourIsShownOnATerminalOnly(t *testing.T) {
	row := [][]terminal.Cell{{{Text: "lost", Style: terminal.Red}}}
	for colour, want := range map[bool]string{
		true:  "\x1b[1mWHAT\x1b[0m\n\x1b[31mlost\x1b[0m\n",
		false: "WHAT\nlost\n",
	} {
		var b bytes.Buffer
		if err := (&terminal.Table{Columns: []string{"WHAT"}, Rows: row}).Write(&terminal.Streams{Out: &b, Colour: colour}); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("got %q, want %q", b.String(), want)
		}
	}
}

func TestProgressIsSilentForASecond(t *testing.T) {
	b := make(written, 8)
	p := terminal.NewProgress(&terminal.Streams{ErrOut: b})
	p.Say("reading\x1b %d", 3)
	select {
	case text := <-b:
		t.Errorf("said %q at once", text)
	case <-time.After(time.Second / 2):
	}
	if text := <-b; text != `reading\u001b 3...`+"\n" {
		t.Errorf("said %q", text)
	}
	p.Done()
	p.Done()
	var none *terminal.Progress
	none.Say("nothing")
	none.Done()
}

// written sends everything that is written to it to a channel.
type written chan string

func (w written) Write(text []byte) (int, error) {
	w <- string(text)
	return len(text), nil
}
