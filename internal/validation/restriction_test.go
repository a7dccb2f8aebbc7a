package validation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

const (
	administersRed = `
AccessGroup acme/admins
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
---
`
	seesRed       = "AccessGroup acme/viewers\nspec:\n  members: [{user: pat}]\n  applicationAccess: [{application: red, role: Viewer}]\n---\n"
	mayViewRed    = "grant applicationroles/red Viewer @acme | grant applicationroles Viewer @acme"
	mayShowRedRow = "grant datapermissions red @acme"
)

func block(name string) string {
	return "AccessGroup acme/" + name + "\nspec:\n  members: [{user: pat}]\n  applicationAccess: [{application: red, role: NoAccess}]\n---\n"
}

func filter(name string) string {
	return "AccessGroup acme/" + name + "\nspec:\n  members: [{user: pat}]\n" +
		"  dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}]}]}]\n---\n"
}

// Each of the requests keeps what the others lift, and all are judged against the same state. Each must require
// the right to what they bring together.
func TestAttackLiftsRestrictionsTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		before  string
		changes []string
		want    []string // of each
	}{
		"two blocks": {
			administersRed + block("one") + block("two"),
			[]string{"delete AccessGroup acme/one", "delete AccessGroup acme/two"}, []string{mayAdministerRed},
		},
		"a planted second restriction": {
			administersRed + seesRed + block("planted"),
			[]string{"delete AccessGroup acme/viewers"}, []string{mayAdministerRed},
		},
		"the planted one": {
			administersRed + seesRed + block("planted"),
			[]string{"delete AccessGroup acme/planted"}, []string{mayViewRed, mayAdministerRed},
		},
		"two suspensions": {
			administersRed + "UserAccess acme/one\nspec: {user: pat, state: Suspended}\n---\nUserAccess acme/two\nspec: {user: pat, state: Suspended}\n",
			[]string{
				"delete UserAccess acme/one", "delete UserAccess acme/two", "UserAccess acme/one\nspec: {user: pat}",
				"UserAccess acme/two\nspec: {user: pat, notAfter: \"2026-07-01T00:00:00Z\"}",
			},
			[]string{mayAdministerRed},
		},
		"a suspension here and one above": {
			administersRed + "UserAccess acme/pat\nspec: {user: pat, state: Suspended}\n---\nUserAccess access-system/pat\nspec: {user: pat, state: Suspended}\n",
			[]string{"delete UserAccess acme/pat", "delete UserAccess access-system/pat"}, []string{mayAdministerRed},
		},
		"an end and a beginning": {
			administersRed + "UserAccess acme/one\nspec: {user: pat, notAfter: \"2026-05-01T00:00:00Z\"}\n---\n" +
				"UserAccess acme/two\nspec: {user: pat, notBefore: \"2026-07-01T00:00:00Z\"}\n",
			[]string{
				"UserAccess acme/one\nspec: {user: pat, notAfter: \"2026-06-10T00:00:00Z\"}",
				"UserAccess acme/two\nspec: {user: pat, notBefore: \"2026-06-05T00:00:00Z\"}",
			},
			[]string{mayAdministerRed},
		},
		"two row filters": {
			seesRed + filter("one") + filter("two"),
			[]string{"delete AccessGroup acme/one", "delete AccessGroup acme/two"}, []string{mayShowRedRow},
		},
		"two groups instead of an individual grant": {
			"UserAccess acme/pat\nspec: {user: pat, applicationAccess: [{application: red, role: Editor}]}\n---\n" +
				"AccessGroup acme/one\nspec: {members: [{user: pat}]}\n---\nAccessGroup acme/two\nspec: {members: [{user: pat}]}\n",
			[]string{
				"delete AccessGroup acme/one", "AccessGroup acme/one\nspec: {}",
				"AccessGroup acme/two\nspec: {members: [{user: pat}], privileges: Disabled}",
			},
			[]string{mayEditRed},
		},
		"two paths to one group instead of an individual grant": {
			"UserAccess acme/pat\nspec: {user: pat, groups: [one], applicationAccess: [{application: red, role: Editor}]}\n---\n" +
				"AccessGroup acme/one\nspec: {members: [{user: pat}]}\n",
			[]string{
				"AccessGroup acme/one\nspec: {}",
				"UserAccess acme/pat\nspec: {user: pat, applicationAccess: [{application: red, role: Editor}]}",
			},
			[]string{mayEditRed},
		},
		"two nested paths to a block": {
			administersRed + "AccessGroup acme/a\nspec: {members: [{user: pat}]}\n---\nAccessGroup acme/b\nspec: {members: [{user: pat}]}\n---\n" +
				"AccessGroup acme/block\nspec: {memberGroups: [a, b], applicationAccess: [{application: red, role: NoAccess}]}\n",
			[]string{"delete AccessGroup acme/a", "AccessGroup acme/b\nspec: {}"}, []string{mayAdministerRed},
		},
		"a cap and a block": {
			administersRed + "AccessGroup access-system/cap\nspec:\n  type: System\n  members: [{user: pat}]\n" +
				"  systemAccess: [{organization: acme, role: Observer}]\n---\n" +
				"AccessGroup access-system/block\nspec:\n  type: System\n  members: [{user: pat}]\n" +
				"  systemAccess: [{organization: acme, role: NoAccess}]\n",
			[]string{"delete AccessGroup access-system/cap"}, []string{mayAdministerRed},
		},
		"two UserAccess objects before a third": {
			"UserAccess acme/a\nspec: {user: pat}\n---\nUserAccess acme/b\nspec: {user: pat}\n---\n" +
				"UserAccess acme/c\nspec: {user: pat, applicationAccess: [{application: red, role: Editor}]}\n",
			[]string{"delete UserAccess acme/a", "delete UserAccess acme/b"}, []string{mayEditRed},
		},
		"roles in two applications of a rule": {
			"AccessPolicy acme/default\nspec: {exclusiveAccess: [{name: x, applications: [red, blue, green], minimumRole: Viewer}]}\n---\n" +
				administersRed +
				"AccessGroup acme/blue\nspec: {members: [{user: pat}], applicationAccess: [{application: blue, role: Viewer}]}\n---\n" +
				"AccessGroup acme/green\nspec: {members: [{user: pat}], applicationAccess: [{application: green, role: Viewer}]}\n",
			[]string{
				"delete AccessGroup acme/blue",
				"AccessGroup acme/new\nspec: {members: [{user: pat}], applicationAccess: [{application: blue, role: NoAccess}]}",
			},
			[]string{"grant applicationroles/green Viewer @acme | grant applicationroles Viewer @acme", mayAdministerRed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, change := range tc.changes {
				if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, change))); diff != "" {
					t.Errorf("%s: %s", change, diff)
				}
			}
		})
	}
}

