package cli_test

import "testing"

// TestDisplayNames uses an application whose display name is not a DNS label. People see the display name, and
// programs see the name.
func TestDisplayNames(t *testing.T) {
	const files = " -f internal/cli/testdata/names"
	golden(t, "names.golden",
		"matrix"+files,
		"matrix -o csv"+files,
		"list ana@rust.example"+files,
		"list ana@rust.example -o csv"+files,
		"explain ana@rust.example -a crates-io"+files,
		"report"+files,
		"report -o csv"+files,
		"who-can crates.io"+files,
		"can ana@rust.example crates.io edit"+files,
		"can ana@rust.example crates-io edit"+files,
		"diff -f internal/cli/testdata/names --against internal/cli/testdata/accounts",
	)
}
