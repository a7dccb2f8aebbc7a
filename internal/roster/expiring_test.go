package roster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
)

func TestExpiring(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	at := func(in time.Duration) *metav1.Time { return new(metav1.NewTime(now.Add(in))) }
	const day = 24 * time.Hour
	r := New(Options{SystemNamespace: "access-system"})
	group := &accessv1alpha1.AccessGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "france"},
		Spec: accessv1alpha1.AccessGroupSpec{
			Type: accessv1alpha1.GroupTypeOrganization, Privileges: accessv1alpha1.GroupPrivilegesEnabled,
			ApplicationAccess: []accessv1alpha1.ApplicationGrant{{Application: "finance", Role: "Viewer"}},
			Members: []accessv1alpha1.Member{
				{User: "stays"},
				{User: "ends-today", NotAfter: at(time.Hour)},
				{User: "ends-on-the-day", NotAfter: at(day)},
				{User: "ends-this-week", NotAfter: at(3 * day)},
				{User: "ends-next-year", NotAfter: at(300 * day)},
				{User: "begins-today-and-ends-this-week", NotBefore: at(time.Hour), NotAfter: at(2 * day)},
				{User: "begins-today", NotBefore: at(time.Hour)},
			},
		},
	}
	if err := r.Set(group); err != nil {
		t.Fatal(err)
	}
	r.Settle(now)
	// A user who has no access yet has none to lose.
	if diff := cmp.Diff([]int{2, 3, 0}, r.View().Expiring(day, 7*day, time.Minute)); diff != "" {
		t.Errorf("within a day, a week and a minute (-want +got):\n%s", diff)
	}
	r.Settle(now.Add(2 * time.Hour))
	if diff := cmp.Diff([]int{1, 3, 0}, r.View().Expiring(day, 7*day, time.Minute)); diff != "" {
		t.Errorf("two hours later (-want +got):\n%s", diff)
	}
}
