package resolve_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usher-dev/usher/internal/resolve"
)

func TestAnExplanationAgreesWithTheDecision(t *testing.T) {
	eachWorld(t, 40, func(t *testing.T, w world, now time.Time) {
		o, e := w.explain(now)
		want := w.engine(now)
		if !e.Decision.Equal(&want) {
			t.Errorf("the explained decision is another one: %+v, want %+v", e.Decision, want)
		}
		if len(e.Bars) > 0 {
			if e.Bars[0].Source != want.Default.Source || e.Bars[0].Rule != want.Default.Rule {
				t.Errorf("bar %+v, want %s of %s", e.Bars[0], want.Default.Rule, want.Default.Source)
			}
			w.bars = nil // derivations ignore bars
			want = w.engine(now)
		}
		checkDerivation(t, o, &e.Organization, &resolve.Access{Outcome: want.OrganizationRole})
		checkDerivation(t, o, &e.Default, &want.Default)
		for i := range e.Applications {
			checkDerivation(t, o, &e.Applications[i], want.Application(e.Applications[i].Application))
		}
		for _, m := range e.Future {
			if m.At.Before(now) || m.At.Equal(now) {
				t.Errorf("%s is not in the future of %s", m.At, now)
			}
		}
	})
}

func checkDerivation(t *testing.T, o *resolve.Organization, d *resolve.Derivation, want *resolve.Access) {
	t.Helper()
	role, rule, source := d.Combined.Role, d.Combined.Rule, d.Combined.Source
	if d.Excluded != nil {
		role, rule, source = resolve.NoAccess, resolve.RuleExclusiveAccess, d.Excluded.Source
	}
	if role != want.Role || rule != want.Rule || source != want.Source {
		t.Errorf("%q is derived as %s, %s, %q; want %s, %s, %q", d.Application, role, rule, source,
			want.Role, want.Rule, want.Source)
	}
	if !want.GivesAccess() {
		return
	}
	if some := len(want.Filters) > 0; some != (len(d.Rows) > 0 || d.HidesUnmatched) {
		t.Errorf("%q: filters %v of %v", d.Application, want.Filters, d.Rows)
	}
	if d.ExceedsBound {
		if len(want.Filters) != 1 || len(want.Filters[0].AnyOf) > 0 {
			t.Errorf("%q exceeds the bound and shows %v", d.Application, want.Filters)
		}
		return
	}
	if o.Rules().Strategy == resolve.MostRestrictive && len(d.Rows) > 0 {
		for _, f := range want.Filters {
			if !slices.ContainsFunc(d.Rows, func(r resolve.ContributedRows) bool { return r.Filter.Equal(f) }) {
				t.Errorf("%q: nobody contributed %v", d.Application, f)
			}
		}
	}
}

// TestEveryGrantThatCountsIsWeighed compares the fate of each grant with the scopes that the engine chose from.
func TestEveryGrantThatCountsIsWeighed(t *testing.T) {
	eachWorld(t, 41, func(t *testing.T, w world, now time.Time) {
		_, e := w.explain(now)
		want := map[string][]resolve.WeighedGrant{}
		for _, d := range e.Applications {
			want[d.Application] = d.Specific.Grants
		}
		got := map[string][]resolve.WeighedGrant{}
		for _, g := range e.Grants {
			if g.Fate == resolve.FateCounts && g.Scope == resolve.ScopeApplication {
				got[g.Application] = append(got[g.Application],
					resolve.WeighedGrant{SourceRole: resolve.SourceRole{Source: g.Source, Role: g.Role}, Protected: g.Protected})
			}
			if (g.Fate == resolve.FateNotYet) != !g.Begins.IsZero() {
				t.Errorf("%s begins at %s", g.Fate, g.Begins)
			}
		}
		for _, name := range applications {
			if diff := cmp.Diff(want[name], unique(got[name]), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: weighed (-), counted (+):\n%s", name, diff)
			}
		}
	})
}

func unique(grants []resolve.WeighedGrant) []resolve.WeighedGrant {
	slices.SortFunc(grants, func(a, b resolve.WeighedGrant) int {
		switch {
		case a.Source+a.Role < b.Source+b.Role:
			return -1
		case a.Source+a.Role > b.Source+b.Role:
			return 1
		default:
			return 0
		}
	})
	return slices.Compact(grants)
}

func (w world) explain(now time.Time) (*resolve.Organization, resolve.Explanation) {
	o := resolve.NewOrganization(w.rules).WithLimits(w.instantLimit(), w.filterBytes())
	p := resolve.Person{
		Declared: w.declared, Bars: w.bars, Named: applications, Place: w.place(), Own: w.own, AtSystem: w.atSystem,
	}
	for i := range w.held {
		p.Claims = append(p.Claims, resolve.Claim{Source: &w.held[i].source, Windows: w.held[i].windows})
	}
	return o, o.Explain(p, applications, now)
}
