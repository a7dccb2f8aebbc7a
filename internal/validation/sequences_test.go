package validation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each sequence of requests leads to more than the requester may grant. The request that would do so is refused.
func TestRightsByDetours(t *testing.T) {
	const outer = `
AccessGroup acme/outer
spec:
  memberGroups: [inner]
  applicationAccess: [{application: red, role: Administrator}]
---
`
	const capped = `
AccessGroup access-system/support
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: acme, role: SystemAdministrator}]
---
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  organizationRole: Viewer
`
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a name that a duplicate planted": {
			outer + `
UserAccess acme/a
spec: {user: pat}
---
UserAccess acme/b
spec: {user: pat, groups: [inner]}
`,
			"AccessGroup acme/inner\nspec: {}", []string{mayAdministerRed},
		},
		"the last object that makes a namespace an organization": {
			capped, "delete AccessGroup acme/viewers", []string{
				"grant organizationroles Administrator @acme | grant systemroles SystemAdministrator @access-system",
				"grant applicationroles Administrator @acme | grant systemroles SystemAdministrator @access-system",
			},
		},
		"the first object that makes a namespace one": {
			"AccessGroup access-system/support\nspec:\n  type: System\n  members: [{user: pat}]\n  systemAccess: [{organization: acme, role: SystemAdministrator}]\n",
			"AccessGroup acme/any\nspec: {}", []string{},
		},
		"a materialized object that says more": {
			`
AccessGroup acme/everybody
spec:
  memberSelector: {}
  applicationAccess: [{application: red, role: Administrator}]
---
UserAccess acme/pat-7b8ccf1a0e1a6d1a
spec: {user: pat}
`,
			"UserAccess acme/another\nspec: {user: sam, displayName: Sam}", []string{mayAdministerRed},
		},
		"a restriction created again under another name": {
			`
AccessGroup acme/admins
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
---
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
AccessGroup acme/block
spec:
  members: [{user: pat, notAfter: "2026-06-02T00:00:00Z"}]
  applicationAccess: [{application: red, role: NoAccess}]
`,
			"delete AccessGroup acme/viewers", []string{mayAdministerRed}, // when the block ends
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.change)
			if diff := cmp.Diff(tc.want, rightsOf(j)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
