package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"README.md": "See [the design](docs/design.md#words), `internal/resolve/`, ./cmd/usher and internal/gone.\n" +
			"    kubectl apply -k config/local --namespace=acme/prod\n" +
			"Also [there](docs/gone.md), [away](https://example.com/internal/x) and `config/*/bases`.\n",
		"docs/design.md": "# A `b`: c-d, e\n```\n# Code\n```\n## Words\n## Words\n[up](../README.md), [here](#words), [lost](lost.md), " +
			"**`api/v1alpha1`**, api/v1alpha1/..., [a](#a-b-c-d-e), [again](#words-1), [third](#words-2), [code](#code)\n",
		"docs/deep/page.md":           "[design](../design.md), [gone](../design.md#gone) and `bin/usher`, access.usher.dev/v1alpha1.\n",
		"internal/resolve/resolve.go": "", "cmd/usher/main.go": "", "config/crd/bases/x.yaml": "", "api/v1alpha1/x.go": "",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := check(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md:1: there is no internal/gone",
		"README.md:2: there is no config/local",
		"README.md:3: there is no docs/gone.md",
		"docs/design.md:7: there is no docs/lost.md",
		`docs/deep/page.md:1: there is no section "gone" in docs/design.md`,
		`docs/design.md:7: there is no section "words-2" in docs/design.md`,
		`docs/design.md:7: there is no section "code" in docs/design.md`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
