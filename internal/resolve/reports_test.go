package resolve_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestConflicts(t *testing.T) {
	const editors, viewers = "AccessGroup/acme/editors", "AccessGroup/acme/viewers"
	both := func(first, second string) []resolve.SourceRole {
		return []resolve.SourceRole{{Source: editors, Role: first}, {Source: viewers, Role: second}}
	}
	tests := map[string]struct {
		rules resolve.Rules
		held  []held
		bars  []resolve.Bar
		want  []resolve.Conflict
	}{
		"in one application": {
			rules: where(),
			held:  []held{group("viewers", role("red", "Viewer")), group("editors", role("red", "Editor"))},
			want: []resolve.Conflict{
				{Scope: resolve.ScopeApplication, Application: "red", Grants: both("Editor", "Viewer"), Role: "Viewer", Rule: mostRestrictive},
			},
		},
		"of the organization, and so of what the roles mean": {
			rules: where(permissive),
			held:  []held{group("viewers", organizationRole("Viewer")), group("editors", organizationRole("Editor"))},
			want: []resolve.Conflict{
				{Scope: resolve.ScopeBroad, Grants: both("Editor", "Viewer"), Role: "Editor", Rule: mostPermissive},
				{Scope: resolve.ScopeOrganization, Grants: both("Editor", "Viewer"), Role: "Editor", Rule: mostPermissive},
			},
		},
		"of the organization alone, where the roles mean the same": {
			rules: where(func(r *resolve.Rules) {
				r.OrganizationRoles = []resolve.OrganizationRole{{Name: "Host", ApplicationRole: "Viewer"}, {Name: "Guest", ApplicationRole: "Viewer"}}
			}),
			held: []held{group("viewers", organizationRole("Guest")), group("editors", organizationRole("Host"))},
			want: []resolve.Conflict{
				{Scope: resolve.ScopeOrganization, Grants: both("Host", "Guest"), Role: "Guest", Rule: mostRestrictive},
			},
		},
		"between a role for all and what a role of the organization means": {
			rules: where(),
			held:  []held{group("viewers", role("*", "Viewer")), group("editors", organizationRole("Editor"))},
			want: []resolve.Conflict{
				{Scope: resolve.ScopeBroad, Grants: both("Editor", "Viewer"), Role: "Viewer", Rule: mostRestrictive},
			},
		},
		"between what roles mean for the system": {
			rules: where(),
			held:  []held{systemGroup("a", systemRole("*", "Observer")), systemGroup("b", systemRole("*", none))},
			want: []resolve.Conflict{{
				Scope:  resolve.ScopeSystem,
				Grants: []resolve.SourceRole{{Source: "AccessGroup/access-system/a", Role: "Viewer"}, {Source: "AccessGroup/access-system/b", Role: none}},
				Role:   none, Rule: mostRestrictive,
			}},
		},
		"between what they mean for the organization alone": {
			rules: where(systemPermissive, func(r *resolve.Rules) {
				r.SystemRoles = []resolve.SystemRole{{Name: "Root", OrganizationRole: "Editor"}, {Name: "Helper", OrganizationRole: "Viewer"}}
			}),
			held: []held{systemGroup("a", systemRole("*", "Root")), systemGroup("b", systemRole("*", "Helper"))},
			want: []resolve.Conflict{{
				Scope:  resolve.ScopeSystem,
				Grants: []resolve.SourceRole{{Source: "AccessGroup/access-system/a", Role: "Editor"}, {Source: "AccessGroup/access-system/b", Role: "Viewer"}},
				Role:   "Editor", Rule: mostPermissive,
			}},
		},
		"what a protected grant wins": {
			rules: where(),
			held:  []held{own(role("red", "Administrator")), group("viewers", role("red", "Viewer"))},
			want: []resolve.Conflict{{
				Scope: resolve.ScopeApplication, Application: "red",
				Grants: []resolve.SourceRole{{Source: viewers, Role: "Viewer"}, {Source: me, Role: "Administrator"}},
				Role:   "Administrator", Rule: protected,
			}},
		},
		"a source that disagrees with itself and with another": {
			rules: where(),
			held:  []held{group("editors", role("*", "Editor"), organizationRole("Viewer")), group("viewers", role("*", "Editor"))},
			want: []resolve.Conflict{{
				Scope:  resolve.ScopeBroad,
				Grants: []resolve.SourceRole{{Source: editors, Role: "Editor"}, {Source: editors, Role: "Viewer"}, {Source: viewers, Role: "Editor"}},
				Role:   "Viewer", Rule: mostRestrictive,
			}},
		},
		"not within one source": {
			rules: where(), held: []held{group("editors", role("*", "Editor"), organizationRole("Viewer"))},
		},
		"not between equal roles": {
			rules: where(), held: []held{group("a", role("red", "Viewer")), group("b", role("red", "Viewer"))},
		},
		"not between scopes": {
			rules: where(), held: []held{group("a", role("red", "Viewer")), group("b", role("*", "Editor"))},
		},
		"not with what has fallen back": {
			rules: where(), held: []held{own(role("red", "Viewer")), group("b", role("red", "Editor"))},
		},
		"not with a role that is on no ladder": {
			rules: where(), held: []held{group("a", role("red", "Ghost")), group("b", role("red", "Editor"))},
		},
		"not with an entry outside its window": {
			rules: where(), held: []held{group("a", roleDuring("red", "Viewer", from(1))), group("b", role("red", "Editor"))},
		},
		"not of a user who is barred: nothing wins": {
			rules: where(), held: []held{group("viewers", role("red", "Viewer")), group("editors", role("red", "Editor"))},
			bars: []resolve.Bar{{Source: me, Suspended: true}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := world{rules: tc.rules, held: tc.held, bars: tc.bars}
			if diff := cmp.Diff(tc.want, w.engine(epoch).Conflicts, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("conflicts (-want, +got):\n%s", diff)
			}
			compareWithOracle(t, w, epoch)
		})
	}
}

