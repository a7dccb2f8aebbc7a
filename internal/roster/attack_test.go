package roster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/roster"
)

// windowedRoster returns a roster with one user in four groups of 500 entries each. The entries deny access to
// one application after the other, one second apart.
func windowedRoster(tb testing.TB) *roster.Roster {
	tb.Helper()
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	member := []accessv1alpha1.Member{{User: "ana"}}
	groups := []*accessv1alpha1.AccessGroup{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "viewers"},
		Spec:       accessv1alpha1.AccessGroupSpec{Members: member, OrganizationRole: "Viewer"},
	}}
	for g := range 4 {
		group := &accessv1alpha1.AccessGroup{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: fmt.Sprintf("windows-%d", g)},
			Spec:       accessv1alpha1.AccessGroupSpec{Members: member},
		}
		for i := range 500 {
			opens := metav1.NewTime(june.Add(time.Duration(500*g+i+1) * time.Second))
			group.Spec.ApplicationAccess = append(group.Spec.ApplicationAccess, accessv1alpha1.ApplicationGrant{
				Application: accessv1alpha1.ApplicationSelector(fmt.Sprintf("application-%03d", i)),
				Role:        "NoAccess", NotBefore: &opens,
			})
		}
		groups = append(groups, group)
	}
	for _, g := range groups {
		if err := r.Set(g); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

// TestAttackByWindows settles at each second at which a window opens. Resolving the user again for every later
// instant would take close to a million allocations a second.
func TestAttackByWindows(t *testing.T) {
	r := windowedRoster(t)
	now := june
	r.Settle(now)
	allocations := testing.AllocsPerRun(20, func() {
		now = now.Add(time.Second)
		r.Settle(now)
	})
	if allocations > 20_000 {
		t.Errorf("%v allocations for one settling", allocations)
	}
	fresh := windowedRoster(t)
	fresh.Settle(now)
	if differences := preview.Diff(fresh.View(), r.View()); len(differences) > 0 {
		t.Errorf("%d decisions are not as those of a new roster: %+v", len(differences), differences[0])
	}
}

// TestAttackByFiltersIsReported lets a group contribute more filters than its members may have.
func TestAttackByFiltersIsReported(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	flood := &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "flood"},
		Spec: accessv1alpha1.AccessGroupSpec{
			Members: []accessv1alpha1.Member{{User: "ana"}, {User: "ben"}}, OrganizationRole: "Viewer",
			DataPermissions: []accessv1alpha1.DataPermission{{Application: "red", AnyOf: []accessv1alpha1.RowAlternative{{
				AllOf: []accessv1alpha1.RowRequirement{{
					Attribute: "country", Operator: "In",
					Values: []accessv1alpha1.AttributeValue{accessv1alpha1.AttributeValue(strings.Repeat("x", 65<<10))},
				}},
			}}}},
		},
	}
	bystander := &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "bystander"},
		Spec:       accessv1alpha1.AccessGroupSpec{Members: flood.Spec.Members},
	}
	over := func() []int {
		r.Settle(june)
		return []int{r.View().Group("acme", "flood", 0).OverBound, r.View().Group("acme", "bystander", 0).OverBound}
	}
	set := func(g *accessv1alpha1.AccessGroup) {
		if err := r.Set(g); err != nil {
			t.Fatal(err)
		}
	}
	set(flood)
	set(bystander)
	if got := over(); got[0] != 2 || got[1] != 0 {
		t.Errorf("members over the bound: %v, want 2 of the group with rows, none of the other", got)
	}
	ana := r.View().Decision("acme", "ana")
	if red := ana.Application("red"); len(red.Filters) != 1 || len(red.Filters[0].AnyOf) > 0 {
		t.Errorf("red shows %v, want no row", red.Filters)
	}
	fixed := flood.DeepCopy()
	fixed.Spec.DataPermissions[0].AnyOf[0].AllOf[0].Values = []accessv1alpha1.AttributeValue{"France"}
	set(fixed)
	if got := over(); got[0] != 0 {
		t.Errorf("%d members are over the bound without large values", got[0])
	}
}

// BenchmarkManyWindows settles after one second has passed, for a user with 2,000 windows.
func BenchmarkManyWindows(b *testing.B) {
	r := windowedRoster(b)
	now := june
	r.Settle(now)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		r.Settle(now)
	}
}
