package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/roster"
)

// still is a backend whose objects do not change.
type still struct{ newest }

func (*still) Describe() (from, caller string) { return "Benchmark", "" }
func (*still) Notes() []string                 { return nil }
func (*still) InFiles() bool                   { return true }
func (*still) Manifests(changes []objects.Change) ([][]byte, error) {
	return edit.Manifests(changes, false)
}
func (*still) DryRun(context.Context, *edit.Plan) []edit.Outcome               { return nil }
func (*still) Write(context.Context, *edit.Plan) []edit.Outcome                { return nil }
func (*still) Notify(context.Context, []edit.Notice, time.Time) []edit.Outcome { return nil }

// many returns 10,000 users, 1,000 groups and 100 applications of one organization, and one group with 5,000 members.
func many() []client.Object {
	const users, groups, applications = 10_000, 1_000, 100
	var all []client.Object
	for i := range applications {
		all = append(all, &accessv1alpha1.ApplicationAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: fmt.Sprintf("application-%03d", i)}})
	}
	roles := []accessv1alpha1.RoleName{"Viewer", "Editor", "RulesAdmin", "NoAccess"}
	for i := range groups {
		g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: fmt.Sprintf("group-%04d", i)}}
		for j := range 30 {
			g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(fmt.Sprintf("user-%05d@acme.example", (i*10+j)%users))})
		}
		for j := range 3 {
			g.Spec.ApplicationAccess = append(g.Spec.ApplicationAccess, accessv1alpha1.ApplicationGrant{
				Application: accessv1alpha1.ApplicationSelector(fmt.Sprintf("application-%03d", (i+j*7)%applications)), Role: roles[(i+j)%len(roles)],
			})
		}
		all = append(all, g)
	}
	const most = 5_000
	large := groupAt("large", 1, "user-00000@acme.example")
	for i := 1; i < most; i++ {
		large.Spec.Members = append(large.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(fmt.Sprintf("user-%05d@acme.example", i))})
	}
	return append(all, large)
}

// BenchmarkPages measures the pages of a large organization, and reports the median. docs/console.md states the target.
func BenchmarkPages(b *testing.B) {
	backend := &still{}
	backend.set(settledBy(b, many()...))
	server := New(&Options{Backend: backend, Clock: func() time.Time { return now }})
	server.host = "127.0.0.1:1"
	o := backend.world.Object(roster.Object{Kind: roster.KindAccessGroup, Namespace: "acme", Name: "large"})
	d := newForm(formGroup, "Edit group large", o, edit.Edited[*accessv1alpha1.AccessGroup](o))
	d.object().(*accessv1alpha1.AccessGroup).Spec.Members = d.object().(*accessv1alpha1.AccessGroup).Spec.Members[1:]
	server.begin(d, stepGeneral)
	for name, path := range map[string]string{
		"groups": "o/acme/groups", "group": "o/acme/groups/group-0001", "users": "o/acme/users?sort=-Applications", "user": "user?name=user-00001@acme.example",
		"applications": "o/acme/applications", "application": "o/acme/applications/application-001", "matrix": "o/acme/matrix",
		"matrix-by-role": "o/acme/matrix?sort=application-001", "reviews": "reviews", "suggest": "suggest?kind=users&q=user-0",
		"policy": "o/acme/policy", "system": "system", "changes": "changes", "bulk": "bulk?do=add&group=acme/group-0001",
		"large-group": "o/acme/groups/large", "form": "drafts/" + d.id + "/general", "privileges": "drafts/" + d.id + "/privileges",
		"review": "drafts/" + d.id + "/review", "search": "o/acme/users?q=00042",
	} {
		b.Run(name, func(b *testing.B) {
			size := 0
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1"+server.session.base+path, nil)
				r.Header.Set("Sec-Fetch-Site", "none")
				r.AddCookie(&http.Cookie{Name: cookieName, Value: server.session.cookie})
				answer := httptest.NewRecorder()
				server.ServeHTTP(answer, r)
				if answer.Code != http.StatusOK {
					b.Fatalf("%s: %d", path, answer.Code)
				}
				size = answer.Body.Len()
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms/page")
			b.ReportMetric(float64(size), "B/page")
			if size > largestPage {
				b.Errorf("%d bytes", size)
			}
		})
	}
}
