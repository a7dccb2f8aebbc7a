package cli_test

import (
	"strings"
	"testing"
)

// TestPlainCSV uses files without a column record. The cells of a line determine its record.
func TestPlainCSV(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		code   int
		out    []string // parts of the manifests
		errOut string   // part of the messages
	}{
		"a member of a group that is made": {
			text: "group,user\nfrance,ana\n", out: []string{"name: france", "- user: ana"},
		},
		"roles of a group": {
			text: "group,application,role\nfrance,finance,Viewer\nfrance,,Editor\n",
			out:  []string{"application: finance", "role: Viewer", "organizationRole: Editor"},
		},
		"a role of a user, in another order": {
			text: "role,user,application\nViewer,ana,*\n", out: []string{"kind: UserAccess", "application: '*'", "user: ana"},
		},
		"a nested group": {
			text: "group,memberGroup\nfrance,paris\n", out: []string{"memberGroups:\n  - paris"},
		},
		"a user, with a window": {
			text: "user,state,notAfter\nana,Suspended,2027-01-01\n", out: []string{"state: Suspended", "notAfter: \"2027-01-01T00:00:00Z\""},
		},
		"semicolons": {
			text: "group;user\nfrance;ana\n", out: []string{"- user: ana"},
		},
		"a role of both": {
			text: "group,user,application,role\nfrance,ana,finance,Viewer\n", code: 2, errOut: "either a group or a user",
		},
		"a role of nobody": {
			text: "group,application,role\n,finance,Viewer\n", code: 2, errOut: "either a group or a user",
		},
		"an application without a role": {
			text: "group,application\nfrance,finance\n", code: 2, errOut: "column application: a group takes none",
		},
		"two roles for one application": {
			text: "group,application,role\nfrance,finance,Viewer\nfrance,finance,Editor\n", code: 2, errOut: "it contradicts line 2",
		},
		"neither groups nor users": {
			text: "application,role\nfinance,Viewer\n", code: 2, errOut: "the column record is missing",
		},
		"a record in a table with the column still says so itself": {
			text: "record,group,user\nmember,france,ana\n", code: 2, errOut: "there is no group france",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := call{args: []string{"import", "-", "--standalone", "-n", "acme"}, stdin: tc.text}.run(t)
			if got.code != tc.code || !strings.Contains(got.errOut, tc.errOut) || (got.out == "") != (tc.code != 0) {
				t.Fatalf("%+v", got)
			}
			for _, part := range tc.out {
				if !strings.Contains(got.out, part) {
					t.Errorf("%q is missing in\n%s", part, got.out)
				}
			}
		})
	}
}
