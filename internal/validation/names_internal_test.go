package validation

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

// TestAConfirmationIndexesOtherNamespacesOnce judges by two views, like the confirmation of reviews by live reads.
// Both times, the users of the namespaces that were not read come from the index of the first validator.
func TestAConfirmationIndexesOtherNamespacesOnce(t *testing.T) {
	group := func(namespace, name, user string) *accessv1alpha1.AccessGroup {
		g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		g.Spec.Members = []accessv1alpha1.Member{{User: accessv1alpha1.UserName(user)}}
		return g
	}
	rosterOf := func(groups ...*accessv1alpha1.AccessGroup) *roster.Roster {
		r := roster.New(roster.Options{SystemNamespace: "access-system"})
		for _, g := range groups {
			if err := r.Set(g); err != nil {
				t.Fatal(err)
			}
		}
		r.Settle(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
		return r
	}
	all := rosterOf(group("acme", "staff", "ana"), group("globex", "staff", "zoe"))
	v := &Validator{View: all.View, Elsewhere: all.View}
	hint := func() *namesIn {
		live := rosterOf(group("acme", "staff", "ana"))
		v.On(live.View()).Hints(nil, group("acme", "more", "Zoe"), time.Time{})
		return v.names.of["globex"]
	}
	first := hint()
	if first == nil {
		t.Fatal("the users of globex are not kept")
	}
	if hint() != first {
		t.Error("the users of globex were indexed anew")
	}
	if v.names.of["acme"] != nil {
		t.Error("what was read live took the place of what the watch shows")
	}
}
