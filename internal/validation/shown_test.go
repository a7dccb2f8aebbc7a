package validation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConflictsShowWhatWins has four groups give one user a role in one application; the last by name differs.
func TestConflictsShowWhatWins(t *testing.T) {
	group := func(name, role string) string {
		return fmt.Sprintf("AccessGroup acme/%s\nspec: {members: [{user: ana}], applicationAccess: "+
			"[{application: red, role: %s}]}\n---\n", name, role)
	}
	gives := func(name, role string) string { return "AccessGroup/acme/" + name + " gives " + role }
	for name, tc := range map[string]struct {
		strategy, base, change string
		want                   []string
	}{
		"the last by name wins": {
			"MostPermissive", group("a", "Viewer") + group("b", "Viewer") + group("c", "Viewer"), group("d", "Editor"),
			[]string{gives("d", "Editor"), gives("a", "Viewer"), gives("b", "Viewer"), "1 more; the result is Editor (MostPermissive)"},
		},
		"the last by name loses": {
			"MostRestrictive", group("a", "Viewer") + group("b", "Viewer") + group("c", "Viewer"), group("d", "Editor"),
			[]string{gives("a", "Viewer"), gives("d", "Editor"), gives("b", "Viewer"), "1 more; the result is Viewer (MostRestrictive)"},
		},
		"each role is named": {
			"MostPermissive", group("a", "Viewer") + group("b", "Viewer") + group("c", "Editor") + group("d", "RulesAdmin"),
			group("e", "Administrator"),
			[]string{gives("e", "Administrator"), gives("a", "Viewer"), gives("c", "Editor"), gives("d", "RulesAdmin"),
				"1 more; the result is Administrator (MostPermissive)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			policy := "AccessPolicy acme/default\nspec: {conflictResolution: " + tc.strategy + "}\n---\n"
			got := situate(t, policy+tc.base).judge(t, strings.TrimSuffix(tc.change, "---\n")).Warnings
			want := []string{"role conflict of ana in application red of organization acme: " + strings.Join(tc.want, ", ") +
				". Give both the same role, or remove one grant"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTheReferenceThatIsAddedIsShown adds one reference to a group that already has ten references to missing
// objects.
func TestTheReferenceThatIsAddedIsShown(t *testing.T) {
	const ten = "team-01, team-02, team-03, team-04, team-05, team-06, team-07, team-08, team-09, team-10"
	group := func(names string) string { return "AccessGroup acme/ten\nspec: {memberGroups: [" + names + "]}\n" }
	got := situate(t, group(ten)).judge(t, group(ten+", team-11-typo")).Warnings
	want := []string{"spec.memberGroups[team-11-typo]: there is no AccessGroup team-11-typo in acme. It has no effect until it exists"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}

	got = situate(t, group("x")).judge(t, group(ten+", team-11, team-12")).Warnings
	if len(got) != 11 || got[10] != "further references to what does not exist: 2" {
		t.Errorf("twelve references at once: %q", got)
	}
}
