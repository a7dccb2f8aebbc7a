package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/api/document"
)

// snippets returns the code blocks of docs/workloads.md in one language.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "workloads.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		found = append(found, match[1])
	}
	return found
}

func TestDocumentedGoIsOurs(t *testing.T) {
	source, err := os.ReadFile("server.go")
	if err != nil {
		t.Fatal(err)
	}
	if shown := snippets(t, "go")[0]; !strings.Contains(string(source), shown) {
		t.Errorf("server.go does not have:\n%s", shown)
	}
}

// shell runs the documented jq functions.
type shell struct {
	t         *testing.T
	dir       string
	functions string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	if _, err := exec.LookPath("jq"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no jq: install it")
		}
		t.Skip("no jq: install it")
	}
	s := &shell{t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "access.jq"), []byte(snippets(t, "jq")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(snippets(t, "sh"), func(text string) bool { return strings.HasPrefix(text, "role()") })
	s.functions = strings.NewReplacer("/etc/access", s.dir, "/etc/usher", s.dir).Replace(snippets(t, "sh")[i])
	return s
}

func (s *shell) mount(shard int, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, fmt.Sprint(shard), "access.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run returns the output of a command that uses the documented functions, and whether it succeeded.
func (s *shell) run(command string, args ...string) (string, bool) {
	s.t.Helper()
	script := append([]string{"-c", s.functions + command + ` "$@"`, "sh"}, args...)
	out, err := exec.CommandContext(s.t.Context(), "sh", script...).Output()
	return strings.TrimSpace(string(out)), err == nil
}

func TestDocumentedShellReturnsRoles(t *testing.T) {
	s := newShell(t)
	ends := func(after time.Duration) string {
		return fmt.Sprintf(`,"notAfter":%q`, time.Now().Add(after).UTC().Format(time.RFC3339))
	}
	for name, tc := range map[string]struct {
		shards []string
		role   string
		edits  bool
	}{
		"no document":                       {nil, "NoAccess", false},
		"no such user":                      {[]string{finance()}, "NoAccess", false},
		"a role":                            {[]string{finance(entry(ana, "Editor", ""))}, "Editor", true},
		"a lower one":                       {[]string{finance(entry(ana, "Viewer", ""))}, "Viewer", false},
		"an end to come":                    {[]string{finance(entry(ana, "Editor", ends(time.Hour)))}, "Editor", true},
		"an end that has passed":            {[]string{finance(entry(ana, "Editor", ends(-time.Second)))}, "NoAccess", false},
		"another shard":                     {[]string{finance(), finance(entry(ana, "Editor", ""))}, "Editor", true},
		"shards that agree":                 {[]string{finance(entry(ana, "Editor", "")), finance(entry(ana, "Editor", ""))}, "Editor", true},
		"shards that do not":                {[]string{finance(entry(ana, "Viewer", "")), finance(entry(ana, "Editor", ""))}, "NoAccess", false},
		"a later version":                   {[]string{strings.Replace(finance(entry(ana, "Editor", "")), "dev/v1", "dev/v2", 1)}, "", false},
		"half a document":                   {[]string{finance(entry(ana, "Editor", ""))[:100]}, "", false},
		"a broken one beside one with ana":  {[]string{finance(entry(ana, "Editor", "")), "{"}, "", false},
		"another application's by mistake":  {[]string{strings.Replace(finance(entry(ana, "Editor", "")), `"finance"`, `"sales"`, 1)}, "", false},
		"a user who looks like a jq filter": {[]string{finance(entry(`.[]`, "Editor", ""))}, "NoAccess", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t)
			for n, text := range tc.shards {
				s.mount(n, text)
			}
			if got, _ := s.run("role", ana); got != tc.role {
				t.Errorf("role: got %q, want %q", got, tc.role)
			}
			if _, got := s.run("may", ana, "edit"); got != tc.edits {
				t.Errorf("may edit: got %t, want %t", got, tc.edits)
			}
			if _, got := s.run("may", ana, "administer"); got {
				t.Error("may do what no role permits")
			}
			if _, got := s.run("sees", ana, "{}"); got != (tc.role == "Editor" || tc.role == "Viewer") {
				t.Errorf("sees a row: %t", got)
			}
		})
	}
	s.mount(0, finance(entry(ana, "Viewer", rows(french))))
	for row, want := range map[string]bool{`{"country":"France"}`: true, `{"country":"Spain"}`: false, `{}`: false, `{`: false} {
		if _, got := s.run("sees", ana, row); got != want {
			t.Errorf("sees %s: %t", row, got)
		}
	}
	for _, outside := range []string{"[5]", "[2,5]", "[-1]", `"2"`} {
		s.mount(0, finance(entry(ana, "Viewer", `,"filters":`+outside)))
		if _, sees := s.run("sees", ana, `{"country":"France"}`); sees {
			t.Errorf("sees a row by filters at places %s", outside)
		}
		if _, may := s.run("may", ana, "view"); may {
			t.Errorf("may view with filters at places %s", outside)
		}
	}
}

