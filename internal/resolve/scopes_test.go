package resolve_test

import (
	"testing"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestChoosingWithinAScope(t *testing.T) {
	editors := group("editors", role("red", "Editor"), role("*", "Editor"), organizationRole("Editor"))
	viewers := group("viewers", role("red", "Viewer"), role("*", "Viewer"), organizationRole("Viewer"))
	denied := group("denied", role("red", none), role("*", none), organizationRole(none))
	everywhere := func(rules resolve.Rules, o outcome, held ...held) scenario {
		return scenario{rules: rules, held: held, organization: o, fallback: o, red: o}
	}
	runScenarios(t, map[string]scenario{
		"the lowest under MostRestrictive": everywhere(where(),
			outcome{"Viewer", mostRestrictive, "AccessGroup/acme/viewers"}, editors, viewers),
		"NoAccess is the lowest of all": everywhere(where(),
			outcome{none, mostRestrictive, "AccessGroup/acme/denied"}, editors, denied, viewers),
		"the highest under MostPermissive": everywhere(where(permissive),
			outcome{"Editor", mostPermissive, "AccessGroup/acme/editors"}, viewers, editors, denied),
		"grants that agree, named by the smallest source": everywhere(where(permissive),
			outcome{"Viewer", onlyGrant, "AccessGroup/acme/aaa"}, viewers,
			group("aaa", role("red", "Viewer"), role("*", "Viewer"), organizationRole("Viewer"))),
		"the whole string of a source is compared, not its parts": everywhere(where(),
			outcome{"Viewer", mostRestrictive, "AccessGroup/acme-2/z"},
			source(resolve.OrganizationGroup, "AccessGroup/acme/a", []give{role("red", "Viewer"), role("*", "Viewer"), organizationRole("Viewer")}),
			source(resolve.OrganizationGroup, "AccessGroup/acme-2/z", []give{role("red", "Viewer"), role("*", "Viewer"), organizationRole("Viewer")}),
			editors),
		"a group stands before a user of the same role": everywhere(where(combined),
			outcome{"Viewer", onlyGrant, "AccessGroup/acme/viewers"},
			own(role("red", "Viewer"), role("*", "Viewer"), organizationRole("Viewer")), viewers),
	})
}

func TestSpecificBeforeBroad(t *testing.T) {
	runScenarios(t, map[string]scenario{
		"a role in the application takes the place of the broad one, upwards": {
			held:     []held{group("all", role("*", "Viewer")), group("red", role("red", "Editor"))},
			fallback: outcome{"Viewer", onlyGrant, "AccessGroup/acme/all"},
			red:      outcome{"Editor", specific, "AccessGroup/acme/red"},
		},
		"and downwards, also under MostPermissive": {
			rules:    where(permissive),
			held:     []held{group("all", role("*", "Editor")), group("red", role("red", none))},
			fallback: outcome{"Editor", onlyGrant, "AccessGroup/acme/all"},
			red:      outcome{none, specific, "AccessGroup/acme/red"},
		},
		"where both agree nothing took anything's place": {
			held:     []held{group("all", role("*", "Viewer")), group("red", role("red", "Viewer")), group("too", role("red", "Editor"))},
			fallback: outcome{"Viewer", onlyGrant, "AccessGroup/acme/all"},
			red:      outcome{"Viewer", mostRestrictive, "AccessGroup/acme/red"},
		},
		"without a broad grant there is none to take the place of": {
			held: []held{group("red", role("red", "Viewer"))}, red: outcome{"Viewer", onlyGrant, "AccessGroup/acme/red"},
		},
		"the broad tier holds what organization roles mean beside roles for all": {
			held:         []held{group("all", role("*", "Editor")), group("org", organizationRole("Viewer"))},
			organization: outcome{"Viewer", onlyGrant, "AccessGroup/acme/org"},
			fallback:     outcome{"Viewer", mostRestrictive, "AccessGroup/acme/org"},
			red:          outcome{"Viewer", mostRestrictive, "AccessGroup/acme/org"},
		},
		"a protected grant of the specific tier raises it": {
			held:     []held{own(role("red", "Administrator")), group("all", role("*", "Viewer"), role("red", "Editor"))},
			fallback: outcome{"Viewer", onlyGrant, "AccessGroup/acme/all"},
			red:      outcome{"Administrator", protected, me},
		},
	})
}

func TestTheSystemTier(t *testing.T) {
	const observers, roots, out = "AccessGroup/access-system/observers", "AccessGroup/access-system/roots", "AccessGroup/access-system/out"
	observer := systemGroup("observers", systemRole("acme", "Observer"))
	root := systemGroup("roots", systemRole("*", "SystemAdministrator"))
	blocked := systemGroup("out", systemRole("*", none))
	editor := group("editors", organizationRole("Editor"), role("red", "Editor"))
	denied := group("denied", organizationRole(none))
	editing := outcome{"Editor", onlyGrant, "AccessGroup/acme/editors"}
	admin := own(organizationRole("Administrator"))
	everywhere := func(rules resolve.Rules, o outcome, held ...held) scenario {
		return scenario{rules: rules, held: held, organization: o, fallback: o, red: o}
	}
	runScenarios(t, map[string]scenario{
		"gives its role where the organization gives none": everywhere(where(),
			outcome{"Viewer", systemGrant, observers}, observer),
		"caps the organization's role": everywhere(where(),
			outcome{"Viewer", systemCap, observers}, observer, editor),
		"caps the organization's protected grants too": everywhere(where(),
			outcome{"Viewer", systemCap, observers}, observer, admin),
		"a cap that changes nothing is not named": everywhere(where(), editing, root, editor),
		"the top role caps like any": everywhere(where(func(r *resolve.Rules) {
			r.SystemRoles = []resolve.SystemRole{{Name: "SystemAdministrator", OrganizationRole: "Viewer", ApplicationRole: "Viewer"}}
		}), outcome{"Viewer", systemCap, roots}, root, editor),
		"a cap does not lift NoAccess": everywhere(where(),
			outcome{none, onlyGrant, "AccessGroup/acme/denied"}, observer, denied),
		"is a floor under MostPermissive": everywhere(where(systemPermissive),
			outcome{"Administrator", systemFloor, roots}, root, editor),
		"a floor lifts NoAccess": everywhere(where(systemPermissive),
			outcome{"Viewer", systemFloor, observers}, observer, denied),
		"a floor that changes nothing is not named": everywhere(where(systemPermissive), editing, observer, editor),
		"the organization's strategy does not speak for it": everywhere(where(permissive),
			outcome{"Viewer", systemCap, observers}, observer, editor),
		"chooses the lowest of its own": everywhere(where(), outcome{"Viewer", systemGrant, observers}, observer, root),
		"under MostPermissive the highest": everywhere(where(systemPermissive),
			outcome{"Administrator", systemGrant, roots}, observer, root, blocked),
		"NoAccess blocks": everywhere(where(),
			outcome{none, systemBlock, out}, blocked, editor, admin, root),
		"NoAccess alone blocks permissively too": everywhere(where(systemPermissive),
			outcome{none, systemBlock, out}, blocked, editor),
		"a block is named also over NoAccess": everywhere(where(), outcome{none, systemBlock, out}, blocked, denied),
		"a block is named also over nothing":  everywhere(where(), outcome{none, systemBlock, out}, blocked),
		"the top role in one's own right is a floor": everywhere(where(),
			outcome{"Administrator", systemFloor, meAtSystem}, ownAtSystem(systemRole("*", "SystemAdministrator")), editor, observer, blocked),
		"and is not a floor where others' choice is above it": everywhere(where(systemPermissive, func(r *resolve.Rules) {
			r.SystemRoles = []resolve.SystemRole{
				{Name: "SystemAdministrator", OrganizationRole: "Viewer", ApplicationRole: "Viewer"},
				{Name: "Observer", OrganizationRole: "Administrator", ApplicationRole: "Administrator"},
			}
		}), outcome{"Administrator", systemFloor, observers}, ownAtSystem(systemRole("*", "SystemAdministrator")), editor, observer),
		"unprotected it caps like any": everywhere(where(systemUnprotected),
			outcome{none, systemBlock, out}, ownAtSystem(systemRole("*", "SystemAdministrator")), editor, blocked),
		"a lower role in one's own right is not protected": everywhere(where(),
			outcome{"Viewer", systemCap, meAtSystem}, ownAtSystem(systemRole("*", "Observer")), editor, root),
		"of two sources the smaller is named": everywhere(where(),
			outcome{"Viewer", systemGrant, "AccessGroup/access-system/a"}, observer, systemGroup("a", systemRole("*", "Observer"))),
	})
}

func TestMeaningsOfSystemRoles(t *testing.T) {
	const helpers = "AccessGroup/access-system/helpers"
	helper := systemGroup("helpers", systemRole("acme", "Helper"))
	root := systemGroup("helpers", systemRole("acme", "Root"))
	host := group("hosts", organizationRole("Host"))
	hosting := outcome{"Host", onlyGrant, "AccessGroup/acme/hosts"}
	owning := outcome{"Owner", onlyGrant, "AccessGroup/acme/hosts"}
	ladder := func(root, helper resolve.SystemRole) func(*resolve.Rules) {
		root.Name, helper.Name = "Root", "Helper"
		return func(r *resolve.Rules) { r.SystemRoles = []resolve.SystemRole{root, helper} }
	}
	unmapped := ladder(
		resolve.SystemRole{OrganizationRole: "Ghost", ApplicationRole: "Ghost"},
		resolve.SystemRole{OrganizationRole: "Ghost", ApplicationRole: "Ghost"})
	runScenarios(t, map[string]scenario{
		"off the ladder is NoAccess under MostRestrictive": {
			rules: where(ownLadders, unmapped), held: []held{helper, host},
			organization: outcome{none, systemBlock, helpers}, fallback: outcome{none, systemBlock, helpers},
			red: outcome{none, systemBlock, helpers},
		},
		"off the ladder, the top role's is none": {
			rules: where(ownLadders, unmapped), held: []held{root, host},
			organization: hosting, fallback: owning, red: owning,
		},
		"off the ladder is none under MostPermissive": {
			rules: where(ownLadders, unmapped, systemPermissive), held: []held{helper, host},
			organization: hosting, fallback: owning, red: owning,
		},
		"not declared is none under either": {
			rules: where(ownLadders, ladder(resolve.SystemRole{}, resolve.SystemRole{})), held: []held{helper, host},
			organization: hosting, fallback: owning, red: owning,
		},
		"NoAccess blocks, even as the top role's": {
			rules: where(ownLadders, ladder(resolve.SystemRole{ApplicationRole: none}, resolve.SystemRole{})), held: []held{root, host},
			organization: hosting, fallback: outcome{none, systemBlock, helpers}, red: outcome{none, systemBlock, helpers},
		},
		"one meaning off the ladder leaves the other alone": {
			rules:        where(ownLadders, ladder(resolve.SystemRole{}, resolve.SystemRole{OrganizationRole: "Visitor", ApplicationRole: "Ghost"})),
			held:         []held{helper},
			organization: outcome{"Visitor", systemGrant, helpers}, fallback: outcome{none, systemBlock, helpers},
			red: outcome{none, systemBlock, helpers},
		},
	})
}

func TestUnmapped(t *testing.T) {
	ghostly := func(r *resolve.Rules) {
		r.SystemRoles = []resolve.SystemRole{
			{Name: "Root", ApplicationRole: "Ghost"}, {Name: "Helper", OrganizationRole: "Ghost"}, {Name: "Plain", ApplicationRole: "Owner"},
		}
	}
	banned := func(r *resolve.Rules) { r.SystemRoles[1].ApplicationRole = none }
	tests := map[string]struct {
		rules resolve.Rules
		held  held
		want  bool
	}{
		"a declared meaning that is not on the ladder": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("*", "Helper")), true,
		},
		"under MostPermissive too": {
			where(ownLadders, ghostly, systemPermissive), systemGroup("s", systemRole("*", "Helper")), true,
		},
		"the top role's too": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("*", "Root")), true,
		},
		"the built-in ones on an own ladder": {
			where(ownLadders), systemGroup("s", systemRole("*", "Observer")), true,
		},
		"a meaning that is not declared": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("*", "Plain")), false,
		},
		"NoAccess": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("*", none)), false,
		},
		"a role that is on no ladder": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("*", "Ghost")), false,
		},
		"another organization's entry": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("other", "Helper")), false,
		},
		"a group without privileges": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("*", "Helper"), withoutPrivileges), false,
		},
		"a group without a system role": {
			where(ownLadders, ghostly), group("g", organizationRole("Host")), false,
		},
		"a group that is being deleted still blocks by it": {
			where(ownLadders, ghostly), systemGroup("s", systemRole("*", "Helper"), beingDeleted), true,
		},
		"a group that is being deleted gives nothing by it": {
			where(ownLadders, ghostly, systemPermissive, banned), systemGroup("s", systemRole("*", "Helper"), beingDeleted), false,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := resolve.NewOrganization(tc.rules).Bind(&tc.held.source, nil).Unmapped(epoch); got != tc.want {
				t.Errorf("Unmapped() = %t, want %t", got, tc.want)
			}
		})
	}
}
