package scim

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestGroupName(t *testing.T) {
	for displayName, want := range map[string]string{
		"france":                "france",
		"France":                "france",
		"sales-emea":            "sales-emea",
		"Sales EMEA":            `^sales-emea-[0-9a-f]{16}$`,
		"sales_emea":            `^sales-emea-[0-9a-f]{16}$`,
		" -x- ":                 `^x-[0-9a-f]{16}$`,
		"日本":                    `^group-[0-9a-f]{16}$`,
		"Équipe France":         `^quipe-france-[0-9a-f]{16}$`,
		"a.b":                   `^a-b-[0-9a-f]{16}$`,
		strings.Repeat("a", 63): strings.Repeat("a", 63),
		strings.Repeat("a", 64): `^a{46}-[0-9a-f]{16}$`,
	} {
		got := groupName(displayName)
		if !regexp.MustCompile("^(?:" + want + ")$").MatchString(got) {
			t.Errorf("groupName(%q) = %q, want %s", displayName, got, want)
		}
	}
	if groupName("Sales EMEA") != groupName("sales emea") {
		t.Error("the case of a displayName changes the name")
	}
	if groupName("sales emea") == groupName("sales_emea") {
		t.Error("two displayNames have one name")
	}
	labels := func(displayName string) bool { return len(validation.IsDNS1123Label(groupName(displayName))) == 0 }
	if err := quick.Check(labels, nil); err != nil {
		t.Error(err)
	}
}

func TestUserID(t *testing.T) {
	for _, who := range []string{"ana@acme.example", "a", "Zoë", "auth0|5f7c8ec7", "日本"} {
		for _, uid := range []string{"", "0b1f8f8e-1111-2222-3333-444455556666"} {
			gotWho, gotUID, ok := parseUserID(userID(who, uid))
			if gotWho != who || gotUID != uid || !ok {
				t.Errorf("%q, %q became %q, %q, %v", who, uid, gotWho, gotUID, ok)
			}
		}
	}
	for _, id := range []string{"", ".", ".1", "a b", "====", "YW5h=.1", "IA.1", "france.0b1f8f8e", userID("a", "")[:1] + "\n"} {
		if who, _, ok := parseUserID(id); ok {
			t.Errorf("%q is the id of %q", id, who)
		}
	}
}

func TestGroupID(t *testing.T) {
	if name, uid, ok := parseGroupID(groupID("france", "1-2")); name != "france" || uid != "1-2" || !ok {
		t.Errorf("got %q, %q, %v", name, uid, ok)
	}
	for _, id := range []string{"", "france", "france.", ".1", "Fr.1", "a_b.1"} {
		if _, _, ok := parseGroupID(id); ok {
			t.Errorf("%q is the id of a group", id)
		}
	}
}

func TestPartOf(t *testing.T) {
	for name, want := range map[string]int{
		"france.1": 1, "france.12": 12, "france": 0, "france.0": 0, "france.01": 0, "france.-1": 0, "france.x": 0, "francey.1": 0, "france.1.1": 0,
	} {
		if got := partOf("france", name); got != want {
			t.Errorf("partOf(%q) = %d, want %d", name, got, want)
		}
	}
}

