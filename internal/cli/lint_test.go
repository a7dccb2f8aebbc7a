package cli_test

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestLintOnTheSamples(t *testing.T) {
	golden(t, "lint.golden",
		"lint"+samples,
		"lint --strict -k config/samples/security",
		"lint -f config/samples/system",
		"lint -f internal/cli/testdata/branch -o json",
		"lint -f internal/cli/testdata/lint",
		"lint -f internal/cli/testdata/lint -o json",
		"lint -f test/cases/15-membership-paths.yaml",
		"lint -f test/cases/19-exclusive.yaml",
		"lint -f test/cases/21-wrong-namespace.yaml",
		"lint -f test/cases/24-duplicate-users.yaml",
		"lint -f test/cases/25-system-role-unmapped.yaml",
		"lint -f test/cases/34-policy-fallback.yaml",
		"lint --rights --strict -f test/cases/05-admin-keeps-privilege.yaml",
		"lint --rights -o json -f test/cases/05-admin-keeps-privilege.yaml",
		"lint",
		"lint -f none",
	)
}

func TestLintRefusesWhatThePolicyDenies(t *testing.T) {
	directory := t.TempDir()
	write(t, filepath.Join(directory, "policy.yaml"), "apiVersion: access.usher.dev/v1alpha1\nkind: AccessPolicy\n"+
		"metadata: {name: default, namespace: acme}\nspec: {crossObjectChecks: Deny}\n")
	write(t, filepath.Join(directory, "a.yaml"), good)
	write(t, filepath.Join(directory, "b.yaml"), strings.NewReplacer("editors", "viewers", "Editor", "Viewer").Replace(good))
	got := call{args: []string{"lint", "-f", directory}}.run(t)
	if got.code != 1 || !strings.Contains(got.out, "error: AccessGroup/acme/editors") || !strings.Contains(got.out, "role conflict") {
		t.Errorf("got %+v", got)
	}
}

// TestNoCaseIsRefusedByItsSchema checks the cases, which the API server accepts unchanged.
func TestNoCaseIsRefusedByItsSchema(t *testing.T) {
	t.Chdir(root(t))
	cases, err := filepath.Glob("test/cases/*.yaml")
	if err != nil || len(cases) < 34 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		if got := (call{args: []string{"lint", "-f", path}}).run(t); got.code != 0 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
