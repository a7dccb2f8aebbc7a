package cli_test

import "testing"

// TestHints shows the commands that report probable mistakes.
func TestHints(t *testing.T) {
	golden(t, "hints.golden",
		"lint -f internal/cli/testdata/hints/suspension.yaml",
		"lint -f internal/cli/testdata/hints/names.yaml",
		"report -f internal/cli/testdata/hints/suspension.yaml",
		"report -f internal/cli/testdata/hints/names.yaml",
		// A command for one organization does not know the others.
		"report -n acme -f internal/cli/testdata/hints/names.yaml -o csv",
		"import internal/cli/testdata/hints/leavers.csv -f internal/cli/testdata/hints/suspension.yaml",
		"members add AMELIE@acme.example -g france -n acme -f internal/cli/testdata/hints/suspension.yaml",
		"set-role -g temps -a finannce --role Editor -n acme -f internal/cli/testdata/hints/names.yaml",
	)
}
