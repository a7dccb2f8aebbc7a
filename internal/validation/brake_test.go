package validation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usher-dev/usher/internal/validation"
)

// spread returns one group per user, so that access ends by as many changes.
func spread(users int, limit string) string {
	var text strings.Builder
	text.WriteString("AccessPolicy acme/default\nspec: {revocationLimit: {" + limit + "}}\n")
	for i := range users {
		fmt.Fprintf(&text, "---\nAccessGroup acme/team-%d\nspec: {members: [{user: u%d}], applicationAccess: [{application: red, role: Viewer}]}\n", i, i)
	}
	return text.String()
}

func ending(i int, notAfter string) string {
	return fmt.Sprintf("AccessGroup acme/team-%d\nspec: {members: [{user: u%d, notAfter: %q}], applicationAccess: [{application: red, role: Viewer}]}", i, i, notAfter)
}

// take applies the change to the roster, as the watch would.
func (s *situation) take(t *testing.T, change string, at time.Time) {
	t.Helper()
	o := parse(t, change)[0]
	if err := s.roster.Set(o); err != nil {
		t.Fatal(err)
	}
	changes := s.roster.Settle(at)
	s.validator.Losses.Note(&changes, at)
	s.objects[keyOf(o)] = o
}

// Each change by itself is within the limit, but access ends for all users at one instant.
func TestAttackEndsAccessByManySmallEdits(t *testing.T) {
	s := situate(t, spread(20, "users: 5"))
	passed := 0
	var last *validation.Judgement
	for i := range 20 {
		change := ending(i, "2026-06-01T12:00:00Z")
		if last = s.judge(t, change); len(last.Braked) == 0 {
			passed++
			s.take(t, change, june)
		}
	}
	if passed != 5 {
		t.Errorf("%d of twenty edits passed, the limit is 5", passed)
	}
	const want = "1 user would lose all access to application red of organization acme, after 0 within the last ten minutes and " +
		"with 5 more whose access ends within a day: 6 users together, more than the 5 users that AccessPolicy/acme/default in " +
		"spec.revocationLimit.users allows. If that is meant, annotate the object with access.usher.dev/allow-revocation: " +
		`"6@2026-06-01T01:00:00Z". To change several objects, annotate each of them first with the total of all of them, such as ` +
		"by: kubectl annotate accessgroups -n acme -l SELECTOR access.usher.dev/allow-revocation=6@2026-06-01T01:00:00Z"
	if len(last.Braked) != 1 || !strings.Contains(last.Braked[0].Error(), want) {
		t.Errorf("refused by %v, want %s", last.Braked, want)
	}
	allowed := strings.Replace(ending(19, "2026-06-01T12:00:00Z"), "\nspec", "\nmetadata: {annotations: {access.usher.dev/allow-revocation: \"6@2026-06-01T01:00:00Z\"}}\nspec", 1)
	if j := s.judge(t, allowed); len(j.Braked) > 0 {
		t.Errorf("refused what is allowed: %v", j.Braked)
	}
}

func TestEndsThatArePlanned(t *testing.T) {
	const tonight, nextWeek = "2026-06-01T20:00:00Z", "2026-06-08T00:00:00Z"
	for name, tc := range map[string]struct {
		planned []string // changes before the one that is judged
		change  string
		braked  bool
	}{
		"within a day, by others":              {[]string{ending(0, tonight), ending(1, tonight)}, "delete AccessGroup acme/team-2", true},
		"later than a day":                     {[]string{ending(0, nextWeek), ending(1, nextWeek)}, "delete AccessGroup acme/team-2", false},
		"what the change sets after a day":     {[]string{ending(0, tonight), ending(1, tonight)}, ending(2, nextWeek), false},
		"what the change brings forward":       {[]string{ending(0, nextWeek), ending(1, tonight)}, ending(0, tonight), false},
		"what is planned, taken earlier":       {[]string{ending(0, tonight), ending(1, tonight)}, "delete AccessGroup acme/team-1", false},
		"a change that takes nothing":          {[]string{ending(0, tonight), ending(1, tonight)}, "AccessGroup acme/more\nspec: {members: [{user: x}]}", false},
		"a role that falls tonight, no more":   {[]string{ending(0, tonight), "AccessGroup acme/editor\nspec: {members: [{user: u1, notAfter: \"" + tonight + "\"}], applicationAccess: [{application: red, role: Viewer}]}"}, "delete AccessGroup acme/team-2", false},
		"two that the change itself postpones": {[]string{"AccessGroup acme/team-0\nspec: {members: [{user: u0, notAfter: \"" + tonight + "\"}, {user: u9}], applicationAccess: [{application: red, role: Viewer}]}", ending(1, tonight)}, "AccessGroup acme/team-0\nspec: {members: [{user: u0}], applicationAccess: [{application: red, role: Viewer}]}", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := situate(t, spread(4, "users: 2"))
			for _, change := range tc.planned {
				s.take(t, change, june)
			}
			if j := s.judge(t, tc.change); (len(j.Braked) > 0) != tc.braked {
				t.Errorf("braked: %v", j.Braked)
			}
		})
	}
}

