package resolve_test

import (
	"testing"

	"github.com/usher-dev/usher/internal/resolve"
)

const (
	none = resolve.NoAccess

	onlyGrant       = resolve.RuleOnlyGrant
	mostRestrictive = resolve.RuleMostRestrictive
	mostPermissive  = resolve.RuleMostPermissive
	specific        = resolve.RuleSpecificApplication
	protected       = resolve.RuleProtectedAdministrator
	systemBlock     = resolve.RuleSystemBlock
	systemCap       = resolve.RuleSystemCap
	systemFloor     = resolve.RuleSystemFloor
	systemGrant     = resolve.RuleSystemGrant

	me         = "UserAccess/acme/ana"
	meAtSystem = "UserAccess/access-system/ana"
)

func TestBars(t *testing.T) {
	viewers := group("viewers", organizationRole("Viewer"), role("red", "Editor"))
	bar := func(name string, suspended bool, w resolve.Window) resolve.Bar {
		return resolve.Bar{Source: name, Suspended: suspended, Window: w, AtSystem: name == meAtSystem}
	}
	everywhere := func(rule resolve.Rule, source string) scenario {
		o := outcome{none, rule, source}
		return scenario{organization: o, fallback: o, red: o}
	}
	scenarios := map[string]scenario{}
	add := func(name string, want scenario, held []held, bars ...resolve.Bar) {
		want.held, want.bars = held, bars
		scenarios[name] = want
	}
	add("a suspended user has NoAccess everywhere",
		everywhere(resolve.RuleSuspended, me), []held{viewers}, bar(me, true, resolve.Window{}))
	add("a protected administrator is barred like everyone",
		everywhere(resolve.RuleSuspended, me), []held{own(organizationRole("Administrator")), ownAtSystem(systemRole("*", "SystemAdministrator"))},
		bar(me, true, resolve.Window{}))
	add("a bar stands before a block",
		everywhere(resolve.RuleExpired, me), []held{systemGroup("out", systemRole("*", none))}, bar(me, false, until(0)))
	add("a window that has closed",
		everywhere(resolve.RuleExpired, me), []held{viewers}, bar(me, false, until(-1)))
	add("a window closes at its notAfter, not after it",
		everywhere(resolve.RuleExpired, me), []held{viewers}, bar(me, false, until(0)))
	add("a window that is not open yet",
		everywhere(resolve.RuleNotYetValid, me), []held{viewers}, bar(me, false, from(1)))
	add("a window that never opens has expired first",
		everywhere(resolve.RuleExpired, me), []held{viewers}, bar(me, false, between(1, -1)))
	add("a suspension stands before a closed window, even of the system namespace",
		everywhere(resolve.RuleSuspended, meAtSystem), []held{viewers}, bar(me, false, until(-1)), bar(meAtSystem, true, until(-1)))
	add("a closed window comes before one that is not open yet",
		everywhere(resolve.RuleExpired, meAtSystem), []held{viewers}, bar(me, false, from(1)), bar(meAtSystem, false, until(-1)))
	add("the organization's word stands before the system namespace's",
		everywhere(resolve.RuleSuspended, me), []held{viewers}, bar(meAtSystem, true, resolve.Window{}), bar(me, true, resolve.Window{}))
	add("of several in one namespace the smallest name speaks",
		everywhere(resolve.RuleSuspended, me), []held{viewers},
		bar(me+"2", true, resolve.Window{}), bar(me, true, resolve.Window{}), bar(me+"1", true, resolve.Window{}))
	add("an open window and an active state bar nobody", scenario{
		organization: outcome{"Viewer", onlyGrant, "AccessGroup/acme/viewers"},
		fallback:     outcome{"Viewer", onlyGrant, "AccessGroup/acme/viewers"},
		red:          outcome{"Editor", specific, "AccessGroup/acme/viewers"},
	}, []held{viewers}, bar(me, false, between(0, 1)))
	runScenarios(t, scenarios)
}

