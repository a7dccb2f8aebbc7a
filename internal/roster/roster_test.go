package roster_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/roster"
)

var june = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func group(namespace, name string, change func(*accessv1alpha1.AccessGroupSpec)) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	change(&g.Spec)
	return g
}

func members(users ...string) []accessv1alpha1.Member {
	var list []accessv1alpha1.Member
	for _, u := range users {
		list = append(list, accessv1alpha1.Member{User: accessv1alpha1.UserName(u)})
	}
	return list
}

func viewer(application string) []accessv1alpha1.ApplicationGrant {
	return []accessv1alpha1.ApplicationGrant{{Application: accessv1alpha1.ApplicationSelector(application), Role: "Viewer"}}
}

func settled(t *testing.T, objects ...runtime.Object) *roster.Roster {
	t.Helper()
	r := roster.New(roster.Options{SystemNamespace: "access-system"})
	for _, o := range objects {
		must(t, r.Set(o))
	}
	r.Settle(june)
	return r
}

func touched(c roster.Changes) []string {
	var users []string
	for i := range c.Users {
		users = append(users, c.Users[i].Organization+"/"+c.Users[i].User)
	}
	slices.Sort(users)
	return users
}

func TestAChangeTouchesThoseWhomItConcerns(t *testing.T) {
	viewers := func(users ...string) *accessv1alpha1.AccessGroup {
		return group("acme", "viewers", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members, s.ApplicationAccess = members(users...), viewer("red")
		})
	}
	editors := group("acme", "editors", func(s *accessv1alpha1.AccessGroupSpec) {
		s.MemberGroups = []accessv1alpha1.GroupName{"viewers"}
		s.ApplicationAccess = viewer("blue")
	})
	auditors := group("access-system", "auditors", func(s *accessv1alpha1.AccessGroupSpec) {
		s.Type, s.Members = accessv1alpha1.GroupTypeSystem, members("zoe")
		s.SystemAccess = []accessv1alpha1.SystemGrant{{Organization: "acme", Role: "Observer"}}
	})
	others := group("globex", "others", func(s *accessv1alpha1.AccessGroupSpec) {
		s.Members, s.ApplicationAccess = members("ana", "zoe"), viewer("red")
	})
	for name, tc := range map[string]struct {
		set, remove runtime.Object
		want        []string
	}{
		"a member more touches that member alone": {
			set: viewers("ana", "ben", "cy"), want: []string{"acme/cy"},
		},
		"a member less touches that member alone": {
			set: viewers("ana"), want: []string{"acme/ben"},
		},
		"what a group gives touches its members": {
			set: func() runtime.Object {
				g := viewers("ana", "ben")
				g.Spec.ApplicationAccess[0].Role = "Editor"
				return g
			}(),
			want: []string{"acme/ana", "acme/ben"},
		},
		"a nested group's end touches those who came through it": {
			remove: viewers(), want: []string{"acme/ana", "acme/ben"},
		},
		"a system group touches its members where it speaks": {
			remove: auditors, want: []string{"acme/zoe"},
		},
		"the same object again touches nobody": {set: viewers("ana", "ben")},
	} {
		t.Run(name, func(t *testing.T) {
			r := settled(t, viewers("ana", "ben"), editors, auditors, others)
			if tc.set != nil {
				must(t, r.Set(tc.set))
			} else {
				must(t, r.Remove(tc.remove))
			}
			if diff := cmp.Diff(tc.want, touched(r.Settle(june)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("touched (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCausesAreTold(t *testing.T) {
	r := settled(t)
	g := group("acme", "viewers", func(s *accessv1alpha1.AccessGroupSpec) {
		s.Members, s.ApplicationAccess = members("ana"), viewer("*")
	})
	must(t, r.Set(g))
	r.Settle(june)
	aa := &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "red"}}
	must(t, r.Set(aa))
	got := r.Settle(june)
	want := []roster.RulesChange{{
		Organization: "acme", Causes: []roster.Object{{Kind: roster.KindApplicationAccess, Namespace: "acme", Name: "red"}},
	}}
	if diff := cmp.Diff(want, got.Rules); diff != "" {
		t.Errorf("an application that comes to be named shows in documents on its account (-want +got):\n%s", diff)
	}
}

func TestWindowsAreActedOnByTheClockAlone(t *testing.T) {
	opens, closes := metav1.NewTime(june.Add(time.Hour)), metav1.NewTime(june.Add(2*time.Hour))
	r := settled(t, group("acme", "temps", func(s *accessv1alpha1.AccessGroupSpec) {
		s.ApplicationAccess = viewer("red")
		s.Members = []accessv1alpha1.Member{{User: "ana", NotBefore: &opens, NotAfter: &closes}}
	}))
	role := func() string {
		if d := r.View().Decision("acme", "ana"); d != nil {
			return d.Application("red").Role
		}
		return "nobody"
	}
	for _, step := range []struct {
		at   time.Duration
		want string
		next time.Time
	}{
		{0, "nobody", opens.Time},
		{time.Hour - time.Second, "nobody", opens.Time},
		{time.Hour, "Viewer", closes.Time},
		{2 * time.Hour, "nobody", time.Time{}},
		{90 * time.Minute, "Viewer", closes.Time}, // the clock went back
	} {
		r.Settle(june.Add(step.at))
		if got := role(); got != step.want {
			t.Errorf("at %s: role %s, want %s", step.at, got, step.want)
		}
		if got := r.View().Next(); !got.Equal(step.next) {
			t.Errorf("at %s: next is %s, want %s", step.at, got, step.next)
		}
	}
}

func TestOrganizationsAreSelected(t *testing.T) {
	selector, err := labels.Parse("access.usher.dev/organization=enabled")
	if err != nil {
		t.Fatal(err)
	}
	r := roster.New(roster.Options{SystemNamespace: "access-system", Organizations: selector})
	g := group("acme", "viewers", func(s *accessv1alpha1.AccessGroupSpec) {
		s.Members, s.ApplicationAccess = members("ana"), viewer("red")
	})
	must(t, r.Set(g))
	r.Settle(june)
	if got := r.View().Group("acme", "viewers", 1).Inert; got != accessv1alpha1.ReasonNotAnOrganization {
		t.Errorf("without a label the group is %q", got)
	}
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "acme", Labels: map[string]string{accessv1alpha1.LabelOrganization: accessv1alpha1.OrganizationEnabled},
	}}
	must(t, r.Set(n))
	if diff := cmp.Diff([]string{"acme/ana"}, touched(r.Settle(june))); diff != "" {
		t.Errorf("with the label (-want +got):\n%s", diff)
	}
	n = n.DeepCopy()
	n.Labels = nil
	must(t, r.Set(n))
	if c := r.Settle(june); len(c.Users) != 1 || c.Users[0].After != nil {
		t.Errorf("without the label: %+v", c.Users)
	}
}

// A namespace that does not exist grants nothing, even if etcd still has objects in it.
func TestANamespaceThatDoesNotExistIsNoOrganization(t *testing.T) {
	r := roster.New(roster.Options{SystemNamespace: "access-system", HasNamespaces: true})
	must(t, r.Set(group("gone", "viewers", func(s *accessv1alpha1.AccessGroupSpec) {
		s.Members, s.ApplicationAccess = members("ana"), viewer("red")
	})))
	r.Settle(june)
	if got := r.View().Group("gone", "viewers", 1).Inert; got != accessv1alpha1.ReasonNotAnOrganization {
		t.Errorf("without a namespace the group is %q", got)
	}
	must(t, r.Set(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}))
	r.Settle(june)
	if got := r.View().Group("gone", "viewers", 1).Inert; got != "" || r.View().Decision("gone", "ana") == nil {
		t.Errorf("in a namespace that exists the group is %q", got)
	}
	must(t, r.Remove(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "gone"}}))
	r.Settle(june)
	if r.View().Decision("gone", "ana") != nil {
		t.Error("the group still gives something when the namespace is gone")
	}
}

