package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"
)

// TestTidyUnreleased tidies a module that requires an unreleased module of its own repository, which no proxy has.
func TestTidyUnreleased(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	root := t.TempDir()
	const head = "module example.org/root\n\ngo 1.26\n\n"
	for path, content := range map[string]string{
		"go.mod":     head + "require example.org/root/sub v0.0.0 // indirect\n",
		"root.go":    "package root\n\nimport _ \"example.org/root/sub\"\n",
		"sub/go.mod": "module example.org/root/sub\n\ngo 1.26\n",
		"sub/sub.go": "package sub\n",
	} {
		path = filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gomod := func() string {
		content, err := os.ReadFile(filepath.Join(root, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	before := gomod()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--tidy", "--diff", root}, &out); err == nil || !strings.Contains(out.String(), "// indirect") {
		t.Errorf("the difference: got %v\n%s", err, out.String())
	}
	if diff := cmp.Diff(before, gomod()); diff != "" {
		t.Errorf("--diff changes go.mod (-before +after):\n%s", diff)
	}
	for _, args := range [][]string{{"--tidy", root}, {"--tidy", "--diff", root}} {
		out.Reset()
		if err := run(t.Context(), args, &out); err != nil {
			t.Errorf("%s: %v\n%s", args, err, out.String())
		}
		if diff := cmp.Diff(head+"require example.org/root/sub v0.0.0\n", gomod()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

// TestInstallable checks that modules which others install or require have no replace directives: "go install" rejects
// a module that has one, and a module does not inherit those of its requirements.
func TestInstallable(t *testing.T) {
	for _, module := range []string{"", "api/document"} {
		path := filepath.Join("..", "..", filepath.FromSlash(module), "go.mod")
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := modfile.Parse(path, content, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(file.Replace) > 0 || len(file.Exclude) > 0 {
			t.Errorf("%s replaces or excludes modules", path)
		}
	}
}