func TestGrantsCountByScopeSourceAndTime(t *testing.T) {
	runScenarios(t, map[string]scenario{
		"nothing held": {},
		"an organization role means an application role everywhere": {
			held:         []held{group("g", organizationRole("Editor"))},
			organization: outcome{"Editor", onlyGrant, "AccessGroup/acme/g"},
			fallback:     outcome{"Editor", onlyGrant, "AccessGroup/acme/g"},
			red:          outcome{"Editor", onlyGrant, "AccessGroup/acme/g"},
		},
		"an organization role without a meaning": {
			rules:        where(ownLadders),
			held:         []held{group("g", organizationRole("Visitor"))},
			organization: outcome{"Visitor", onlyGrant, "AccessGroup/acme/g"},
		},
		"NoAccess of the organization means NoAccess everywhere": {
			held:         []held{group("g", organizationRole(none), role("red", "Viewer"))},
			organization: outcome{none, onlyGrant, "AccessGroup/acme/g"},
			fallback:     outcome{none, onlyGrant, "AccessGroup/acme/g"},
			red:          outcome{"Viewer", specific, "AccessGroup/acme/g"},
		},
		"a role for all applications": {
			held:     []held{group("g", role("*", "Viewer"))},
			fallback: outcome{"Viewer", onlyGrant, "AccessGroup/acme/g"},
			red:      outcome{"Viewer", onlyGrant, "AccessGroup/acme/g"},
		},
		"a role that is on no ladder gives nothing, and disables no neighbour": {
			held: []held{
				group("typo", organizationRole("Vewer"), role("red", "Ghost"), role("*", "Editor")),
				systemGroup("typo", systemRole("acme", "Ghost")),
			},
			fallback: outcome{"Editor", onlyGrant, "AccessGroup/acme/typo"},
			red:      outcome{"Editor", onlyGrant, "AccessGroup/acme/typo"},
		},
		"a built-in role is not on an own ladder": {
			rules: where(ownLadders),
			held:  []held{group("g", role("red", "Viewer"), organizationRole("Administrator"))},
		},
		"a group without privileges gives nothing": {
			held: []held{
				group("g", role("red", "Viewer"), organizationRole("Viewer"), withoutPrivileges),
				systemGroup("s", systemRole("*", "Observer"), withoutPrivileges),
			},
		},
		"a membership outside its window gives nothing": {
			held: []held{group("g", role("red", "Viewer")).during(until(0), from(1))},
		},
		"a membership by several paths is open in any of their windows": {
			held: []held{group("g", role("red", "Viewer")).during(until(-1), between(0, 1))},
			red:  outcome{"Viewer", onlyGrant, "AccessGroup/acme/g"},
		},
		"an entry outside its window gives nothing, its neighbours do": {
			held: []held{group("g", roleDuring("red", "Editor", from(1)), roleDuring("*", "Viewer", from(0)))},
			red:  outcome{"Viewer", onlyGrant, "AccessGroup/acme/g"}, fallback: outcome{"Viewer", onlyGrant, "AccessGroup/acme/g"},
		},
		"a System group gives by its entry for the organization alone": {
			held: []held{systemGroup("s",
				system(resolve.SystemGrant{Organization: "*", Role: "SystemAdministrator"}),
				system(resolve.SystemGrant{Organization: "other", Role: "SystemAdministrator"}),
				system(resolve.SystemGrant{Organization: "acme", OrganizationRole: "Viewer", Applications: []resolve.ApplicationGrant{
					{Application: "red", Role: "Editor"},
				}}),
			)},
			organization: outcome{"Viewer", onlyGrant, "AccessGroup/access-system/s"},
			fallback:     outcome{"Viewer", onlyGrant, "AccessGroup/access-system/s"},
			red:          outcome{"Editor", specific, "AccessGroup/access-system/s"},
		},
		"a System group without an entry for the organization gives what it gives in all": {
			held:         []held{systemGroup("s", systemRole("other", "Observer"), systemRole("*", "SystemAdministrator"))},
			organization: outcome{"Administrator", systemGrant, "AccessGroup/access-system/s"},
			fallback:     outcome{"Administrator", systemGrant, "AccessGroup/access-system/s"},
			red:          outcome{"Administrator", systemGrant, "AccessGroup/access-system/s"},
		},
		"a System group that says nothing about the organization": {
			held: []held{systemGroup("s", systemRole("other", "SystemAdministrator"))},
		},
		"a field in the wrong place has no effect": {
			held: []held{
				group("g", systemRole("acme", "SystemAdministrator")),
				systemGroup("s", organizationRole("Viewer"), role("red", "Viewer"), systemRole("acme", "")),
			},
		},
	})
}

