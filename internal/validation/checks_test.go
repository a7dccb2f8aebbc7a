package validation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

func policy(mode string) string {
	return "AccessPolicy acme/default\nspec: {crossObjectChecks: " + mode + "}\n---\n"
}

const twoGroups = `
AccessGroup acme/editors
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Editor}]
---
AccessGroup acme/viewers
spec:
  applicationAccess: [{application: red, role: Viewer}]
`

const joinBoth = `
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
`

const conflictText = "role conflict of pat in application red of organization acme: AccessGroup/acme/viewers gives Viewer, " +
	"AccessGroup/acme/editors gives Editor; the result is Viewer (MostRestrictive). Give both the same role, or remove one grant"

func TestConflictsFollowThePolicy(t *testing.T) {
	for mode, want := range map[string]struct{ refusals, warnings []string }{
		"Warn":   {nil, []string{conflictText}},
		"Deny":   {[]string{"spec.members[pat]: Forbidden: " + conflictText}, nil},
		"Ignore": {},
	} {
		t.Run(mode, func(t *testing.T) {
			j := situate(t, policy(mode)+twoGroups).judge(t, joinBoth)
			if diff := cmp.Diff(want.refusals, texts(j)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(want.warnings, j.Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func texts(j *validation.Judgement) []string {
	var all []string
	for _, e := range j.Refusals {
		all = append(all, e.Error())
	}
	return all
}

func TestOnlyWhatAChangeBringsIsToldOf(t *testing.T) {
	const conflicting = twoGroups + "---\n" + `
AccessGroup acme/more
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
`
	for name, change := range map[string]string{
		"an edit of something else": `
AccessGroup acme/more
spec:
  description: more
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
`,
		"somebody else": `
AccessGroup acme/more
spec:
  members: [{user: pat}, {user: sam}]
  applicationAccess: [{application: red, role: Viewer}]
`,
		"the end of it": `delete AccessGroup acme/more`,
	} {
		t.Run(name, func(t *testing.T) {
			if j := situate(t, policy("Deny")+conflicting).judge(t, change); len(j.Refusals)+len(j.Warnings) > 0 {
				t.Error(j.Refusals, j.Warnings)
			}
		})
	}
}

func TestAConflictToComeIsToldOf(t *testing.T) {
	j := situate(t, twoGroups).judge(t, strings.Replace(joinBoth, "{user: pat}", `{user: pat, notBefore: "2026-06-02T00:00:00Z"}`, 1))
	if len(j.Warnings) != 1 || !strings.Contains(j.Warnings[0], "from 2026-06-02T00:00:00Z on") {
		t.Error(j.Warnings)
	}
}

func TestExclusiveAccessIsToldOf(t *testing.T) {
	const rule = `
AccessPolicy acme/default
spec:
  crossObjectChecks: Deny
  exclusiveAccess: [{name: pay-and-audit, applications: [pay, audit], minimumRole: Editor}]
---
AccessGroup acme/payers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: pay, role: Editor}]
`
	j := situate(t, rule).judge(t, `
AccessGroup acme/auditors
spec:
  members: [{user: pat}]
  applicationAccess: [{application: audit, role: Editor}]
`)
	want := []string{"spec: Forbidden: exclusive access: pat would hold audit and pay in organization acme, which rule pay-and-audit of " +
		"AccessPolicy/acme/default excludes, and so gets NoAccess in all of the rule's applications. Leave at most one of the roles"}
	if diff := cmp.Diff(want, texts(j)); diff != "" {
		t.Error(diff)
	}
}

func TestTenAreShownAndTheRestCounted(t *testing.T) {
	var editors, viewers strings.Builder
	for i := range 25 {
		user := "{user: u" + string(rune('a'+i)) + "}, "
		editors.WriteString(user)
		viewers.WriteString(user)
	}
	base := "AccessGroup acme/editors\nspec:\n  members: [" + editors.String() + "]\n  applicationAccess: [{application: red, role: Editor}]\n"
	j := situate(t, policy("Deny")+base).judge(t,
		"AccessGroup acme/viewers\nspec:\n  members: ["+viewers.String()+"]\n  applicationAccess: [{application: red, role: Viewer}]\n")
	if all := texts(j); len(all) != 11 || !strings.Contains(all[10], "and 15 more like these") {
		t.Error(strings.Join(all, "\n"))
	}
}

// The access of users whom the change does not touch may end, too. The last administrator is then lost later.
func TestTheLastAdministratorWhenOthersHaveAnEnd(t *testing.T) {
	const others = `
AccessPolicy acme/default
spec: {crossObjectChecks: Deny}
---
AccessGroup acme/admins
spec:
  members: [{user: ana}]
  organizationRole: Administrator
---
AccessGroup acme/for-now
spec:
  members: [{user: ben, notAfter: "2026-06-02T00:00:00Z"}, {user: cy, notBefore: "2026-06-02T00:00:00Z", notAfter: "2026-06-03T00:00:00Z"}]
  organizationRole: Administrator
`
	all := texts(situate(t, others).judge(t, "delete AccessGroup acme/admins"))
	if len(all) != 1 || !strings.Contains(all[0], "its top organization role Administrator, from 2026-06-03T00:00:00Z on: ana is the last") {
		t.Error(all)
	}
	forever := strings.Replace(others, ", notAfter: \"2026-06-03T00:00:00Z\"", "", 1)
	if all := texts(situate(t, forever).judge(t, "delete AccessGroup acme/admins")); len(all) > 0 {
		t.Error(all)
	}
}

// administered is an organization with one holder of the top organization role by each of several ways.
const administered = `
AccessPolicy acme/default
spec: {crossObjectChecks: Deny}
---
AccessGroup acme/admins
spec:
  members: [{user: ana}]
  organizationRole: Administrator
---
UserAccess acme/ana
spec: {user: ana}
`

func TestTheLastAdministratorStays(t *testing.T) {
	for name, change := range map[string]string{
		"the group goes":       `delete AccessGroup acme/admins`,
		"the group is held":    `delete AccessGroup acme/admins with finalizers`,
		"removed from it":      "AccessGroup acme/admins\nspec: {organizationRole: Administrator}",
		"demoted":              "AccessGroup acme/admins\nspec: {members: [{user: ana}], organizationRole: Editor}",
		"without privileges":   "AccessGroup acme/admins\nspec: {members: [{user: ana}], organizationRole: Administrator, privileges: Disabled}",
		"the membership ended": "AccessGroup acme/admins\nspec: {members: [{user: ana, notAfter: \"2026-05-31T00:00:00Z\"}], organizationRole: Administrator}",
		"the membership ends":  "AccessGroup acme/admins\nspec: {members: [{user: ana, notAfter: \"2026-06-02T00:00:00Z\"}], organizationRole: Administrator}",
		"suspended":            "UserAccess acme/ana\nspec: {user: ana, state: Suspended}",
		"expired":              "UserAccess acme/ana\nspec: {user: ana, notAfter: \"2026-05-31T00:00:00Z\"}",
		"another group caps":   "AccessGroup acme/cap\nspec: {members: [{user: ana}], organizationRole: Viewer}",
		"another ladder": "AccessPolicy acme/default\nspec: {crossObjectChecks: Deny, organizationRoles: " +
			"[{name: Owner}, {name: Administrator}]}",
		"a system-level block": "AccessGroup access-system/block\nspec: {type: System, members: [{user: ana}], " +
			"systemAccess: [{organization: acme, role: NoAccess}]}",
		"suspended everywhere": "UserAccess access-system/ana\nspec: {user: ana, state: Suspended}",
	} {
		t.Run(name, func(t *testing.T) {
			if all := texts(situate(t, administered).judge(t, change)); !one(all, "nobody with its top organization role Administrator") {
				t.Errorf("refused by %q", all)
			}
			warned := situate(t, strings.Replace(administered, "Deny", "Warn", 1)).judge(t, strings.Replace(change, "Deny", "Warn", 1))
			if len(warned.Refusals) > 0 || !one(warned.Warnings, "nobody with its top organization role") {
				t.Errorf("under Warn: refused by %q, warned by %q", texts(warned), warned.Warnings)
			}
			const second = "---\n" + `
UserAccess acme/boss
spec: {user: boss, organizationRole: Owner}
---
UserAccess acme/second
spec: {user: second, organizationRole: Administrator}
`
			if all := texts(situate(t, administered+second).judge(t, change)); one(all, "nobody with") {
				t.Errorf("with a second one refused by %q", all)
			}
		})
	}
}

func one(texts []string, part string) bool {
	for _, text := range texts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func TestNobodyIsLastWhereNobodyWas(t *testing.T) {
	j := situate(t, strings.Replace(administered, "{user: ana}]", "]", 1)).judge(t, `delete AccessGroup acme/admins`)
	if len(j.Refusals) > 0 {
		t.Error(texts(j))
	}
}

const limited = `
AccessPolicy acme/default
spec: {revocationLimit: {users: 2}}
---
AccessGroup acme/team
spec:
  members: [{user: a}, {user: b}, {user: c}, {user: d}]
  applicationAccess: [{application: red, role: Viewer}]
`

func TestTheRevocationBrake(t *testing.T) {
	team := func(members, annotation string) string {
		if annotation != "" {
			annotation = "metadata: {annotations: {access.usher.dev/allow-revocation: \"" + annotation + "\"}}\n"
		}
		return "AccessGroup acme/team\n" + annotation + "spec: {members: [" + members + "], " +
			"applicationAccess: [{application: red, role: Viewer}]}"
	}
	for name, tc := range map[string]struct {
		before, change string
		want           string // empty: passes
	}{
		"within":          {limited, team("{user: a}, {user: b}", ""), ""},
		"past":            {limited, team("{user: a}", ""), "3 users would lose all access to application red of organization acme, after 0"},
		"a deletion":      {limited, "delete AccessGroup acme/team", "4 users would lose all access"},
		"a schedule":      {limited, team(`{user: a, notAfter: "2026-06-01T00:00:01Z"}, {user: b, notAfter: "2026-06-01T00:00:02Z"}`, ""), "4 users"},
		"allowed":         {limited, team("{user: a}", "3@2026-06-01T01:00:00Z"), ""},
		"allowed fewer":   {limited, team("", "3@2026-06-01T01:00:00Z"), "4 users would lose"},
		"allowed no more": {limited, team("{user: a}", "3@2026-05-31T01:00:00Z"), "3 users would lose"},
		"a share": {strings.Replace(limited, "users: 2", "percent: 50", 1), team("{user: a}", ""),
			"more than the 50 percent of 4 users that AccessPolicy/acme/default in spec.revocationLimit.percent allows"},
		"half of them": {strings.Replace(limited, "users: 2", "percent: 50", 1), team("{user: a}, {user: b}", ""), ""},
		"the platform's limit is lower": {
			limited + "---\nAccessPolicy access-system/default\nspec: {revocationLimit: {users: 1}}\n", team("{user: a}, {user: b}", ""),
			"AccessPolicy/access-system/default",
		},
		"the end of a document": {
			limited + "---\nApplicationAccess acme/red\nspec: {}\n", "delete ApplicationAccess acme/red",
			"4 users would lose all access to application red",
		},
		"a document that nobody reads": {limited + "---\nApplicationAccess acme/blue\nspec: {}\n", "delete ApplicationAccess acme/blue", ""},
		"less access, but some":        {limited, team("{user: a}, {user: b}, {user: c}, {user: d}", ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.change)
			switch {
			case tc.want == "" && len(j.Braked) > 0:
				t.Errorf("braked: %v", j.Braked)
			case tc.want != "" && (len(j.Braked) != 1 || !strings.Contains(j.Braked[0].Error(), tc.want)):
				t.Errorf("braked: %v, want %q", j.Braked, tc.want)
			}
		})
	}
}

func TestWhatWasLostOfLateIsCounted(t *testing.T) {
	s := situate(t, limited)
	lose := func(at time.Time, members string) {
		t.Helper()
		o := parse(t, "AccessGroup acme/team\nspec: {members: ["+members+"], applicationAccess: [{application: red, role: Viewer}]}")[0]
		if err := s.roster.Set(o); err != nil {
			t.Fatal(err)
		}
		changes := s.roster.Settle(at)
		s.validator.Losses.Note(&changes, at)
		s.objects[keyOf(o)] = o
	}
	judge := func(at time.Time, members string) int {
		t.Helper()
		o := parse(t, "AccessGroup acme/team\nspec: {members: ["+members+"], applicationAccess: [{application: red, role: Viewer}]}")[0]
		j, err := s.validator.Judge(t.Context(), &validation.Request{Old: s.objects[keyOf(o)], New: o, Now: at})
		if err != nil {
			t.Fatal(err)
		}
		return len(j.Braked)
	}
	lose(june, "{user: a}, {user: b}")
	if judge(june.Add(time.Minute), "") == 0 {
		t.Error("two have gone a minute ago, two more were not braked")
	}
	if judge(june.Add(time.Minute), "{user: b}") == 0 {
		t.Error("two have gone a minute ago, a third was not braked")
	}
	if judge(june.Add(11*time.Minute), "") != 0 {
		t.Error("two went eleven minutes ago, and two more were braked")
	}
	lose(june.Add(2*time.Minute), "{user: a}, {user: b}, {user: c}, {user: d}")
	if judge(june.Add(3*time.Minute), "{user: a}, {user: b}") != 0 {
		t.Error("those who have access again count as lost")
	}
}

func TestMoreRowsTakeARight(t *testing.T) {
	group := func(name, member, rows string) string {
		text := "AccessGroup acme/" + name + "\nspec:\n  members: [" + member + "]\n"
		if rows != "" {
			text += "  dataPermissions: [{application: red, anyOf: [{allOf: [" + rows + "]}]}]\n"
		}
		return text
	}
	const (
		france = `{attribute: country, operator: In, values: [France]}`
		both   = `{attribute: country, operator: In, values: [France, Spain]}`
		spain  = `{attribute: country, operator: In, values: [Spain]}`
		access = "AccessGroup acme/viewers\nspec:\n  members: [{user: pat}]\n  applicationAccess: [{application: red, role: Viewer}]\n---\n"
	)
	const mayShowRed = "grant datapermissions red @acme"
	permissive := "AccessPolicy acme/default\nspec: {conflictResolution: MostPermissive}\n---\n"
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"more values":         {access + group("rows", "{user: pat}", france), group("rows", "{user: pat}", both), []string{mayShowRed}},
		"fewer values":        {access + group("rows", "{user: pat}", both), group("rows", "{user: pat}", france), []string{}},
		"one more condition":  {access + group("rows", "{user: pat}", both), group("rows", "{user: pat}", both+", "+spain), []string{}},
		"one condition fewer": {access + group("rows", "{user: pat}", both+", "+spain), group("rows", "{user: pat}", both), []string{mayShowRed}},
		"the filter goes":     {access + group("rows", "{user: pat}", france), group("rows", "{user: pat}", ""), []string{mayShowRed}},
		"out of the group":    {access + group("rows", "{user: pat}", france), group("rows", "", france), []string{mayShowRed}},
		"the group goes":      {access + group("rows", "{user: pat}", france), "delete AccessGroup acme/rows", []string{mayShowRed}},
		"into the group":      {access + group("rows", "", france), group("rows", "{user: pat}", france), []string{}},
		"into another group under MostPermissive": {
			permissive + access + group("rows", "{user: pat}", france) + "---\n" + group("more", "", spain),
			group("more", "{user: pat}", spain), []string{mayShowRed},
		},
		"a role with its rows": {
			access + group("rows", "{user: sam}", france),
			"AccessGroup acme/viewers\nspec:\n  members: [{user: pat}, {user: sam}]\n  applicationAccess: [{application: red, role: Viewer}]\n",
			[]string{"grant applicationroles/red Viewer @acme | grant applicationroles Viewer @acme"},
		},
		"unmatched rows": {
			access + "ApplicationAccess acme/red\nspec: {unmatchedRows: None}\n", "ApplicationAccess acme/red\nspec: {unmatchedRows: All}",
			[]string{mayShowRed},
		},
		"somebody suspended": {
			access + group("rows", "{user: pat}", france) + "---\nUserAccess acme/pat\nspec: {user: pat, state: Suspended}\n",
			group("rows", "{user: pat}", both), []string{mayShowRed},
		},
		"in every application": {
			"AccessGroup acme/all\nspec:\n  members: [{user: pat}]\n  applicationAccess: [{application: \"*\", role: Viewer}]\n" +
				"  dataPermissions: [{application: \"*\", anyOf: [{allOf: [" + france + "]}]}]\n",
			"AccessGroup acme/all\nspec:\n  members: [{user: pat}]\n  applicationAccess: [{application: \"*\", role: Viewer}]\n",
			[]string{"grant datapermissions @acme"},
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

func TestProtectedObjects(t *testing.T) {
	const before = `
AccessGroup acme/kept
metadata: {labels: {access.usher.dev/protected: "true"}}
spec: {members: [{user: a}], description: one}
---
AccessGroup acme/open
spec: {description: one}
`
	const mayUnprotect = "unprotect accessgroups kept @acme"
	for name, tc := range map[string]struct {
		change string
		want   []string
	}{
		"members": {`
AccessGroup acme/kept
metadata: {labels: {access.usher.dev/protected: "true"}}
spec: {members: [{user: a}, {user: b}], description: one}
`, []string{}},
		"an annotation": {`
AccessGroup acme/kept
metadata: {labels: {access.usher.dev/protected: "true"}, annotations: {note: text}}
spec: {members: [{user: a}], description: one}
`, []string{}},
		"anything else": {`
AccessGroup acme/kept
metadata: {labels: {access.usher.dev/protected: "true"}}
spec: {members: [{user: a}, {user: b}], description: two}
`, []string{mayUnprotect}},
		"the label": {`
AccessGroup acme/kept
spec: {members: [{user: a}], description: one}
`, []string{mayUnprotect}},
		"a deletion":  {"delete AccessGroup acme/kept", []string{mayUnprotect}},
		"another one": {"delete AccessGroup acme/open", []string{}},
		"to protect takes none": {`
AccessGroup acme/open
metadata: {labels: {access.usher.dev/protected: "true"}}
spec: {description: one}
`, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const onItsWayOut = `
AccessGroup acme/leaving
metadata: {deletionTimestamp: "2026-05-31T00:00:00Z", finalizers: [example.org/held]}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
---
UserAccess acme/pat
spec:
  user: pat
  applicationAccess: [{application: red, role: Editor}]
---
AccessPolicy acme/default
spec: {crossObjectChecks: Deny, revocationLimit: {users: 0}}
`

func TestAnObjectOnItsWayOut(t *testing.T) {
	leaving := func(finalizers, label, description string) string {
		return "AccessGroup acme/leaving\nmetadata: {deletionTimestamp: \"2026-05-31T00:00:00Z\", finalizers: [" + finalizers + "]" + label + "}\n" +
			"spec:\n  description: \"" + description + "\"\n  members: [{user: pat}]\n  applicationAccess: [{application: red, role: Viewer}]\n"
	}
	for name, tc := range map[string]struct {
		change string
		errors int
		rights []string
	}{
		"its finalizers":     {leaving("example.org/other", "", ""), 0, []string{}},
		"its spec":           {leaving("example.org/held", "", "text"), 1, []string{}},
		"its labels":         {leaving("example.org/held", ", labels: {a: b}", ""), 1, []string{}},
		"deleted once more":  {"delete AccessGroup acme/leaving with finalizers", 0, []string{}},
		"its last finalizer": {leaving("", "", ""), 0, []string{mayEditRed}}, // pat has the individual grant from then on
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, onItsWayOut).judge(t, tc.change)
			if len(j.Errors) != tc.errors || len(j.Refusals) > 0 || len(j.Braked) > 0 {
				t.Errorf("errors %v, refusals %v, braked %v", j.Errors, j.Refusals, j.Braked)
			}
			if diff := cmp.Diff(tc.rights, rightsOf(j)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOwnErrors(t *testing.T) {
	for name, tc := range map[string]struct{ change, want string }{
		"an allowance of another form": {
			"AccessGroup acme/g\nmetadata: {annotations: {access.usher.dev/allow-revocation: \"many\"}}\nspec: {}",
			`metadata.annotations[access.usher.dev/allow-revocation]: Invalid value: "many": must be "<users>@<RFC 3339 deadline>"`,
		},
		"a selector that selects nobody whatever there is": {
			"AccessGroup acme/g\nspec: {memberSelector: {matchLabels: {\"a b\": c}}}",
			`spec.memberSelector.matchLabels: Invalid value: "a b"`,
		},
		"a protection that does not protect": {
			"AccessGroup acme/g\nmetadata: {labels: {access.usher.dev/protected: \"yes\"}}\nspec: {}",
			`metadata.labels[access.usher.dev/protected]: Unsupported value: "yes": supported values: "true"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, "").judge(t, tc.change)
			if len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Error(), tc.want) {
				t.Errorf("got %v, want %s", j.Errors, tc.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const editors = "AccessGroup acme/editors\nspec: {memberGroups: [later]}\n"
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a role that no ladder has": {editors, "AccessGroup acme/g\nspec: {applicationAccess: [{application: red, role: Editr}]}", []string{
			"spec.applicationAccess[red].role: there is no application role Editr in acme; did you mean Editor? It has no effect until it exists",
		}},
		"a role that no organization's ladder has": {
			editors, "AccessGroup access-system/s\nspec: {type: System, systemAccessSelectors: [{selector: {matchLabels: {a: b}}, " +
				"role: Obsrver, applicationSelectors: [{selector: {matchLabels: {a: b}}, role: Editr}]}]}", []string{
				"spec.systemAccessSelectors[0].role: there is no system role Obsrver in access-system; did you mean Observer? It has no effect until it exists",
				"spec.systemAccessSelectors[0].applicationSelectors[0].role: there is no application role Editr in any organization; did you mean Editor? It has no effect until it exists",
			},
		},
		"a group that does not exist": {editors, "UserAccess acme/u\nspec: {user: u, groups: [editor]}", []string{
			"spec.groups[editor]: there is no AccessGroup editor in acme; did you mean editors? It has no effect until it exists",
		}},
		"one of no likeness": {editors, "UserAccess acme/u\nspec: {user: u, groups: [zzz]}", []string{
			"spec.groups[zzz]: there is no AccessGroup zzz in acme. It has no effect until it exists",
		}},
		"a group that is named already": {editors, "AccessGroup acme/later\nspec: {}", []string{
			"AccessGroup/acme/later is named in spec.memberGroups of editors: its members have what these groups give",
		}},
		"a System group in an organization": {editors, "AccessGroup acme/s\nspec: {type: System}", []string{
			"spec.type: a System group counts only in the namespace access-system; AccessGroup/acme/s has no effect",
		}},
		"an Organization group at system level": {"", "AccessGroup access-system/o\nspec: {}", []string{
			"spec.type: an Organization group counts only in an organization, and access-system is none; AccessGroup/access-system/o has no effect",
		}},
		"a second UserAccess": {"UserAccess acme/a\nspec: {user: u}", "UserAccess acme/b\nspec: {user: u}", []string{
			"spec.user: u has another UserAccess in acme (a); only a counts, and a suspension or closed window of any",
		}},
		"members who differ in case": {"", "AccessGroup acme/g\nspec: {members: [{user: Ana}, {user: ana}]}", []string{
			"spec.members: Ana and ana differ only in case, and are two users",
		}},
		"a window that has closed": {"", "AccessGroup acme/g\nspec: {applicationAccess: [{application: red, role: Viewer, notAfter: \"2026-05-01T00:00:00Z\"}]}", []string{
			"spec.applicationAccess[red].notAfter: 2026-05-01T00:00:00Z has passed; the entry gives nothing",
		}},
		"a review that was missed long ago": {
			"", "AccessGroup acme/g\nspec: {review: {everyDays: 30, ifMissed: End}, reviewedAt: \"1970-01-01T00:00:00Z\"}", []string{
				"spec.review: the review was due at 1970-01-31T00:00:00Z, so the group gives only NoAccess until it is reviewed again",
			},
		},
		"grants in the wrong place": {"", "UserAccess access-system/u\nspec: {user: u, organizationRole: Viewer}", []string{
			"spec.organizationRole has no effect in access-system: roles across organizations are in spec.systemAccess",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, tc.before).judge(t, tc.change)
			if diff := cmp.Diff(tc.want, j.Warnings); diff != "" {
				t.Error(diff)
			}
			if len(j.Errors)+len(j.Refusals) > 0 {
				t.Error(j.Errors, j.Refusals)
			}
		})
	}
}

func TestANamespaceThatIsNoOrganizationIsToldOf(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: system, Organizations: selected(t)})
	v := &validation.Validator{View: viewOf(r)}
	j, err := v.Judge(t.Context(), &validation.Request{New: parse(t, organization)[0], Now: june})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"namespace acme is not selected as an organization: AccessGroup/acme/admins has no effect until it is"}
	if diff := cmp.Diff(want, j.Warnings); diff != "" {
		t.Error(diff)
	}
	// The namespace may become an organization later, and that change grants nothing. The right is therefore required
	// now.
	if diff := cmp.Diff([]string{mayAdministerRed}, rightsOf(j)); diff != "" {
		t.Error(diff)
	}
}
