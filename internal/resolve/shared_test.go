package resolve

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

func filterOf(value string) Filter {
	return NewFilter([]Alternative{{AllOf: []Requirement{{Attribute: "country", Operator: "In", Values: []string{value}}}}})
}

func TestUnitedFiltersAreShared(t *testing.T) {
	rules := Rules{
		Organization: "acme", Strategy: MostPermissive, ApplicationRoles: BuiltInApplicationRoles(),
		OrganizationRoles: BuiltInOrganizationRoles(), SystemRoles: BuiltInSystemRoles(),
	}
	for _, bytes := range []int{MaximumFilterBytes, 160} { // near the bound, the filters are built differently
		o := NewOrganization(rules)
		o.filterBytes = bytes
		var first *Filter
		for range 2 {
			u := User{}
			for _, value := range []string{"France", "Spain"} {
				u.Holdings = append(u.Holdings, Holding{Source: o.Bind(&Source{
					Name: "AccessGroup/acme/" + value, OrganizationRole: "Viewer",
					Rows: []Rows{{Application: AnyApplication, Filter: filterOf(value)}},
				}, nil)})
			}
			d := o.Resolve(&u, time.Unix(0, 0))
			switch {
			case len(d.Default.Filters) != 1 || len(d.Default.Filters[0].AnyOf) != 2:
				t.Fatalf("filters %v", d.Default.Filters)
			case first == nil:
				first = &d.Default.Filters[0]
			case first != &d.Default.Filters[0]:
				t.Error("two users with the same groups have a filter each")
			}
		}
	}
}

func TestSharedFiltersKeepNothingAlive(t *testing.T) {
	s := newSharedFilters()
	kept := s.share(filterOf("kept"))
	for i := range fewShared {
		s.share(filterOf(fmt.Sprint(i)))
	}
	runtime.GC()
	s.dropGone()
	if len(s.known) != 1 {
		t.Errorf("%d filters are known, want the one that is in use", len(s.known))
	}
	if again := s.share(filterOf("kept")); &again[0] != &kept[0] {
		t.Error("the filter in use is not shared any more")
	}
}
