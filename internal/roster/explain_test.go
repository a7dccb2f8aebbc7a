package roster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/index"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

func account(name string, change func(*accessv1alpha1.UserAccess)) *accessv1alpha1.UserAccess {
	ua := &accessv1alpha1.UserAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
	ua.Spec.User = "ana"
	change(ua)
	return ua
}

func TestAnExplanationSaysByWhichWaysAUserIsInAGroup(t *testing.T) {
	july := metav1.NewTime(june.AddDate(0, 1, 0))
	r := settled(t,
		group("acme", "inner", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members = []accessv1alpha1.Member{{User: "ana", NotBefore: &july}}
			s.MemberGroups = []accessv1alpha1.GroupName{"outer"} // a cycle
		}),
		group("acme", "outer", func(s *accessv1alpha1.AccessGroupSpec) {
			s.MemberGroups = []accessv1alpha1.GroupName{"inner", "gone"}
			s.ApplicationAccess = viewer("red")
		}),
		group("acme", "selecting", func(s *accessv1alpha1.AccessGroupSpec) {
			s.MemberSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
		}),
		group("acme", "misplaced", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Type, s.Members = accessv1alpha1.GroupTypeSystem, members("ana")
		}),
		account("ana", func(ua *accessv1alpha1.UserAccess) {
			ua.Labels = map[string]string{"team": "a"}
			ua.Spec.Groups = []accessv1alpha1.GroupName{"unknown"}
		}),
		account("ana-2", func(ua *accessv1alpha1.UserAccess) { ua.Spec.OrganizationRole = "Administrator" }),
	)
	got := r.View().Explain("acme", "ana", []string{"red"})
	windows := []resolve.Window{{NotBefore: july.UTC()}}
	key := func(name string) roster.Object {
		return roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: name}
	}
	want := []roster.Membership{
		{Group: key("inner"), Windows: windows, Paths: []index.Path{
			{By: index.ByMembers, Groups: []string{"inner"}, Window: windows[0]},
		}},
		{Group: key("outer"), Windows: windows, Paths: []index.Path{
			{By: index.ByMembers, Groups: []string{"inner", "outer"}, Window: windows[0]},
		}},
		{Group: key("selecting"), Active: true, Paths: []index.Path{
			{By: index.BySelector, Groups: []string{"selecting"}},
		}},
	}
	if diff := cmp.Diff(want, got.Memberships, cmpopts.EquateEmpty()); diff != "" {
		// Only an entry in a list of members has a window. Membership by a label has none.
		t.Errorf("memberships (-want +got):\n%s", diff)
	}
	ignored := []index.Ignored{
		{Object: key("misplaced"), Reason: accessv1alpha1.ReasonWrongNamespace},
		{Object: key("unknown"), Reason: index.ReasonNotFound},
		{
			Object: roster.Object{Kind: roster.KindUserAccess, Namespace: "acme", Name: "ana-2"},
			Reason: accessv1alpha1.ReasonDuplicateUser, Instead: "UserAccess/acme/ana",
		},
	}
	if diff := cmp.Diff(ignored, got.Ignored); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
	if len(got.Future) != 1 || got.Future[0].Decision.Application("red").Role != "Viewer" {
		t.Errorf("future changes: %+v", got.Future)
	}
	if r.View().Explain("nowhere", "ana", nil) != nil {
		t.Error("explained a namespace that is not an organization")
	}
}
