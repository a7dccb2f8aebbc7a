package notify

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
)

func TestNoticesCallApplicationsByTheirDisplayNames(t *testing.T) {
	objects := roster.New(roster.Options{SystemNamespace: system, Organizations: labels.Everything()})
	err := objects.Set(&accessv1alpha1.ApplicationAccess{
		ObjectMeta: metav1.ObjectMeta{Namespace: acme, Name: "crates-io"},
		Spec:       accessv1alpha1.ApplicationAccessSpec{DisplayName: "crates.io"},
	})
	if err != nil {
		t.Fatal(err)
	}
	objects.Settle(start)
	viewer := Role{Role: "Viewer"}
	j := &job{
		organization: acme, user: "ana@acme.example", before: &Access{},
		after: &Access{Applications: map[string]Role{"crates-io": viewer, "docs": viewer}},
	}
	var got []string
	for _, c := range j.notice(objects).Changes {
		got = append(got, c.Application+": "+c.Title)
	}
	if diff := cmp.Diff([]string{"crates-io: crates.io", "docs: "}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
