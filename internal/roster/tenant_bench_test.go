package roster_test

import (
	"fmt"
	"maps"
	"runtime"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// emptyGroups returns count of the smallest groups that a tenant can create.
func emptyGroups(count int, selector *metav1.LabelSelector) []*accessv1alpha1.AccessGroup {
	made := make([]*accessv1alpha1.AccessGroup, count)
	for i := range made {
		name := fmt.Sprintf("group-%05d", i)
		made[i] = &accessv1alpha1.AccessGroup{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "acme", Name: name, UID: types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i)),
				ResourceVersion: fmt.Sprint(i), Generation: 1, CreationTimestamp: metav1.NewTime(june),
			},
			Spec: accessv1alpha1.AccessGroupSpec{
				Type: accessv1alpha1.GroupTypeOrganization, Privileges: accessv1alpha1.GroupPrivilegesEnabled, MemberSelector: selector,
			},
		}
	}
	return made
}

// BenchmarkEmptyGroups measures the manager's memory for the groups of one tenant that grant nothing: the
// objects in the cache, and the roster.
func BenchmarkEmptyGroups(b *testing.B) {
	const count = 10_000
	for b.Loop() {
		before := heap()
		r := roster.New(roster.Options{SystemNamespace: "access-system"})
		for _, g := range emptyGroups(count, nil) {
			if err := r.Set(g); err != nil {
				b.Fatal(err)
			}
		}
		r.Settle(june)
		b.ReportMetric(float64(heap()-before)/count, "B/group")
		runtime.KeepAlive(r)
	}
}

// BenchmarkLargestSelectors measures settling a user whom many groups with the largest valid selectors may
// select.
func BenchmarkLargestSelectors(b *testing.B) {
	const groups, terms = 1_000, 20
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	labels := map[string]string{}
	for i := range terms {
		key := fmt.Sprintf("example.org/key-%02d", i)
		labels[key] = "match"
		selector.MatchLabels[key] = "match"
		e := metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{"match"}}
		for j := range terms - 1 {
			e.Values = append(e.Values, fmt.Sprintf("value-%02d", j))
		}
		selector.MatchExpressions = append(selector.MatchExpressions, e)
	}
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	for _, g := range emptyGroups(groups, selector) {
		if err := r.Set(g); err != nil {
			b.Fatal(err)
		}
	}
	r.Settle(june)
	for i := 0; b.Loop(); i++ {
		labels["round"] = fmt.Sprint(i)
		ua := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ana", Labels: maps.Clone(labels)}}
		ua.Spec.User = "ana@acme.example"
		if err := r.Set(ua); err != nil {
			b.Fatal(err)
		}
		r.Settle(june)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/groups, "ns/group")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
