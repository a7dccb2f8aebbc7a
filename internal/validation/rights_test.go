package validation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	mayAdministerRed = "grant applicationroles/red Administrator @acme | grant applicationroles Administrator @acme"
	mayEditRed       = "grant applicationroles/red Editor @acme | grant applicationroles Editor @acme"
)

// organization is the organization of most tests: an administrators' group, an editors' group and a user in
// neither.
const organization = `
AccessGroup acme/admins
spec:
  members: [{user: ana}]
  applicationAccess: [{application: red, role: Administrator}]
---
AccessGroup acme/editors
spec:
  members: [{user: ed}]
  applicationAccess: [{application: red, role: Editor}]
---
AccessGroup acme/plain
spec:
  members: [{user: pat}]
---
UserAccess acme/pat
spec: {user: pat}
`

func TestRights(t *testing.T) {
	for name, tc := range map[string]struct {
		before string // beside organization
		change string
		want   []string
	}{
		"a role for a group with members": {
			change: `
AccessGroup acme/plain
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a role for a group in which nobody is": {
			change: `
AccessGroup acme/new
spec:
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a role in every application": {
			change: `
AccessGroup acme/new
spec:
  members: [{user: pat}]
  applicationAccess: [{application: "*", role: Editor}]
`,
			want: []string{"grant applicationroles Editor @acme"},
		},
		"an organization role is asked for as written": {
			change: `
AccessGroup acme/new
spec:
  members: [{user: pat}]
  organizationRole: Editor
`,
			// As a role in applications it becomes effective by what it means.
			want: []string{
				"grant organizationroles Editor @acme",
				"grant applicationroles Editor @acme | grant organizationroles Editor @acme",
			},
		},
		"a role that no ladder has": {
			change: `
AccessGroup acme/new
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Owner}]
`,
			want: []string{"grant applicationroles/red Owner @acme | grant applicationroles Owner @acme"},
		},
		"NoAccess takes nothing": {
			change: `
AccessGroup acme/new
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: NoAccess}]
`,
		},
		"a member": {
			change: `
AccessGroup acme/admins
spec:
  members: [{user: ana}, {user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a member whose time has not come": {
			change: `
AccessGroup acme/admins
spec:
  members: [{user: ana}, {user: pat, notBefore: "2026-06-01T00:01:00Z"}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a member removed": {
			change: `
AccessGroup acme/admins
spec:
  applicationAccess: [{application: red, role: Administrator}]
`,
		},
		"a text that nothing rests on": {
			change: `
AccessGroup acme/admins
spec:
  description: those who may
  members: [{user: ana}]
  applicationAccess: [{application: red, role: Administrator}]
`,
		},
		"a lower role instead of a higher": {
			change: `
AccessGroup acme/admins
spec:
  members: [{user: ana}]
  applicationAccess: [{application: red, role: Editor}]
`,
			want: []string{mayEditRed},
		},
		"a nested group whose members have it already": {
			before: `
AccessGroup acme/more
spec:
  members: [{user: ana}]
`,
			change: `
AccessGroup acme/admins
spec:
  members: [{user: ana}]
  memberGroups: [more]
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{"join accessgroups more @acme", mayAdministerRed}, // for the members of more
		},
		"a nested group": {
			change: `
AccessGroup acme/admins
spec:
  members: [{user: ana}]
  memberGroups: [plain]
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{"join accessgroups plain @acme", mayAdministerRed},
		},
		"a member of a nested group": {
			before: `
AccessGroup acme/outer
spec:
  memberGroups: [plain]
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
AccessGroup acme/plain
spec:
  members: [{user: pat}, {user: sam}]
`,
			want: []string{mayAdministerRed},
		},
		"a group that others name already": {
			before: `
AccessGroup acme/outer
spec:
  memberGroups: [inner]
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
AccessGroup acme/inner
spec:
  members: [{user: pat}]
`,
			want: []string{mayAdministerRed},
		},
		"a user's groups": {
			change: `
UserAccess acme/pat
spec: {user: pat, groups: [admins]}
`,
			want: []string{"join accessgroups admins @acme", mayAdministerRed},
		},
		"a group that does not exist": {
			change: `
UserAccess acme/pat
spec: {user: pat, groups: [tomorrow]}
`,
			want: []string{"join accessgroups tomorrow @acme"},
		},
		"a label that a selector matches": {
			before: `
AccessGroup acme/selecting
spec:
  memberSelector: {matchLabels: {team: red}}
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
UserAccess acme/pat
metadata: {labels: {team: red}}
spec: {user: pat}
`,
			want: []string{mayAdministerRed},
		},
		"a selector that matches nobody": {
			change: `
AccessGroup acme/admins
spec:
  members: [{user: ana}]
  memberSelector: {matchLabels: {team: red}}
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a selector that selects less": {
			before: `
AccessGroup acme/selecting
spec:
  memberSelector: {matchLabels: {team: red}}
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
AccessGroup acme/selecting
spec:
  memberSelector: {matchLabels: {team: red, level: high}}
  applicationAccess: [{application: red, role: Administrator}]
`,
		},
		"privileges enabled": {
			before: `
AccessGroup acme/off
spec:
  members: [{user: pat}]
  privileges: Disabled
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
AccessGroup acme/off
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, organization+"---\n"+tc.before).judge(t, tc.change)
			if tc.want == nil {
				tc.want = []string{}
			}
			if diff := cmp.Diff(tc.want, rightsOf(j)); diff != "" {
				t.Error(diff)
			}
			if len(j.Errors) > 0 {
				t.Error(j.Errors)
			}
		})
	}
}

