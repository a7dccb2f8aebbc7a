package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The cache is complete only with every program, in the versions of all three modules.
func TestNodesFromTheCache(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	cached := func() (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), []string{"nodes", "--source=.", "--cached"}, nil, &out, io.Discard)
		return strings.TrimSpace(out.String()), err
	}
	_, err := cached()
	if err == nil {
		t.Fatal("an empty cache has the binaries of nodes")
	}
	dir, _, _ := strings.Cut(err.Error(), " does not have")
	for _, part := range []string{filepath.Join(home, "usher", "nodes", "kubernetes-v1."), "-containerd-v2.", "-plugins-v1."} {
		if !strings.Contains(dir, part) {
			t.Errorf("the directory is %q, want %q in it", dir, part)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, m := range nodeModules {
		for _, tool := range m.tools {
			if got, err := cached(); err == nil {
				t.Errorf("got %s before %s is there", got, tool)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(tool)), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := cached(); got != dir || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, dir)
	}
}
