package cli_test

import "testing"

func TestReportOnTheSamples(t *testing.T) {
	golden(t, "report.golden",
		"report --days 4000"+samples,
		"report -o csv --days 4000"+samples,
		"report -o json -n security-apac"+samples,
		"report --at 2035-01-01 -n analytics -o csv"+samples,
		"report -n nowhere"+samples,
		"report --days -1"+samples,
		// Windows, a suspension, unknown roles, exclusive access, protected and deleted grants.
		"report -f test/cases/16-windows.yaml --days 90",
		"report -f test/cases/17-suspended.yaml",
		"report -f test/cases/18-unknown-role.yaml",
		"report -f test/cases/19-exclusive.yaml",
		"report -f test/cases/22-protected-system-administrator.yaml",
		"report -f test/cases/24-duplicate-users.yaml",
		"report -f test/cases/28-being-deleted.yaml",
		"report -o csv -f internal/cli/testdata/accounts",
		"report -o csv -n acme -f internal/cli/testdata/accounts",
	)
	golden(t, "report-page.golden", "report -o html --days 4000"+samples)
}