func TestRightsOverTime(t *testing.T) {
	const soon, later = `"2026-06-01T00:01:00Z"`, `"2026-07-01T00:00:00Z"`
	window := func(bounds string) string {
		return `
AccessGroup acme/timed
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator` + bounds + `}]
`
	}
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"opened":      {window(", notBefore: " + later), window(""), []string{mayAdministerRed}},
		"moved":       {window(", notAfter: " + soon), window(", notBefore: " + soon + ", notAfter: " + later), []string{mayAdministerRed}},
		"lengthened":  {window(", notAfter: " + soon), window(", notAfter: " + later), []string{mayAdministerRed}},
		"shortened":   {window(", notAfter: " + later), window(", notAfter: " + soon), []string{}},
		"closed":      {window(""), window(", notAfter: " + soon), []string{}},
		"begun later": {window(", notBefore: " + soon), window(", notBefore: " + later), []string{}},
		"begun":       {window(""), window(", notBefore: " + soon), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.change)
			if diff := cmp.Diff(tc.want, rightsOf(j)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Hiding a grant hides it from the user, but does not remove the right that it requires. Ending what hides the
// grant requires the right as well.
func TestRightsToWhatWasHidden(t *testing.T) {
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a grant for somebody suspended": {
			before: `
UserAccess acme/pat
spec: {user: pat, state: Suspended}
`,
			change: `
UserAccess acme/pat
spec:
  user: pat
  state: Suspended
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a suspension lifted": {
			before: `
UserAccess acme/pat
spec:
  user: pat
  state: Suspended
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a suspension lifted across organizations": {
			before: `
UserAccess access-system/pat
spec: {user: pat, state: Suspended}
---
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `delete UserAccess access-system/pat`,
			want:   []string{mayAdministerRed},
		},
		"an end of the user that moves": {
			before: `
UserAccess acme/pat
spec:
  user: pat
  notAfter: "2026-06-02T00:00:00Z"
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
UserAccess acme/pat
spec:
  user: pat
  notAfter: "2026-06-03T00:00:00Z"
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a group that restricts is removed": {
			before: `
AccessGroup acme/restricting
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
AccessGroup acme/giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `delete AccessGroup acme/restricting`,
			want:   []string{mayAdministerRed},
		},
		"a group that restricts gets an owner to go with": {
			before: `
AccessGroup acme/restricting
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
AccessGroup acme/giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
AccessGroup acme/restricting
metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: any, uid: any}]}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
`,
			want: append(anyRole("acme"), mayAdministerRed),
		},
		// The group may be removed after the others that hide what it restricts.
		"a group that restricts and has an owner from the start": {
			before: `
AccessGroup acme/giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
AccessGroup acme/restricting
metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: any, uid: any}]}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: NoAccess}]
`,
			want: anyRole("acme"),
		},
		"a membership that restricts is removed": {
			before: `
AccessGroup acme/restricting
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
AccessGroup acme/giving
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `
AccessGroup acme/restricting
spec:
  applicationAccess: [{application: red, role: Viewer}]
`,
			want: []string{mayAdministerRed},
		},
		"an individual grant beneath a group": {
			before: `
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Editor}]
`,
			change: `delete AccessGroup acme/viewers`,
			want:   []string{mayEditRed},
		},
		"a duplicate that is hidden": {
			before: `
UserAccess acme/a
spec: {user: pat}
`,
			change: `
UserAccess acme/b
spec:
  user: pat
  applicationAccess: [{application: red, role: Administrator}]
`,
			want: []string{mayAdministerRed},
		},
		"a duplicate removed": {
			before: `
UserAccess acme/a
spec: {user: pat}
---
UserAccess acme/b
spec:
  user: pat
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `delete UserAccess acme/a`,
			want:   []string{mayAdministerRed},
		},
		"a system block removed": {
			before: `
AccessGroup access-system/block
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: "*", role: NoAccess}]
---
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Administrator}]
`,
			change: `delete AccessGroup access-system/block`,
			want:   []string{mayAdministerRed},
		},
		// While finalizers keep the group, its members still have no individual grants, but nothing limits the system
		// roles any more.
		"a finalizer on a deleted group": {
			before: `
AccessGroup access-system/support
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: acme, applicationAccess: [{application: red, role: Administrator}]}]
---
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Viewer}]
`,
			change: `delete AccessGroup acme/viewers with finalizers`,
			want:   []string{mayAdministerRed},
		},
		"the same without, where another grant restricts as well": {
			before: `
AccessGroup access-system/support
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: acme, applicationAccess: [{application: red, role: Administrator}]}]
---
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Viewer}]
`,
			change: `delete AccessGroup acme/viewers`,
			want:   []string{mayAdministerRed},
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

// A user's roles have other ranks after the ladder has changed around them. Roles are compared by the new ladder.
func TestARiseOnALadderThatHasGrown(t *testing.T) {
	s := situate(t, `
AccessPolicy acme/default
spec: {applicationRoles: [{name: Viewer}]}
---
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Owner}]
---
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
`)
	grown := parse(t, "AccessPolicy acme/default\nspec: {applicationRoles: [{name: Top}, {name: Owner}, {name: Viewer}]}\n")[0]
	if err := s.roster.Set(grown); err != nil {
		t.Fatal(err)
	}
	j := s.judge(t, "delete AccessGroup acme/viewers")
	want := []string{"grant applicationroles/red Owner @acme | grant applicationroles Owner @acme"}
	if diff := cmp.Diff(want, rightsOf(j)); diff != "" {
		t.Error(diff)
	}
}

// anyRole returns the rights that a decision about all roles requires.
func anyRole(namespace string) []string {
	return []string{
		"grant applicationroles @" + namespace, "grant organizationroles @" + namespace, "grant systemroles @" + namespace,
	}
}
