package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifferences(t *testing.T) {
	root := t.TempDir()
	var dirs []string
	for name, content := range map[string]string{
		"one": "require (\n\texample.org/a v1.2.0\n\texample.org/b v1.0.0 // indirect\n\tk8s.io/kubectl v0.1.0\n)\n",
		"two": "require (\n\texample.org/a v1.10.0\n\texample.org/b v1.0.0-rc.1\n\tk8s.io/kubectl v0.2.0\n\texample.org/here v0.0.0\n)\n" +
			"replace example.org/here => ../here\n",
		"three": "require example.org/b v0.0.0\nreplace example.org/b => example.org/b v1.0.0\nrequire example.org/here v1.0.0\n",
	} {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.org/"+name+"\n\ngo 1.26\n"+content), 0o600); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	var out bytes.Buffer
	if err := run(t.Context(), dirs, &out); err == nil || !strings.Contains(err.Error(), "make modules") {
		t.Errorf("got %v", err)
	}
	want := "one: example.org/a is v1.2.0, elsewhere v1.10.0\ntwo: example.org/b is v1.0.0-rc.1, elsewhere v1.0.0\n"
	if diff := cmp.Diff(want, strings.ReplaceAll(out.String(), root+string(filepath.Separator), "")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	required, err := read(dirs)
	if err != nil {
		t.Fatal(err)
	}
	queries := map[string][]string{
		filepath.Join(root, "one"): {"example.org/a@v1.10.0"},
		filepath.Join(root, "two"): {"example.org/b@v1.0.0"},
	}
	if diff := cmp.Diff(queries, required.lower()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := run(t.Context(), dirs[:1], &out); err != nil {
		t.Errorf("a module alone: %v", err)
	}
	if err := run(t.Context(), []string{root}, &out); err == nil {
		t.Error("a directory without go.mod: got no error")
	}
}