// The data permission and unmatchedRows each hide what the other would show. If filters are united, the end of the
// data permission shows no more rows as long as unmatchedRows is None, so a change of unmatchedRows requires the
// right.
func TestAttackShowsUnmatchedRowsBehindAFilter(t *testing.T) {
	const united, hides = "AccessPolicy acme/default\nspec: {conflictResolution: MostPermissive}\n---\n",
		"ApplicationAccess acme/red\nspec: {unmatchedRows: None}\n"
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"all rows":           {united + seesRed + filter("one") + hides, "ApplicationAccess acme/red\nspec: {unmatchedRows: All}", []string{mayShowRedRow}},
		"deleted":            {united + seesRed + filter("one") + hides, "delete ApplicationAccess acme/red", []string{mayShowRedRow}},
		"deleted later":      {united + seesRed + filter("one") + hides, "delete ApplicationAccess acme/red with finalizers", []string{mayShowRedRow}},
		"where all restrict": {seesRed + filter("one") + hides, "ApplicationAccess acme/red\nspec: {}", []string{mayShowRedRow}},
		"access from next month on": {
			united + strings.Replace(seesRed, "{user: pat}", "{user: pat, notBefore: \"2026-07-01T00:00:00Z\"}", 1) + filter("one") + hides,
			"ApplicationAccess acme/red\nspec: {}", []string{mayShowRedRow},
		},
		"nobody has access": {united + filter("one") + hides, "ApplicationAccess acme/red\nspec: {}", []string{}},
		"hidden as before":  {united + seesRed + filter("one") + hides, "ApplicationAccess acme/red\nspec: {unmatchedRows: None, displayName: Red}", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A second deletion of an object that is being deleted may remove the last finalizer. This ends the restrictions
// of the object.
func TestAttackDeletesABlockAgain(t *testing.T) {
	leaving := administersRed + strings.Replace(block("leaving"), "spec:",
		"metadata: {deletionTimestamp: \"2026-05-31T00:00:00Z\", finalizers: [foregroundDeletion]}\nspec:", 1)
	for change, want := range map[string][]string{
		"delete AccessGroup acme/leaving":                 {mayAdministerRed},
		"delete AccessGroup acme/leaving with finalizers": {},
	} {
		if diff := cmp.Diff(want, rightsOf(situate(t, leaving).judge(t, change))); diff != "" {
			t.Errorf("%s: %s", change, diff)
		}
	}
}

// A restriction that keeps no user from a higher role may end without a right.
func TestWhatRestrictsNothingTakesNoRight(t *testing.T) {
	const suspended = "UserAccess acme/pat\nspec: {user: pat, state: Suspended}\n---\n"
	for name, tc := range map[string]struct{ before, change string }{
		"a block of a user without other access": {block("one"), "delete AccessGroup acme/one"},
		"one of two equal grants":                {seesRed + strings.Replace(seesRed, "viewers", "others", 1), "delete AccessGroup acme/others"},
		"a lower grant that gives way": {
			"AccessPolicy acme/default\nspec: {conflictResolution: MostPermissive}\n---\n" + administersRed + seesRed, "delete AccessGroup acme/viewers",
		},
		"a lower grant of somebody suspended":   {administersRed + seesRed + suspended, "delete AccessGroup acme/viewers"},
		"a membership of somebody suspended":    {administersRed + block("one") + suspended, strings.Replace(block("one"), "{user: pat}", "", 1)},
		"a row filter of somebody suspended":    {seesRed + filter("one") + suspended, "delete AccessGroup acme/one"},
		"a row filter of a user without access": {filter("one") + filter("two"), "delete AccessGroup acme/one"},
		"a lower grant past the end of a user":  {administersRed + seesRed + strings.Replace(suspended, "state: Suspended", `notAfter: "2026-05-01T00:00:00Z"`, 1), "delete AccessGroup acme/viewers"},
		"a restriction that gets stronger":      {administersRed + seesRed, strings.Replace(seesRed, "Viewer", "NoAccess", 1)},
		"a group beside an equal own grant":     {"UserAccess acme/pat\nspec: {user: pat, applicationAccess: [{application: red, role: Viewer}]}\n---\n" + seesRed, "delete AccessGroup acme/viewers"},
		"a suspension of a user without access": {suspended, "delete UserAccess acme/pat"},
	} {
		t.Run(name, func(t *testing.T) {
			change, _, _ := strings.Cut(tc.change, "---\n")
			if diff := cmp.Diff([]string{}, rightsOf(situate(t, tc.before).judge(t, change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWeakerRestrictionsTakeARight(t *testing.T) {
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a role raised": {
			administersRed + seesRed, strings.Replace(seesRed, "Viewer", "Editor", 1), []string{mayEditRed, mayAdministerRed},
		},
		"a window shortened": {
			administersRed + block("one") + block("two"), strings.Replace(block("one"), "role: NoAccess", `role: NoAccess, notAfter: "2026-07-01T00:00:00Z"`, 1),
			[]string{mayAdministerRed},
		},
		"a member of a block for a time": {
			administersRed + block("one") + block("two"), strings.Replace(block("one"), "{user: pat}", `{user: pat, notBefore: "2026-06-02T00:00:00Z"}`, 1),
			[]string{mayAdministerRed},
		},
		"a suspension of somebody who is out of a group by it": {
			administersRed + "UserAccess acme/one\nspec: {user: pat, state: Suspended, groups: [viewers]}\n---\n" +
				"AccessGroup acme/viewers\nspec: {applicationAccess: [{application: red, role: Viewer}]}\n",
			"delete UserAccess acme/one", []string{mayAdministerRed},
		},
		"rows that go with the role": {
			strings.Replace(seesRed, "spec:\n", "spec:\n  dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: country, operator: In, values: [France]}]}]}]\n", 1),
			"delete AccessGroup acme/viewers", []string{mayShowRedRow + " | " + mayViewRed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			change, _, _ := strings.Cut(tc.change, "---\n")
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Users who may label namespaces are trusted, but must not devalue the rights of others. Ending a restriction
// therefore requires a right even while the namespace is not an organization.
func TestAttackUnlabelsTheNamespace(t *testing.T) {
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a block":      {administersRed + block("one"), "delete AccessGroup acme/one", []string{mayAdministerRed}},
		"one of two":   {administersRed + block("one") + block("two"), "delete AccessGroup acme/one", []string{mayAdministerRed}},
		"a suspension": {administersRed + "UserAccess acme/pat\nspec: {user: pat, state: Suspended}\n", "delete UserAccess acme/pat", []string{mayAdministerRed}},
		"a row filter": {seesRed + filter("one"), "delete AccessGroup acme/one", []string{mayShowRedRow}},
		"a rise":       {seesRed, strings.Replace(seesRed, "Viewer", "Editor", 1), []string{mayEditRed}},
		"a loss":       {administersRed, "delete AccessGroup acme/admins", []string{}},
		"a block from above": {
			administersRed + "AccessGroup access-system/block\nspec:\n  type: System\n  members: [{user: pat}]\n" +
				"  systemAccess: [{organization: acme, role: NoAccess}]\n",
			"delete AccessGroup access-system/block", []string{mayAdministerRed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			change, _, _ := strings.Cut(tc.change, "---\n")
			s := situateSelected(t, tc.before)
			if diff := cmp.Diff(tc.want, rightsOf(s.judge(t, change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// situateSelected is a situation in which no namespace is selected as an organization.
func situateSelected(t *testing.T, text string) *situation {
	t.Helper()
	s := situate(t, "")
	r := roster.New(roster.Options{SystemNamespace: system, Organizations: selected(t)})
	for i, o := range parse(t, text) {
		o.SetResourceVersion(fmt.Sprint(i + 1))
		if err := r.Set(o); err != nil {
			t.Fatal(err)
		}
		s.objects[keyOf(o)] = o
	}
	r.Settle(june)
	s.roster, s.validator = r, &validation.Validator{View: viewOf(r)}
	return s
}
