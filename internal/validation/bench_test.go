package validation_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

const (
	manyUsers        = 10_000
	manyGroups       = 1_000
	manyApplications = 100
	manyMembers      = 5_000
)

// large is an organization in which every user is in ten groups. Each of these gives a role in one application. In
// addition there is one group of thousands of users in all applications, and one that conflicts with it
// everywhere.
type large struct {
	validator *validation.Validator
	crowd     *accessv1alpha1.AccessGroup
	crossing  *accessv1alpha1.AccessGroup
	policy    *accessv1alpha1.AccessPolicy
}

func newLarge(b *testing.B) *large {
	b.Helper()
	r := roster.New(roster.Options{SystemNamespace: system})
	version := 0
	set := func(o client.Object) {
		version++
		o.SetResourceVersion(fmt.Sprint(version))
		if err := r.Set(o); err != nil {
			b.Fatal(err)
		}
	}
	l := &large{policy: &accessv1alpha1.AccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "default"}}}
	limit := int32(100)
	l.policy.Spec.RevocationLimit.Percent = &limit
	set(l.policy)
	for i := range manyGroups {
		g := groupOf(fmt.Sprintf("g%d", i), 0, 0)
		for k := range 10 * manyUsers / manyGroups {
			g.Spec.Members = append(g.Spec.Members, member((i*10+k*97)%manyUsers))
		}
		g.Spec.ApplicationAccess = grantsOf("Viewer", i%manyApplications, i%manyApplications+1)
		set(g)
	}
	l.crowd = groupOf("crowd", 0, manyMembers)
	l.crowd.Spec.ApplicationAccess = grantsOf("Editor", 0, manyApplications)
	set(l.crowd)
	l.crossing = groupOf("crossing", 0, 0)
	l.crossing.Spec.ApplicationAccess = grantsOf("Viewer", 0, manyApplications)
	set(l.crossing)
	r.Settle(june)
	l.validator = &validation.Validator{View: viewOf(r), Losses: validation.NewLosses()}
	return l
}

func member(i int) accessv1alpha1.Member {
	return accessv1alpha1.Member{User: accessv1alpha1.UserName(fmt.Sprintf("user-%d@acme.example", i))}
}

func groupOf(name string, from, to int) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
	for i := from; i < to; i++ {
		g.Spec.Members = append(g.Spec.Members, member(i))
	}
	return g
}

func grantsOf(role accessv1alpha1.RoleName, from, to int) []accessv1alpha1.ApplicationGrant {
	var grants []accessv1alpha1.ApplicationGrant
	for i := from; i < to; i++ {
		grants = append(grants, accessv1alpha1.ApplicationGrant{
			Application: accessv1alpha1.ApplicationSelector(fmt.Sprintf("app-%d", i)), Role: role,
		})
	}
	return grants
}

// changed returns a copy of the object with the edit of a request.
func changed(g *accessv1alpha1.AccessGroup, edit func(*accessv1alpha1.AccessGroupSpec)) *accessv1alpha1.AccessGroup {
	made := g.DeepCopy()
	made.ResourceVersion += "0"
	edit(&made.Spec)
	return made
}

func BenchmarkJudge(b *testing.B) {
	l := newLarge(b)
	everybody := groupOf("", 0, manyMembers).Spec.Members
	for _, bc := range []struct {
		name    string
		request validation.Request
	}{
		{"one member added", validation.Request{Old: l.crowd, New: changed(l.crowd, func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members = append(s.Members, member(manyMembers))
		})}},
		{"5000 members, one role changed", validation.Request{Old: l.crowd, New: changed(l.crowd, func(s *accessv1alpha1.AccessGroupSpec) {
			s.ApplicationAccess[7].Role = "RulesAdmin"
		})}},
		{"5000 members, 100 roles changed", validation.Request{Old: l.crowd, New: changed(l.crowd, func(s *accessv1alpha1.AccessGroupSpec) {
			s.ApplicationAccess = grantsOf("RulesAdmin", 0, manyApplications)
		})}},
		{"5000 members in conflict everywhere", validation.Request{Old: l.crossing, New: changed(l.crossing, func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members = everybody
		})}},
		{"5000 members of a new group", validation.Request{New: changed(l.crowd, func(s *accessv1alpha1.AccessGroupSpec) {
			s.ApplicationAccess = grantsOf("Editor", 0, manyApplications)
		})}},
		{"5000 members of a new group, from an hour later on", validation.Request{New: changed(l.crowd, func(s *accessv1alpha1.AccessGroupSpec) {
			s.ApplicationAccess = grantsOf("Editor", 0, manyApplications)
			for i := range s.Members {
				s.Members[i].NotBefore = new(metav1.NewTime(june.Add(time.Hour)))
			}
		})}},
		{"5000 members of a group that goes", validation.Request{Old: l.crowd}},
		{"5000 members of a group that goes by and by", validation.Request{Old: l.crowd, Lingers: true}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			request := bc.request
			request.Now = june
			if request.Old == nil {
				request.New.SetName("new")
			}
			var rights int
			for b.Loop() {
				j, err := l.validator.Judge(b.Context(), &request)
				if err != nil {
					b.Fatal(err)
				}
				rights = len(j.Rights)
			}
			b.ReportMetric(float64(rights), "rights")
		})
	}
}
