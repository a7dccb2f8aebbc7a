package v1alpha1

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/roster/rostertest"
	"github.com/usher-dev/usher/internal/validation"
)

// realHandler returns a handler that judges by a real roster at the current time. It grants everything to every
// requester.
func realHandler(t *testing.T, objects ...client.Object) (*Handler, *roster.Roster) {
	t.Helper()
	return realHandlerAt(t, now, objects...)
}

func realHandlerAt(t *testing.T, now time.Time, objects ...client.Object) (*Handler, *roster.Roster) {
	t.Helper()
	options := roster.Options{SystemNamespace: rostertest.System}
	r := roster.New(options)
	for _, o := range objects {
		if err := r.Set(o); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle(now)
	cluster := newFakeCluster(t)
	reviews := newReviews(t)
	reviews.everything = true
	ready := make(chan struct{})
	close(ready)
	by := func(view func() *roster.View) Judge {
		return (&validation.Validator{View: view, Losses: validation.NewLosses()}).Judge
	}
	current := func() *roster.View {
		if !r.Settled(now) {
			r.Settle(now)
		}
		return r.View()
	}
	live := func(v *roster.View) Judge { return by(func() *roster.View { return v }) }
	return &Handler{
		Ready: ready, Metrics: NewMetrics(prometheus.NewRegistry()), Judge: by(current),
		Reviewer: reviews.reviewer(func() time.Time { return now }),
		Live:     NewLive(cluster.api, cluster.cached, r, options, live),
		Now:      func() time.Time { return now },
	}, r
}

func kindOf(o client.Object) metav1.GroupVersionKind {
	return metav1.GroupVersionKind(accessv1alpha1.GroupVersion.WithKind(string(roster.ObjectOf(o).Kind)))
}

// updating returns a review of an update from old to made, as the API server would send it.
func updating(t *testing.T, old, made client.Object) admission.Request {
	t.Helper()
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Update, Namespace: made.GetNamespace(), Name: made.GetName(), Kind: kindOf(made),
		Object: raw(t, made), OldObject: raw(t, old),
	}}
}

func groupOf(namespace, name, user, role string) *accessv1alpha1.AccessGroup {
	g := newGroup(func(g *accessv1alpha1.AccessGroup) {
		g.Namespace, g.Name = namespace, name
		g.Spec.Members = []accessv1alpha1.Member{{User: accessv1alpha1.UserName(user)}}
	})
	if namespace == rostertest.System {
		g.Spec.Type = accessv1alpha1.GroupTypeSystem
		g.Spec.SystemAccess = []accessv1alpha1.SystemGrant{{Organization: accessv1alpha1.All, Role: accessv1alpha1.RoleName(role)}}
		return g
	}
	g.Spec.ApplicationAccess = []accessv1alpha1.ApplicationGrant{
		{Application: accessv1alpha1.All, Role: accessv1alpha1.RoleName(role)},
	}
	return g
}

