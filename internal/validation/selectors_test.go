package validation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	gold = "selector: {matchLabels: {tier: gold}}"
	red  = "ApplicationAccess acme/red\nspec: {}\n"
	// goldRed is the application with the label that the selectors look for.
	goldRed = "ApplicationAccess acme/red\nmetadata: {labels: {tier: gold}}\nspec: {}\n"

	mayEditAll = "grant applicationroles Editor @acme"
)

// selecting returns a group with the member pat and a role in applications that carry the label.
func selecting(name, role string) string {
	return "AccessGroup acme/" + name + "\nspec:\n  members: [{user: pat}]\n  applicationSelectors: [{" + gold + ", role: " + role + "}]\n"
}

func TestRightsBySelectors(t *testing.T) {
	editors := selecting("editors", "Editor")
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"an entry that selects an application": {goldRed, editors, []string{mayEditAll}},
		"an entry that selects nothing":        {red, editors, []string{mayEditAll}},
		"an entry for nobody":                  {red, strings.Replace(editors, "{user: pat}", "", 1), []string{mayEditAll}},
		"an entry that gives NoAccess":         {goldRed, selecting("editors", "NoAccess"), []string{}},
		"a member": {
			goldRed + "---\n" + editors, strings.Replace(editors, "{user: pat}", "{user: pat}, {user: sam}", 1), []string{mayEditAll},
		},
		"a selector that selects more": {
			goldRed + "---\n" + editors, strings.Replace(editors, "matchLabels: {tier: gold}", "matchExpressions: [{key: tier, operator: Exists}]", 1),
			[]string{mayEditAll},
		},
		"a selector that selects others": {
			goldRed + "---\n" + editors, strings.Replace(editors, "tier: gold", "tier: silver", 1), []string{mayEditAll},
		},
		"a selector that selects less": {
			goldRed + "---\n" + editors, strings.Replace(editors, "{tier: gold}", "{tier: gold, team: a}", 1), []string{},
		},
		"a lower role": {
			goldRed + "---\n" + editors, selecting("editors", "Viewer"), []string{"grant applicationroles Viewer @acme"},
		},
		"a shorter window": {
			goldRed + "---\n" + editors, strings.Replace(editors, "role: Editor", `role: Editor, notAfter: "2026-07-01T00:00:00Z"`, 1), []string{},
		},
		"a longer window": {
			goldRed + "---\n" + strings.Replace(editors, "role: Editor", `role: Editor, notAfter: "2026-07-01T00:00:00Z"`, 1), editors,
			[]string{mayEditAll},
		},
		"an entry of a user": {
			goldRed, "UserAccess acme/pat\nspec: {user: pat, applicationSelectors: [{" + gold + ", role: Editor}]}", []string{mayEditAll},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A label of an ApplicationAccess gives what matching selectors give, and ends what they remove.
func TestRightsByLabels(t *testing.T) {
	const broad = `
---
AccessGroup acme/broad
spec:
  members: [{user: pat}]
  applicationAccess: [{application: "*", role: Administrator}]
`
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a label that gives a role":          {red + "---\n" + selecting("editors", "Editor"), goldRed, []string{mayEditRed}},
		"an application that comes with one": {selecting("editors", "Editor"), goldRed, []string{mayEditRed}},
		"a label that gives nobody anything": {
			red + "---\n" + strings.Replace(selecting("editors", "Editor"), "{user: pat}", "", 1), goldRed, []string{},
		},
		"a label that no selector looks for": {
			red + "---\n" + selecting("editors", "Editor"), strings.Replace(goldRed, "gold", "silver", 1), []string{},
		},
		"a label that gives an individual role": {
			red + "---\nUserAccess acme/pat\nspec: {user: pat, applicationSelectors: [{" + gold + ", role: Editor}]}\n", goldRed,
			[]string{mayEditRed},
		},
		"a label that gives a role across organizations": {
			red + `---
AccessGroup access-system/ops
spec:
  type: System
  members: [{user: pat}]
  systemAccess: [{organization: "*", applicationSelectors: [{` + gold + `, role: Editor}]}]
`, goldRed, []string{mayEditRed},
		},
		// Whatever hides it may end at the same time.
		"a label that gives a role that is hidden": {
			red + "---\n" + block("blocked") + selecting("editors", "Editor"), goldRed, []string{mayEditRed},
		},
		"a label that gives a role to somebody suspended": {
			red + "---\nUserAccess acme/pat\nspec: {user: pat, state: Suspended}\n---\n" + selecting("editors", "Editor"), goldRed,
			[]string{mayEditRed},
		},
		"a label that gives a role by a UserAccess that does not count": {
			red + "---\nUserAccess acme/a-pat\nspec: {user: pat}\n---\nUserAccess acme/pat\nspec: {user: pat, applicationSelectors: [{" +
				gold + ", role: Editor}]}\n", goldRed, []string{mayEditRed},
		},
		"a label that gives a role by the group of a UserAccess that does not count": {
			red + "---\nUserAccess acme/a-pat\nspec: {user: pat}\n---\nUserAccess acme/pat\nspec: {user: pat, groups: [editors]}\n---\n" +
				strings.Replace(selecting("editors", "Editor"), "{user: pat}", "", 1), goldRed, []string{mayEditRed},
		},
		"a label that takes a role": {goldRed + "---\n" + selecting("editors", "Editor"), red, []string{}},
		"a label that ends a block": {
			goldRed + "---\n" + administersRed + selecting("blocked", "NoAccess"), red, []string{mayAdministerRed},
		},
		"a label that ends one of two blocks": {
			goldRed + "---\n" + administersRed + block("other") + selecting("blocked", "NoAccess"), red, []string{mayAdministerRed},
		},
		"a label that no longer hides a role in all applications": {
			goldRed + "---\n" + selecting("viewers", "Viewer") + broad, red, []string{mayAdministerRed},
		},
		"an application that goes with a block": {
			goldRed + "---\n" + administersRed + selecting("blocked", "NoAccess"), "delete ApplicationAccess acme/red",
			[]string{mayAdministerRed},
		},
		"a label that hides a role in all applications": {red + "---\n" + selecting("viewers", "Viewer") + broad, goldRed, []string{mayViewRed}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRightsBySelectorsOfOrganizations(t *testing.T) {
	const (
		goldAcme = "Namespace /acme\nmetadata: {labels: {tier: gold}}\n---\nAccessGroup acme/any\nspec: {}\n---\n"
		ops      = `
AccessGroup access-system/ops
spec:
  type: System
  members: [{user: pat}]
  systemAccessSelectors: [{` + gold + `, organizationRole: Editor}]
`
		effective = "grant applicationroles Editor @acme | grant organizationroles Editor @acme"
	)
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"an entry that selects an organization": {
			goldAcme, ops, []string{newSystemGroup, "grant organizationroles Editor @", "grant organizationroles Editor @acme", effective},
		},
		"an entry that selects none": {
			strings.Replace(goldAcme, "gold", "silver", 1), ops, []string{newSystemGroup, "grant organizationroles Editor @"},
		},
		"a system role": {
			strings.Replace(goldAcme, "gold", "silver", 1), strings.Replace(ops, "organizationRole: Editor", "role: Observer", 1),
			[]string{newSystemGroup, "grant systemroles Observer @access-system"},
		},
		"application roles": {
			strings.Replace(goldAcme, "gold", "silver", 1), strings.Replace(ops, "organizationRole: Editor",
				"applicationAccess: [{application: red, role: Viewer}], applicationSelectors: [{"+gold+", role: Editor}]", 1),
			[]string{
				newSystemGroup, "grant applicationroles Editor @", "grant applicationroles/red Viewer @ | grant applicationroles Viewer @",
			},
		},
		"a selector that selects less": {goldAcme + ops, strings.Replace(ops, "{tier: gold}", "{tier: gold, team: a}", 1), []string{}},
		"a selector that selects more": {
			goldAcme + ops, strings.Replace(ops, "matchLabels: {tier: gold}", "matchExpressions: [{key: tier, operator: Exists}]", 1),
			[]string{"grant organizationroles Editor @"},
		},
		"a selector for applications of an organization": {
			goldAcme + "AccessGroup access-system/ops\nspec: {type: System}\n",
			"AccessGroup access-system/ops\nspec: {type: System, systemAccess: [{organization: acme, applicationSelectors: [{" + gold + ", role: Editor}]}]}\n",
			[]string{mayEditAll},
		},
		"the end of an entry that named the organization": {
			goldAcme + strings.Replace(ops, "  systemAccessSelectors", "  systemAccess: [{organization: acme, organizationRole: NoAccess}]\n  systemAccessSelectors", 1), ops,
			[]string{"grant organizationroles Editor @acme", effective},
		},
		"the end of a selector that hid an entry for all": {
			goldAcme + strings.Replace(ops, "organizationRole: Editor}]", "organizationRole: NoAccess}]\n  systemAccess: [{organization: \"*\", organizationRole: Editor}]", 1),
			strings.Replace(ops, "systemAccessSelectors: [{"+gold, `systemAccess: [{organization: "*"`, 1),
			[]string{"grant organizationroles Editor @acme", effective},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A label that would give hundreds of users a role requires one right and gets an answer of one line.
func TestALabelForHundredsTakesOneRight(t *testing.T) {
	var members []string
	for i := range 300 {
		members = append(members, "{user: u"+string(rune('a'+i%26))+string(rune('a'+i/26))+"}")
	}
	before := red + "---\n" + strings.Replace(selecting("editors", "Editor"), "{user: pat}", strings.Join(members, ", "), 1)
	j := situate(t, before).judge(t, goldRed)
	if diff := cmp.Diff([]string{mayEditRed}, rightsOf(j)); diff != "" {
		t.Error(diff)
	}
}
