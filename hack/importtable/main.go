// Command importtable compares the table of imports in docs/architecture.md with the depguard rules in .golangci.yml,
// which enforce it. It fails if a row and its rule allow different packages.
//
//	go run ./hack/importtable
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const module = "github.com/usher-dev/usher"

func main() {
	if err := check("."); err != nil {
		fmt.Fprintln(os.Stderr, "importtable:", err)
		os.Exit(1)
	}
}

// check compares the files in the repository at root.
func check(root string) error {
	table, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		return err
	}
	rows, err := parseTable(string(table))
	if err != nil {
		return err
	}
	rules, err := parseRules(config)
	if err != nil {
		return err
	}
	return errors.Join(compare(rows, rules), complete(root, rows))
}

// imports are the packages that a package may import in addition to itself and the packages below it. All names are
// directories.
type imports map[string]bool

func (i imports) String() string {
	if len(i) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(i)), ", ")
}

var (
	row  = regexp.MustCompile("(?m)^\\| (`[^|]*) \\|[^|]*\\| ([^|]*) \\|$")
	name = regexp.MustCompile("`([^`]+)`")
)

// parseTable returns the imports of each package in the table, or nil for a package that may import all.
func parseTable(text string) (map[string]imports, error) {
	_, text, found := strings.Cut(text, "| package | content and promise | may import |\n")
	if !found {
		return nil, errors.New("docs/architecture.md has no table of imports")
	}
	text, _, _ = strings.Cut(text, "\n\n")
	rows := map[string]imports{}
	for _, match := range row.FindAllStringSubmatch(text, -1) {
		packages := names(match[1])
		if match[2] == "all" {
			for _, each := range packages {
				rows[each] = nil
			}
			continue
		}
		allowed := imports{}
		for _, each := range names(match[2]) {
			// The table omits the prefix "internal/".
			if !regexp.MustCompile(`^(api|config|hack|test)(/|$)`).MatchString(each) {
				each = "internal/" + each
			}
			allowed[each] = true
		}
		if len(allowed) == 0 && match[2] != "none" {
			return nil, fmt.Errorf("docs/architecture.md: %s: imports %q: write names, none or all", match[1], match[2])
		}
		for _, each := range packages {
			rows[each] = allowed
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("docs/architecture.md: the table of imports is empty")
	}
	return rows, nil
}

func names(cell string) []string {
	var all []string
	for _, match := range name.FindAllStringSubmatch(cell, -1) {
		all = append(all, match[1])
	}
	return all
}

type rule struct {
	Files []string `yaml:"files"`
	Mode  string   `yaml:"list-mode"`
	Allow []string `yaml:"allow"`
	Deny  []struct {
		Package string `yaml:"pkg"`
	} `yaml:"deny"`
}

// parseRules returns the packages that depguard allows each directory to import. It ignores rules for all files and
// rules for tests only.
func parseRules(text []byte) (map[string]imports, error) {
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]rule `yaml:"rules"`
				} `yaml:"depguard"`
			} `yaml:"settings"`
		} `yaml:"linters"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf(".golangci.yml: %w", err)
	}
	rules := map[string]imports{}
	for key, r := range config.Linters.Settings.Depguard.Rules {
		dirs := r.dirs()
		allowed := imports{}
		for _, each := range r.Allow {
			each, ours := strings.CutPrefix(each, module+"/")
			if ours && !slices.Contains(dirs, each) {
				allowed[each] = true
			}
		}
		for _, dir := range dirs {
			if _, twice := rules[dir]; twice {
				return nil, fmt.Errorf(".golangci.yml: depguard: %s has two rules, one of them is %s", dir, key)
			}
			if !r.closed() {
				return nil, fmt.Errorf(".golangci.yml: depguard: rule %s does not deny %s", key, module)
			}
			rules[dir] = allowed
		}
	}
	return rules, nil
}

// dirs returns the directories to which the rule applies.
func (r *rule) dirs() []string {
	var dirs []string
	for _, file := range r.Files {
		dir, found := strings.CutPrefix(file, "**/")
		if !found || strings.HasSuffix(dir, "_test.go") {
			continue
		}
		dirs = append(dirs, strings.TrimSuffix(strings.TrimSuffix(dir, "/*.go"), "/**"))
	}
	return dirs
}

// closed reports whether the rule denies all packages of this module that it does not allow.
func (r *rule) closed() bool {
	if r.Mode == "lax" {
		for _, each := range r.Deny {
			if each.Package == module {
				return true
			}
		}
		return false
	}
	return slices.Contains(r.Allow, "$gostd")
}

func compare(rows, rules map[string]imports) error {
	var failures []error
	for _, dir := range slices.Sorted(maps.Keys(rows)) {
		switch allowed, found := rules[dir]; {
		case rows[dir] == nil && !found:
		case !found:
			failures = append(failures, fmt.Errorf("%s is in the table of docs/architecture.md, and .golangci.yml has no depguard rule for it", dir))
		case !maps.Equal(rows[dir], allowed):
			failures = append(failures, fmt.Errorf("%s: docs/architecture.md allows %s, depguard in .golangci.yml allows %s",
				dir, rows[dir], allowed))
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(rules)) {
		if _, found := rows[dir]; !found {
			failures = append(failures, fmt.Errorf("%s has a depguard rule in .golangci.yml, and is not in the table of docs/architecture.md", dir))
		}
	}
	return errors.Join(failures...)
}

// complete returns an error for each package without a row. Packages in test may import all.
func complete(root string, rows map[string]imports) error {
	missing := map[string]bool{}
	for _, top := range []string{"api", "cmd", "config", "hack", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
				return err
			}
			dir, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			dir = filepath.ToSlash(dir)
			above := func(row string) bool { return dir == row || strings.HasPrefix(dir, row+"/") }
			if !slices.ContainsFunc(slices.Collect(maps.Keys(rows)), above) {
				missing[dir] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not in the table of docs/architecture.md: %s", imports(missing))
	}
	return nil
}
