package validation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newSystemGroup is the right of a super-administrator that creating such a group requires.
const newSystemGroup = "grant systemroles SystemAdministrator @access-system"

func TestRightsAcrossOrganizations(t *testing.T) {
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a system role for all": {
			before: `
AccessGroup acme/any
spec: {}
`,
			change: `
AccessGroup access-system/observers
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: "*", role: Observer}]
`,
			want: []string{
				newSystemGroup,
				"grant systemroles Observer @access-system",
				"grant organizationroles Viewer @acme | grant systemroles Observer @access-system",
				"grant applicationroles Viewer @acme | grant systemroles Observer @access-system",
			},
		},
		"other roles for all": {
			change: `
AccessGroup access-system/editors
spec:
  type: System
  members: [{user: pat}]
  systemAccess:
  - organization: "*"
    organizationRole: Editor
    applicationAccess: [{application: red, role: Viewer}]
`,
			want: []string{
				newSystemGroup,
				"grant applicationroles/red Viewer @ | grant applicationroles Viewer @",
				"grant organizationroles Editor @",
			},
		},
		"an organization that is none yet": {
			change: `
AccessGroup access-system/editors
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: tomorrow, organizationRole: Editor}]
`,
			want: []string{
				newSystemGroup, "grant organizationroles Editor @tomorrow",
				"grant applicationroles Editor @tomorrow | grant organizationroles Editor @tomorrow",
			},
		},
		"an entry that made an exception": {
			before: `
AccessGroup access-system/observers
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: "*", role: Observer}, {organization: acme, role: NoAccess}]
`,
			change: `
AccessGroup access-system/observers
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: "*", role: Observer}]
`,
			want: []string{
				"grant systemroles Observer @access-system",
				"grant organizationroles Viewer @acme | grant systemroles Observer @access-system",
				"grant applicationroles Viewer @acme | grant systemroles Observer @access-system",
			},
		},
		"a group that gives nothing yet": {
			change: `
AccessGroup access-system/later
spec: {type: System}
`,
			want: []string{newSystemGroup},
		},
		"a member of one": {
			before: `
AccessGroup access-system/observers
spec:
  type: System
  systemAccess: [{organization: "*", role: Observer}]
`,
			change: `
AccessGroup access-system/observers
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: "*", role: Observer}]
`,
			want: []string{"grant systemroles Observer @access-system"},
		},
		"a group of the wrong type": {
			change: `
AccessGroup acme/sneaky
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: "*", role: SystemAdministrator}]
`,
			want: []string{},
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

func TestRightsToAPolicy(t *testing.T) {
	const before = `
AccessPolicy acme/default
spec: {conflictResolution: MostRestrictive, userConfigMaps: Enabled}
`
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"created":  {"", before, anyRole("acme")},
		"deleted":  {before, "delete AccessPolicy acme/default", anyRole("acme")},
		"strategy": {before, "AccessPolicy acme/default\nspec: {conflictResolution: MostPermissive, userConfigMaps: Enabled}", anyRole("acme")},
		"a guard":  {before, "AccessPolicy acme/default\nspec: {conflictResolution: MostRestrictive, userConfigMaps: Enabled, crossObjectChecks: Ignore}", anyRole("acme")},
		"on its way out, its last finalizer": {
			"AccessPolicy acme/default\nmetadata: {deletionTimestamp: \"2026-05-31T00:00:00Z\", finalizers: [example.org/held]}\nspec: {}",
			"AccessPolicy acme/default\nmetadata: {deletionTimestamp: \"2026-05-31T00:00:00Z\"}\nspec: {}", anyRole("acme"),
		},
		"on its way out, another finalizer": {
			"AccessPolicy acme/default\nmetadata: {deletionTimestamp: \"2026-05-31T00:00:00Z\", finalizers: [example.org/held]}\nspec: {}",
			"AccessPolicy acme/default\nmetadata: {deletionTimestamp: \"2026-05-31T00:00:00Z\", finalizers: [example.org/other]}\nspec: {}",
			[]string{},
		},
		"what is published only": {
			before, "AccessPolicy acme/default\nspec: {conflictResolution: MostRestrictive, userConfigMaps: Disabled}", []string{},
		},
		"given an owner": {
			before, "AccessPolicy acme/default\nmetadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: any, uid: any}]}\n" +
				"spec: {conflictResolution: MostRestrictive, userConfigMaps: Enabled}", anyRole("acme"),
		},
		"of the platform": {"", "AccessPolicy access-system/default\nspec: {}", anyRole("")},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.change)
			if diff := cmp.Diff(tc.want, rightsOf(j)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