// TestAttackForgedReview posts reviews whose two objects are not the same object, which any client that reaches
// the port can send. Each of them once left the second object in the roster, or removed the first.
func TestAttackForgedReview(t *testing.T) {
	staff := groupOf("acme", "staff", "ana", "Viewer")
	copied := staff.DeepCopy()
	copied.Spec.Members = nil
	for name, tc := range map[string]struct {
		old, made client.Object
		request   func(*admission.Request)
		want      string
	}{
		"a phantom": {
			old: groupOf("acme", "phantom", "eve", "Administrator"), made: groupOf("acme", "a1", "eve", "Viewer"),
			want: `oldObject.metadata.name is "phantom", but the request is for "a1"; both must be the same`,
		},
		"a phantom, and no name in the request": {
			old: groupOf("acme", "phantom", "eve", "Administrator"), made: groupOf("acme", "a1", "eve", "Viewer"),
			request: func(r *admission.Request) { r.Name = "" },
			want:    `oldObject.metadata.name is "phantom", but object.metadata.name is "a1"; both must be the same object`,
		},
		"a phantom of the system namespace": {
			old:  groupOf(rostertest.System, "phantom", "eve", "SystemAdministrator"),
			made: groupOf(rostertest.System, "a1", "eve", "Observer"),
			want: `oldObject.metadata.name is "phantom", but the request is for "a1"; both must be the same`,
		},
		"a phantom in another namespace": {
			old: groupOf(rostertest.System, "a1", "eve", "SystemAdministrator"), made: groupOf("acme", "a1", "eve", "Viewer"),
			want: `oldObject.metadata.namespace is "access-system", but the request is for "acme"; both must be the same`,
		},
		"a copy of a real group, without its members": {
			old: copied, made: groupOf("acme", "a1", "eve", "Viewer"),
			want: `oldObject.metadata.name is "staff", but the request is for "a1"; both must be the same`,
		},
		"a real group that becomes another": {
			old: staff, made: groupOf("acme", "a1", "eve", "Viewer"),
			request: func(r *admission.Request) { r.Name = "staff" },
			want:    `object.metadata.name is "a1", but the request is for "staff"; both must be the same`,
		},
		"another kind": {
			old: &accessv1alpha1.UserAccess{
				TypeMeta:   metav1.TypeMeta{APIVersion: accessv1alpha1.GroupVersion.String(), Kind: kindUser},
				ObjectMeta: staff.ObjectMeta, Spec: accessv1alpha1.UserAccessSpec{User: "eve"},
			}, made: staff,
			want: `oldObject.kind is "UserAccess", but the request is for "AccessGroup"; both must be the same`,
		},
		"another version": {
			old: staff, made: &accessv1alpha1.AccessGroup{
				TypeMeta: metav1.TypeMeta{APIVersion: "access.usher.dev/v2", Kind: kindGroup}, ObjectMeta: staff.ObjectMeta,
			},
			want: `object.apiVersion is "access.usher.dev/v2", but the request is for "access.usher.dev/v1alpha1"; both must be the same`,
		},
		"another UID": {
			old: staff, made: &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "staff", UID: "2"}},
			want: `oldObject.metadata.uid is "", but object.metadata.uid is "2"; both must be the same object`,
		},
		"another resource": {
			old: staff, made: staff,
			request: func(r *admission.Request) { r.Resource.Resource = "useraccesses" },
			want:    "resource: the kind of the request is AccessGroup and its resource",
		},
		"a subresource": {
			old: staff, made: staff, request: func(r *admission.Request) { r.SubResource = "status" },
			want: `subResource "status"`,
		},
		"an old object for a create": {
			old: staff, made: staff, request: func(r *admission.Request) { r.Operation = admissionv1.Create },
			want: "oldObject: it must be set for UPDATE and DELETE and absent for CREATE; the operation is CREATE",
		},
		"a new object for a delete": {
			old: staff, made: staff, request: func(r *admission.Request) { r.Operation = admissionv1.Delete },
			want: "object: it must be set for CREATE and UPDATE and absent for DELETE; the operation is DELETE",
		},
		"no namespace": {
			old: groupOf("", "a1", "eve", "Viewer"), made: groupOf("", "a1", "eve", "Viewer"), want: `metadata.namespace ""`,
		},
		"a path for a name": {
			old: groupOf("acme", "a/b", "eve", "Viewer"), made: groupOf("acme", "a/b", "eve", "Viewer"), want: `metadata.name "a/b"`,
		},
		"a name without end": {
			old: staff, made: groupOf("acme", strings.Repeat("a", 1<<20), "eve", "Viewer"),
			request: func(r *admission.Request) { r.Name = "staff" },
			want:    `object.metadata.name is "` + strings.Repeat("a", mostOfName) + `...", but the request is for "staff"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, r := realHandler(t, staff)
			was := rostertest.Dump(r)
			review := updating(t, tc.old, tc.made)
			if tc.request != nil {
				tc.request(&review)
			}
			got := (&admission.Webhook{Handler: h}).Handle(t.Context(), review)
			if got.Allowed || got.Result.Code != http.StatusBadRequest || !strings.Contains(got.Result.Message, tc.want) {
				t.Errorf("got %+v, want status 400 and %s", got.Result, tc.want)
			}
			if diff := cmp.Diff(was, rostertest.Dump(r)); diff != "" {
				t.Errorf("the roster has changed (-before +after):\n%s", diff)
			}
		})
	}
}

// TestAttackDeletesAgainInTheBackground deletes an object again that is being deleted in the foreground, with
// another propagation policy. The API server then drops the finalizer of the garbage collector, and the object is
// removed without an update that would be judged.
func TestAttackDeletesAgainInTheBackground(t *testing.T) {
	for name, tc := range map[string]struct{ finalizer, options string }{
		"in the background":                {metav1.FinalizerDeleteDependents, `{"propagationPolicy":"Background"}`},
		"in the background, after orphans": {metav1.FinalizerOrphanDependents, `{"propagationPolicy":"Background"}`},
		"without orphans":                  {metav1.FinalizerDeleteDependents, `{"orphanDependents":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.ask(t, deleting(t, leaving(tc.finalizer), tc.options))
			want := []*validation.Request{{Old: leaving(tc.finalizer), Now: now}}
			if diff := cmp.Diff(want, h.requests, cmpopts.IgnoreTypes(metav1.TypeMeta{})); diff != "" {
				t.Errorf("unexpected requests (-want +got):\n%s", diff)
			}
		})
	}
}

