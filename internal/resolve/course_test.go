package resolve_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/resolve"
)

// TestCoursesAgreeWithResolvingLater compares the course of every entry with the engine's decision at every half
// hour.
func TestCoursesAgreeWithResolvingLater(t *testing.T) {
	eachWorld(t, 12, func(t *testing.T, w world, now time.Time) {
		o, u := w.bind()
		courses := o.Courses(u, now)
		entries := map[string]*resolve.Course{"the organization": &courses.Organization, "by default": &courses.Default}
		for _, name := range applications {
			entries[name] = courses.Application(name)
		}
		for later := now; later.Before(at(9)); later = later.Add(30 * time.Minute) {
			d := o.At(u, later)
			for entry, c := range entries {
				want := d.Application(entry)
				switch entry {
				case "the organization":
					want = &resolve.Access{Outcome: d.OrganizationRole}
				case "by default":
					want = &d.Default
				}
				got := c.At(later)
				if got == nil && c.Instants > w.instantLimit() && !later.Before(c.Until) {
					continue
				}
				if got == nil || !got.Equal(want) {
					t.Errorf("%s at %v: %+v by the course, %+v by the decision", entry, later, got, want)
				}
			}
		}
		for entry, c := range entries {
			checkSteps(t, entry, c, now)
		}
	})
}

func checkSteps(t *testing.T, entry string, c *resolve.Course, now time.Time) {
	t.Helper()
	if !c.Steps[0].At.Equal(now) {
		t.Errorf("%s: the first step begins at %v, not at %v", entry, c.Steps[0].At, now)
	}
	for i := range c.Steps[1:] {
		before, after := &c.Steps[i], &c.Steps[i+1]
		if !before.At.Before(after.At) || before.Equal(&after.Access) {
			t.Errorf("%s: step %+v follows on %+v", entry, after, before)
		}
	}
	if len(c.Steps) > c.Instants+1 {
		t.Errorf("%s: %d steps by %d instants", entry, len(c.Steps), c.Instants)
	}
}

// TestInstantsOfAnEntry counts what affects each entry.
func TestInstantsOfAnEntry(t *testing.T) {
	type instants struct{ organization, fallback, red, blue, green int }
	both := exclusive("both", "Viewer", "red", "blue")
	bar := []resolve.Bar{{Source: me, Window: until(4)}}
	tests := map[string]struct {
		rules resolve.Rules
		held  []held
		bars  []resolve.Bar
		want  instants
	}{
		"nothing":                    {where(), []held{group("g", role("red", "Viewer"))}, nil, instants{}},
		"the user's own window":      {where(), nil, bar, instants{1, 1, 1, 1, 1}},
		"a membership":               {where(), []held{group("g").during(between(1, 2))}, nil, instants{2, 2, 2, 2, 2}},
		"what has passed is none":    {where(), []held{group("g").during(between(-1, 2))}, nil, instants{1, 1, 1, 1, 1}},
		"an entry for all":           {where(), []held{group("g", roleDuring("*", "Viewer", until(1)))}, nil, instants{0, 1, 1, 1, 1}},
		"an entry for one":           {where(), []held{group("g", roleDuring("red", "Viewer", until(1)))}, nil, instants{0, 0, 1, 0, 0}},
		"an instant counts once":     {where(), []held{group("g", roleDuring("red", "Viewer", until(4)))}, bar, instants{1, 1, 1, 1, 1}},
		"exclusive access ties":      {where(both), []held{group("g", roleDuring("red", "Viewer", until(1)))}, nil, instants{0, 0, 1, 1, 0}},
		"a source that says nothing": {where(), []held{systemGroup("g").during(until(1))}, nil, instants{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := world{rules: tc.rules, held: tc.held, bars: tc.bars}
			o, u := w.bind()
			c := o.Courses(u, epoch)
			got := instants{
				c.Organization.Instants, c.Default.Instants, c.Application("red").Instants, c.Application("blue").Instants,
				c.Application("green").Instants,
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(instants{})); diff != "" {
				t.Errorf("instants (-want, +got):\n%s", diff)
			}
		})
	}
}

// second returns the instant n seconds after the epoch.
func second(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }

// flicker returns a source with count grants of a role in red. Each grant opens at one second and closes at the
// next.
func flicker(count int) held {
	h := group("flicker")
	for i := range count {
		window := resolve.Window{NotBefore: second(2*i + 1), NotAfter: second(2*i + 2)}
		roleDuring("red", "Editor", window)(&h.source)
	}
	return h
}

func TestACourseEndsAtTheLastInstantThatIsCounted(t *testing.T) {
	for _, instants := range []int{resolve.MaximumInstants - 2, resolve.MaximumInstants, resolve.MaximumInstants + 2, 4000} {
		t.Run(fmt.Sprint(instants), func(t *testing.T) {
			o, u := world{rules: builtIn(), held: []held{flicker(instants / 2)}}.bind()
			c := o.Courses(u, epoch).Application("red")
			var until time.Time
			steps := instants + 1
			if instants > resolve.MaximumInstants {
				until, steps = second(resolve.MaximumInstants), resolve.MaximumInstants
			}
			if c.Instants != min(instants, resolve.MaximumInstants+1) || !c.Until.Equal(until) || len(c.Steps) != steps {
				t.Errorf("%d instants until %v in %d steps, want %v and %d", c.Instants, c.Until, len(c.Steps), until, steps)
			}
			if known := c.At(second(resolve.MaximumInstants - 1)); known == nil {
				t.Error("nothing is known before the last instant that is counted")
			}
			if unknown := c.At(second(resolve.MaximumInstants)) == nil; unknown == until.IsZero() {
				t.Errorf("unknown at the last instant that is counted: %t", unknown)
			}
			if !slices.IsSortedFunc(c.Steps, func(a, b resolve.Step) int { return a.At.Compare(b.At) }) {
				t.Error("the steps are not sorted")
			}
		})
	}
}

// TestResumingAgreesWithResolvingAnew advances time in steps of any length.
func TestResumingAgreesWithResolvingAnew(t *testing.T) {
	eachWorld(t, 13, func(t *testing.T, w world, now time.Time) {
		o, u := w.bind()
		previous := o.Resolve(u, now)
		for i, later := 0, now; later.Before(at(9)); i++ {
			later = later.Add(time.Duration(1+(i*i+now.Hour())%4) * 30 * time.Minute)
			resumed, fresh := o.Resume(&previous, u, later, nil), o.Resolve(u, later)
			if !resumed.Equal(&fresh) || !resumed.Identical(&fresh) {
				t.Errorf("resumed at %v (+), another decision:\n%s", later,
					cmp.Diff(answerOf(t, &fresh), answerOf(t, &resumed)))
			}
			previous = resumed
		}
	})
}
