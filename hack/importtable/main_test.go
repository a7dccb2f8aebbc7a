package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	goodTable = "text\n\n| package | content and promise | may import |\n|---|---|---|\n" +
		"| `api/v1alpha1` | kinds | none |\n" +
		"| `internal/rules`, `internal/names` | pure | none |\n" +
		"| `internal/roster` | who | `api`, `rules` |\n" +
		"| `internal/app` | root | all |\n\n| `internal/other` | of another table | all |\n"
	goodConfig = `
linters:
  settings:
    depguard:
      rules:
        api: {files: ["**/api/v1alpha1/*.go"], list-mode: lax, allow: [github.com/usher-dev/usher/api/v1alpha1], deny: &ours [{pkg: github.com/usher-dev/usher}]}
        rules: {files: ["**/internal/rules/**", "**/internal/names/**", "!$test"], list-mode: strict, allow: [$gostd]}
        rules-test: {files: ["**/internal/rules/*_test.go"], list-mode: strict, allow: [github.com/usher-dev/usher/internal/roster]}
        roster:
          files: ["**/internal/roster/**"]
          list-mode: lax
          allow: [example.org/lib, github.com/usher-dev/usher/api, github.com/usher-dev/usher/internal/rules, github.com/usher-dev/usher/internal/roster]
          deny: *ours
        everywhere: {deny: [{pkg: io/ioutil}]}
`
)

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		oldTable, newTable   string
		oldConfig, newConfig string
		file                 string // an additional Go file
		want                 string // in the error; empty for no error
	}{
		"equal":           {},
		"table has more":  {oldTable: "`api`, `rules`", newTable: "`api`, `names`, `rules`", want: "internal/roster: docs/architecture.md allows api, internal/names, internal/rules, depguard in .golangci.yml allows api, internal/rules"},
		"rule has more":   {oldConfig: "usher/api, ", newConfig: "usher/api, github.com/usher-dev/usher/internal/app, ", want: "internal/roster: docs/architecture.md allows api, internal/rules, depguard in .golangci.yml allows api, internal/app, internal/rules"},
		"no rule":         {oldTable: "| `internal/app`", newTable: "| `internal/late` | late | none |\n| `internal/app`", want: "internal/late is in the table"},
		"no row":          {oldTable: "`internal/rules`, `internal/names`", newTable: "`internal/rules`", want: "internal/names has a depguard rule"},
		"rule for all":    {oldConfig: "deny: *ours", newConfig: "deny: [{pkg: example.org}]", want: "rule roster does not deny"},
		"two rules":       {oldConfig: "**/internal/names/**", newConfig: "**/internal/roster/**", want: "internal/roster has two rules"},
		"no such imports": {oldTable: "| all |", newTable: "| some |", want: `imports "some"`},
		"no table":        {oldTable: "| package |", newTable: "| folder |", want: "has no table of imports"},
		"package below":   {file: "internal/roster/rostertest/x.go"},
		"package missing": {file: "internal/rosters/x.go", want: "not in the table of docs/architecture.md: internal/rosters"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			files := map[string]string{
				"docs/architecture.md": change(t, goodTable, tc.oldTable, tc.newTable),
				".golangci.yml":        change(t, goodConfig, tc.oldConfig, tc.newConfig),
				"internal/roster/x.go": "package roster\n", "api/v1alpha1/x.go": "package v1alpha1\n",
				"cmd/none.txt": "", "config/none.txt": "", "hack/none.txt": "",
			}
			if tc.file != "" {
				files[tc.file] = "package x\n"
			}
			for path, content := range files {
				path = filepath.Join(root, filepath.FromSlash(path))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := check(root)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func change(t *testing.T, text, old, with string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("there is no %s", old)
	}
	return strings.Replace(text, old, with, 1)
}
