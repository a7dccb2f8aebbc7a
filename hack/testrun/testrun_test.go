package main

import (
	"bytes"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const passes = `{"Action":"start","Package":"a/ok"}
{"Action":"run","Package":"a/ok","Test":"TestX"}
{"Action":"output","Package":"a/ok","Test":"TestX","Output":"nobody wants to know\n"}
{"Action":"output","Package":"a/ok","Test":"TestX","Output":"Ran 12 of 15 Specs in 1.000 seconds\n"}
{"Action":"pass","Package":"a/ok","Test":"TestX"}
{"Action":"skip","Package":"a/ok","Test":"TestY"}
{"Action":"output","Package":"a/ok","Output":"PASS\n"}
{"Action":"output","Package":"a/ok","Output":"ok  \ta/ok\t1.1s\n"}
{"Action":"pass","Package":"a/ok"}
`

func TestResult(t *testing.T) {
	for name, tc := range map[string]struct {
		events, want string
		table        string
		failed       bool
	}{
		"passes": {
			events: passes, want: "ok  \ta/ok\t1.1s\n", table: "suite 1 13 1 0 0s 0s",
		},
		"a test fails": {
			events: `{"Action":"output","Package":"a/b","Test":"TestGood","Output":"good\n"}
{"Action":"pass","Package":"a/b","Test":"TestGood"}
{"Action":"output","Package":"a/b","Test":"TestBad","Output":"--- FAIL: TestBad\n"}
{"Action":"fail","Package":"a/b","Test":"TestBad"}
{"Action":"output","Package":"a/b","Output":"FAIL\ta/b\t0.1s\n"}
{"Action":"fail","Package":"a/b"}
`,
			want: "--- FAIL: TestBad\nFAIL\ta/b\t0.1s\n", table: "FAILED: suite 1 2 0 1 0s 0s", failed: true,
		},
		"a package does not compile": {
			events: `{"ImportPath":"a/b [a/b.test]","Action":"build-output","Output":"b.go:1: wrong\n"}
{"ImportPath":"a/b [a/b.test]","Action":"build-fail"}
{"Action":"output","Package":"a/b","Output":"FAIL\ta/b [build failed]\n"}
{"Action":"fail","Package":"a/b","FailedBuild":"a/b [a/b.test]"}
`,
			want: "b.go:1: wrong\nFAIL\ta/b [build failed]\n", table: "FAILED: suite 1 0 0 0 0s 0s", failed: true,
		},
		"a test ends with its process": {
			events: `{"Action":"output","Package":"a/b","Test":"TestDies","Output":"panic: no\n"}
{"Action":"fail","Package":"a/b"}
`,
			want: "panic: no\n", table: "FAILED: suite 1 0 0 0 0s 0s", failed: true,
		},
		"not an event": {
			events: "go: no such tool\n" + passes, want: "go: no such tool\nok  \ta/ok\t1.1s\n", table: "suite 1 13 1 0 0s 0s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out, table bytes.Buffer
			now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
			r := newResult("suite", &out, func() time.Time { return now })
			if err := r.read(strings.NewReader(tc.events)); err != nil {
				t.Fatal(err)
			}
			r.end(nil)
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if r.failed() != tc.failed {
				t.Errorf("failed: got %t", r.failed())
			}
			if err := writeTable(&table, []*result{r}); err != nil {
				t.Fatal(err)
			}
			rows := strings.Split(strings.TrimSpace(table.String()), "\n")
			if diff := cmp.Diff(tc.table, strings.Join(strings.Fields(rows[len(rows)-1]), " ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestReport(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	r := newResult("suite", &out, func() time.Time { return now })
	now = now.Add(time.Minute)
	r.report(time.Minute)
	now = now.Add(time.Second)
	r.report(time.Minute) // something has just been written
	if err := r.read(strings.NewReader(`{"Action":"start","Package":"github.com/usher-dev/usher/test/crd"}`)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	r.report(time.Minute)
	want := "    suite: compiling, 1m0s\n    suite, 2m1s: testing test/crd (1m0s)\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestChoose(t *testing.T) {
	everything, err := choose([]string{all})
	if err != nil {
		t.Fatal(err)
	}
	if len(everything) != len(suites) {
		t.Errorf("all: got %d suites of %d", len(everything), len(suites))
	}
	for _, args := range [][]string{nil, {"some"}, {unit, integration}} {
		if _, err := choose(args); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
	if err := run(t.Context(), []string{"some"}, io.Discard); err == nil {
		t.Error("ran a suite that does not exist")
	}
}

// TestEveryPackageIsTested checks that the two suites of this module cover all packages.
func TestEveryPackageIsTested(t *testing.T) {
	plain, race := suites[0], suites[1]
	for path, want := range map[string]struct{ plain, race bool }{
		"github.com/usher-dev/usher/internal/resolve":          {true, false},
		"github.com/usher-dev/usher/internal/cli/page":         {true, false},
		"github.com/usher-dev/usher/internal/webhook/v1alpha1": {false, true},
		"github.com/usher-dev/usher/internal/app":              {false, true},
		"github.com/usher-dev/usher/test/crd":                  {false, false},
	} {
		if got := plain.matches(path); got != want.plain {
			t.Errorf("%s without the race detector: got %t", path, got)
		}
		if got := race.matches(path); got != want.race {
			t.Errorf("%s with the race detector: got %t", path, got)
		}
	}
}

// TestEveryModuleIsTested checks that each module with tests has a suite.
func TestEveryModuleIsTested(t *testing.T) {
	root := filepath.Join("..", "..")
	tested := map[string]bool{"test/e2e": true} // "make e2e" runs it: it needs root, and takes long
	for _, s := range suites {
		tested[s.dir] = true
	}
	modules := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "go.mod" {
			return err
		}
		dir := filepath.Dir(path)
		tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		if modules++; len(tests) > 0 && !tested[filepath.ToSlash(name)] {
			t.Errorf("%s has tests, and no suite runs them", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if modules < 2 {
		t.Errorf("found %d modules", modules)
	}
}

func TestRunSuite(t *testing.T) {
	small := suite{name: "small", dir: "../docpaths", packages: []string{"."}}
	for name, tc := range map[string]struct {
		flags  []string
		want   string
		failed bool
	}{
		"passes":          {[]string{"-count=1"}, "ok  \tgithub.com/usher-dev/usher/hack/docpaths\t", false},
		"a flag is wrong": {[]string{"-no-such-flag"}, "FAIL\tsmall: exit status", true},
	} {
		t.Run(name, func(t *testing.T) {
			compile, test, err := small.steps(t.Context(), tc.flags)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			r := newResult("small", &out, time.Now)
			runSuite(t.Context(), r, compile, test)
			if r.failed() != tc.failed || !strings.Contains(out.String(), tc.want) {
				t.Errorf("failed: %t, said:\n%s", r.failed(), out.String())
			}
		})
	}
}
