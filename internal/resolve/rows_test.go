package resolve_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestFiltersAreCanonical(t *testing.T) {
	alternatives := func(lists ...[]resolve.Requirement) []resolve.Alternative {
		var all []resolve.Alternative
		for _, l := range lists {
			all = append(all, resolve.Alternative{AllOf: l})
		}
		return all
	}
	list := func(requirements ...resolve.Requirement) []resolve.Requirement { return requirements }
	tests := map[string]struct {
		in   []resolve.Alternative
		want string
	}{
		"nothing passes no row": {nil, `{"anyOf":[]}`},
		"values are sorted by the bytes of their JSON, without duplicates": {
			alternatives(list(in("country", "b", "a", "a b", "b"))),
			`{"anyOf":[{"allOf":[{"attribute":"country","operator":"In","values":["a b","a","b"]}]}]}`,
		},
		"only what must be is escaped, and compared as escaped": {
			alternatives(list(in("c", "~", "<&>", `"`, `\`, "é"))),
			`{"anyOf":[{"allOf":[{"attribute":"c","operator":"In","values":["<&>","\"","\\","~","é"]}]}]}`,
		},
		"requirements are sorted, without duplicates once their values are": {
			alternatives(list(in("b", "y", "x"), in("a", "z"), in("b", "x", "y", "x"))),
			`{"anyOf":[{"allOf":[{"attribute":"a","operator":"In","values":["z"]},` +
				`{"attribute":"b","operator":"In","values":["x","y"]}]}]}`,
		},
		"alternatives are sorted, without duplicates once their requirements are": {
			alternatives(list(in("b", "x")), list(in("a", "y"), in("a", "x")), list(in("a", "x"), in("a", "y"))),
			`{"anyOf":[{"allOf":[{"attribute":"a","operator":"In","values":["x"]},` +
				`{"attribute":"a","operator":"In","values":["y"]}]},` +
				`{"allOf":[{"attribute":"b","operator":"In","values":["x"]}]}]}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			filter := resolve.NewFilter(tc.in)
			if diff := cmp.Diff(tc.want, asJSON(t, filter)); diff != "" {
				t.Errorf("(-want, +got):\n%s", diff)
			}
			if again := resolve.NewFilter(filter.AnyOf); !again.Equal(filter) {
				t.Errorf("the canonical filter of a canonical filter is another: %s", asJSON(t, again))
			}
		})
	}
}

func TestFiltersKeepNothingOfTheirArgument(t *testing.T) {
	values := []string{"b", "a"}
	filter := resolve.NewFilter([]resolve.Alternative{{AllOf: []resolve.Requirement{in("country", values...)}}})
	before := asJSON(t, filter)
	if diff := cmp.Diff([]string{"b", "a"}, values); diff != "" {
		t.Errorf("the argument has changed (-before, +after):\n%s", diff)
	}
	values[0] = "changed"
	if diff := cmp.Diff(before, asJSON(t, filter)); diff != "" {
		t.Errorf("the filter has changed with the argument (-before, +after):\n%s", diff)
	}
}

func TestRows(t *testing.T) {
	const (
		franceX = `{"allOf":[{"attribute":"country","operator":"In","values":["France"]},` +
			`{"attribute":"product","operator":"In","values":["X"]}]}`
		spainY = `{"allOf":[{"attribute":"country","operator":"In","values":["Spain"]},` +
			`{"attribute":"product","operator":"In","values":["Y"]}]}`
		every   = ""
		nothing = `{"anyOf":[]}`
	)
	one := func(alternatives ...string) string { return `{"anyOf":[` + strings.Join(alternatives, ",") + `]}` }
	viewer := group("viewers", role("*", "Viewer"))
	france := func(application string, gives ...give) held {
		return group("france", append(gives, sees(application, in("country", "France"), in("product", "X")))...)
	}
	spain := func(application string) held {
		return group("spain", sees(application, in("country", "Spain"), in("product", "Y")))
	}
	tests := map[string]struct {
		rules         resolve.Rules
		held          []held
		red, fallback string
	}{
		"where no data permission speaks every row is seen": {where(), []held{viewer}, every, every},
		"or none, where the application hides them":         {where(hiding("red")), []held{viewer}, nothing, every},
		"a data permission shows what the application otherwise hides": {
			where(hiding("red")), []held{viewer, france("red")}, one(franceX), every,
		},
		"hiding is each application's own": {
			where(hiding("blue", "zebra")), []held{viewer}, every, every,
		},
		"an entry for all speaks for every application": {
			where(hiding("red")), []held{viewer, france("*")}, one(franceX), one(franceX),
		},
		"a group's entry for the application takes the place of its own for all": {
			where(), []held{viewer, group("g", sees("*", in("country", "France"), in("product", "X")),
				sees("red", in("country", "Spain"), in("product", "Y")))},
			one(spainY), one(franceX),
		},
		"but not of another group's": {
			where(), []held{viewer, france("*"), spain("red")}, one(franceX) + "," + one(spainY), one(franceX),
		},
		"MostRestrictive: every entry must match": {
			where(), []held{viewer, spain("*"), france("*")}, one(franceX) + "," + one(spainY), one(franceX) + "," + one(spainY),
		},
		"MostPermissive: rule by rule, never by attribute": {
			where(permissive), []held{viewer, spain("*"), france("*")}, one(franceX, spainY), one(franceX, spainY),
		},
		"MostPermissive: a group that says nothing adds nothing": {
			where(permissive), []held{viewer, france("red")}, one(franceX), every,
		},
		"equal entries are one filter": {
			where(), []held{viewer, france("*"), group("too", sees("*", in("product", "X"), in("country", "France")))}, one(franceX), one(franceX),
		},
		"equal alternatives are one": {
			where(permissive), []held{viewer, france("*"), group("too", sees("*", in("product", "X"), in("country", "France")))}, one(franceX), one(franceX),
		},
		"a group without privileges speaks of rows": {
			where(), []held{viewer, france("*", withoutPrivileges)}, one(franceX), one(franceX),
		},
		"a group that is being deleted speaks until it is gone": {
			where(), []held{viewer, france("*", beingDeleted)}, one(franceX), one(franceX),
		},
		"a membership outside its window says nothing": {
			where(), []held{viewer, france("*").during(from(1))}, every, every,
		},
		"a System group's data permissions have no effect": {
			where(), []held{viewer, systemGroup("s", systemRole("*", ""), sees("*", in("country", "France")))}, every, every,
		},
		"administrators are filtered like everyone": {
			where(), []held{own(organizationRole("Administrator")), france("*")}, one(franceX), one(franceX),
		},
		"a data permission never gives a role, and NoAccess has no rows": {
			where(hiding("red")), []held{france("blue")}, every, every,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := world{rules: tc.rules, held: tc.held}
			d := w.engine(epoch)
			got := answerOf(t, &d)
			if diff := cmp.Diff([]string{tc.red, tc.fallback}, []string{got.Applications["red"].Filters, got.Default.Filters}); diff != "" {
				t.Errorf("filters of red, by default (-want, +got):\n%s", diff)
			}
			compareWithOracle(t, w, epoch)
		})
	}
}