func TestBeingDeletedGivesOnlyNoAccess(t *testing.T) {
	banned := func(r *resolve.Rules) {
		r.OrganizationRoles = append(r.OrganizationRoles, resolve.OrganizationRole{Name: "Banned", ApplicationRole: none})
		r.SystemRoles = append(r.SystemRoles,
			resolve.SystemRole{Name: "Banned", ApplicationRole: none, OrganizationRole: "Viewer"},
			resolve.SystemRole{Name: "Stranger", ApplicationRole: "Ghost"})
	}
	editor := group("editors", role("red", "Editor"), role("*", "Viewer"), organizationRole("Viewer"))
	runScenarios(t, map[string]scenario{
		"a role goes": {
			held: []held{group("g", beingDeleted, role("red", "Viewer"), role("*", "Viewer"), organizationRole("Viewer"))},
		},
		"NoAccess stays": {
			held:         []held{editor, group("g", beingDeleted, role("red", none), organizationRole(none))},
			organization: outcome{none, mostRestrictive, "AccessGroup/acme/g"},
			fallback:     outcome{none, mostRestrictive, "AccessGroup/acme/g"},
			red:          outcome{none, mostRestrictive, "AccessGroup/acme/g"},
		},
		"a block by a system role stays": {
			held:         []held{editor, systemGroup("s", beingDeleted, systemRole("*", none))},
			organization: outcome{none, systemBlock, "AccessGroup/access-system/s"},
			fallback:     outcome{none, systemBlock, "AccessGroup/access-system/s"},
			red:          outcome{none, systemBlock, "AccessGroup/access-system/s"},
		},
		"a cap goes": {
			held:         []held{editor, systemGroup("s", beingDeleted, systemRole("*", "Observer"))},
			organization: outcome{"Viewer", onlyGrant, "AccessGroup/acme/editors"},
			fallback:     outcome{"Viewer", onlyGrant, "AccessGroup/acme/editors"},
			red:          outcome{"Editor", specific, "AccessGroup/acme/editors"},
		},
		"an organization role that means NoAccess goes on meaning it": {
			rules:        where(banned),
			held:         []held{editor, group("g", beingDeleted, organizationRole("Banned"))},
			organization: outcome{"Viewer", onlyGrant, "AccessGroup/acme/editors"},
			fallback:     outcome{none, mostRestrictive, "AccessGroup/acme/g"},
			red:          outcome{"Editor", specific, "AccessGroup/acme/editors"},
		},
		"a system role that means NoAccess goes on meaning it": {
			rules:        where(banned),
			held:         []held{editor, systemGroup("s", beingDeleted, systemRole("*", "Banned"))},
			organization: outcome{"Viewer", onlyGrant, "AccessGroup/acme/editors"},
			fallback:     outcome{none, systemBlock, "AccessGroup/access-system/s"},
			red:          outcome{none, systemBlock, "AccessGroup/access-system/s"},
		},
		"a meaning that is not on the ladder goes on being NoAccess": {
			rules:        where(banned),
			held:         []held{editor, systemGroup("s", beingDeleted, systemRole("*", "Stranger"))},
			organization: outcome{"Viewer", onlyGrant, "AccessGroup/acme/editors"},
			fallback:     outcome{none, systemBlock, "AccessGroup/access-system/s"},
			red:          outcome{none, systemBlock, "AccessGroup/access-system/s"},
		},
		"a protected grant goes": {
			held:         []held{own(beingDeleted, organizationRole("Administrator")), editor},
			organization: outcome{"Viewer", onlyGrant, "AccessGroup/acme/editors"},
			fallback:     outcome{"Viewer", onlyGrant, "AccessGroup/acme/editors"},
			red:          outcome{"Editor", specific, "AccessGroup/acme/editors"},
		},
		"a membership goes on standing for individual grants": {
			held: []held{own(role("red", "Viewer")), group("g", beingDeleted, role("red", "Editor"))},
		},
	})
}

func TestIndividualGrants(t *testing.T) {
	viewer := own(role("red", "Viewer"))
	runScenarios(t, map[string]scenario{
		"count where there is no group": {
			held: []held{viewer}, red: outcome{"Viewer", onlyGrant, me},
		},
		"fall back behind any group, even one that gives nothing": {
			held: []held{viewer, group("g")},
		},
		"fall back also where they deny": {
			held: []held{own(role("red", none)), group("g", role("red", "Viewer"))},
			red:  outcome{"Viewer", onlyGrant, "AccessGroup/acme/g"},
		},
		"count beside a group without privileges": {
			held: []held{viewer, group("g", withoutPrivileges)}, red: outcome{"Viewer", onlyGrant, me},
		},
		"count beside a group whose membership is not open": {
			held: []held{viewer, group("g", role("red", "Editor")).during(from(1))},
			red:  outcome{"Viewer", onlyGrant, me},
		},
		"count beside System groups": {
			held: []held{viewer, systemGroup("s", system(resolve.SystemGrant{
				Organization: "acme", Applications: []resolve.ApplicationGrant{{Application: "red", Role: "Editor"}},
			}))},
			red: outcome{"Viewer", mostRestrictive, me},
		},
		"count beside groups where they are combined": {
			rules: where(combined), held: []held{viewer, group("g", role("red", "Editor"))},
			red: outcome{"Viewer", mostRestrictive, me},
		},
		"those of the system namespace never fall back": {
			held: []held{group("g", role("red", "Editor")), ownAtSystem(systemRole("*", "Observer"))},
			red:  outcome{"Viewer", systemCap, meAtSystem}, fallback: outcome{"Viewer", systemGrant, meAtSystem},
			organization: outcome{"Viewer", systemGrant, meAtSystem},
		},
	})
}

