package resolve_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestPermissionsAreInheritedUpwards(t *testing.T) {
	ladder := []resolve.ApplicationRole{
		{Name: "Owner", Permissions: []string{"own", "look"}},
		{Name: "Editor"},
		{Name: "Guest", Permissions: []string{"look", "ask"}},
		{Name: "Stranger"},
	}
	tests := map[string]struct {
		role string
		want []string
	}{
		"its own and all below, sorted, each once": {"Owner", []string{"ask", "look", "own"}},
		"only those below":                         {"Editor", []string{"ask", "look"}},
		"only its own":                             {"Guest", []string{"ask", "look"}},
		"none is an empty set":                     {"Stranger", []string{}},
		"a role that is not on the ladder":         {"Viewer", nil},
		"NoAccess":                                 {resolve.NoAccess, nil},
	}
	o := resolve.NewOrganization(resolve.Rules{ApplicationRoles: ladder})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, o.Permissions(tc.role)); diff != "" {
				t.Errorf("(-want, +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"own", "look"}, ladder[0].Permissions); diff != "" {
		t.Errorf("the ladder has changed (-before, +after):\n%s", diff)
	}
}

func TestBuiltInLadders(t *testing.T) {
	o := resolve.NewOrganization(builtIn())
	if diff := cmp.Diff([]string{"administer", "edit", "manage-rules", "view"}, o.Permissions("Administrator")); diff != "" {
		t.Errorf("permissions of the administrator (-want, +got):\n%s", diff)
	}
	for _, r := range o.Rules().OrganizationRoles {
		if r.Name != r.ApplicationRole || !o.HasApplicationRole(r.Name) {
			t.Errorf("organization role %s means %s", r.Name, r.ApplicationRole)
		}
	}
	for _, r := range o.Rules().SystemRoles {
		if !o.HasApplicationRole(r.ApplicationRole) || !o.HasOrganizationRole(r.OrganizationRole) {
			t.Errorf("system role %s means %s and %s", r.Name, r.OrganizationRole, r.ApplicationRole)
		}
	}
}

func TestRolesThatMayBeGranted(t *testing.T) {
	tests := map[string]struct {
		role                              string
		application, organization, system bool
	}{
		"on one ladder": {"Guest", true, false, false},
		"on another":    {"Host", false, true, false},
		"on the third":  {"Observer", false, false, true},
		"NoAccess":      {resolve.NoAccess, true, true, true},
		"on none":       {"Viewer", false, false, false},
		"none":          {"", false, false, false},
	}
	o := resolve.NewOrganization(where(ownLadders))
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := []bool{o.HasApplicationRole(tc.role), o.HasOrganizationRole(tc.role), o.HasSystemRole(tc.role)}
			if diff := cmp.Diff([]bool{tc.application, tc.organization, tc.system}, got); diff != "" {
				t.Errorf("application, organization, system (-want, +got):\n%s", diff)
			}
		})
	}
}

// TestDecisionsThatDiffer checks that Equal sees every difference. A difference that it misses would never be
// published.
func TestDecisionsThatDiffer(t *testing.T) {
	w := world{
		rules: where(exclusive("pay", "Viewer", "green", "blue")),
		held: []held{
			group("g", organizationRole("Viewer"), role("red", "Viewer"), sees("red", in("country", "France"))),
			group("h", role("red", "Editor")),
		},
	}
	changes := map[string]func(*resolve.Decision){
		"Exists":                func(d *resolve.Decision) { d.Exists = false },
		"Held":                  func(d *resolve.Decision) { d.Held = false },
		"Enters":                func(d *resolve.Decision) { d.Enters = false },
		"EntersNotAfter":        func(d *resolve.Decision) { d.EntersNotAfter = at(1) },
		"Next":                  func(d *resolve.Decision) { d.Next = at(1) },
		"OrganizationRole":      func(d *resolve.Decision) { d.OrganizationRole.Role = "Editor" },
		"its rule":              func(d *resolve.Decision) { d.OrganizationRole.Rule = mostPermissive },
		"its source":            func(d *resolve.Decision) { d.OrganizationRole.Source = me },
		"its end":               func(d *resolve.Decision) { d.OrganizationRole.NotAfter = at(1) },
		"Default":               func(d *resolve.Decision) { d.Default.Role = "Editor" },
		"its filters":           func(d *resolve.Decision) { d.Default.Filters = []resolve.Filter{resolve.NewFilter(nil)} },
		"one application less":  func(d *resolve.Decision) { d.Applications = d.Applications[1:] },
		"another application":   func(d *resolve.Decision) { d.Applications[2].Application = "rot" },
		"its role":              func(d *resolve.Decision) { d.Applications[2].Role = "Editor" },
		"its rows":              func(d *resolve.Decision) { d.Applications[2].Filters = nil },
		"no conflict":           func(d *resolve.Decision) { d.Conflicts = nil },
		"who conflicts":         func(d *resolve.Decision) { d.Conflicts[0].Grants = d.Conflicts[0].Grants[1:] },
		"where":                 func(d *resolve.Decision) { d.Conflicts[0].Scope = resolve.ScopeBroad },
		"what wins":             func(d *resolve.Decision) { d.Conflicts[0].Role = "Editor" },
		"no exclusion":          func(d *resolve.Decision) { d.Exclusions = nil },
		"another rule":          func(d *resolve.Decision) { d.Exclusions[0].Name = "other" },
		"fewer are in conflict": func(d *resolve.Decision) { d.Exclusions[0].Applications = nil },
	}
	want := w.engine(epoch)
	if same := w.engine(epoch); !want.Equal(&same) {
		t.Fatal("the same world, another decision")
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			d := w.engine(epoch)
			change(&d)
			if want.Equal(&d) {
				t.Error("the change is not seen")
			}
		})
	}
}

// TestRandomWorldsReachEverything checks that the random worlds reach every case. A property that is never
// exercised always holds.
func TestRandomWorldsReachEverything(t *testing.T) {
	seen := map[any]int{}
	for i := range uint64(1_000) {
		d := rand.New(rand.NewPCG(12, i))
		w, now := randomWorld(d), at(d.IntN(8))
		decision := w.engine(now)
		for _, o := range outcomes(&decision) {
			seen[o.Rule]++
			seen[!o.NotAfter.IsZero()]++
		}
		for _, c := range decision.Conflicts {
			seen[c.Scope]++
		}
		for _, e := range decision.Exclusions {
			seen[e.Source]++
		}
		seen[len(decision.Default.Filters)]++
	}
	for _, what := range []any{
		resolve.RuleSuspended, resolve.RuleExpired, resolve.RuleNotYetValid, resolve.RuleExclusiveAccess, systemBlock, systemCap,
		systemFloor, systemGrant, protected, specific, onlyGrant, mostRestrictive, mostPermissive, resolve.RuleNoGrant,
		resolve.ScopeApplication, resolve.ScopeBroad, resolve.ScopeOrganization, resolve.ScopeSystem,
		"AccessPolicy/acme/default", "AccessPolicy/access-system/default", true, 0, 1, 2,
	} {
		if seen[what] < 3 {
			t.Errorf("%v turns up %d times in a thousand worlds", what, seen[what])
		}
	}
}
