package roster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// manyWindows adds members of a group that grants a role in each of the applications. They are members through
// nested groups, in each of which they have one of the windows.
func manyWindows(tb testing.TB, r *roster.Roster, members, applications, windows int) {
	tb.Helper()
	set := func(g *accessv1alpha1.AccessGroup) {
		g.Namespace, g.Spec.Type, g.Spec.Privileges = "acme", accessv1alpha1.GroupTypeOrganization, accessv1alpha1.GroupPrivilegesEnabled
		if err := r.Set(g); err != nil {
			tb.Fatal(err)
		}
	}
	many := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Name: "many"}}
	for i := range applications {
		many.Spec.ApplicationAccess = append(many.Spec.ApplicationAccess, accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(fmt.Sprintf("application-%03d", i)), Role: "Editor",
		})
	}
	for i := range windows {
		nested := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("window-%02d", i)}}
		begin, end := metav1.NewTime(june.Add(time.Duration(i)*time.Hour)), metav1.NewTime(june.Add(time.Duration(i+1)*time.Hour))
		for m := range members {
			nested.Spec.Members = append(nested.Spec.Members, accessv1alpha1.Member{
				User: accessv1alpha1.UserName(fmt.Sprintf("user-%04d", m)), NotBefore: &begin, NotAfter: &end,
			})
		}
		set(nested)
		many.Spec.MemberGroups = append(many.Spec.MemberGroups, accessv1alpha1.GroupName(nested.Name))
	}
	set(many)
}

// TestSettlingGoesOnUntilEveryDecisionIsFinished needs more evaluations than the budget of one settling.
func TestSettlingGoesOnUntilEveryDecisionIsFinished(t *testing.T) {
	const members, applications, windows = 40, 30, 20
	whole := roster.New(roster.Options{SystemNamespace: "access-system"})
	manyWindows(t, whole, members, applications, windows)
	whole.Settle(june)
	r := roster.New(roster.Options{SystemNamespace: "access-system", Evaluations: 2_000})
	r.Settle(june)
	manyWindows(t, r, members, applications, windows)
	settlings, unfinished := 0, members+1
	for next := june; next.Equal(june); next = r.View().Next() {
		r.Settle(june)
		left := 0
		for _, user := range whole.View().Users("acme") {
			if r.View().Decision("acme", user).Unfinished {
				left++
			}
		}
		if left >= unfinished || settlings > members {
			t.Fatalf("%d decisions are unfinished after %d settlings, and were %d before", left, settlings, unfinished)
		}
		settlings, unfinished = settlings+1, left
	}
	if unfinished != 0 || settlings < 3 {
		t.Errorf("%d decisions are unfinished after %d settlings", unfinished, settlings)
	}
	for _, user := range whole.View().Users("acme") {
		is, want := r.View().Decision("acme", user), whole.View().Decision("acme", user)
		if !is.Equal(want) || !is.Identical(want) {
			t.Errorf("%s has another decision than without a budget", user)
		}
	}
}

// TestTheFirstSettlingHasNoBudget settles the objects that exist at a restart.
func TestTheFirstSettlingHasNoBudget(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system", Evaluations: 1})
	manyWindows(t, r, 3, 30, 20)
	r.Settle(june)
	if d := r.View().Decision("acme", "user-0000"); d.Unfinished || r.View().Next().Equal(june) {
		t.Errorf("unfinished %t, to settle again at %v", d.Unfinished, r.View().Next())
	}
}

// BenchmarkBudget settles 1,000 members of 500 applications with 64 instants that affect the entries. It reports
// the longest settling, and the number of settlings until every decision is finished.
func BenchmarkBudget(b *testing.B) {
	for _, evaluations := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("%d evaluations", evaluations), func(b *testing.B) {
			settlings, longest := 0, time.Duration(0)
			for b.Loop() {
				r := roster.New(roster.Options{SystemNamespace: "access-system", Evaluations: evaluations})
				r.Settle(june)
				manyWindows(b, r, 1_000, 500, 64)
				for next := june; next.Equal(june); next = r.View().Next() {
					before := b.Elapsed()
					r.Settle(june)
					longest = max(longest, b.Elapsed()-before)
					settlings++
				}
			}
			b.ReportMetric(float64(longest.Milliseconds()), "ms/longest")
			b.ReportMetric(float64(settlings)/float64(b.N), "settlings/op")
		})
	}
}

// TestTheBudgetMayApplyToTheFirstSettling settles a roster that nothing is published from.
func TestTheBudgetMayApplyToTheFirstSettling(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system", Evaluations: 1, LimitFirst: true})
	manyWindows(t, r, 3, 30, 20)
	r.Settle(june)
	if d := r.View().Decision("acme", "user-0000"); !d.Unfinished || !d.Application("application-000").GivesAccess() {
		t.Errorf("unfinished %t, with %+v", d.Unfinished, d.Application("application-000"))
	}
}

// TestExpiringAdministratorsAreReportedWhenTheirEndsAreKnown has one administrator, by windows that follow each other,
// and needs more evaluations than the budget of one settling.
func TestExpiringAdministratorsAreReportedWhenTheirEndsAreKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		forGood bool // whether another group makes the user an administrator without an end
		want    []string
	}{
		"an administrator with an end":    {false, []string{"acme"}},
		"an administrator without an end": {true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := roster.New(roster.Options{SystemNamespace: "access-system", Evaluations: 20})
			r.Settle(june)
			top := resolve.BuiltInOrganizationRoles()[0].Name
			set := func(name string, spec accessv1alpha1.AccessGroupSpec) {
				spec.OrganizationRole = accessv1alpha1.RoleName(top)
				must(t, r.Set(group("acme", name, func(s *accessv1alpha1.AccessGroupSpec) { *s = spec })))
			}
			policy := &accessv1alpha1.AccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "default"}}
			must(t, r.Set(policy))
			for i := range 60 {
				begin, end := metav1.NewTime(june.Add(time.Duration(i)*time.Hour)), metav1.NewTime(june.Add(time.Duration(i+1)*time.Hour))
				set(fmt.Sprintf("hour-%02d", i), accessv1alpha1.AccessGroupSpec{
					Members: []accessv1alpha1.Member{{User: "ana", NotBefore: &begin, NotAfter: &end}},
				})
			}
			if tc.forGood {
				set("always", accessv1alpha1.AccessGroupSpec{Members: members("ana")})
			}
			settlings := 0
			for unfinished := true; unfinished; settlings++ {
				changes := r.Settle(june)
				unfinished = r.View().Decision("acme", "ana").Unfinished
				got := r.View().Policy("acme").Expiring
				if settlings > 100 {
					t.Fatal("the decision is never finished")
				}
				if unfinished && len(got) > 0 {
					t.Fatalf("settling %d: everybody in %v loses the role, although the end is not known yet", settlings, got)
				}
				if unfinished {
					continue
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("expiring (-want +got):\n%s", diff)
				}
				if !slices.Contains(changes.Objects, roster.ObjectOf(policy)) {
					t.Error("the policy is not reported as changed")
				}
			}
			if settlings < 2 {
				t.Error("the first settling found every end")
			}
		})
	}
}
