package resolve_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestWindowsAreHalfOpen(t *testing.T) {
	tests := map[string]struct {
		window resolve.Window
		want   []int // the hours from -1 to 3 that are within the window
	}{
		"open on both sides": {resolve.Window{}, []int{-1, 0, 1, 2, 3}},
		"from":               {from(1), []int{1, 2, 3}},
		"until":              {until(1), []int{-1, 0}},
		"between":            {between(0, 2), []int{0, 1}},
		"never":              {between(2, 0), nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []int
			for hour := -1; hour <= 3; hour++ {
				if tc.window.Contains(at(hour)) {
					got = append(got, hour)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("hours within (-want, +got):\n%s", diff)
			}
		})
	}
}

func TestAWindowCoversAnother(t *testing.T) {
	tests := map[string]struct {
		w, v resolve.Window
		want bool
	}{
		"always covers all":          {resolve.Window{}, between(1, 2), true},
		"nothing less covers always": {from(0), resolve.Window{}, false},
		"not even an end":            {until(0), resolve.Window{}, false},
		"itself":                     {between(1, 2), between(1, 2), true},
		"a later begin":              {from(1), from(2), true},
		"not an earlier one":         {from(2), from(1), false},
		"an earlier end":             {until(2), until(1), true},
		"not a later one":            {until(1), until(2), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.w.Covers(tc.v); got != tc.want {
				t.Errorf("Covers() = %t, want %t", got, tc.want)
			}
		})
	}
}

// ends holds the instants of a decision as hours after the epoch. Zero stands for never.
type ends struct{ organization, fallback, red, enters, next int }

func hours(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return int(t.Sub(epoch).Hours())
}

