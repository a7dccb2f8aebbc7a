package roster_test

import (
	"slices"
	"testing"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
)

// TestChangedApplications compares the result of ChangedApplications with a comparison of each application.
func TestChangedApplications(t *testing.T) {
	names := slices.Sorted(slices.Values(append([]string{"unnamed", "aa", "zz"}, rostertest.Applications...)))
	compared := 0
	for seed := range uint64(20) {
		w := rostertest.NewWorld(seed, 5)
		r := roster.New(roster.Options{SystemNamespace: rostertest.System})
		for range 60 {
			must(t, r.Set(w.Object()))
			changes := r.Settle(w.Start)
			for i := range changes.Users {
				c := &changes.Users[i]
				var want []string
				for _, name := range names {
					if !sameTo(c.Before, c.After, name) {
						want = append(want, name)
					}
				}
				compared++
				if got := roster.ChangedApplications(c.Before, c.After, names); !slices.Equal(got, want) {
					t.Fatalf("seed %d: got %q, want %q\nfrom %+v\nto %+v", seed, got, want, c.Before, c.After)
				}
			}
		}
	}
	if compared < 1000 {
		t.Errorf("only %d changes compared", compared)
	}
}

func sameTo(before, after *resolve.Decision, application string) bool {
	switch {
	case before != nil && after != nil:
		return before.Application(application).Equal(after.Application(application))
	case before != nil:
		return !before.Application(application).GivesAccess()
	default:
		return after == nil || !after.Application(application).GivesAccess()
	}
}