func TestExclusiveAccess(t *testing.T) {
	const policy, platform = "AccessPolicy/acme/default", "AccessPolicy/access-system/default"
	taken := outcome{none, resolve.RuleExclusiveAccess, policy}
	atPlatform := func(r *resolve.Rules) {
		r.ExclusiveAccess = append(r.ExclusiveAccess, resolve.ExclusiveAccess{
			Name: "platform", Source: platform, MinimumRole: "Viewer", Applications: []string{"red", "green"},
		})
	}
	editor := func(names ...string) held {
		var gives []give
		for _, name := range names {
			gives = append(gives, role(name, "Editor"))
		}
		return group("editors", gives...)
	}
	editing := outcome{"Editor", onlyGrant, "AccessGroup/acme/editors"}
	report := func(name, source string, names ...string) resolve.Exclusion {
		return resolve.Exclusion{Name: name, Source: source, Applications: names}
	}
	tests := map[string]struct {
		rules            resolve.Rules
		held             []held
		blue, green, red outcome // orNobody
		want             []resolve.Exclusion
	}{
		"who holds one of the applications keeps it": {
			rules: where(exclusive("pay", "Editor", "red", "blue")), held: []held{editor("red")}, red: editing,
		},
		"who holds two loses both": {
			rules: where(exclusive("pay", "Editor", "red", "blue")), held: []held{editor("blue", "red")},
			red: taken, blue: taken, want: []resolve.Exclusion{report("pay", policy, "blue", "red")},
		},
		"who holds two of three loses the third too, whatever is held there": {
			rules: where(exclusive("pay", "Editor", "red", "green", "blue")),
			held:  []held{editor("blue", "red"), group("viewers", role("green", "Viewer"))},
			red:   taken, green: taken, blue: taken, want: []resolve.Exclusion{report("pay", policy, "blue", "red")},
		},
		"a role below the minimum does not count": {
			rules: where(exclusive("pay", "RulesAdmin", "red", "blue")), held: []held{editor("red", "blue")}, red: editing, blue: editing,
		},
		"an application is one, however often the rule names it": {
			rules: where(exclusive("pay", "Editor", "red", "red")), held: []held{editor("red")}, red: editing,
		},
		"a minimum that is on no ladder means any role": {
			rules: where(exclusive("pay", "Ghost", "red", "blue")), held: []held{editor("red"), group("viewers", role("blue", "Viewer"))},
			red: taken, blue: taken, want: []resolve.Exclusion{report("pay", policy, "blue", "red")},
		},
		"and so does NoAccess, which is not a role to hold": {
			rules: where(exclusive("pay", none, "red", "blue")), held: []held{editor("red"), group("g", role("blue", none))},
			red: editing, blue: outcome{none, onlyGrant, "AccessGroup/acme/g"},
		},
		"a broad role is held in every application": {
			rules: where(exclusive("pay", "Editor", "red", "blue")), held: []held{editor("*")},
			red: taken, blue: taken, green: editing, want: []resolve.Exclusion{report("pay", policy, "blue", "red")},
		},
		"every rule looks at the roles before any has taken one": {
			rules: where(exclusive("one", "Editor", "red", "blue"), exclusive("two", "Editor", "green", "blue")), held: []held{editor("*")},
			red: taken, green: taken, blue: taken,
			want: []resolve.Exclusion{report("one", policy, "blue", "red"), report("two", policy, "blue", "green")},
		},
		"the organization's rule is named before the system namespace's": {
			rules: where(exclusive("own", "Editor", "red", "blue"), atPlatform), held: []held{editor("*")},
			red: taken, blue: taken, green: outcome{none, resolve.RuleExclusiveAccess, platform},
			want: []resolve.Exclusion{report("own", policy, "blue", "red"), report("platform", platform, "green", "red")},
		},
		"an application in one's own right does not count and stays": {
			rules: where(exclusive("pay", "Editor", "red", "blue")), held: []held{own(role("red", "Administrator")), editor("blue")},
			red: outcome{"Administrator", onlyGrant, me}, blue: editing,
		},
		"it stays while two others are taken": {
			rules: where(exclusive("pay", "Editor", "red", "green", "blue")), held: []held{own(role("red", "Administrator")), editor("green", "blue")},
			red: outcome{"Administrator", onlyGrant, me}, green: taken, blue: taken,
			want: []resolve.Exclusion{report("pay", policy, "blue", "green")},
		},
		"an administrator in their own right keeps them all": {
			rules: where(exclusive("pay", "Editor", "red", "blue")), held: []held{own(organizationRole("Administrator"))},
			red: outcome{"Administrator", onlyGrant, me}, blue: outcome{"Administrator", onlyGrant, me}, green: outcome{"Administrator", onlyGrant, me},
		},
		"so does a system administrator": {
			rules: where(exclusive("pay", "Editor", "red", "blue")), held: []held{ownAtSystem(systemRole("*", "SystemAdministrator"))},
			red: outcome{"Administrator", systemGrant, meAtSystem}, blue: outcome{"Administrator", systemGrant, meAtSystem},
			green: outcome{"Administrator", systemGrant, meAtSystem},
		},
		"a protected role that is capped below the minimum does not count either": {
			rules: where(exclusive("pay", "Viewer", "red", "blue")),
			held:  []held{own(role("red", "Administrator")), group("viewers", role("blue", "Viewer")), systemGroup("s", systemRole("*", "Observer"))},
			red:   outcome{"Viewer", systemCap, "AccessGroup/access-system/s"}, blue: outcome{"Viewer", onlyGrant, "AccessGroup/acme/viewers"},
			green: outcome{"Viewer", systemGrant, "AccessGroup/access-system/s"},
		},
		"an exclusion stands before a cap": {
			rules: where(exclusive("pay", "Viewer", "red", "blue")), held: []held{editor("*"), systemGroup("s", systemRole("*", "Observer"))},
			red: taken, blue: taken, green: outcome{"Viewer", systemCap, "AccessGroup/access-system/s"},
			want: []resolve.Exclusion{report("pay", policy, "blue", "red")},
		},
		"a block leaves nothing to exclude": {
			rules: where(exclusive("pay", "Viewer", "red", "blue")), held: []held{editor("*"), systemGroup("s", systemRole("*", none))},
			red: outcome{none, systemBlock, "AccessGroup/access-system/s"}, blue: outcome{none, systemBlock, "AccessGroup/access-system/s"},
			green: outcome{none, systemBlock, "AccessGroup/access-system/s"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := world{rules: tc.rules, held: tc.held}
			d := w.engine(epoch)
			want := []outcome{orNobody(tc.blue), orNobody(tc.green), orNobody(tc.red)}
			var got []outcome
			for _, name := range []string{"blue", "green", "red"} {
				got = append(got, outcomeOf(d.Application(name).Outcome))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("roles in blue, green, red (-want, +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, d.Exclusions, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("exclusions (-want, +got):\n%s", diff)
			}
		})
	}
}

func TestSidesOfAConflict(t *testing.T) {
	a, b, c, d := resolve.SourceRole{"a", "Viewer"}, resolve.SourceRole{"b", "Viewer"}, resolve.SourceRole{"c", "Editor"}, resolve.SourceRole{"d", "Editor"}
	for name, tc := range map[string]struct {
		role string
		want []resolve.SourceRole
	}{
		"the first wins": {"Viewer", []resolve.SourceRole{a, c, b, d}},
		"the last wins":  {"Editor", []resolve.SourceRole{c, a, b, d}},
	} {
		conflict := resolve.Conflict{Grants: []resolve.SourceRole{a, b, c, d}, Role: tc.role}
		got, roles := conflict.Sides()
		if diff := cmp.Diff(tc.want, got); diff != "" || roles != 2 {
			t.Errorf("%s: %d roles, sides (-want, +got):\n%s", name, roles, diff)
		}
	}
}
