package resolve_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestTheOrderOfObjectsDoesNotMatter(t *testing.T) {
	d := rand.New(rand.NewPCG(2, 0))
	eachWorld(t, 2, func(t *testing.T, w world, now time.Time) {
		checkOrder(t, w, now, d.Shuffle)
	})
}

func checkOrder(t *testing.T, w world, now time.Time, shuffle func(n int, swap func(i, j int))) {
	t.Helper()
	before, after := w.engine(now), shuffled(w, shuffle).engine(now)
	if !before.Equal(&after) {
		t.Errorf("another order (+), another decision:\n%s", cmp.Diff(answerOf(t, &before), answerOf(t, &after)))
	}
}

// shuffled returns the same world in another order. The organization's rules of exclusive access stay first.
func shuffled(w world, shuffle func(n int, swap func(i, j int))) world {
	w.held, w.bars = mixed(w.held, shuffle), mixed(w.bars, shuffle)
	for i := range w.held {
		h := &w.held[i]
		h.windows = mixed(h.windows, shuffle)
		h.source.Applications = mixed(h.source.Applications, shuffle)
		h.source.System = mixed(h.source.System, shuffle)
		for j := range h.source.System {
			h.source.System[j].Applications = mixed(h.source.System[j].Applications, shuffle)
		}
		h.source.Rows = mixed(h.source.Rows, shuffle)
	}
	w.rules.HideUnmatched = mixed(w.rules.HideUnmatched, shuffle)
	w.rules.ExclusiveAccess = slices.Clone(w.rules.ExclusiveAccess)
	for i := range w.rules.ExclusiveAccess {
		w.rules.ExclusiveAccess[i].Applications = mixed(w.rules.ExclusiveAccess[i].Applications, shuffle)
	}
	return w
}

func mixed[T any](list []T, shuffle func(n int, swap func(i, j int))) []T {
	list = slices.Clone(list)
	shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func TestResolvingChangesNothing(t *testing.T) {
	eachWorld(t, 3, func(t *testing.T, w world, now time.Time) {
		before := asJSON(t, map[string]any{"rules": w.rules, "sources": sourcesOf(w), "bars": w.bars})
		o, u := w.bind()
		first, second := o.Resolve(u, now), o.Resolve(u, now)
		if !first.Equal(&second) {
			t.Errorf("the second time (+) another decision:\n%s", cmp.Diff(answerOf(t, &first), answerOf(t, &second)))
		}
		after := asJSON(t, map[string]any{"rules": w.rules, "sources": sourcesOf(w), "bars": w.bars})
		if before != after {
			t.Errorf("the input has changed:\n%s", cmp.Diff(before, after))
		}
	})
}

func TestManyMayResolveAtOnce(t *testing.T) {
	w := randomWorld(rand.New(rand.NewPCG(4, 11)))
	w.held = append(w.held, benchmarkWorld(until(3)).held...)
	o, u := w.bind()
	want := o.Resolve(u, epoch)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if got := o.Resolve(u, epoch); !want.Equal(&got) {
				t.Error("another decision beside others")
			}
		})
	}
	all.Wait()
}

func TestNoRoleWithoutAGrant(t *testing.T) {
	eachWorld(t, 5, func(t *testing.T, w world, now time.Time) {
		d := w.engine(now)
		sources := map[string]bool{}
		for _, h := range w.held {
			sources[h.source.Name] = h.active(now)
		}
		for name, o := range outcomes(&d) {
			if (o.Rule == resolve.RuleNoGrant) != (o.Source == "") {
				t.Errorf("%s: rule %s with source %q", name, o.Rule, o.Source)
			}
			if o.GivesAccess() && !sources[o.Source] {
				t.Errorf("%s: role %s of %q, which is not held now", name, o.Role, o.Source)
			}
		}
		w.held = slices.Clone(w.held)
		for i := range w.held {
			s := &w.held[i].source
			s.OrganizationRole, s.Applications, s.System = "", nil, nil
		}
		d = w.engine(now)
		for name, o := range outcomes(&d) {
			if o.GivesAccess() {
				t.Errorf("%s: role %s without any grant", name, o.Role)
			}
		}
	})
}

// outcomes returns all roles of the decision, including the organization role and the default role.
func outcomes(d *resolve.Decision) map[string]resolve.Outcome {
	all := map[string]resolve.Outcome{"the organization": d.OrganizationRole, "by default": d.Default.Outcome}
	for _, name := range applications {
		all[name] = d.Application(name).Outcome
	}
	return all
}

func TestEachIsWhatApplicationSays(t *testing.T) {
	eachWorld(t, 11, func(t *testing.T, w world, now time.Time) {
		d := w.engine(now)
		all := slices.Sorted(slices.Values(append(slices.Clone(applications), unnamed)))
		for from := range all { // also if the decision lists more applications than requested
			var got []string
			for name, access := range d.Each(all[from:]) {
				got = append(got, name)
				if want := d.Application(name); access != want {
					t.Errorf("%q: %+v instead of %+v", name, access, want)
				}
			}
			if !slices.Equal(got, all[from:]) {
				t.Errorf("%q instead of %q", got, all[from:])
			}
		}
	})
}

