package validation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/identity"
)

const owned = `
AccessGroup acme/block
metadata:
  labels: {LABELS}
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: u1, controller: false, blockOwnerDeletion: true}]
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: NoAccess}]
`

// An owner reference with the UID of an existing owner, but with any other field changed, makes the garbage
// collector delete the object: the owner that it names does not exist.
func TestAttackChangesAnOwnerReferenceInPart(t *testing.T) {
	const protectedLabel = `access.usher.dev/protected: "true"`
	plain := strings.Replace(owned, "LABELS", "", 1)
	kept := strings.Replace(owned, "LABELS", protectedLabel, 1)
	for name, edit := range map[string][2]string{
		"its name":               {"name: owner", "name: other"},
		"its kind":               {"kind: ConfigMap", "kind: Secret"},
		"its version":            {"apiVersion: v1", "apiVersion: v2"},
		"its UID":                {"uid: u1", "uid: u2"},
		"whether it controls":    {"controller: false", "controller: true"},
		"whether it is waited":   {"blockOwnerDeletion: true", "blockOwnerDeletion: false"},
		"one more, one the same": {"blockOwnerDeletion: true}", "blockOwnerDeletion: true}, {apiVersion: v1, kind: Secret, name: more, uid: u1}"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(anyRole("acme"), rightsOf(situate(t, plain).judge(t, strings.Replace(plain, edit[0], edit[1], 1)))); diff != "" {
				t.Error(diff)
			}
			want := append([]string{"unprotect accessgroups block @acme"}, anyRole("acme")...)
			if diff := cmp.Diff(want, rightsOf(situate(t, kept).judge(t, strings.Replace(kept, edit[0], edit[1], 1)))); diff != "" {
				t.Errorf("protected: %s", diff)
			}
		})
	}
	t.Run("none at all", func(t *testing.T) {
		for before, want := range map[string][]string{plain: {}, kept: {"unprotect accessgroups block @acme"}} {
			from, to := strings.Index(before, "  ownerReferences"), strings.Index(before, "spec:")
			if diff := cmp.Diff(want, rightsOf(situate(t, before).judge(t, before[:from]+before[to:]))); diff != "" {
				t.Error(diff)
			}
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if diff := cmp.Diff([]string{}, rightsOf(situate(t, kept).judge(t, kept))); diff != "" {
			t.Error(diff)
		}
	})
}

// Of several UserAccess objects of one user one counts, and any of them bars the user. A second one must not
// replace a protected one.
func TestAttackShadowsAProtectedUserAccess(t *testing.T) {
	const boss = `
UserAccess acme/boss
metadata: {labels: {access.usher.dev/protected: "true"}}
spec: {user: boss, organizationRole: Administrator}
---
UserAccess acme/other
spec: {user: other}
`
	const (
		second  = "---\nUserAccess acme/zzz-boss\nspec: {user: boss, notAfter: \"2026-07-01T00:00:00Z\"}\n"
		first   = "---\nUserAccess acme/aaa-boss\nspec: {user: boss}\n"
		between = "---\nUserAccess acme/abc-boss\nspec: {user: boss}\n"
		leaving = "---\nUserAccess acme/aaa-boss\nmetadata: {deletionTimestamp: \"2026-05-31T00:00:00Z\", finalizers: [example.org/held]}\nspec: {user: boss}\n"
	)
	may := []string{"unprotect useraccesses boss @acme"}
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a suspended one":                      {boss, "UserAccess acme/zzz-boss\nspec: {user: boss, state: Suspended}", may},
		"one with an end":                      {boss, "UserAccess acme/zzz-boss\nspec: {user: boss, notAfter: \"2027-01-01T00:00:00Z\"}", may},
		"one with a beginning":                 {boss, "UserAccess acme/zzz-boss\nspec: {user: boss, notBefore: \"2026-07-01T00:00:00Z\"}", may},
		"one with a beginning that is past":    {boss, "UserAccess acme/zzz-boss\nspec: {user: boss, notBefore: \"2026-05-01T00:00:00Z\"}", []string{}},
		"one that sorts first":                 {boss, "UserAccess acme/aaa-boss\nspec: {user: boss}", may},
		"one that neither counts nor bars":     {boss, "UserAccess acme/zzz-boss\nspec: {user: boss}", []string{}},
		"one of another user":                  {boss, "UserAccess acme/aaa-other\nspec: {user: other, state: Suspended}", []string{}},
		"an earlier end":                       {boss + second, "UserAccess acme/zzz-boss\nspec: {user: boss, notAfter: \"2026-06-30T00:00:00Z\"}", may},
		"a later end":                          {boss + second, "UserAccess acme/zzz-boss\nspec: {user: boss, notAfter: \"2026-07-02T00:00:00Z\"}", []string{}},
		"a suspension of it":                   {boss + second, "UserAccess acme/zzz-boss\nspec: {user: boss, state: Suspended}", may},
		"its end":                              {boss + first, "delete UserAccess acme/aaa-boss", []string{}},
		"another comes to count by its end":    {boss + first + between, "delete UserAccess acme/aaa-boss", may},
		"another counts while it goes":         {boss + leaving, "UserAccess acme/abc-boss\nspec: {user: boss}", may},
		"a change of the one that counts":      {boss + first, "UserAccess acme/aaa-boss\nspec: {user: boss, displayName: The Boss}", []string{}},
		"a protected one in another place":     {boss, "UserAccess globex/aaa-boss\nspec: {user: boss, state: Suspended}", []string{}},
		"a suspension of the protected itself": {boss, "UserAccess acme/boss\nmetadata: {labels: {access.usher.dev/protected: \"true\"}}\nspec: {user: boss, organizationRole: Administrator, state: Suspended}", may},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.change)
			got := []string{}
			for _, right := range rightsOf(j) {
				if strings.HasPrefix(right, "unprotect") {
					got = append(got, right)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// If the generated name of another user is taken, Usher can write neither that user's UserAccess nor the document.
func TestAttackTakesTheNameOfAnotherUser(t *testing.T) {
	victim := identity.Name("victim")
	for name, tc := range map[string]struct{ before, change, want string }{
		"the name of another user": {
			"", "UserAccess acme/" + victim + "\nspec: {user: pat}",
			"a name that ends in a hyphen and 16 hex digits is reserved for the user that it is derived from; the name for pat is " + identity.Name("pat"),
		},
		"a name that may be of some user": {"", "UserAccess acme/pat-0123456789abcdef\nspec: {user: pat}", "the name for pat is"},
		"the user's own":                  {"", "UserAccess acme/" + victim + "\nspec: {user: victim}", ""},
		"any other":                       {"", "UserAccess acme/pat-0123456789\nspec: {user: pat}", ""},
		"one that has it since before": {
			"UserAccess acme/" + victim + "\nspec: {user: pat}",
			"UserAccess acme/" + victim + "\nspec: {user: pat, displayName: Pat}", "",
		},
		"a group": {"", "AccessGroup acme/" + victim + "\nspec: {}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.change)
			switch {
			case tc.want == "" && len(j.Errors) > 0:
				t.Errorf("refused: %v", j.Errors)
			case tc.want != "" && (len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Error(), tc.want)):
				t.Errorf("got %v, want %q", j.Errors, tc.want)
			}
		})
	}
}

