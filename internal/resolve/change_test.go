package resolve

import (
	"slices"
	"testing"
	"time"
)

func TestChangeTo(t *testing.T) {
	soon := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	rows := []Filter{NewFilter(nil)}
	access := func(r rung, filters []Filter, end time.Time) *Access {
		return &Access{Outcome: Outcome{Role: "role", rung: r, NotAfter: end}, Filters: filters}
	}
	no := &Nothing().Default
	for name, tc := range map[string]struct {
		before, after *Access
		want          Change
	}{
		"none, and none after":            {no, no, ChangeNone},
		"the same":                        {access(1, rows, soon), access(1, rows, soon), ChangeNone},
		"a role where there was none":     {no, access(3, nil, soon), ChangeGained},
		"none where there was a role":     {access(0, nil, soon), no, ChangeLost},
		"a role further up the ladder":    {access(3, nil, soon), access(0, rows, time.Time{}), ChangeRaised},
		"a role further down":             {access(0, rows, soon), access(3, nil, soon), ChangeLowered},
		"other rows":                      {access(1, nil, soon), access(1, rows, time.Time{}), ChangeRows},
		"another end":                     {access(1, rows, soon), access(1, rows, time.Time{}), ChangeEnd},
		"none, where an end stood before": {access(noAccess, nil, soon), no, ChangeNone},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.before.ChangeTo(tc.after); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if tc.want != ChangeNone && !slices.Contains(Changes(), tc.want) {
				t.Errorf("%s is not among the changes", tc.want)
			}
			role := tc.want
			if role == ChangeRows {
				role = ChangeEnd // a role alone has no rows
			}
			if got := tc.before.Outcome.ChangeTo(&tc.after.Outcome); got != role {
				t.Errorf("of the role alone: got %q, want %q", got, role)
			}
		})
	}
}