// TestOneMoreGrant adds a grant of a group to a scope that already has some. (The first grant of a scope raises
// the role from NoAccess under both strategies.)
func TestOneMoreGrant(t *testing.T) {
	scopes := map[string]func(role string) give{
		"of the application":  func(name string) give { return role("red", name) },
		"of all applications": func(name string) give { return role("*", name) },
		"of the organization": organizationRole,
		"of the system":       func(role string) give { return systemRole("acme", role) },
	}
	for scope, grant := range scopes {
		t.Run(scope, func(t *testing.T) {
			d := rand.New(rand.NewPCG(6, 0))
			member, ladder := group, []string{"Administrator", "RulesAdmin", "Editor", "Viewer", none}
			if scope == "of the system" {
				member, ladder = systemGroup, []string{"SystemAdministrator", "Observer", none}
			}
			for range 2_000 {
				w := world{rules: where(combined)}
				w.rules.Strategy = pick(d, resolve.MostRestrictive, resolve.MostPermissive)
				w.rules.SystemStrategy = w.rules.Strategy
				for i := range 1 + d.IntN(4) {
					w.held = append(w.held, member(fmt.Sprint(i), grant(pick(d, ladder...))))
				}
				if scope != "of the system" && rarely(d, 3) {
					w.held = append(w.held, own(grant("Administrator")))
				}
				before := w.engine(epoch)
				added := pick(d, ladder...)
				w.held = append(w.held, member("more", grant(added)))
				after := w.engine(epoch)
				checkMonotone(t, w.rules, outcomes(&before), outcomes(&after))
			}
		})
	}
}

func checkMonotone(t *testing.T, r resolve.Rules, before, after map[string]resolve.Outcome) {
	t.Helper()
	application, _, _ := names(world{rules: r})
	for name := range before {
		was, is := height(application, before[name].Role), height(application, after[name].Role)
		if r.Strategy == resolve.MostPermissive && is < was {
			t.Errorf("%s: one more grant has lowered %s to %s", name, before[name].Role, after[name].Role)
		}
		if r.Strategy == resolve.MostRestrictive && is > was {
			t.Errorf("%s: one more grant has raised %s to %s", name, before[name].Role, after[name].Role)
		}
	}
}

func TestABlockBlocks(t *testing.T) {
	eachWorld(t, 7, func(t *testing.T, w world, now time.Time) {
		w.rules.SystemStrategy, w.rules.SystemProtected, w.bars = resolve.MostRestrictive, false, nil
		w.held = append(slices.Clone(w.held), systemGroup("out", systemRole("acme", none)))
		d := w.engine(now)
		for name, o := range outcomes(&d) {
			if o.GivesAccess() || o.Rule != systemBlock {
				t.Errorf("%s: %s by %s in spite of a block", name, o.Role, o.Rule)
			}
		}
	})
}

func TestSuspendedIsNoAccessEverywhere(t *testing.T) {
	eachWorld(t, 8, func(t *testing.T, w world, now time.Time) {
		w.bars = append(slices.Clone(w.bars), resolve.Bar{Source: me, AtSystem: now.Hour()%2 == 0, Suspended: true})
		d := w.engine(now)
		for name, o := range outcomes(&d) {
			if o.GivesAccess() || o.Rule != resolve.RuleSuspended || !o.NotAfter.IsZero() {
				t.Errorf("%s: %s by %s in spite of a suspension", name, o.Role, o.Rule)
			}
		}
		if d.Enters || len(d.Conflicts)+len(d.Exclusions) > 0 {
			t.Errorf("enters %t, conflicts %v, exclusions %v in spite of a suspension", d.Enters, d.Conflicts, d.Exclusions)
		}
	})
}

func TestConflictsAreOfRolesThatDiffer(t *testing.T) {
	eachWorld(t, 9, func(t *testing.T, w world, now time.Time) {
		for _, c := range w.engine(now).Conflicts {
			differ := slices.ContainsFunc(c.Grants, func(a resolve.SourceRole) bool {
				return slices.ContainsFunc(c.Grants, func(b resolve.SourceRole) bool {
					return a.Role != b.Role
				})
			})
			won := slices.ContainsFunc(c.Grants, func(a resolve.SourceRole) bool { return a.Role == c.Role })
			if !differ || !won {
				t.Errorf("conflict %+v", c)
			}
		}
	})
}

// TestNotAfterAgreesWithResolvingLater compares notAfter with the engine's decision at every half hour: a role
// must hold until its notAfter, and not beyond.
func TestNotAfterAgreesWithResolvingLater(t *testing.T) {
	eachWorld(t, 10, func(t *testing.T, w world, now time.Time) {
		o, u := w.bind()
		d := o.Resolve(u, now)
		ladder, _, _ := names(w)
		for later := now; later.Before(at(9)); later = later.Add(30 * time.Minute) {
			then := o.Resolve(u, later)
			for _, name := range append(slices.Clone(applications), unnamed) {
				was, is := d.Application(name), then.Application(name)
				if name == unnamed {
					was, is = &d.Default, &then.Default
				}
				fallen := height(ladder, is.Role) < height(ladder, was.Role) ||
					(was.GivesAccess() && verdictOf(t, was).Filters != verdictOf(t, is).Filters)
				until := was.NotAfter
				if fallen && (until.IsZero() || later.Before(until)) {
					t.Errorf("%q has fallen at %v, before %v", name, later, until)
				}
				if !fallen && later.Equal(until) && !d.TooManyWindows {
					t.Errorf("%q has not fallen at %v", name, later)
				}
			}
			if beforeNext := d.Next.IsZero() || later.Before(d.Next); beforeNext && !then.Equal(&d) {
				t.Errorf("another decision at %v, before the next transition at %v", later, d.Next)
			}
		}
	})
}
