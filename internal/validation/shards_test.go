package validation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
)

// onePerHundred simulates the ConfigMaps of a document: one for every hundred users with access.
func onePerHundred(
	_ *resolve.Organization, application *accessv1alpha1.ApplicationAccess, decisions func(func(string, *resolve.Decision)),
) []string {
	users := 0
	decisions(func(_ string, d *resolve.Decision) {
		if d.Application(application.Name).GivesAccess() {
			users++
		}
	})
	names := []string{}
	for n := range max(1, (users+99)/100) {
		names = append(names, fmt.Sprintf("%s.%d", application.Name, n))
	}
	return names
}

func TestMoreConfigMapsAreWarnedOf(t *testing.T) {
	members := func(name, role string, from, to int) string {
		var list []string
		for i := from; i < to; i++ {
			list = append(list, fmt.Sprintf("{user: u%d}", i))
		}
		return "AccessGroup acme/" + name + "\nspec: {members: [" + strings.Join(list, ", ") + "], applicationAccess: [{application: red, role: " + role + "}]}\n"
	}
	const red = "ApplicationAccess acme/red\nspec: {}\n"
	warning := func(all, more int, names string) []string {
		return []string{fmt.Sprintf("the document of application red in acme would take %d ConfigMaps, %d more than now: workloads that do not "+
			"mount them do not see the users in them. Mount %s", all, more, names)}
	}
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"users past a boundary":      {red + "---\n" + members("team", "Viewer", 0, 190), members("more", "Viewer", 190, 320), warning(4, 2, "red.2, red.3")},
		"users within it":            {red + "---\n" + members("team", "Viewer", 0, 190), members("more", "Viewer", 190, 195), nil},
		"fewer users":                {red + "---\n" + members("team", "Viewer", 0, 190), members("team", "Viewer", 0, 20), nil},
		"too few users for a second": {red + "---\n" + members("team", "Viewer", 0, 20), members("more", "Viewer", 20, 120), nil},
		"an application without one": {members("team", "Viewer", 0, 190), members("more", "Viewer", 190, 320), nil},
		"one that is created":        {members("team", "Viewer", 0, 190), red, warning(2, 1, "red.1")},
		"many":                       {red + "---\n" + members("team", "Viewer", 0, 190), members("more", "Viewer", 190, 1590), warning(16, 14, "red.2, red.3, red.4, red.5, red.6, red.7, red.8, red.9, red.10, red.11, and 4 more")},
	} {
		t.Run(name, func(t *testing.T) {
			s := situate(t, tc.before)
			s.validator.ConfigMaps = onePerHundred
			if diff := cmp.Diff(tc.want, s.judge(t, tc.change).Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}
