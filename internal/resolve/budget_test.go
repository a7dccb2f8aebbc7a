package resolve_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-dev/usher/internal/resolve"
)

// crowded adds windows to the world so that many instants affect every entry.
func crowded(d dice, w world) world {
	w.held = slices.Clone(w.held)
	for i := range 1 + d.IntN(4) {
		h := group(fmt.Sprint("crowded-", i), role(pick(d, "*", "red", "blue"), pick(d, "Viewer", "Editor", none)))
		for range d.IntN(5) {
			h.windows = append(h.windows, randomWindow(d))
		}
		for range d.IntN(5) {
			roleDuring(pick(d, applications...), pick(d, "Viewer", "Editor"), randomWindow(d))(&h.source)
		}
		w.held = append(w.held, h)
	}
	return w
}

// TestRefiningEndsWithTheDecisionWithoutABudget resumes decisions with small budgets, at a fixed instant and while
// time passes.
func TestRefiningEndsWithTheDecisionWithoutABudget(t *testing.T) {
	d, unfinished, worlds := rand.New(rand.NewPCG(17, 0)), 0, 0
	eachWorld(t, 17, func(t *testing.T, w world, now time.Time) {
		unfinished += checkRefining(t, crowded(d, w), now, d, worlds%2 == 0)
		worlds++
	})
	if unfinished == 0 {
		t.Error("every decision was finished at once")
	}
}

// checkRefining resumes the decision until it is finished, and returns how often it was unfinished. Time may pass
// meanwhile.
func checkRefining(t *testing.T, w world, now time.Time, d dice, passes bool) (unfinished int) {
	t.Helper()
	o, u := w.bind()
	o.WithoutFree()
	evaluations := d.IntN(12)
	decision := o.Resume(nil, u, now, resolve.NewBudget(evaluations))
	for ; ; unfinished++ {
		whole := o.Resolve(u, now)
		checkUnfinished(t, &decision, &whole)
		switch {
		case !decision.Unfinished:
			if !decision.Equal(&whole) || !decision.Identical(&whole) {
				t.Errorf("refined (+), another decision at %v:\n%s", now, cmp.Diff(answerOf(t, &whole), answerOf(t, &decision)))
			}
			return unfinished
		case unfinished > 1_000:
			t.Errorf("not finished after %d times by %d evaluations", unfinished, evaluations)
			return unfinished
		case passes && rarely(d, 4):
			now = now.Add(time.Duration(d.IntN(3)) * 30 * time.Minute)
		}
		decision = o.Resume(&decision, u, now, resolve.NewBudget(evaluations))
	}
}