func TestProtectedGrants(t *testing.T) {
	administrator := own(organizationRole("Administrator"))
	viewers := group("viewers", role("red", "Viewer"), organizationRole("Viewer"))
	fromViewers := outcome{"Viewer", onlyGrant, "AccessGroup/acme/viewers"}
	raised := outcome{"Administrator", protected, me}
	runScenarios(t, map[string]scenario{
		"an administrator in their own right keeps every application": {
			held: []held{administrator, viewers}, organization: raised, fallback: raised, red: raised,
		},
		"NoAccess of a group does not affect them": {
			held:         []held{administrator, group("out", role("red", none), organizationRole(none))},
			organization: raised, fallback: raised, red: raised,
		},
		"unprotected they fall back like everyone": {
			rules: where(unprotected), held: []held{administrator, viewers},
			organization: fromViewers, fallback: fromViewers, red: fromViewers,
		},
		"the top rung in one application is protected there alone": {
			held:         []held{own(role("red", "Administrator"), role("blue", "Editor")), viewers},
			organization: fromViewers, fallback: fromViewers, red: raised,
		},
		"a lower rung is not protected": {
			held:         []held{own(role("red", "RulesAdmin"), organizationRole("RulesAdmin")), viewers},
			organization: fromViewers, fallback: fromViewers, red: fromViewers,
		},
		"an administrator by a group is not protected": {
			held:         []held{group("admins", organizationRole("Administrator")), viewers},
			organization: outcome{"Viewer", mostRestrictive, "AccessGroup/acme/viewers"},
			fallback:     outcome{"Viewer", mostRestrictive, "AccessGroup/acme/viewers"},
			red:          fromViewers,
		},
		"what the system namespace gives on the organization's ladders is not protected": {
			held:         []held{viewers, ownAtSystem(system(resolve.SystemGrant{Organization: "acme", OrganizationRole: "Administrator"}))},
			organization: outcome{"Viewer", mostRestrictive, "AccessGroup/acme/viewers"},
			fallback:     outcome{"Viewer", mostRestrictive, "AccessGroup/acme/viewers"},
			red:          fromViewers,
		},
		"a protected organization role protects no more than it means": {
			rules: where(func(r *resolve.Rules) {
				r.OrganizationRoles = []resolve.OrganizationRole{{Name: "Host", ApplicationRole: "Editor"}}
			}),
			held:         []held{own(organizationRole("Host"), role("red", "Administrator")), group("out", role("blue", none), role("*", none))},
			organization: outcome{"Host", onlyGrant, me},
			fallback:     outcome{"Editor", protected, me},
			red:          outcome{"Administrator", specific, me},
		},
		"where the floor changes nothing the group's grant is named": {
			held:         []held{administrator, group("admins", role("red", "Administrator"))},
			organization: outcome{"Administrator", onlyGrant, me},
			fallback:     outcome{"Administrator", onlyGrant, me},
			red:          outcome{"Administrator", onlyGrant, "AccessGroup/acme/admins"},
		},
		"of equal grants in a scope the protected one is named": {
			held:         []held{administrator, group("admins", organizationRole("Administrator"))},
			organization: outcome{"Administrator", onlyGrant, me},
			fallback:     outcome{"Administrator", onlyGrant, me},
			red:          outcome{"Administrator", onlyGrant, me},
		},
		"under MostPermissive the strategy, not the protection, decides within a scope": {
			rules: where(permissive), held: []held{administrator, group("g", organizationRole("Viewer"))},
			organization: outcome{"Administrator", mostPermissive, me},
			fallback:     outcome{"Administrator", mostPermissive, me},
			red:          outcome{"Administrator", mostPermissive, me},
		},
	})
}