// withMembers returns a group with the given number of members.
func withMembers(count int, change ...func(*accessv1alpha1.AccessGroup)) *accessv1alpha1.AccessGroup {
	g := newGroup(change...)
	for i := range count {
		g.Spec.Members = append(g.Spec.Members, accessv1alpha1.Member{User: accessv1alpha1.UserName(fmt.Sprintf("user-%d", i))})
	}
	return g
}

// TestAttackObjectsThatTheSchemaRefuses posts objects that no API server would accept. They used to be judged: any
// client that reached the port could make the roster decide for any number of users.
func TestAttackObjectsThatTheSchemaRefuses(t *testing.T) {
	small, large, larger := withMembers(1), withMembers(6000), withMembers(6001)
	relabelled := withMembers(6000, func(g *accessv1alpha1.AccessGroup) { g.Labels = map[string]string{"team": "one"} })
	create := func(o client.Object) admission.Request {
		review := updating(t, o, o)
		review.Operation, review.OldObject = admissionv1.Create, runtime.RawExtension{}
		return review
	}
	remove := func(o client.Object) admission.Request {
		review := updating(t, o, o)
		review.Operation, review.Object = admissionv1.Delete, runtime.RawExtension{}
		return review
	}
	for name, tc := range map[string]struct {
		review       admission.Request
		stored, seen client.Object // by the API server, and by the roster
		want         int32
		causes       []string
	}{
		"a create":                         {review: create(large), want: 422, causes: []string{"FieldValueTooMany spec.members"}},
		"an update":                        {review: updating(t, small, large), want: 422, causes: []string{"FieldValueTooMany spec.members"}},
		"an update of a forged object":     {review: updating(t, large, relabelled), want: 409},
		"a deletion of a forged object":    {review: remove(large), want: 409},
		"an update of what is stored":      {review: updating(t, large, relabelled), stored: large, want: 200},
		"an update of what is seen":        {review: updating(t, large, relabelled), seen: large, want: 200},
		"an update that adds to it":        {review: updating(t, large, larger), seen: large, want: 422, causes: []string{"FieldValueTooMany spec.members"}},
		"an update that fixes it":          {review: updating(t, large, small), seen: large, want: 200},
		"a deletion of what is stored":     {review: remove(large), stored: large, want: 200},
		"a deletion of what is seen":       {review: remove(large), seen: large, want: 200},
		"a deletion of what is legal":      {review: remove(small), want: 200},
		"a forged object of the real name": {review: updating(t, large, relabelled), seen: small, stored: small, want: 409},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			if tc.stored != nil {
				h.cluster.has(tc.stored.DeepCopyObject().(client.Object))
			}
			if tc.seen != nil {
				if err := h.handler.Live.Roster.Set(tc.seen); err != nil {
					t.Fatal(err)
				}
			}
			got := h.ask(t, tc.review)
			if got.Result.Code != tc.want {
				t.Errorf("got %+v, want status %d", got.Result, tc.want)
			}
			if diff := cmp.Diff(tc.causes, causes(got)); diff != "" {
				t.Errorf("unexpected causes (-want +got):\n%s", diff)
			}
			if judged := len(h.requests) > 0; judged != (tc.want == 200) {
				t.Errorf("judged: %t", judged)
			}
		})
	}
}