func TestOwnership(t *testing.T) {
	viewers := group("acme", "viewers", func(s *accessv1alpha1.AccessGroupSpec) {
		s.Members, s.ApplicationAccess = members("ana"), viewer("red")
	})
	name := identity.Name("ana")
	materialized := &accessv1alpha1.UserAccess{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "acme", Name: name, Labels: map[string]string{accessv1alpha1.LabelMaterialized: accessv1alpha1.ValueTrue},
		},
		Spec: accessv1alpha1.UserAccessSpec{User: "ana", State: accessv1alpha1.UserStateActive},
	}
	declared := &accessv1alpha1.UserAccess{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "z"}, Spec: accessv1alpha1.UserAccessSpec{User: "ana"},
	}
	goes := declared.DeepCopy()
	goes.DeletionTimestamp = &metav1.Time{Time: june}
	for what, tc := range map[string]struct {
		objects     []runtime.Object
		materialize bool
		owner       string
	}{
		"a member without anything":                      {[]runtime.Object{viewers}, true, ""},
		"the materialized one owns":                      {[]runtime.Object{viewers, materialized}, true, name},
		"a declared one takes over":                      {[]runtime.Object{viewers, materialized, declared}, false, "z"},
		"one that is being deleted owns until then":      {[]runtime.Object{viewers, goes}, true, "z"},
		"one that is being deleted, beside materialized": {[]runtime.Object{viewers, goes, materialized}, true, name},
		"a declared one without grants":                  {[]runtime.Object{declared}, false, "z"},
		"without a reason":                               {[]runtime.Object{materialized}, false, name},
	} {
		t.Run(what, func(t *testing.T) {
			o := settled(t, tc.objects...).View().Ownership("acme", "ana")
			owner := ""
			if o.Owner != nil {
				owner = o.Owner.Name
			}
			if o.Materialize != tc.materialize || owner != tc.owner {
				t.Errorf("materialize %t, owner %q; want %t, %q", o.Materialize, owner, tc.materialize, tc.owner)
			}
		})
	}
}