// Names and labels are legal before their target exists. A requester who gives the target something is warned of
// the users who wait for it.
func TestAttackPlantsNamesAndLabels(t *testing.T) {
	const planted = `
UserAccess acme/dana
spec: {user: dana, groups: [leads]}
---
UserAccess acme/ed
metadata: {labels: {team: leads}}
spec: {user: ed}
---
AccessGroup acme/interns
spec: {members: [{user: finn}, {user: gina}, {user: dana}]}
---
AccessGroup acme/outer
spec: {memberGroups: [leads]}
---
`
	const (
		bare   = "AccessGroup acme/leads\nspec: {members: [{user: gina}]}\n"
		byName = "AccessGroup/acme/leads gives what it gives to 1 user who is not in its spec.members: dana (spec.groups of the user's UserAccess)"
		taken  = "AccessGroup/acme/leads is named in spec.memberGroups of outer: its members have what these groups give"
	)
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"the group comes to exist":        {"", bare, []string{byName, taken}},
		"it gains an organization role":   {bare, "AccessGroup acme/leads\nspec: {members: [{user: gina}], organizationRole: Viewer}", []string{byName, taken}},
		"it gains a role in applications": {bare, "AccessGroup acme/leads\nspec: {members: [{user: gina}], applicationAccess: [{application: red, role: Viewer}]}", []string{byName, taken}},
		"it gains privileges":             {"AccessGroup acme/leads\nspec: {privileges: Disabled}", "AccessGroup acme/leads\nspec: {privileges: Enabled}", []string{byName, taken}},
		"it gains a selector": {
			bare, "AccessGroup acme/leads\nspec: {members: [{user: gina}], memberSelector: {matchLabels: {team: leads}}}",
			[]string{
				"AccessGroup/acme/leads gives what it gives to 2 users who are not in its spec.members: " +
					"dana (spec.groups of the user's UserAccess), ed (spec.memberSelector)", taken,
			},
		},
		"it takes others in": {
			"", "AccessGroup acme/leads\nspec: {members: [{user: gina}], memberGroups: [interns]}",
			[]string{
				"AccessGroup/acme/leads gives what it gives to 2 users who are not in its spec.members: " +
					"dana (spec.groups of the user's UserAccess), finn (spec.memberGroups: interns)", taken,
			},
		},
		"it gains a member":                       {bare, "AccessGroup acme/leads\nspec: {members: [{user: gina}, {user: hal}]}", nil},
		"its manifest names the one who names it": {"", "AccessGroup acme/leads\nspec: {members: [{user: dana}]}", []string{taken}},
		"a System group, which has no effect":     {"", "AccessGroup acme/leads\nspec: {type: System}", []string{"spec.type: a System group counts only in the namespace access-system; AccessGroup/acme/leads has no effect"}},
		"it loses a role":                         {"AccessGroup acme/leads\nspec: {organizationRole: Viewer}", "AccessGroup acme/leads\nspec: {}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, planted+tc.before).judge(t, tc.change)
			if diff := cmp.Diff(tc.want, j.Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTenOfThePlantedAreNamedAndTheRestCounted(t *testing.T) {
	var planted strings.Builder
	for i := range 25 {
		name := "u" + string(rune('a'+i))
		planted.WriteString("UserAccess acme/" + name + "\nmetadata: {labels: {team: leads}}\nspec: {user: " + name + "}\n---\n")
	}
	j := situate(t, planted.String()).judge(t, "AccessGroup acme/leads\nspec: {memberSelector: {matchLabels: {team: leads}}}")
	if len(j.Warnings) != 1 || !strings.Contains(j.Warnings[0], "gives to 25 users") || !strings.Contains(j.Warnings[0], "uj (spec.memberSelector), and 15 more") {
		t.Error(j.Warnings)
	}
}
