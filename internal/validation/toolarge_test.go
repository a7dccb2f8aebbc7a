package validation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAttackFiltersThatHideRowsAreWarnedOf checks that a group with large filters, which hides the rows of its
// members, warns its author.
func TestAttackFiltersThatHideRowsAreWarnedOf(t *testing.T) {
	rows := func(application string, values int) string {
		var list []string
		for v := range values {
			list = append(list, fmt.Sprintf("%0100d", v))
		}
		return "{application: " + application + ", anyOf: [{allOf: [{attribute: a, operator: In, values: ['" +
			strings.Join(list, "', '") + "']}]}]}"
	}
	group := func(name, members, rows string) string {
		return "AccessGroup acme/" + name + "\nspec: {members: [" + members + "], applicationAccess: [{application: red, role: Viewer}]," +
			" dataPermissions: [" + rows + "]}\n"
	}
	const ana, ben = "{user: ana}", "{user: ben}"
	warning := func(users string) []string {
		return []string{"the row-level filters of " + users + " would be larger together than 64 KiB in organization acme (docs/rules.md R7), and " +
			"every row would be hidden in applications: red. Use fewer or shorter values in spec.dataPermissions, or fewer groups that have it"}
	}
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"within the bound":       {group("team", ana+", "+ben, rows("red", 10)), group("more", ana, rows("red", 500)), nil},
		"past it":                {group("team", ana+", "+ben, rows("red", 10)), group("more", ana+", "+ben, rows("red", 700)), warning("ana, ben")},
		"another member":         {group("more", ana, rows("red", 700)), group("more", ana+", "+ben, rows("red", 700)), warning("ben")},
		"past it before already": {group("more", ana, rows("red", 700)), group("more", ana, rows("red", 800)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := situate(t, tc.before)
			if diff := cmp.Diff(tc.want, s.judge(t, tc.change).Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}
