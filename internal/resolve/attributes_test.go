package resolve

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func refersTo(operator, attribute string) Requirement {
	return Requirement{Attribute: "country", Operator: operator, UserAttribute: attribute}
}

func TestAttributesStandForTheirValues(t *testing.T) {
	literal := Alternative{AllOf: []Requirement{{Attribute: "kind", Operator: "In", Values: []string{"public"}}}}
	for name, tc := range map[string]struct {
		requirement   Requirement
		own, atSystem Attributes
		want          string // the requirement; empty: its alternative is omitted
	}{
		"several values": {
			refersTo("In", "countries"), Attributes{"countries": {"France", "Germany"}}, nil,
			`{"attribute":"country","operator":"In","values":["France","Germany"]}`,
		},
		"those in the organization come first": {
			refersTo("In", "countries"), Attributes{"countries": {"France"}}, Attributes{"countries": {"Spain"}},
			`{"attribute":"country","operator":"In","values":["France"]}`,
		},
		"those in the system namespace serve": {
			refersTo("In", "countries"), Attributes{"site": {"x"}}, Attributes{"countries": {"Spain"}},
			`{"attribute":"country","operator":"In","values":["Spain"]}`,
		},
		"nothing matches without the attribute":    {refersTo("In", "countries"), nil, nil, ""},
		"not by NotIn either":                      {refersTo("NotIn", "countries"), nil, nil, ""},
		"one value is compared":                    {refersTo("LessThan", "level"), Attributes{"level": {"3"}}, nil, `{"attribute":"country","operator":"LessThan","values":["3"]}`},
		"several values cannot be compared":        {refersTo("LessThan", "level"), Attributes{"level": {"3", "4"}}, nil, ""},
		"an unknown operator compares":             {refersTo("Like", "level"), Attributes{"level": {"3", "4"}}, nil, ""},
		"values are sorted as documents sort them": {refersTo("In", "x"), Attributes{"x": {"a", "a b"}}, nil, `{"attribute":"country","operator":"In","values":["a b","a"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			filter := NewFilter([]Alternative{{AllOf: []Requirement{tc.requirement}}, literal})
			want := `{"anyOf":[{"allOf":[{"attribute":"kind","operator":"In","values":["public"]}]}]}`
			if tc.want != "" {
				want = `{"anyOf":[{"allOf":[` + tc.want + `]},{"allOf":[{"attribute":"kind","operator":"In","values":["public"]}]}]}`
			}
			if diff := cmp.Diff(want, filter.substitute(tc.own, tc.atSystem).JSON()); diff != "" {
				t.Errorf("filter (-want, +got):\n%s", diff)
			}
		})
	}
}

func templated(o *Organization) *Bound {
	rows := []Rows{{Application: AnyApplication, Filter: NewFilter([]Alternative{{AllOf: []Requirement{refersTo("In", "countries")}}})}}
	return o.Bind(&Source{Name: "AccessGroup/acme/g", OrganizationRole: "Viewer", Rows: rows}, nil)
}

func countries(values ...string) Attributes { return Attributes{"countries": values} }

// TestAttributesAreSharedByValue checks that users with the same values share the text of their filters under
// every strategy, and that users with other values do not.
func TestAttributesAreSharedByValue(t *testing.T) {
	for _, rules := range []Rules{rulesWith(MostRestrictive), rulesWith(MostPermissive)} {
		o := NewOrganization(rules)
		b := templated(o)
		decide := func(a Attributes) Decision {
			return o.Resolve(&User{Holdings: []Holding{{Source: b.For(a, nil)}}}, time.Unix(0, 0))
		}
		first := decide(countries("France"))
		runtime.GC() // only the decision of the first user remains
		second, other := decide(countries("France")), decide(countries("Spain"))
		a, c := &first.Default.Filters[0], &second.Default.Filters[0]
		if &a.AnyOf[0] != &c.AnyOf[0] {
			t.Error("two users with the same values have a filter each")
		}
		if a.Equal(other.Default.Filters[0]) {
			t.Error("users with different values have the same filter")
		}
		runtime.KeepAlive(first)
	}
}

func TestSubstitutedSourcesKeepNothingAlive(t *testing.T) {
	b := templated(NewOrganization(rulesWith(MostRestrictive)))
	kept := b.For(countries("kept"), nil)
	for i := range fewShared {
		b.For(countries(fmt.Sprint(i)), nil)
	}
	runtime.GC()
	b.templates.dropGone()
	if len(b.templates.known) != 1 {
		t.Errorf("%d substituted sources are known, want the one that is in use", len(b.templates.known))
	}
	if b.For(countries("kept"), nil) != kept {
		t.Error("the source in use is not shared any more")
	}
}

// TestAUserWithoutAttributesSeesNoRow checks that a source shows no rows through attributes before [Bound.For] is
// called.
func TestAUserWithoutAttributesSeesNoRow(t *testing.T) {
	o := NewOrganization(rulesWith(MostRestrictive))
	d := o.Resolve(&User{Holdings: []Holding{{Source: templated(o)}}}, time.Unix(0, 0))
	if got := d.Default.Filters[0].JSON(); got != `{"anyOf":[]}` {
		t.Errorf("filter %s", got)
	}
}

func rulesWith(s Strategy) Rules {
	return Rules{
		Organization: "acme", Strategy: s, ApplicationRoles: BuiltInApplicationRoles(),
		OrganizationRoles: BuiltInOrganizationRoles(), SystemRoles: BuiltInSystemRoles(),
	}
}