// TestDocumentedShellFollowsPlaces uses two shards that list the same filter at different places.
func TestDocumentedShellFollowsPlaces(t *testing.T) {
	s := newShell(t)
	s.mount(0, financeWith([]string{french}, entry(ana, "Viewer", `,"filters":[0]`)))
	s.mount(1, financeWith([]string{expensive, french}, entry(ana, "Viewer", `,"filters":[1]`)))
	if got, _ := s.run("role", ana); got != "Viewer" {
		t.Errorf("role: got %q, want Viewer", got)
	}
	s.mount(1, financeWith([]string{expensive, french}, entry(ana, "Viewer", `,"filters":[0]`)))
	if got, _ := s.run("role", ana); got != document.NoAccess {
		t.Errorf("role by shards that do not agree about rows: got %q, want %s", got, document.NoAccess)
	}
}

// TestDocumentedShellSeesTheSameRows compares random filters in jq with those in Go.
func TestDocumentedShellSeesTheSameRows(t *testing.T) {
	s := newShell(t)
	random := rand.New(rand.NewPCG(3, 6))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	attributes := []string{"country", "amount", "at"}
	values := []string{"France", "france", "10", "10.0", "-2.5", "+7", "007", ".5", "5.", "1e3", "ten", "it's", "Zoë",
		"2026-01-01T00:00:00Z", "2027-06-01T12:30:00Z", "2026-01-01"}
	var rows []map[string]any
	for range 60 {
		row := map[string]any{}
		for _, attribute := range attributes {
			switch random.IntN(8) {
			case 0:
			case 1:
				row[attribute] = nil
			case 2, 3:
				row[attribute] = []any{7.0, 10.0, -2.5, 0.5, 1000.0}[random.IntN(5)]
			default:
				row[attribute] = pick(values)
			}
		}
		rows = append(rows, row)
	}
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	visible := 0
	for i := range 40 {
		filters := document.Filters{}
		for range 1 + random.IntN(2) {
			var f document.Filter
			for range 1 + random.IntN(2) {
				requirement := document.Requirement{Attribute: pick(attributes),
					Operator: pick([]string{document.In, document.NotIn, document.GreaterThan, document.LessThan}), Values: []string{pick(values)}}
				if requirement.Operator == document.In || requirement.Operator == document.NotIn {
					requirement.Values = append(requirement.Values, pick(values))
				}
				f.AnyOf = append(f.AnyOf, document.Alternative{AllOf: []document.Requirement{requirement}})
			}
			filters = append(filters, f)
		}
		said, places := make([]string, len(filters)), make([]string, len(filters))
		for place, f := range filters {
			text, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			said[place], places[place] = string(text), fmt.Sprint(place)
		}
		s.mount(0, financeWith(said, entry(ana, "Viewer", `,"filters":[`+strings.Join(places, ",")+`]`)))
		out, _ := s.run(`rows() { cat "$1"/0/access.json | jq -L "$1" -nc --arg user "$2" --argjson rows "$3" \
			'include "access"; entry("finance"; $user) | [visible($rows[])]'; }; rows`, s.dir, ana, string(text))
		var got, want []bool
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		for _, row := range rows {
			want = append(want, filters.Match(row))
			if want[len(want)-1] {
				visible++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("filters %d, %s (-Go +jq):\n%s", i, said, diff)
		}
	}
	if visible == 0 {
		t.Error("no row is visible to anybody")
	}
}
