package cli_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sharedDocument contains the filters in the JSON of a report, and in the JSON of the matrix of one organization.
type sharedDocument struct {
	Filters  []any
	Holdings []sharedHolding
	Ending   []sharedHolding
	Users    []struct {
		User         string
		Default      sharedHolding
		Applications map[string]sharedHolding
	}
}

type sharedHolding struct {
	User, Application string
	Filters           []int
}

// filtersOf returns the filters that the holding refers to.
func (d *sharedDocument) filtersOf(h *sharedHolding) []any {
	var filters []any
	for _, place := range h.Filters {
		filters = append(filters, d.Filters[place])
	}
	return filters
}

// writeRows writes a group with the number of members, who all see the same rows of two applications.
func writeRows(t *testing.T, members int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`apiVersion: access.usher.dev/v1alpha1
kind: AccessGroup
metadata: {name: rows, namespace: acme}
spec:
  applicationAccess: [{application: finance, role: Editor}, {application: sales, role: Viewer, notAfter: "2026-06-09T00:00:00Z"}]
  dataPermissions:
  - {application: finance, anyOf: [{allOf: [{attribute: country, operator: In, values: [zanzibar, "a<b"]}]}]}
  - {application: sales, anyOf: [{allOf: [{attribute: country, operator: In, values: [atlantis]}]}]}
  members:
`)
	for i := range members {
		fmt.Fprintf(&b, "  - user: user-%03d\n", i)
	}
	file := filepath.Join(t.TempDir(), "rows.yaml")
	write(t, file, b.String())
	return file
}

func TestReportAndMatrixShareFilters(t *testing.T) {
	const members = 300
	file := writeRows(t, members)
	var held []struct {
		Application string
		Filters     []any
	}
	list := call{args: []string{"list", "user-007", "-o", "json", "-f", file}}.run(t)
	if err := json.Unmarshal([]byte(list.out), &held); err != nil {
		t.Fatal(err)
	}
	want := map[string][]any{}
	for _, h := range held {
		if len(h.Filters) > 0 {
			want[h.Application] = h.Filters
		}
	}
	if len(want) != 2 {
		t.Fatalf("list has filters for %d applications", len(want))
	}
	for _, command := range []string{"report", "matrix"} {
		a := call{args: []string{command, "-o", "json", "-f", file}}.run(t)
		if n := strings.Count(a.out, "zanzibar"); n != 1 {
			t.Errorf("%s writes a filter %d times", command, n)
		}
		var d sharedDocument
		text := strings.TrimSpace(a.out)
		if command == "matrix" {
			text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]") // of one organization
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		got := map[string][]any{}
		for i := range d.Holdings {
			if h := &d.Holdings[i]; h.User == "user-007" && len(h.Filters) > 0 {
				got[h.Application] = d.filtersOf(h)
			}
		}
		for _, user := range d.Users {
			for name, h := range user.Applications {
				if user.User == "user-007" {
					got[name] = d.filtersOf(&h)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-list +%s):\n%s", command, command, diff)
		}
		for i := range d.Ending {
			if diff := cmp.Diff(want["sales"], d.filtersOf(&d.Ending[i])); diff != "" {
				t.Errorf("ending (-want +got):\n%s", diff)
			}
		}
		if command == "report" && len(d.Ending) != members {
			t.Errorf("%d end", len(d.Ending))
		}
		// Each entry has its own line, so that line tools work and the whole is never in memory.
		if lines := strings.Count(a.out, "\n"); lines < members {
			t.Errorf("%s writes %d lines", command, lines)
		}
	}
}
