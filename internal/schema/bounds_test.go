package schema_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	"github.com/usher-dev/usher/internal/schema"
)

func parse(tb testing.TB, text string) map[string]any {
	tb.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		tb.Fatal(err)
	}
	return object
}

// withMembers returns a group with that many members. Each # in the user is replaced by the number of the member.
func withMembers(tb testing.TB, count int, user string) map[string]any {
	tb.Helper()
	object := parse(tb, group)
	members := make([]any, count)
	for i := range members {
		members[i] = map[string]any{"user": strings.ReplaceAll(user, "#", strconv.Itoa(i))}
	}
	object["spec"].(map[string]any)["members"] = members
	return object
}

func TestBounds(t *testing.T) {
	const tooMany = "spec.members: Too many: 5001: must have at most 5000 items"
	long := strings.Replace(group, "ana@acme.example", strings.Repeat("x", 1000), 1)
	for name, tc := range map[string]struct {
		object, old map[string]any
		want        []string // the prefix of each error
	}{
		"a valid object":                      {object: parse(t, group)},
		"the largest list":                    {object: withMembers(t, 5000, "user-#")},
		"too many members":                    {object: withMembers(t, 5001, "user-#"), want: []string{tooMany}},
		"too many, added":                     {object: withMembers(t, 5001, "user-#"), old: parse(t, group), want: []string{tooMany}},
		"too many, as before":                 {object: withMembers(t, 5001, "user-#"), old: withMembers(t, 5001, "user-#")},
		"too many, and others":                {object: withMembers(t, 5001, "user-#"), old: withMembers(t, 5001, "was-#"), want: []string{tooMany}},
		"too long":                            {object: parse(t, long), want: []string{"spec.members[0].user: Too long"}},
		"too long, as before":                 {object: parse(t, long), old: parse(t, long)},
		"a duplicate":                         {object: withMembers(t, 2, "same"), want: []string{"spec.members[1]: Duplicate value"}},
		"a duplicate, as before":              {object: withMembers(t, 2, "same"), old: withMembers(t, 2, "same")},
		"another type":                        {object: parse(t, strings.Replace(group, "role: Editor", "role: 7", 1)), want: []string{"spec.applicationAccess[0].role: Invalid value"}},
		"no members but a text":               {object: parse(t, strings.Replace(group, "[{user: ana@acme.example}]", "text", 1)), want: []string{"spec.members: Invalid value"}},
		"an enum":                             {object: parse(t, group+"  privileges: Maybe\n"), want: []string{"spec.privileges: Unsupported value"}},
		"a violated CEL rule is not reported": {object: parse(t, group+"  systemAccess: [{organization: acme, role: Observer}]\n")},
		"too many labels of a selector": {object: parse(t, group+"  applicationSelectors: [{selector: {matchLabels: {"+labels(11)+"}}, role: A}]\n"),
			want: []string{"spec.applicationSelectors[0].selector.matchLabels: Too many: 11"}},
		"a selector without terms": {object: parse(t, group+"  applicationSelectors: [{selector: {}, role: A}]\n"),
			want: []string{"spec.applicationSelectors[0].selector: Invalid value"}},
		"a valid selector": {object: parse(t, group+"  applicationSelectors: [{selector: {matchLabels: {"+labels(10)+"}}, role: A}]\n")},
		"a review interval that is too long": {object: parse(t, group+"  review: {everyDays: 1827}\n"),
			want: []string{"spec.review.everyDays: Invalid value"}},
		"too many labels": {object: withLabels(t, 1001), want: []string{"metadata.labels: Too many: 1001"}},
		"no spec":         {object: map[string]any{"spec": 7.0}, want: []string{"spec: Invalid value"}},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := schema.Bounds("AccessGroup", tc.object, tc.old)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, each := range found {
				got = append(got, each.Error())
			}
			begins := cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
			if diff := cmp.Diff(tc.want, got, begins, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unexpected errors (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := schema.Bounds("Secret", map[string]any{}, nil); err == nil {
		t.Error("a kind that is none of Usher's has bounds")
	}
}

// labels returns so many labels of a selector.
func labels(count int) string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("l%d: x", i))
	}
	return strings.Join(all, ", ")
}

func withLabels(tb testing.TB, count int) map[string]any {
	tb.Helper()
	object, made := parse(tb, group), map[string]any{}
	for i := range count {
		made[fmt.Sprintf("l%d", i)] = "x"
	}
	object["metadata"].(map[string]any)["labels"] = made
	return object
}

// TestBoundsAgreeWithValidate compares Bounds with Validate: they reject the same objects, except for those
// that only violate a CEL rule.
func TestBoundsAgreeWithValidate(t *testing.T) {
	for _, object := range []map[string]any{
		parse(t, group), withMembers(t, 2, "same"), parse(t, strings.Replace(group, "role: Editor", "role: 7", 1)),
		parse(t, strings.Replace(group, "role: Editor", "role: no role", 1)),
	} {
		bounds, err := schema.Bounds("AccessGroup", object, nil)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := schema.Validate(t.Context(), object)
		if err != nil {
			t.Fatal(err)
		}
		texts := func(of int, at func(int) string) []string {
			var found []string
			for i := range of {
				found = append(found, at(i))
			}
			slices.Sort(found)
			return found
		}
		if diff := cmp.Diff(
			texts(len(whole), func(i int) string { return whole[i].Error() }),
			texts(len(bounds), func(i int) string { return bounds[i].Error() })); diff != "" {
			t.Errorf("errors (-whole +bounds):\n%s", diff)
		}
	}
}

// BenchmarkBounds shows that an object over a bound costs less than the largest valid one.
func BenchmarkBounds(b *testing.B) {
	for name, object := range map[string]map[string]any{
		"largest": withMembers(b, 5000, "user-#@acme.example"), "hostile": withMembers(b, 200_000, "u#"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schema.Bounds("AccessGroup", object, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