// checkUnfinished checks that the decision differs from the complete one only in ends that are earlier.
func checkUnfinished(t *testing.T, d, whole *resolve.Decision) {
	t.Helper()
	isLater := func(a, b time.Time) bool { return !b.IsZero() && (a.IsZero() || a.After(b)) }
	check := func(name string, is, want *resolve.Access) {
		switch {
		case isLater(is.NotAfter, want.NotAfter):
			t.Errorf("%s: until %v, although it ends at %v", name, is.NotAfter, want.NotAfter)
		case !d.Unfinished && !is.NotAfter.Equal(want.NotAfter):
			t.Errorf("%s: until %v in a finished decision, want %v", name, is.NotAfter, want.NotAfter)
		}
		if got, want := verdictWithoutEnd(t, is), verdictWithoutEnd(t, want); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	check("the organization", &resolve.Access{Outcome: d.OrganizationRole}, &resolve.Access{Outcome: whole.OrganizationRole})
	check("by default", &d.Default, &whole.Default)
	resolve.EachApplication(d, whole, check)
	if d.Enters != whole.Enters || isLater(d.EntersNotAfter, whole.EntersNotAfter) {
		t.Errorf("enters until %v, although that ends at %v", d.EntersNotAfter, whole.EntersNotAfter)
	}
	if !d.Next.Equal(whole.Next) {
		t.Errorf("next transition at %v, want %v", d.Next, whole.Next)
	}
}

func verdictWithoutEnd(tb testing.TB, a *resolve.Access) verdict {
	tb.Helper()
	v := verdictOf(tb, a)
	v.NotAfter = time.Time{}
	return v
}

// manyInstants returns a user with a role in each of the applications. The membership has consecutive windows of
// two seconds each.
func manyInstants(applications, windows int) world {
	h := group("many")
	for i := range windows {
		h.windows = append(h.windows, seconds(2*i, 2*i+2))
	}
	for i := range applications {
		role(fmt.Sprintf("application-%03d", i), "Editor")(&h.source)
	}
	return world{rules: builtIn(), held: []held{h}}
}

func seconds(begin, end int) resolve.Window {
	return resolve.Window{NotBefore: second(begin), NotAfter: second(end)}
}

// TestABudgetBoundsManyUsers decides for more users with many instants than the budget allows. It counts
// unfinished decisions instead of measuring time.
func TestABudgetBoundsManyUsers(t *testing.T) {
	const applications, windows = 100, 32
	o, u := manyInstants(applications, windows).bind()
	last, first := second(2*windows), second(2)
	budget := resolve.NewBudget(10_000)
	finished := 0
	for range 20 {
		d := o.Resume(nil, u, epoch, budget)
		a := d.Application("application-099") // the search reaches this application last
		switch {
		case !d.Unfinished && a.NotAfter.Equal(last):
			finished++
		case !d.Unfinished || !a.NotAfter.Equal(first):
			t.Fatalf("unfinished %t, until %v", d.Unfinished, a.NotAfter)
		}
	}
	if !budget.IsSpent() || finished < 1 || finished > 6 {
		t.Errorf("the budget is spent: %t; %d of 20 decisions are finished; each takes some 3,200 evaluations",
			budget.IsSpent(), finished)
	}
	if d := o.Resume(nil, u, epoch, nil); d.Unfinished || !d.Default.NotAfter.IsZero() {
		t.Error("without a budget the decision is unfinished")
	}
}

// TestUsualUsersNeedNoBudget decides for members whose contract ends, after others have spent the whole budget.
func TestUsualUsersNeedNoBudget(t *testing.T) {
	o, u := manyInstants(20, 1).bind()
	spent := resolve.NewBudget(0)
	if d := o.Resume(nil, u, epoch, spent); d.Unfinished || !d.Application("application-019").NotAfter.Equal(second(2)) {
		t.Errorf("unfinished %t, until %v", d.Unfinished, d.Application("application-019").NotAfter)
	}
}

// TestRefiningAnEndThatStays refines ends that equal the point where the search stopped. Readers see no
// difference, but the new decision must be kept so that the search can continue.
func TestRefiningAnEndThatStays(t *testing.T) {
	o, u := manyInstants(2, 1).bind()
	o.WithoutFree()
	first := o.Resume(nil, u, epoch, resolve.NewBudget(0))
	second := o.Resume(&first, u, epoch, resolve.NewBudget(0))
	third := o.Resume(&second, u, epoch, resolve.NewBudget(0))
	if !first.Unfinished || !second.Unfinished || third.Unfinished {
		t.Fatalf("unfinished %t, %t, %t; want true, true, false", first.Unfinished, second.Unfinished, third.Unfinished)
	}
	if !first.Equal(&second) || first.Identical(&second) {
		t.Errorf("of two unfinished decisions: equal %t, identical %t", first.Equal(&second), first.Identical(&second))
	}
	if second.Equal(&third) {
		t.Error("the finished decision is equal to the unfinished one")
	}
}

// TestADecisionGivesBackWhatItDoesNotSpend decides for more users than the budget has shares.
func TestADecisionGivesBackWhatItDoesNotSpend(t *testing.T) {
	o, u := manyInstants(2, 8).bind() // about 32 evaluations
	budget := resolve.NewBudget(4_000)
	for i := range 100 {
		if d := o.Resume(nil, u, epoch, budget); d.Unfinished {
			t.Fatalf("user %d is unfinished", i)
		}
	}
}

// BenchmarkEvaluations reports the number of evaluations per second for the ends of one user.
func BenchmarkEvaluations(b *testing.B) {
	const applications, windows = 500, 64
	overlapping := group("viewers")
	for i := range applications {
		roleDuring(fmt.Sprintf("application-%03d", i), "Viewer", until(1000+i))(&overlapping.source)
	}
	worlds := map[string]world{
		"memberships": manyInstants(applications, windows/2),
		"entries":     {rules: where(combined), held: append(manyInstants(applications, windows/2).held, overlapping)},
		"exclusive": {
			rules: where(exclusive("rule", "Administrator", "application-001", "application-002", "application-003")),
			held:  manyInstants(applications, windows/2).held,
		},
	}
	for name, w := range worlds {
		b.Run(name, func(b *testing.B) {
			o, u := w.bind()
			const plenty = 1 << 40
			budget := resolve.NewBudget(plenty)
			b.ReportAllocs()
			for b.Loop() {
				o.Resume(nil, u, epoch, budget)
			}
			made := float64(budget.Spent(plenty))
			b.ReportMetric(made/b.Elapsed().Seconds(), "evaluations/s")
			b.ReportMetric(made/float64(b.N), "evaluations/op")
		})
	}
}
