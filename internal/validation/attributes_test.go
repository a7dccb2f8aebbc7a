package validation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// own is a group of Viewers of red who see the rows of their own countries.
const own = `
AccessGroup acme/viewers
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Viewer}]
  dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: country, operator: In, userAttribute: countries}]}]}]
---
`

func countriesOf(object, values string) string {
	return "UserAccess " + object + "\nspec: {user: pat, attributes: [{name: countries, values: [" + values + "]}]}\n"
}

func TestRightsByAttributes(t *testing.T) {
	one, two := countriesOf("acme/pat", "France"), countriesOf("acme/pat", "France, Spain")
	none := "UserAccess acme/pat\nspec: {user: pat}\n"
	oneAbove, twoAbove := countriesOf("access-system/pat", "France"), countriesOf("access-system/pat", "France, Spain")
	notIn := strings.Replace(own, "operator: In", "operator: NotIn", 1)
	greater := strings.Replace(own, "operator: In", "operator: GreaterThan", 1)
	literal := strings.Replace(own, "userAttribute: countries", "values: [France]", 1)
	permissive := "AccessPolicy acme/default\nspec: {conflictResolution: MostPermissive}\n---\n"
	suspended := "UserAccess acme/zz\nspec: {user: pat, state: Suspended}\n---\n"
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"one value more":                           {own + one, two, []string{mayShowRedRow}},
		"another value":                            {own + one, countriesOf("acme/pat", "Spain"), []string{mayShowRedRow}},
		"one value less":                           {own + two, one, []string{}},
		"the first value":                          {own + none, one, []string{mayShowRedRow}},
		"the attribute of a new UserAccess":        {own, one, []string{mayShowRedRow}},
		"no value any more":                        {own + one, none, []string{}},
		"one value more where filters are united":  {permissive + own + one, two, []string{mayShowRedRow}},
		"one value more of somebody suspended":     {suspended + own + one, two, []string{mayShowRedRow}},
		"one value more that rows exclude":         {notIn + one, two, []string{}},
		"one value less that rows exclude":         {notIn + two, one, []string{mayShowRedRow}},
		"a second value under GreaterThan":         {greater + countriesOf("acme/pat", "'1'"), countriesOf("acme/pat", "'1', '2'"), []string{}},
		"one value instead of two, by GreaterThan": {greater + countriesOf("acme/pat", "'1', '2'"), countriesOf("acme/pat", "'1'"), []string{mayShowRedRow}},
		"an attribute that nothing refers to":      {literal + one, two, []string{}},
		"one value more across organizations":      {own + oneAbove, twoAbove, []string{mayShowRedRow}},
		// What hides the attribute may end at the same time.
		"one value more above, where the organization has its own": {own + one + "---\n" + oneAbove, twoAbove, []string{mayShowRedRow}},
		"no value of its own any more":                             {own + one + "---\n" + twoAbove, none, []string{mayShowRedRow}},
		"the end of the UserAccess that hid the one above":         {own + one + "---\n" + twoAbove, "delete UserAccess acme/pat", []string{mayShowRedRow}},
		"one value more of a UserAccess that does not count": {
			own + one + "---\n" + countriesOf("acme/zz", "France"), countriesOf("acme/zz", "France, Spain"), []string{mayShowRedRow},
		},
		"the end of the UserAccess that counts": {
			own + one + "---\n" + countriesOf("acme/zz", "France, Spain"), "delete UserAccess acme/pat", []string{mayShowRedRow},
		},
		"an attribute instead of values that it has now": {literal + one, own, []string{mayShowRedRow}},
		"an attribute instead of values, for nobody":     {strings.Replace(literal, "{user: pat}", "", 1) + one, strings.Replace(own, "{user: pat}", "", 1), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Each of the requests by itself shows no more rows, but both together do. One of them must require the right.
func TestAttackWidensByAttributesTogether(t *testing.T) {
	literal := strings.Replace(own, "userAttribute: countries", "values: [France]", 1)
	for name, tc := range map[string]struct {
		before  string
		changes []string
	}{
		"a filter that refers to an attribute that grows": {
			literal + countriesOf("acme/pat", "France"), []string{own, countriesOf("acme/pat", "France, Spain")},
		},
		"an attribute that grows where another hides it": {
			own + countriesOf("acme/pat", "France") + "---\n" + countriesOf("access-system/pat", "France"),
			[]string{"delete UserAccess acme/pat", countriesOf("access-system/pat", "France, Spain")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			for _, change := range tc.changes {
				all = append(all, rightsOf(situate(t, tc.before).judge(t, change))...)
			}
			if diff := cmp.Diff([]string{mayShowRedRow}, all); diff != "" {
				t.Error(diff)
			}
		})
	}
}
