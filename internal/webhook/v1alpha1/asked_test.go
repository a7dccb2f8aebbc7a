package v1alpha1

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/usher-dev/usher/internal/validation"
)

func names(rights []validation.Right) []string {
	var all []string
	for i := range rights {
		a := rights[i].AnyOf[0]
		all = append(all, fmt.Sprintf("%s/%s/%s", a.Namespace, a.Subresource, a.Name))
	}
	return all
}

func TestMissing(t *testing.T) {
	everyApplication := func(role string, applications int) []validation.Right {
		var all []validation.Right
		for i := range applications {
			all = append(all, rightTo(grant("acme", role, fmt.Sprintf("app-%d", i)), grant("acme", role, "")))
		}
		return all
	}
	everyNamespace := func(namespaces int) []validation.Right {
		var all []validation.Right
		for i := range namespaces {
			all = append(all, rightTo(grant(fmt.Sprintf("org-%d", i), "Viewer", "")))
		}
		return all
	}
	everyName := func(n int) []validation.Right {
		var all []validation.Right
		for i := range n {
			all = append(all, rightTo(validation.Attributes{
				Verb: "join", Group: "access.usher.dev", Resource: "accessgroups", Namespace: "acme", Name: fmt.Sprintf("group-%d", i),
			}))
		}
		return all
	}
	for name, tc := range map[string]struct {
		rights  []validation.Right
		may     []validation.Attributes
		missing []string
		reviews int
	}{
		"none":                         {},
		"one that is held":             {rights: everyApplication("Editor", 1), may: []validation.Attributes{grant("acme", "Editor", "app-0")}, reviews: 1},
		"one that is held more widely": {rights: everyApplication("Editor", 1), may: []validation.Attributes{grant("acme", "Editor", "")}, reviews: 2},
		"the same twice": {
			rights: append(everyApplication("Editor", 1), everyApplication("Editor", 1)...), reviews: 2,
			missing: []string{"acme/app-0/Editor", "acme/app-0/Editor"},
		},
		"a hundred applications, allowed in all": {
			rights: everyApplication("Editor", 100), may: []validation.Attributes{grant("acme", "Editor", "")}, reviews: 1,
		},
		"three applications, allowed in two": {
			rights: everyApplication("Editor", 3), reviews: 4, missing: []string{"acme/app-1/Editor"},
			may: []validation.Attributes{grant("acme", "Editor", "app-0"), grant("acme", "Editor", "app-2")},
		},
		"fifty organizations, allowed in all": {
			rights: everyNamespace(50), may: []validation.Attributes{grant("", "Viewer", "")}, reviews: 1,
		},
		"five organizations, allowed in four": {
			rights: everyNamespace(5), reviews: 6, missing: []string{"org-4//Viewer"},
			may: []validation.Attributes{
				grant("org-0", "Viewer", ""), grant("org-1", "Viewer", ""), grant("org-2", "Viewer", ""), grant("org-3", "Viewer", ""),
			},
		},
		"a hundred groups, allowed all": {
			rights: everyName(100), reviews: 1,
			may: []validation.Attributes{{Verb: "join", Group: "access.usher.dev", Resource: "accessgroups", Namespace: "acme"}},
		},
		"three groups are asked one by one": {rights: everyName(3), reviews: 3, missing: []string{"acme//group-0", "acme//group-1", "acme//group-2"}},
		"one that nothing gives":            {rights: []validation.Right{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReviews(t)
			r.may(tc.may...)
			got, err := r.reviewer(func() time.Time { return now }).For(&authenticationv1.UserInfo{Username: "ana"}).Missing(t.Context(), tc.rights)
			if err != nil {
				t.Fatal(err)
			}
			if name == "one that nothing gives" {
				if len(got) != 1 {
					t.Error("it is given")
				}
				return
			}
			if diff := gocmp.Diff(tc.missing, names(got), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unexpected (-want +got):\n%s", diff)
			}
			if len(r.asked) != tc.reviews {
				t.Errorf("%d reviews: %v", len(r.asked), r.asked)
			}
			slices.SortFunc(r.asked, func(a, b validation.Attributes) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			if len(slices.Compact(r.asked)) != tc.reviews {
				t.Errorf("asked twice: %v", r.asked)
			}
		})
	}
}

func TestWhatIsRemembered(t *testing.T) {
	r := newReviews(t)
	clock := now
	reviewer := r.reviewer(func() time.Time { return clock })
	ana, ben := &authenticationv1.UserInfo{Username: "ana"}, &authenticationv1.UserInfo{Username: "ana", Groups: []string{"staff"}}
	rights := []validation.Right{rightTo(grant("acme", "Editor", ""))}
	ask := func(user *authenticationv1.UserInfo, missing, reviews int) {
		t.Helper()
		r.asked = nil
		got, err := reviewer.For(user).Missing(t.Context(), rights)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != missing || len(r.asked) != reviews {
			t.Errorf("%d missing after %d reviews, want %d after %d", len(got), len(r.asked), missing, reviews)
		}
	}
	ask(ana, 1, 1)
	ask(ana, 1, 1) // a refusal is not remembered
	r.may(grant("acme", "Editor", ""))
	ask(ana, 0, 1)
	ask(ana, 0, 0)
	ask(ben, 0, 1) // another user
	clock = clock.Add(rememberedFor + time.Second)
	r.allowed = map[validation.Attributes]bool{}
	ask(ana, 1, 1)

	r.failure = errors.New("broken")
	if _, err := reviewer.For(ana).Missing(t.Context(), rights); err == nil {
		t.Error("no error")
	}
}

func TestWhoIsAskedAbout(t *testing.T) {
	for name, user := range map[string]authenticationv1.UserInfo{
		"with everything": {
			Username: "ana", UID: "7", Groups: []string{"staff", "system:authenticated"},
			Extra: map[string]authenticationv1.ExtraValue{"scopes": {"a", "b"}},
		},
		"without groups": {Username: "ana"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReviews(t)
			right := grant("acme", "Editor", "finance")
			if _, err := r.reviewer(time.Now).For(&user).Missing(t.Context(), []validation.Right{rightTo(right)}); err != nil {
				t.Fatal(err)
			}
			want := authorizationv1.SubjectAccessReviewSpec{
				User: user.Username, UID: user.UID, Groups: user.Groups, Extra: map[string]authorizationv1.ExtraValue{},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: "grant", Group: "grants.access.usher.dev", Resource: "applicationroles", Subresource: "finance",
					Namespace: "acme", Name: "Editor",
				},
			}
			for key, value := range user.Extra {
				want.Extra[key] = authorizationv1.ExtraValue(value)
			}
			if diff := gocmp.Diff(want, r.specs[0]); diff != "" {
				t.Errorf("unexpected review (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCanI(t *testing.T) {
	for name, tc := range map[string]struct {
		right validation.Attributes
		user  string
		as    []string
		want  string
	}{
		"a role": {
			grant("acme", "Editor", "finance"), "ana@acme.example", nil,
			"kubectl auth can-i --list -n acme --as=ana@acme.example | grep applicationroles.grants.access.usher.dev",
		},
		"a role in all namespaces": {
			grant("", "Editor", ""), "ana", []string{"staff", "system:authenticated"},
			"kubectl auth can-i --list -n default --as=ana --as-group=staff | grep applicationroles.grants.access.usher.dev",
		},
		"a group": {
			validation.Attributes{Verb: "join", Group: "access.usher.dev", Resource: "accessgroups", Namespace: "acme", Name: "france"},
			"system:serviceaccount:acme:ci", []string{"system:serviceaccounts"},
			"kubectl auth can-i join accessgroups.access.usher.dev/france -n acme --as=system:serviceaccount:acme:ci",
		},
		"any group anywhere, for a user with a free name": {
			validation.Attributes{Verb: "join", Group: "access.usher.dev", Resource: "accessgroups"}, "Ana O'Neill; rm", nil,
			`kubectl auth can-i join accessgroups.access.usher.dev -A --as='Ana O'\''Neill; rm'`,
		},
		"a subresource": {
			validation.Attributes{Verb: "get", Group: "access.usher.dev", Resource: "accessgroups", Subresource: "status", Namespace: "acme"},
			"ana", nil, "kubectl auth can-i get accessgroups.access.usher.dev --subresource=status -n acme --as=ana",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := canI(tc.right, &authenticationv1.UserInfo{Username: tc.user, Groups: tc.as}); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
