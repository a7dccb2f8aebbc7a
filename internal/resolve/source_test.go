package resolve_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestGrants(t *testing.T) {
	own := []give{organizationRole("Viewer"), role("red", "Editor"), roleDuring("*", none, until(2))}
	ownGrants := []resolve.Given{
		{Scope: resolve.ScopeOrganization, Role: "Viewer"},
		{Scope: resolve.ScopeApplication, Application: "red", Role: "Editor"},
		{Scope: resolve.ScopeBroad, Application: "*", Role: none, Window: until(2)},
	}
	entry := func(organization string) give {
		return system(resolve.SystemGrant{
			Organization: organization, Role: "Observer", OrganizationRole: "Viewer",
			Applications: []resolve.ApplicationGrant{{Application: "red", Role: "Editor", Window: from(1)}},
		})
	}
	entryGrants := []resolve.Given{
		{Scope: resolve.ScopeSystem, Role: "Observer"},
		{Scope: resolve.ScopeOrganization, Role: "Viewer"},
		{Scope: resolve.ScopeApplication, Application: "red", Role: "Editor", Window: from(1)},
	}
	ghost := []resolve.Given{{Scope: resolve.ScopeOrganization, Role: "Ghost"}}
	tests := map[string]struct {
		source held
		want   []resolve.Given
	}{
		"nothing":                             {group("g"), nil},
		"a group":                             {group("g", own...), ownGrants},
		"a UserAccess":                        {source(resolve.Individual, me, own), ownGrants},
		"without privileges":                  {group("g", append(own, withoutPrivileges)...), ownGrants},
		"being deleted":                       {group("g", append(own, beingDeleted)...), ownGrants},
		"a role on no ladder":                 {group("g", organizationRole("Ghost")), ghost},
		"rows are no grant":                   {group("g", sees("red", in("country", "France"))), nil},
		"a system group, here":                {systemGroup("s", entry("acme")), entryGrants},
		"a system group, elsewhere":           {systemGroup("s", entry("globex")), nil},
		"a system group, everywhere":          {systemGroup("s", entry("*")), entryGrants},
		"the entry for here before any other": {systemGroup("s", entry("*"), systemRole("acme", none)), []resolve.Given{{Scope: resolve.ScopeSystem, Role: none}}},
		"a UserAccess of the system":          {ownAtSystem(entry("acme")), entryGrants},
		"fields of the other kind of group":   {group("g", entry("acme")), nil},
		"and the other way round":             {systemGroup("s", own...), nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			here := &resolve.Place{Organization: "acme"}
			got := slices.Collect(tc.source.source.Grants(here))
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreUnexported(resolve.Given{})); diff != "" {
				t.Errorf("grants (-want, +got):\n%s", diff)
			}
			for n := range got { // the caller may stop early
				for range tc.source.source.Grants(here) {
					if n--; n < 0 {
						break
					}
				}
			}
		})
	}
}
