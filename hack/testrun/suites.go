package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// suite is one call of go test.
type suite struct {
	name  string
	group string // unit or integration
	dir   string // of the module
	// packages are package patterns. keep and drop filter the packages that match.
	packages   []string
	keep, drop *regexp.Regexp
	flags      []string
	// race enables the race detector if it can be built, which requires a C compiler.
	race bool
}

const (
	unit        = "unit"
	integration = "integration"
	all         = "all"
)

// goroutines matches packages that start goroutines. For others, the race detector would only cost time.
var goroutines = regexp.MustCompile(`/internal/(app|controller|decision|delivery|egress|follow|notify|publish|roster|scim|webhook)(/|$)`)

// fresh disables the test cache for tests that read files outside of their module, because go test does not see changes
// of these.
const fresh = "-count=1"

// suites are the suites in execution order. go vet is part of "make verify".
var suites = []suite{
	{name: "units", group: unit, dir: ".", packages: []string{"./..."}, drop: regexp.MustCompile(`/test/|` + goroutines.String())},
	{name: "units with goroutines", group: unit, dir: ".", packages: []string{"./..."}, keep: goroutines, race: true},
	{name: "reader of documents", group: unit, dir: "api/document", packages: []string{"./..."}, race: true},
	{name: "control plane", group: unit, dir: "hack/controlplane", packages: []string{"./..."}},
	{name: "alerts and dashboard", group: unit, dir: "test/monitoring", packages: []string{"./..."}},
	{name: "formats in their engines", group: unit, dir: "test/formats", packages: []string{"./..."}},
	{name: "ways of installing", group: unit, dir: "test/install", packages: []string{"."}, flags: []string{fresh}},
	{name: "pages in a browser", group: unit, dir: "test/browser", packages: []string{"./..."}, flags: []string{fresh}},
	// Run two packages at a time, because each runs its own control planes.
	{name: "Usher on a control plane", group: integration, dir: ".", packages: []string{"./test/..."}, flags: []string{"-timeout=20m", "-p=2"}},
	{name: "releases of the chart", group: integration, dir: "test/install", packages: []string{"./release"}, flags: []string{"-timeout=20m", fresh}},
	{name: "Flux and Argo CD", group: integration, dir: "test/gitops", packages: []string{"./..."}, flags: []string{"-timeout=20m"}},
}

// choose returns the suites of the groups.
func choose(groups []string) ([]suite, error) {
	if len(groups) != 1 || !slices.Contains([]string{unit, integration, all}, groups[0]) {
		return nil, fmt.Errorf("name what to run, one of %s, %s, %s", unit, integration, all)
	}
	var chosen []suite
	for _, s := range suites {
		if groups[0] == all || s.group == groups[0] {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// steps returns the commands: first to compile, then to test. The compiler runs with less frequent garbage collection
// than the tests.
func (s *suite) steps(ctx context.Context, extra []string) (compile, test []string, err error) {
	packages := s.packages
	if s.keep != nil || s.drop != nil {
		if packages, err = s.list(ctx); err != nil {
			return nil, nil, err
		}
	}
	var build []string
	if s.race && canRace(ctx) {
		build = append(build, "-race")
	}
	compile = slices.Concat([]string{"go", "list", "-C", s.dir, "-e", "-export", "-deps", "-test", "-f", "{{/* only compile */}}"}, build, packages)
	test = slices.Concat([]string{"go", "test", "-C", s.dir, "-json", "-vet=off", "-timeout=10m"}, build, s.flags, extra, packages)
	return compile, test, nil
}

// list returns the packages of the suite.
func (s *suite) list(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", append([]string{"list", "-C", s.dir}, s.packages...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", s.name, err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(path string) bool { return !s.matches(path) }), nil
}

func (s *suite) matches(path string) bool {
	return (s.keep == nil || s.keep.MatchString(path)) && (s.drop == nil || !s.drop.MatchString(path))
}

// canRace reports whether the race detector can be built.
func canRace(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "go", "env", "CGO_ENABLED", "CC").Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 || fields[0] != "1" {
		return false
	}
	_, err = exec.LookPath(fields[1])
	return err == nil
}
