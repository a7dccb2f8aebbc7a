package validation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// toldBy returns the warnings, and the hints with the right to read them: "text <kind namespace> otherwise text".
func toldBy(j *validation.Judgement) []string {
	all := append([]string{}, j.Warnings...)
	for i := range j.Hints {
		h := &j.Hints[i]
		right := h.Right.AnyOf[0]
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s <%s %s %s> %s", h.Text(), right.Verb, right.Resource, right.Namespace, h.Otherwise)))
	}
	return all
}

const france = `AccessGroup acme/france
spec:
  members: [{user: amelie@acme.example}]
  applicationAccess: [{application: finance, role: Editor}]
---
`

const finance = "ApplicationAccess acme/finance\nspec: {}\n---\n"

func TestHintsAboutUsers(t *testing.T) {
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a suspension above of a user who differs in case": {
			france, "UserAccess access-system/amelie\nspec: {user: Amelie@acme.example, state: Suspended}", []string{
				"spec.user: nothing gives Amelie@acme.example a membership or a role, so the suspension bars nobody; did you mean " +
					"amelie@acme.example, whom AccessGroup/acme/france names and who differs only in case? <list accessgroups acme> " +
					"nothing gives Amelie@acme.example a membership or a role, so the suspension bars nobody",
			},
		},
		"a suspension of a user who differs in case": {
			france, "UserAccess acme/amelie\nspec: {user: Amelie@acme.example, state: Suspended}", []string{
				"spec.user: nothing gives Amelie@acme.example a membership or a role in acme, so the suspension bars nobody; did you mean " +
					"amelie@acme.example, whom AccessGroup/acme/france names and who differs only in case?",
			},
		},
		"a suspension of a misspelled user": {
			france, "UserAccess acme/amelie\nspec: {user: ameile@acme.example, state: Suspended}", []string{
				"spec.user: nothing gives ameile@acme.example a membership or a role in acme, so the suspension bars nobody; did you mean " +
					"amelie@acme.example, whom AccessGroup/acme/france names?",
			},
		},
		"a suspension of an unknown user": {
			france, "UserAccess acme/zoe\nspec: {user: zoe@globex.example, state: Suspended}", []string{
				"spec.user: nothing gives zoe@globex.example a membership or a role in acme, so the suspension bars nobody",
			},
		},
		"an end that has passed, of an unknown user": {
			france, "UserAccess acme/zoe\nspec: {user: zoe@globex.example, notAfter: \"2026-05-01T00:00:00Z\"}", []string{
				"spec.user: nothing gives zoe@globex.example a membership or a role in acme, so the end in spec.notAfter bars nobody",
			},
		},
		"a suspension that comes later": {
			france + "UserAccess acme/zoe\nspec: {user: zoe@globex.example}",
			"UserAccess acme/zoe\nspec: {user: zoe@globex.example, state: Suspended}", []string{
				"spec.user: nothing gives zoe@globex.example a membership or a role in acme, so the suspension bars nobody",
			},
		},
		"a suspension that was there": {
			france + "UserAccess acme/zoe\nspec: {user: zoe@globex.example, state: Suspended}",
			"UserAccess acme/zoe\nspec: {user: zoe@globex.example, state: Suspended, displayName: Zoe}", nil,
		},
		"a suspension of a member":                        {france, "UserAccess acme/amelie\nspec: {user: amelie@acme.example, state: Suspended}", nil},
		"a suspension above of a member":                  {france, "UserAccess access-system/amelie\nspec: {user: amelie@acme.example, state: Suspended}", nil},
		"a suspension of a user with grants of one's own": {france, "UserAccess acme/zoe\nspec: {user: zoe, state: Suspended, organizationRole: Viewer}", nil},
		"a suspension of a user of another UserAccess": {
			france + "UserAccess access-system/zoe\nspec: {user: zoe, systemAccess: [{organization: acme, role: Observer}]}",
			"UserAccess acme/zoe\nspec: {user: zoe, state: Suspended}", nil,
		},
		"a suspension of a user whom a selector selects": {
			france + "AccessGroup acme/all\nspec: {memberSelector: {matchLabels: {team: red}}}",
			"UserAccess acme/zoe\nmetadata: {labels: {team: red}}\nspec: {user: zoe, state: Suspended}", nil,
		},
		"a suspension above while there is no organization": {"", "UserAccess access-system/zoe\nspec: {user: zoe, state: Suspended}", nil},
		"two suspensions of one unknown user": {
			france + "UserAccess access-system/zoe\nspec: {user: zoe, state: Suspended}",
			"UserAccess acme/zoe\nspec: {user: zoe, state: Suspended}", []string{
				"spec.user: nothing gives zoe a membership or a role in acme, so the suspension bars nobody",
			},
		},
		"a member who differs in case from one of another group": {
			france, "AccessGroup acme/germany\nspec: {members: [{user: Amelie@ACME.example}]}", []string{
				"spec.members[Amelie@ACME.example]: Amelie@ACME.example differs only in case from amelie@acme.example, whom " +
					"AccessGroup/acme/france names, and is another user",
			},
		},
		"a member who differs in case from one of another organization": {
			france, "AccessGroup globex/germany\nspec: {members: [{user: Amelie@acme.example}]}", []string{
				"spec.members[Amelie@acme.example]: Amelie@acme.example differs only in case from amelie@acme.example, whom " +
					"AccessGroup/acme/france names, and is another user <list accessgroups acme>",
			},
		},
		"a member who differs in case from a suspended user": {
			france + "UserAccess access-system/zoe\nspec: {user: Zoe, state: Suspended}",
			"AccessGroup acme/germany\nspec: {members: [{user: zoe}]}", []string{
				"spec.members[zoe]: zoe differs only in case from Zoe, whom UserAccess/access-system/zoe names, and is another user " +
					"<list useraccesses access-system>",
			},
		},
		"a UserAccess of a user who differs in case": {
			france, "UserAccess acme/amelie\nspec: {user: AMELIE@acme.example}", []string{
				"spec.user: AMELIE@acme.example differs only in case from amelie@acme.example, whom AccessGroup/acme/france names, and " +
					"is another user",
			},
		},
		"a member whose case is put right": {france, "AccessGroup acme/france\nspec: {members: [{user: AMELIE@acme.example}]}", nil},
		"a new member of a similar name":   {france, "AccessGroup acme/germany\nspec: {members: [{user: amelia@acme.example}]}", nil},
		"a new user of a similar name":     {france, "UserAccess acme/amelia\nspec: {user: amelia@acme.example, groups: [france]}", nil},
		"a known member of another group":  {france, "AccessGroup acme/germany\nspec: {members: [{user: amelie@acme.example}]}", nil},
		"a pair that was there":            {"AccessGroup acme/g\nspec: {members: [{user: Ana}, {user: ana}]}", "AccessGroup acme/g\nspec: {members: [{user: Ana}, {user: ana}, {user: bo}]}", nil},
		"a member where a window opens again": {
			france + "AccessGroup acme/germany\nspec: {members: [{user: Amelie@acme.example}]}",
			"AccessGroup acme/germany\nspec: {members: [{user: Amelie@acme.example, notAfter: \"2026-05-01T00:00:00Z\"}]}", []string{
				"spec.members[Amelie@acme.example].notAfter: 2026-05-01T00:00:00Z has passed; the user is not a member by this entry",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := toldBy(situate(t, tc.before).judge(t, tc.change))
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unexpected warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHintsAboutNames(t *testing.T) {
	const sre = "AccessGroup access-system/sre\nspec: {type: System, systemAccess: [{organization: %s, role: Observer}]}"
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"an organization that does not exist": {france, fmt.Sprintf(sre, "acmee"), []string{
			"spec.systemAccess[acmee]: there is no organization acmee; did you mean acme? The entry has no effect until it exists " +
				"<list accessgroups acme> there is no organization acmee. The entry has no effect until it exists",
		}},
		"one of no likeness": {france, fmt.Sprintf(sre, "zzz"), []string{
			"spec.systemAccess[zzz]: there is no organization zzz. The entry has no effect until it exists",
		}},
		"the system namespace": {france, fmt.Sprintf(sre, "access-system"), []string{
			"spec.systemAccess[access-system]: access-system is the system namespace, which is never an organization; the entry has no effect",
		}},
		"every organization":    {france, fmt.Sprintf(sre, `"*"`), nil},
		"an organization":       {france, fmt.Sprintf(sre, "acme"), nil},
		"before there is any":   {"", fmt.Sprintf(sre, "acme"), nil},
		"a name that was there": {france + fmt.Sprintf(sre, "acmee"), strings.Replace(fmt.Sprintf(sre, "acmee"), "Observer", "NoAccess", 1), nil},
		"a misspelled application": {finance, "AccessGroup acme/temps\nspec: {applicationAccess: [{application: finanse, role: Viewer}]}", []string{
			"spec.applicationAccess[finanse]: nothing else in acme names the application finanse; did you mean finance?",
		}},
		"one that only groups name": {france, "UserAccess acme/u\nspec: {user: u, applicationAccess: [{application: finanse, role: Viewer}]}", []string{
			"spec.applicationAccess[finanse]: nothing else in acme names the application finanse; did you mean finance?",
		}},
		"in rows": {finance, "AccessGroup acme/temps\nspec: {dataPermissions: [{application: finanse, anyOf: [{allOf: [{attribute: a, operator: In, values: [b]}]}]}]}", []string{
			"spec.dataPermissions[finanse]: nothing else in acme names the application finanse; did you mean finance?",
		}},
		"in a rule of exclusive access": {finance, "AccessPolicy acme/default\nspec: {exclusiveAccess: [{name: two, minimumRole: Viewer, applications: [finanse, payroll]}]}", []string{
			"spec.exclusiveAccess[two].applications[finanse]: nothing else in acme names the application finanse; did you mean finance?",
		}},
		"from above": {finance, "AccessGroup access-system/sre\nspec: {type: System, systemAccess: [{organization: acme, applicationAccess: [{application: finanse, role: Viewer}]}]}", []string{
			"spec.systemAccess[acme].applicationAccess[finanse]: nothing else in acme names the application finanse; did you mean finance? " +
				"<list applicationaccesses acme>",
		}},
		"one that another group names, too": {
			finance + "AccessGroup acme/others\nspec: {applicationAccess: [{application: finanse, role: Viewer}]}",
			"AccessGroup acme/temps\nspec: {applicationAccess: [{application: finanse, role: Viewer}]}", nil,
		},
		"two that come with one group": {"", "AccessGroup acme/temps\nspec: {applicationAccess: [{application: finance, role: Viewer}, {application: finanse, role: Viewer}]}", nil},
		"a new application":            {finance, "AccessGroup acme/temps\nspec: {applicationAccess: [{application: payroll, role: Viewer}]}", nil},
		"a number more": {
			"ApplicationAccess acme/node-1\nspec: {}", "AccessGroup acme/temps\nspec: {applicationAccess: [{application: node-2, role: Viewer}]}", nil,
		},
		"ends that have passed": {
			finance, "AccessGroup acme/temps\nspec: {members: [{user: b, notAfter: \"2025-12-31T00:00:00Z\"}], applicationAccess: [{application: finance, role: Viewer, notAfter: \"2026-06-01T00:00:00Z\"}]}",
			[]string{
				"spec.members[b].notAfter: 2025-12-31T00:00:00Z has passed; the user is not a member by this entry",
				"spec.applicationAccess[finance].notAfter: 2026-06-01T00:00:00Z has passed; the entry gives nothing",
			},
		},
		"ends that come": {finance, "AccessGroup acme/temps\nspec: {members: [{user: b, notAfter: \"2026-12-31T00:00:00Z\"}]}", nil},
		"an end from above": {finance, "UserAccess access-system/u\nspec: {user: u, systemAccess: [{organization: \"*\", applicationAccess: [{application: finance, role: Viewer, notAfter: \"2025-12-31T00:00:00Z\"}]}]}", []string{
			"spec.systemAccess[*].applicationAccess[finance].notAfter: 2025-12-31T00:00:00Z has passed; the entry gives nothing",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := toldBy(situate(t, tc.before).judge(t, tc.change))
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unexpected warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManyHintsAreCounted(t *testing.T) {
	var listed []string
	for i := range 14 {
		listed = append(listed, fmt.Sprintf("{user: u%d, notAfter: \"2025-12-31T00:00:00Z\"}", i))
	}
	got := situate(t, "").judge(t, "AccessGroup acme/g\nspec: {members: ["+strings.Join(listed, ", ")+"]}").Warnings
	if len(got) != 11 || got[10] != "spec: entries whose time has passed: 4 more" {
		t.Errorf("got %q", got)
	}
}

// TestWhatIsAddedIsShown checks that only what the change adds counts toward the limit.
func TestWhatIsAddedIsShown(t *testing.T) {
	const named = "team-01, team-02, team-03, team-04, team-05, team-06, team-07, team-08, team-09, team-10"
	s := situate(t, "AccessGroup acme/ten\nspec: {memberGroups: ["+named+"]}")
	got := s.judge(t, "AccessGroup acme/ten\nspec: {memberGroups: ["+named+", team-11-typo]}").Warnings
	want := []string{"spec.memberGroups[team-11-typo]: there is no AccessGroup team-11-typo in acme. It has no effect until it exists"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected warnings (-want +got):\n%s", diff)
	}
}

// TestHintsByARosterOfSomeNamespaces judges by a freshly read roster of some namespaces beside one that has all of
// them.
func TestHintsByARosterOfSomeNamespaces(t *testing.T) {
	all := situate(t, france+"AccessGroup globex/g\nspec: {members: [{user: zoe}]}")
	some := roster.New(roster.Options{SystemNamespace: system})
	some.Settle(june)
	v := &validation.Validator{View: some.View, Elsewhere: all.roster.View}
	for name, tc := range map[string]struct {
		change string
		want   []string
	}{
		"an organization that was not read": {"AccessGroup access-system/sre\nspec: {type: System, systemAccess: [{organization: globex, role: Observer}]}", nil},
		"a user of one that was not read":   {"UserAccess access-system/zoe\nspec: {user: zoe, state: Suspended}", nil},
		"a user that no object names": {"UserAccess access-system/max\nspec: {user: max, state: Suspended}", []string{
			"spec.user: nothing gives max a membership or a role, so the suspension bars nobody",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := v.Judge(t.Context(), &validation.Request{New: parse(t, tc.change)[0], Now: june})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, toldBy(j), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unexpected warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	names := []string{"amelie@acme.example", "Amelie@acme.example", "bruno@acme.example", "amelia@acme.example", "finance"}
	for name, want := range map[string][]string{
		"AMELIE@acme.example": {"amelie@acme.example", "Amelie@acme.example", "amelia@acme.example"},
		"amelie@acme.example": {"Amelie@acme.example", "amelia@acme.example"},
		"brnuo@acme.example":  {"bruno@acme.example"},
		"fin":                 {"finance"},
		"zoe@acme.example":    nil,
	} {
		if diff := cmp.Diff(want, validation.Nearest(name, names)); diff != "" {
			t.Errorf("%s: unexpected names (-want +got):\n%s", name, diff)
		}
	}
}

// BenchmarkNearestUser suspends an unknown user, among 10,000 users.
func BenchmarkNearestUser(b *testing.B) {
	r := roster.New(roster.Options{SystemNamespace: system})
	for g := range 10 {
		var members strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&members, "{user: first.last%d@acme.example}, ", g*1000+i)
		}
		made := parse(&testing.T{}, fmt.Sprintf("AccessGroup acme/g%d\nspec: {members: [%s]}", g, strings.TrimSuffix(members.String(), ", ")))
		if err := r.Set(made[0]); err != nil {
			b.Fatal(err)
		}
	}
	r.Settle(june)
	v := &validation.Validator{View: r.View}
	suspended := parse(&testing.T{}, "UserAccess acme/u\nspec: {user: fisrt.lastname@acme.example, state: Suspended}")[0]
	for b.Loop() {
		if len(v.Hints(nil, suspended, june)) != 1 {
			b.Fatal("no hint")
		}
	}
}