func TestWhatEnds(t *testing.T) {
	bar := func(w resolve.Window) []resolve.Bar { return []resolve.Bar{{Source: me, Window: w}} }
	viewer, editor := group("viewers", organizationRole("Viewer")), group("editors", organizationRole("Editor"))
	france := group("france", withoutPrivileges, sees("*", in("country", "France")))
	tests := map[string]struct {
		rules resolve.Rules
		held  []held
		bars  []resolve.Bar
		want  ends
	}{
		"nothing without a window": {where(), []held{viewer}, nil, ends{}},
		"a membership": {
			where(), []held{viewer.during(until(2))}, nil, ends{organization: 2, fallback: 2, red: 2, enters: 2, next: 2},
		},
		"a membership by two paths ends with the last, each of them acts": {
			where(), []held{viewer.during(until(1), between(1, 3))}, nil, ends{organization: 3, fallback: 3, red: 3, enters: 3, next: 1},
		},
		"a gap between two paths ends it": {
			where(), []held{viewer.during(until(1), between(2, 3))}, nil, ends{organization: 1, fallback: 1, red: 1, enters: 1, next: 1},
		},
		"an entry ends in its application alone": {
			where(), []held{viewer, group("red", roleDuring("red", "Editor", until(2)))}, nil, ends{red: 2, next: 2},
		},
		"an entry that opens may lower the role": {
			where(), []held{editor, group("red", roleDuring("red", "Viewer", from(2)))}, nil, ends{red: 2, next: 2},
		},
		"an entry that opens and raises ends nothing": {
			where(), []held{viewer, group("red", roleDuring("red", "Editor", from(2)))}, nil, ends{next: 2},
		},
		"what falls back on the same role does not end": {
			where(), []held{viewer, group("red", roleDuring("red", "Viewer", until(2)))}, nil, ends{next: 2},
		},
		"what rises first and falls below later ends later": {
			where(), []held{group("g", roleDuring("red", "Viewer", until(3)), roleDuring("*", "Editor", between(3, 4)))}, nil,
			ends{red: 4, enters: 4, next: 3},
		},
		"individual grants end when a group takes their place": {
			where(), []held{own(role("red", "Editor")), viewer.during(from(2))}, nil, ends{red: 2, next: 2},
		},
		"a protected grant does not": {
			where(), []held{own(organizationRole("Administrator")), viewer.during(from(2))}, nil, ends{next: 2},
		},
		"a system group's role by what it opens": {
			where(), []held{editor, systemGroup("s", systemRole("*", "Observer")).during(from(3))}, nil,
			ends{organization: 3, fallback: 3, red: 3, enters: 3, next: 3},
		},
		"another organization's membership is of no interest": {
			where(), []held{viewer, systemGroup("s", systemRole("other", "Observer")).during(until(2))}, nil, ends{},
		},
		"the user's own window": {
			where(), []held{viewer}, bar(between(-1, 2)), ends{organization: 2, fallback: 2, red: 2, enters: 2, next: 2},
		},
		"NoAccess has no end, but acts": {where(), []held{viewer}, bar(from(2)), ends{next: 2}},
		"other rows end an access, not the role of the organization": {
			where(), []held{viewer, france.during(until(2))}, nil, ends{fallback: 2, red: 2, next: 2},
		},
		"more rows are other rows": {
			where(permissive), []held{viewer, france, group("spain", sees("*", in("country", "Spain"))).during(from(2))}, nil,
			ends{fallback: 2, red: 2, next: 2},
		},
		"the same rows by another group are not": {
			where(), []held{viewer, france.during(until(2)), group("too", sees("*", in("country", "France"))).during(from(1))}, nil,
			ends{next: 1},
		},
		"an application that hides rows ends on its own": {
			where(hiding("red")), []held{viewer, france.during(until(2))}, nil, ends{fallback: 2, red: 2, next: 2},
		},
		"hidden rows that are shown": {
			where(hiding("red")), []held{viewer, group("spain", sees("red", in("country", "Spain"))).during(from(2))}, nil,
			ends{red: 2, next: 2},
		},
		"an exclusion to come ends what it takes": {
			where(exclusive("pay", "Editor", "red", "blue")), []held{group("g", role("red", "Editor"), roleDuring("blue", "Editor", from(2)))}, nil,
			ends{red: 2, enters: 2, next: 2},
		},
		"entering goes on by an application": {
			where(), []held{viewer.during(until(2)), group("g", role("blue", "Viewer"))}, nil,
			ends{organization: 2, fallback: 2, red: 2, enters: 2, next: 2},
		},
		"entering ends with the last application": {
			where(), []held{group("g", roleDuring("blue", "Viewer", until(2)), roleDuring("green", "Viewer", until(4)))}, nil,
			ends{enters: 4, next: 2},
		},
		"windows of what gives nothing are of no interest": {
			where(), []held{
				viewer, group("g", roleDuring("red", "Ghost", until(1))), group("h", withoutPrivileges, roleDuring("red", "Viewer", until(1))),
				group("i", beingDeleted, roleDuring("red", "Viewer", until(1))),
			}, nil, ends{},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := world{rules: tc.rules, held: tc.held, bars: tc.bars}
			d := w.engine(epoch)
			got := ends{
				hours(d.OrganizationRole.NotAfter), hours(d.Default.NotAfter), hours(d.Application("red").NotAfter),
				hours(d.EntersNotAfter), hours(d.Next),
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(ends{})); diff != "" {
				t.Errorf("(-want, +got):\n%s", diff)
			}
			compareWithOracle(t, w, epoch)
		})
	}
}

func TestExists(t *testing.T) {
	tests := map[string]struct {
		world        world
		exists, held bool
	}{
		"nothing held":          {world{}, false, false},
		"a declared UserAccess": {world{declared: true}, true, false},
		"a grant":               {world{held: []held{systemGroup("s", systemRole("*", "Observer"))}}, true, true},
		"a grant behind a bar": {
			world{held: []held{systemGroup("s", systemRole("*", "Observer"))}, bars: []resolve.Bar{{Suspended: true}}}, true, true,
		},
		"an active membership":           {world{held: []held{group("g", withoutPrivileges)}}, true, true},
		"a membership that is not open":  {world{held: []held{group("g", role("red", "Viewer")).during(from(1))}}, false, false},
		"a System group without a grant": {world{held: []held{systemGroup("s", systemRole("*", "Ghost"))}}, false, false},
		"a System group for another":     {world{held: []held{systemGroup("s", systemRole("other", "Observer"))}}, false, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.world.rules = builtIn()
			d := tc.world.engine(epoch)
			if d.Exists != tc.exists || d.Held != tc.held {
				t.Errorf("Exists = %t, want %t; Held = %t, want %t", d.Exists, tc.exists, d.Held, tc.held)
			}
		})
	}
}
