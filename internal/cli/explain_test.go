package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestExplainOnTheSamples(t *testing.T) {
	golden(t, "explain.golden",
		"explain amelie@acme.example"+samples,
		"explain amelie@acme.example -a finance -o json"+samples,
		"explain bruno@acme.example -a sales"+samples,
		"explain clara@acme.example"+samples,
		"explain dana@acme.example"+samples,
		"explain farid@acme.example -n security-emea -k config/samples",
		"explain hugo@acme.example -a blue"+samples,
		"explain iris@acme.example -n security-apac"+samples,
		"explain jonas@acme.example -n security-emea"+samples,
		"explain jnoas@acme.example -n security-emea"+samples,
		"explain jonas@acme.example -a rad"+samples,
	)
}

// TestExplainSaysThatFiltersAreTooLarge uses one group whose filter alone exceeds the limit of R7.
func TestExplainSaysThatFiltersAreTooLarge(t *testing.T) {
	var file strings.Builder
	file.WriteString(`{"apiVersion":"access.usher.dev/v1alpha1","kind":"AccessGroup","metadata":{"name":"flood","namespace":"acme"},` +
		`"spec":{"members":[{"user":"ana"}],"organizationRole":"Viewer","dataPermissions":[{"application":"red","anyOf":[`)
	for i := range 7 {
		if i > 0 {
			file.WriteString(",")
		}
		file.WriteString(`{"allOf":[{"attribute":"customer","operator":"In","values":[`)
		for j := range 100 {
			if j > 0 {
				file.WriteString(",")
			}
			fmt.Fprintf(&file, `"%d-%02d-%s"`, i, j, strings.Repeat("x", 100))
		}
		file.WriteString(`]}]}`)
	}
	file.WriteString(`]}]}}`)
	path := filepath.Join(t.TempDir(), "flood.json")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got := call{args: []string{"explain", "ana", "-n", "acme", "-a", "red", "-f", path}}.run(t)
	if want := "the filters of this user are larger together than 64 KiB"; !strings.Contains(got.out, want) {
		t.Errorf("%q is not said:\n%.2000s%s", want, got.out, got.errOut)
	}
}

var caseInstant = regexp.MustCompile(`(?m)^# now: (\S+)$`)

// userDocument is the expected result of a case for one user.
type userDocument struct {
	Organization     string
	User             string
	OrganizationRole string
	DefaultRole      string
	Applications     map[string]struct{ Role, Source string }
}

// explained is the part of the JSON with the result.
type explained struct {
	Organization string
	User         string
	Roles        []struct{ Scope, Application, Role, Rule, Source string }
	Same         []string
}

// TestExplainNamesTheRuleOfEveryCase compares explain with the expected results of the cases, and its text with the
// files in testdata/explain-cases. testdata/cases.golden contains the rule of docs/rules.md behind every role.
func TestExplainNamesTheRuleOfEveryCase(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(root(t), "test", "cases", "*.yaml"))
	if err != nil || len(cases) < 34 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	var rules strings.Builder
	for _, path := range cases {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		now := caseInstant.FindSubmatch(text)
		if now == nil {
			t.Fatalf("%s does not say when", path)
		}
		var texts strings.Builder
		for _, want := range expected(t, path) {
			args := []string{
				"explain", want.User, "-n", want.Organization, "--at", string(now[1]), "-f", "test/cases/" + name + ".yaml",
			}
			got := call{args: append(slices.Clone(args), "-o", "json")}.run(t)
			var all []explained
			if err := json.Unmarshal([]byte(got.out), &all); err != nil || len(all) != 1 || got.code != 0 {
				t.Fatalf("%s: %v, %+v", name, err, got)
			}
			shown := call{args: args}.run(t)
			checkCase(t, name, &want, &all[0], shown.out)
			fmt.Fprintf(&texts, "$ kubectl access %s\n%s\n", strings.Join(args, " "), shown.out)
			for _, r := range all[0].Roles {
				where := r.Application
				if where == "" {
					where = r.Scope
				}
				fmt.Fprintln(&rules, strings.Join(strings.Fields(strings.Join(
					[]string{name, want.Organization, want.User, where, r.Role, r.Rule, r.Source}, " ")), " "))
			}
		}
		compare(t, filepath.Join("explain-cases", name+".golden"), texts.String())
	}
	compare(t, "cases.golden", rules.String())
}

func expected(t *testing.T, path string) []userDocument {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".expect.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []userDocument
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func checkCase(t *testing.T, name string, want *userDocument, got *explained, text string) {
	t.Helper()
	if got.Organization != want.Organization || got.User != want.User {
		t.Fatalf("%s: explained %s in %s", name, got.User, got.Organization)
	}
	applications := map[string]bool{}
	for _, r := range got.Roles {
		role, source := want.DefaultRole, r.Source
		switch r.Scope {
		case "Organization":
			role = want.OrganizationRole
		case "Application":
			applications[r.Application] = true
			role = "NoAccess"
			if entry, listed := want.Applications[r.Application]; listed {
				role = entry.Role
				if entry.Source != "" {
					source = entry.Source
				}
			}
		}
		if r.Role != role || r.Source != source {
			t.Errorf("%s: %s of %s %s is %s by %s, want %s by %s", name, want.User, r.Scope, r.Application, r.Role, r.Source,
				role, source)
		}
		because := "\n  " + r.Rule
		if r.Source != "" {
			because += ", by " + r.Source
		}
		if !strings.Contains(text, because) {
			t.Errorf("%s: the text does not say %q:\n%s", name, because, text)
		}
	}
	for application := range want.Applications {
		if !applications[application] && !slices.Contains(got.Same, application) {
			t.Errorf("%s: nothing is said of %s", name, application)
		}
	}
}
