package resolve_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/usher-dev/usher/internal/resolve"
)

// manyWindows returns a user in four groups of 500 entries each. The entries deny access to one application after
// the other, a second apart.
func manyWindows() world {
	w := world{rules: builtIn(), held: []held{group("viewers", organizationRole("Viewer"))}}
	for g := range 4 {
		h := group(fmt.Sprintf("windows-%d", g))
		for i := range 500 {
			window := resolve.Window{NotBefore: second(500*g + i + 1)}
			roleDuring(fmt.Sprintf("application-%03d", i), none, window)(&h.source)
		}
		w.held = append(w.held, h)
	}
	return w
}

// TestAttackByWindows resolves a user with 2,000 windows. Resolving the user again at each of these instants takes
// two million allocations.
func TestAttackByWindows(t *testing.T) {
	w := manyWindows()
	o, u := w.bind()
	var d resolve.Decision
	if allocations := testing.AllocsPerRun(1, func() { d = o.Resolve(u, epoch) }); allocations > 10_000 {
		t.Errorf("%v allocations for one decision", allocations)
	}
	for i := range 500 {
		name := fmt.Sprintf("application-%03d", i)
		if got, want := d.Application(name).NotAfter, second(i+1); !got.Equal(want) {
			t.Errorf("%s ends at %v, want %v", name, got, want)
		}
	}
	if d.TooManyWindows {
		t.Error("too many windows, although four bear on each application")
	}
}

// TestAttackByWindowsOfOneEntry resolves a user with 2,000 windows that affect one application.
func TestAttackByWindowsOfOneEntry(t *testing.T) {
	w := world{rules: where(permissive), held: []held{group("viewers", role("*", "Viewer"))}}
	for g := range 4 {
		h := group(fmt.Sprintf("windows-%d", g))
		for i := range 500 {
			roleDuring("red", "Editor", resolve.Window{NotBefore: second(500*g + i + 1)})(&h.source)
		}
		w.held = append(w.held, h)
	}
	o, u := w.bind()
	var d resolve.Decision
	// Each of the 256 evaluations reads the grants of this application and no others.
	if allocations := testing.AllocsPerRun(1, func() { d = o.Resolve(u, epoch) }); allocations > 500 {
		t.Errorf("%v allocations for one decision", allocations)
	}
	red := d.Application("red")
	if want := second(resolve.MaximumInstants); !red.NotAfter.Equal(want) || !d.TooManyWindows {
		t.Errorf("red ends at %v, too many windows %t; want %v, true", red.NotAfter, d.TooManyWindows, want)
	}
	if !d.Default.NotAfter.IsZero() {
		t.Errorf("other applications end at %v, although no window bears on them", d.Default.NotAfter)
	}
	previous := d
	if allocations := testing.AllocsPerRun(1, func() { d = o.Resume(&previous, u, second(1), nil) }); allocations > 500 {
		t.Errorf("%v allocations a second later", allocations)
	}
	if want := second(resolve.MaximumInstants + 1); !d.Application("red").NotAfter.Equal(want) {
		t.Errorf("a second later red ends at %v, want %v", d.Application("red").NotAfter, want)
	}
}

// wordy returns a requirement with count values of 200 bytes each. No other requirement has the same values.
func wordy(name string, count int) resolve.Requirement {
	values := make([]string, count)
	for i := range values {
		values[i] = fmt.Sprintf("%s-%04d-%s", name, i, strings.Repeat("x", 200-len(name)-6))
	}
	return in("customer", values...)
}

// TestAttackByFilters has one group contribute more values than any document can hold.
func TestAttackByFilters(t *testing.T) {
	for _, strategy := range []resolve.Strategy{resolve.MostRestrictive, resolve.MostPermissive} {
		for _, count := range []int{2_600, 5_300} {
			t.Run(fmt.Sprintf("%d values under strategy %d", count, strategy), func(t *testing.T) {
				flood := group("flood", withoutPrivileges, func(s *resolve.Source) {
					for i := range count / 100 {
						sees(fmt.Sprintf("application-%02d", i), wordy(fmt.Sprint("value-", i), 100))(s)
					}
				})
				w := world{rules: builtIn(), held: []held{group("viewers", role("*", "Viewer")), flood}}
				w.rules.Strategy = strategy
				o, u := w.bind()
				d := o.Resolve(u, epoch)
				checkBound(t, &d)
				// 100 values of 200 bytes take more than 20 KB, so three applications fit.
				if want := count/100 - 3; len(d.HiddenRows) != want {
					t.Errorf("rows of %d applications are hidden, want %d", len(d.HiddenRows), want)
				}
				if other := d.Application("other"); other.Filters != nil || !other.GivesAccess() {
					t.Errorf("an application that no entry is about: %+v", other)
				}
			})
		}
	}
}

// checkBound checks that the user's filters are within the bound, and that applications whose filters do not fit
// show no row.
func checkBound(t *testing.T, d *resolve.Decision) {
	t.Helper()
	distinct, size := map[string]bool{`{"anyOf":[]}`: true}, 0
	count := func(name string, a *resolve.Access) {
		for _, f := range a.Filters {
			if text := asJSON(t, f); !distinct[text] {
				distinct[text] = true
				size += len(text)
			}
		}
		if !a.GivesAccess() {
			t.Errorf("%s: no access, although only rows are bounded", name)
		}
	}
	count("by default", &d.Default)
	for _, a := range d.Applications {
		count(a.Application, &a.Access)
	}
	if size > resolve.MaximumFilterBytes {
		t.Errorf("filters of %d bytes", size)
	}
	for _, name := range d.HiddenRows {
		a := d.Application(name)
		if name == resolve.AnyApplication {
			a = &d.Default
		}
		if len(a.Filters) != 1 || len(a.Filters[0].AnyOf) > 0 {
			t.Errorf("%s is hidden, but shows rows", name)
		}
	}
}

// TestAttackByManyLargeGroups has a hundred groups with the largest legal entries. The engine must sum their sizes
// and render only what it shows.
func TestAttackByManyLargeGroups(t *testing.T) {
	w := world{rules: where(permissive), held: []held{group("viewers", role("*", "Viewer"))}}
	for g := range 100 {
		h := group(fmt.Sprintf("large-%02d", g), withoutPrivileges)
		var alternatives []resolve.Alternative
		for i := range 20 {
			alternatives = append(alternatives, resolve.Alternative{AllOf: []resolve.Requirement{wordy(fmt.Sprint(g, "-", i), 10)}})
		}
		filter := resolve.NewFilter(alternatives)
		for i := range 5 {
			h.source.Rows = append(h.source.Rows, resolve.Rows{Application: fmt.Sprintf("application-%d", i), Filter: filter})
		}
		w.held = append(w.held, h)
	}
	o, u := w.bind()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d := o.Resolve(u, epoch)
	runtime.ReadMemStats(&after)
	checkBound(t, &d)
	// The entries contribute four megabytes for each application.
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 200_000 {
		t.Errorf("%d bytes are allocated for one decision", allocated)
	}
}

// BenchmarkManyWindows decides for a user with 2,000 windows: once from the objects, and once a second later when
// only time has passed.
func BenchmarkManyWindows(b *testing.B) {
	o, u := manyWindows().bind()
	b.Run("resolve", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.Resolve(u, epoch)
		}
	})
	b.Run("resume", func(b *testing.B) {
		previous := o.Resolve(u, epoch)
		b.ReportAllocs()
		for b.Loop() {
			o.Resume(&previous, u, second(1), nil)
		}
	})
}