func TestAnObjectThatIsSetAgainIsRenewed(t *testing.T) {
	made := func(version string, users ...string) *accessv1alpha1.AccessGroup {
		g := group("acme", "readers", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Members, s.ApplicationAccess = members(users...), viewer("red")
		})
		g.UID, g.ResourceVersion = "1", version
		return g
	}
	readers := roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "readers"}
	type outcome struct {
		Touched  bool
		Versions []string // of the renewed objects
	}
	for name, tc := range map[string]struct {
		sets []*accessv1alpha1.AccessGroup
		want outcome
	}{
		"only the status":        {[]*accessv1alpha1.AccessGroup{made("2", "ana@acme.example")}, outcome{false, []string{"2"}}},
		"the members too":        {[]*accessv1alpha1.AccessGroup{made("2", "ben@acme.example")}, outcome{true, nil}},
		"the status, twice":      {[]*accessv1alpha1.AccessGroup{made("2", "ana@acme.example"), made("3", "ana@acme.example")}, outcome{false, []string{"3"}}},
		"members, then a status": {[]*accessv1alpha1.AccessGroup{made("2", "ben@acme.example"), made("3", "ben@acme.example")}, outcome{true, []string{"3"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := settled(t, made("1", "ana@acme.example"))
			for _, o := range tc.sets {
				if err := r.Set(o); err != nil {
					t.Fatal(err)
				}
			}
			changes := r.Settle(june)
			got := outcome{Touched: slices.Contains(changes.Objects, readers)}
			for _, o := range changes.Renewed {
				got.Versions = append(got.Versions, o.GetResourceVersion())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			last := tc.sets[len(tc.sets)-1].ResourceVersion
			if got := r.View().Group("acme", "readers", 1).Object.ResourceVersion; got != last {
				t.Errorf("the roster has version %s, want the last that was set, %s", got, last)
			}
			if again := r.Settle(june); len(again.Renewed) > 0 {
				t.Errorf("renewed by the next settling: %v", again.Renewed)
			}
		})
	}
}