// TestFold holds fold to what strings.EqualFold says.
func TestFold(t *testing.T) {
	texts := []string{"ana", "ANA", "Ana", "straße", "STRASSE", "K", "k", "K", "ſ", "s", "É", "é", "İ", "i", "I"}
	for _, a := range texts {
		for _, b := range texts {
			if got, want := fold(a) == fold(b), strings.EqualFold(a, b); got != want {
				t.Errorf("fold(%q) == fold(%q) is %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestPlace(t *testing.T) {
	many := func(from, to int) []string {
		var list []string
		for i := from; i < to; i++ {
			list = append(list, string(rune('a'+i%26))+strings.Repeat("x", i%7)+string(rune('0'+i/26%10))+strings.Repeat("y", i/260))
		}
		return list
	}
	sizes := func(placed [][]string) []int {
		var all []int
		for _, list := range placed {
			all = append(all, len(list))
		}
		return all
	}
	wanted := func(lists ...[]string) members {
		m := members{}
		for _, list := range lists {
			m.add(list)
		}
		return m
	}
	long := make([]string, 0, 5000)
	for i := range 5000 {
		long = append(long, strings.Repeat("ä", 100)+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)))
	}
	first, second := many(0, 5000), many(5000, 5010)
	for name, tc := range map[string]struct {
		current [][]string
		wanted  members
		want    []int
	}{
		"nobody":                      {want: []int{0}},
		"5,000":                       {wanted: wanted(first), want: []int{5000}},
		"5,001":                       {wanted: wanted(first, second[:1]), want: []int{5000, 1}},
		"stay where they are":         {current: [][]string{{"a"}, {"b"}, {"c"}}, wanted: wanted([]string{"a", "b", "c"}), want: []int{1, 1, 1}},
		"fill from the first":         {current: [][]string{{"a"}, {"b"}}, wanted: wanted([]string{"a", "b", "c"}), want: []int{2, 1}},
		"an empty part in the middle": {current: [][]string{{"a"}, {"b"}, {"c"}}, wanted: wanted([]string{"a", "c"}), want: []int{1, 0, 1}},
		"empty parts at the end":      {current: [][]string{{"a"}, {"b"}, {"c"}}, wanted: wanted([]string{"a"}), want: []int{1}},
		"twice":                       {current: [][]string{{"a"}, {"a", "b"}}, wanted: wanted([]string{"a", "b"}), want: []int{1, 1}},
		"long identities":             {wanted: wanted(long), want: []int{2448, 2448, 104}},
	} {
		t.Run(name, func(t *testing.T) {
			placed, err := place(tc.current, tc.wanted)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, sizes(placed)); diff != "" {
				t.Errorf("sizes differ (-want +got):\n%s", diff)
			}
			got := wanted(placed...)
			if len(tc.wanted) != len(got) {
				t.Errorf("%d members, want %d", len(got), len(tc.wanted))
			}
		})
	}
	tooMany := members{}
	for i := range mostMembers*(mostParts+1) + 1 {
		tooMany[string(rune(0x4e00+i%20000))+string(rune(0x4e00+i/20000))] = true
	}
	if _, err := place(nil, tooMany); err == nil || asFailure(err).code != codeTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestNewAttributes(t *testing.T) {
	a, err := NewAttributes([]string{
		"title=jobTitle", enterpriseSchema + ":department=dept", "urn:acme:2.0:User:region=region", "name.familyName=family", "roles=roles",
	})
	if err != nil {
		t.Fatal(err)
	}
	resource := map[string]any{
		"title": "Boss", "name": map[string]any{"familyName": "A"},
		"roles":               []any{map[string]any{"value": "b"}, map[string]any{"value": "a"}},
		enterpriseSchema:      map[string]any{"department": "Sales", "costCenter": "7"},
		"urn:acme:2.0:User":   map[string]any{"region": "EMEA"},
		"urn:acme:2.0:Device": map[string]any{"region": "APAC"},
	}
	values := a.collect(resource)
	want := map[string][]string{
		"jobTitle": {"Boss"}, "family": {"A"}, "roles": {"a", "b"}, "dept": {"Sales"}, "costCenter": {"7"}, "region": {"EMEA"},
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Errorf("values differ (-want +got):\n%s", diff)
	}
	rendered := map[string]any{}
	a.render(values, rendered)
	if diff := cmp.Diff(want, a.collect(rendered)); diff != "" {
		t.Errorf("what is rendered reads differently (-want +got):\n%s", diff)
	}
	for _, definition := range []string{
		"", "title", "title=", "title=a b", "=x", "userName=x", "active=x", "shoeSize=x", "name=x", "name.shoe=x", "emails=x",
		enterpriseSchema + ":shoeSize=x", enterpriseSchema + ":manager=x", "urn:acme:2.0:User:region.part=x", `roles[type eq "a"]=x`,
	} {
		if _, err := NewAttributes([]string{definition}); err == nil || !strings.Contains(err.Error(), strconv.Quote(definition)) {
			t.Errorf("%q: got error %v", definition, err)
		}
	}
	for _, twice := range [][]string{{"title=a", "title=b"}, {"title=a", "nickName=a"}} {
		if _, err := NewAttributes(twice); err == nil {
			t.Errorf("%q: no error", twice)
		}
	}
}