// If a user has more windows than are checked, every fall of a role by one of them counts as an end.
func TestManyWindowsOfOneUserAreBounded(t *testing.T) {
	s := situate(t, spread(4, "users: 2"))
	for user := range 2 {
		var grants []string
		for i := range 100 {
			grants = append(grants, fmt.Sprintf(`{application: a%d, role: Viewer, notAfter: "2026-06-01T%02d:%02d:00Z"}`, i, 1+i/60, i%60))
		}
		s.take(t, fmt.Sprintf("AccessGroup acme/many-%d\nspec: {members: [{user: u%d}], applicationAccess: [%s]}", user, user, strings.Join(grants, ", ")), june)
		s.take(t, ending(user, "2026-06-01T12:00:00Z"), june)
	}
	if j := s.judge(t, "delete AccessGroup acme/team-2"); len(j.Braked) != 1 {
		t.Errorf("braked: %v", j.Braked)
	}
}

// A filter that no row passes removes the whole access.
func TestAttackHidesEveryRow(t *testing.T) {
	const team = `
AccessGroup acme/team
spec:
  members: [{user: a}, {user: b}, {user: c}]
  applicationAccess: [{application: red, role: Viewer}]
`
	before := "AccessPolicy acme/default\nspec: {revocationLimit: {users: 2}}\n---\n" + team +
		"---\nAccessGroup acme/spain\nspec: {members: [{user: a}, {user: b}, {user: c}], dataPermissions: [{application: red, anyOf: [{allOf: [{attribute: country, operator: In, values: [Spain]}]}]}]}\n"
	rows := func(requirements string) string {
		return team + "  dataPermissions: [{application: red, anyOf: [{allOf: [" + requirements + "]}]}]\n"
	}
	for name, tc := range map[string]struct {
		change string
		braked bool
	}{
		"a filter that contradicts itself": {rows(`{attribute: line, operator: In, values: [x]}, {attribute: line, operator: In, values: ["y"]}`), true},
		"one that contradicts another's":   {rows(`{attribute: country, operator: In, values: [France]}`), true},
		"one that leaves rows":             {rows(`{attribute: country, operator: In, values: [France, Spain]}`), false},
		"no unmatched row, and a filter":   {"ApplicationAccess acme/red\nspec: {unmatchedRows: None}", false},
	} {
		t.Run(name, func(t *testing.T) {
			if j := situate(t, before).judge(t, tc.change); (len(j.Braked) > 0) != tc.braked {
				t.Errorf("braked: %v", j.Braked)
			}
		})
	}
	t.Run("all rows hidden where no group speaks", func(t *testing.T) {
		s := situate(t, "AccessPolicy acme/default\nspec: {revocationLimit: {users: 2}}\n---\n"+team)
		if j := s.judge(t, "ApplicationAccess acme/red\nspec: {unmatchedRows: None}"); len(j.Braked) != 1 {
			t.Errorf("braked: %v", j.Braked)
		}
	})
	t.Run("and counts as lost afterwards", func(t *testing.T) {
		s := situate(t, before)
		s.take(t, rows(`{attribute: country, operator: In, values: [France]}`), june)
		s.take(t, "AccessGroup acme/another\nspec: {members: [{user: d}], applicationAccess: [{application: red, role: Viewer}]}", june)
		j := s.judge(t, "delete AccessGroup acme/another")
		if len(j.Braked) != 1 || !strings.Contains(j.Braked[0].Error(), "after 3 within the last ten minutes") {
			t.Errorf("braked: %v", j.Braked)
		}
	})
}
