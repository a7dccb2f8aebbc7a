package validation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reviewed returns a group that was reviewed on the day and is due for review 30 days later.
func reviewed(day string, edits ...string) string {
	return strings.NewReplacer(edits...).Replace(`
AccessGroup acme/reviewed
metadata: {creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  members: [{user: pat}]
  applicationAccess: [{application: red, role: Administrator}]
  review: {everyDays: 30, ifMissed: End}
  reviewedAt: "` + day + `T00:00:00Z"
`)
}

func TestRightsByReviews(t *testing.T) {
	const review, keep, end = "  review: {everyDays: 30, ifMissed: End}\n", "ifMissed: Keep", "ifMissed: End"
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"a review":                          {reviewed("2026-05-15"), reviewed("2026-05-31"), []string{mayAdministerRed}},
		"a review of a group that has lost": {reviewed("2026-04-01"), reviewed("2026-06-01"), []string{mayAdministerRed}},
		"a review that was earlier":         {reviewed("2026-05-15"), reviewed("2026-05-10"), []string{mayAdministerRed}}, // a window that moves
		"a review that ends it at once":     {reviewed("2026-05-15"), reviewed("1970-01-01"), []string{}},
		"a longer interval":                 {reviewed("2026-05-15"), reviewed("2026-05-15", "30", "60"), []string{mayAdministerRed}},
		"a shorter interval":                {reviewed("2026-05-15"), reviewed("2026-05-15", "30", "20"), []string{}},
		"access that does not end":          {reviewed("2026-05-15"), reviewed("2026-05-15", end, keep), []string{mayAdministerRed}},
		"access that ends":                  {reviewed("2026-05-15", end, keep), reviewed("2026-05-15"), []string{}},
		"no review any more":                {reviewed("2026-05-15"), reviewed("2026-05-15", review, ""), []string{mayAdministerRed}},
		"a first review":                    {reviewed("2026-05-15", review, ""), reviewed("2026-05-15"), []string{}},
		"a review of what does not end":     {reviewed("2026-05-15", end, keep), reviewed("2026-05-31", end, keep), []string{}},
		"a member after the end":            {reviewed("2026-04-01"), reviewed("2026-04-01", "{user: pat}", "{user: pat}, {user: sam}"), []string{mayAdministerRed}},
		"a review that ends a block": {
			administersRed + reviewed("2026-05-15", "Administrator", "NoAccess"), reviewed("2026-05-31", "Administrator", "NoAccess"), []string{},
		},
		"the end of a group that blocks after its review": {
			administersRed + reviewed("2026-04-01", "Administrator", "NoAccess"), "delete AccessGroup acme/reviewed", []string{mayAdministerRed},
		},
		// Under MostRestrictive the lower role ends with the review, and the higher one counts from then on.
		"an earlier end of a group that restricts": {
			administersRed + reviewed("2026-05-15", "Administrator", "Viewer"), reviewed("2026-05-15", "Administrator", "Viewer", "30", "20"),
			[]string{mayAdministerRed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, tc.before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAReviewAheadOfTimeIsRefused(t *testing.T) {
	ahead := func(at string) string { return reviewed("2026-05-15", "2026-05-15T00:00:00Z", at) }
	for name, tc := range map[string]struct {
		before, change string
		want           []string
	}{
		"five minutes": {reviewed("2026-05-15"), ahead("2026-06-01T00:05:00Z"), nil},
		"more": {reviewed("2026-05-15"), ahead("2026-06-01T00:05:01Z"), []string{
			`spec.reviewedAt: Invalid value: "2026-06-01T00:05:01Z": a review cannot be more than five minutes ahead; it is 2026-06-01T00:00:00Z now`}},
		"more, of a new group": {"", ahead("2027-06-01T00:00:00Z"), []string{
			`spec.reviewedAt: Invalid value: "2027-06-01T00:00:00Z": a review cannot be more than five minutes ahead; it is 2026-06-01T00:00:00Z now`}},
		"one that was so stored": {ahead("2027-06-01T00:00:00Z"), strings.Replace(ahead("2027-06-01T00:00:00Z"), "spec:", "spec:\n  description: x", 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range situate(t, tc.before).judge(t, tc.change).Errors {
				got = append(got, e.Error())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAProtectedGroupIsReviewed(t *testing.T) {
	const label = "metadata: {labels: {access.usher.dev/protected: \"true\"}, "
	before := reviewed("2026-05-15", "metadata: {", label)
	for name, tc := range map[string]struct {
		change string
		want   []string
	}{
		"reviewedAt": {reviewed("2026-05-31", "metadata: {", label), []string{mayAdministerRed}},
		"reviewedAt and a member": {
			reviewed("2026-05-31", "metadata: {", label, "{user: pat}", "{user: pat}, {user: sam}"), []string{mayAdministerRed},
		},
		"the interval": {
			reviewed("2026-05-15", "metadata: {", label, "30", "60"), []string{"unprotect accessgroups reviewed @acme", mayAdministerRed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rightsOf(situate(t, before).judge(t, tc.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheBrakeCountsReviews(t *testing.T) {
	const limit = "AccessPolicy acme/default\nspec: {revocationLimit: {users: 1}}\n---\n"
	three := func(day string, edits ...string) string {
		return reviewed(day, append(edits, "{user: pat}", "{user: pat}, {user: sam}, {user: kim}")...)
	}
	for name, tc := range map[string]struct {
		change string
		want   int
	}{
		"a review that is over at once":     {three("2026-04-01"), 1},
		"a review that is due within a day": {three("2026-05-02", "T00:00:00Z\"\n", "T12:00:00Z\"\n"), 1},
		"a review that is due later":        {three("2026-05-04"), 0},
		"an interval that is over":          {three("2026-05-15", "30", "10"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			j := situate(t, limit+three("2026-05-15")).judge(t, tc.change)
			if len(j.Braked) != tc.want {
				t.Errorf("refused %d times, not %d: %v", len(j.Braked), tc.want, j.Braked)
			}
		})
	}
}

func TestAReviewOfTheLastAdministratorIsToldOf(t *testing.T) {
	administrators := func(day string, edits ...string) string {
		return reviewed(day, append(edits, "applicationAccess: [{application: red, role: Administrator}]", "organizationRole: Administrator")...)
	}
	const review = "  review: {everyDays: 30, ifMissed: End}\n"
	situation := situate(t, policy("Deny")+administrators("2026-05-15", review, ""))
	j := situation.judge(t, administrators("2026-05-15"))
	want := "organization acme would have nobody with its top organization role Administrator, from 2026-06-14T00:00:00Z on: " +
		"pat is the last who holds it. Give the role to somebody else first"
	if len(j.Refusals) != 1 || j.Refusals[0].Detail != want {
		t.Errorf("refused %v, not %q", j.Refusals, want)
	}
	// A confirmation only postpones the end, which is not a finding.
	if j := situate(t, policy("Deny")+administrators("2026-05-15")).judge(t, administrators("2026-05-31")); len(j.Refusals) > 0 {
		t.Error(j.Refusals)
	}
}
