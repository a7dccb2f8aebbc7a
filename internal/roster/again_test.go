package roster_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// TestAnOrganizationThatGoesAndComesBackMissesNothing changes a group of the system namespace while a namespace
// is not an organization, between two settlings.
func TestAnOrganizationThatGoesAndComesBackMissesNothing(t *testing.T) {
	acme := func(value string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme", Labels: map[string]string{"kind": value}}}
	}
	application := &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "red"}}
	auditors := func(users ...string) *accessv1alpha1.AccessGroup {
		return group("access-system", "auditors", func(s *accessv1alpha1.AccessGroupSpec) {
			s.Type, s.Members = accessv1alpha1.GroupTypeSystem, members(users...)
			s.SystemAccess = []accessv1alpha1.SystemGrant{{Organization: "acme", ApplicationAccess: viewer("red")}}
		})
	}
	for name, tc := range map[string]struct{ goes, comes func(r *roster.Roster) error }{
		"by its labels": {
			goes:  func(r *roster.Roster) error { return r.Set(acme("other")) },
			comes: func(r *roster.Roster) error { return r.Set(acme("organization")) },
		},
		"by its last object": {
			goes:  func(r *roster.Roster) error { return r.Remove(application) },
			comes: func(r *roster.Roster) error { return r.Set(application) },
		},
		"by the Namespace object": {
			goes:  func(r *roster.Roster) error { return r.Remove(acme("organization")) },
			comes: func(r *roster.Roster) error { return r.Set(acme("organization")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			selector, err := labels.Parse("kind=organization")
			must(t, err)
			r := roster.New(roster.Options{SystemNamespace: "access-system", Organizations: selector})
			for _, o := range []runtime.Object{acme("organization"), application, auditors("zoe")} {
				must(t, r.Set(o))
			}
			r.Settle(june)
			if d := r.View().Decision("acme", "zoe"); d == nil || !d.Application("red").GivesAccess() {
				t.Fatalf("zoe has no access at first: %v", d)
			}
			must(t, tc.goes(r))
			must(t, r.Set(auditors("ana")))
			must(t, tc.comes(r))
			r.Settle(june.Add(time.Second))
			if d := r.View().Decision("acme", "zoe"); d != nil && d.Application("red").GivesAccess() {
				t.Error("zoe, who was taken out of the group, still has access")
			}
			if d := r.View().Decision("acme", "ana"); d == nil || !d.Application("red").GivesAccess() {
				t.Error("ana, who was taken into the group, has no access")
			}
		})
	}
}

// TestARosterIsNotSettledAfterANamespaceChanges checks that the roster is not settled after labels make a
// namespace an organization, and after the namespace is deleted.
func TestARosterIsNotSettledAfterANamespaceChanges(t *testing.T) {
	selector, err := labels.Parse("kind=organization")
	must(t, err)
	r := roster.New(roster.Options{SystemNamespace: "access-system", Organizations: selector})
	acme := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	must(t, r.Set(acme))
	must(t, r.Set(group("acme", "viewers", func(s *accessv1alpha1.AccessGroupSpec) { s.Members = members("ana") })))
	r.Settle(june)
	if !r.Settled(june) {
		t.Fatal("the roster is not settled at first")
	}
	labelled := acme.DeepCopy()
	labelled.Labels = map[string]string{"kind": "organization"}
	must(t, r.Set(labelled))
	if r.Settled(june) {
		t.Error("the roster is settled although the namespace has become an organization")
	}
	r.Settle(june)
	must(t, r.Set(labelled))
	if !r.Settled(june) {
		t.Error("the roster is not settled although the same Namespace was set again")
	}
	must(t, r.Remove(labelled))
	if r.Settled(june) {
		t.Error("the roster is settled although the namespace is not an organization any more")
	}
}
