package v1alpha1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func grant(namespace, role, application string) validation.Attributes {
	return validation.Attributes{
		Verb: validation.VerbGrant, Group: validation.GrantsGroup, Resource: validation.ResourceApplicationRoles,
		Subresource: application, Namespace: namespace, Name: role,
	}
}

func rightTo(alternatives ...validation.Attributes) validation.Right {
	return validation.Right{AnyOf: alternatives, Field: field.NewPath("spec", "role"), Reason: "amelie would be given a role"}
}

func newGroup(change ...func(*accessv1alpha1.AccessGroup)) *accessv1alpha1.AccessGroup {
	g := &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "france"}}
	for _, c := range change {
		c(g)
	}
	return g
}

func raw(t *testing.T, object any) runtime.RawExtension {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return runtime.RawExtension{Raw: text}
}

// creating returns a review that creates a group.
func creating(t *testing.T, change ...func(*admission.Request)) admission.Request {
	t.Helper()
	r := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: "acme", Name: "france",
		Kind:     metav1.GroupVersionKind{Group: "access.usher.dev", Version: "v1alpha1", Kind: "AccessGroup"},
		Object:   raw(t, newGroup()),
		UserInfo: authenticationv1.UserInfo{Username: "ana", UID: "7", Groups: []string{"staff"}},
	}}
	for _, c := range change {
		c(&r)
	}
	return r
}

func deleting(t *testing.T, old *accessv1alpha1.AccessGroup, options string) admission.Request {
	t.Helper()
	return creating(t, func(r *admission.Request) {
		r.Operation, r.Object, r.OldObject = admissionv1.Delete, runtime.RawExtension{}, raw(t, old)
		r.Options = runtime.RawExtension{Raw: []byte(options)}
	})
}

// harness is a handler with fakes around it.
type harness struct {
	reviews  *reviews
	cluster  *fakeCluster
	requests []*validation.Request
	first    func(*validation.Request) (*validation.Judgement, error)
	second   func(*roster.View, *validation.Request) (*validation.Judgement, error)
	ready    chan struct{}
	handler  *Handler
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{reviews: newReviews(t), cluster: newFakeCluster(t), ready: make(chan struct{})}
	close(h.ready)
	options := roster.Options{SystemNamespace: "access-system"}
	h.handler = &Handler{
		Ready:   h.ready,
		Metrics: NewMetrics(prometheus.NewRegistry()),
		Judge: func(_ context.Context, r *validation.Request) (*validation.Judgement, error) {
			h.requests = append(h.requests, r)
			return h.first(r)
		},
		Reviewer: h.reviews.reviewer(func() time.Time { return now }),
		Live: NewLive(h.cluster.api, h.cluster.cached, roster.New(options), options,
			func(v *roster.View) Judge {
				return func(_ context.Context, request *validation.Request) (*validation.Judgement, error) {
					return h.second(v, request)
				}
			}),
		Now: func() time.Time { return now },
	}
	h.says(validation.Judgement{})
	return h
}

// says makes both judgements return the same.
func (h *harness) says(j validation.Judgement) {
	h.first = func(*validation.Request) (*validation.Judgement, error) { return &j, nil }
	h.second = func(*roster.View, *validation.Request) (*validation.Judgement, error) { return &j, nil }
}

// ask sends the review as the API server does, through the panic recovery of the HTTP handler.
func (h *harness) ask(t *testing.T, review admission.Request) admission.Response {
	t.Helper()
	return (&admission.Webhook{Handler: h.handler}).Handle(t.Context(), review)
}

func causes(r admission.Response) []string {
	if r.Result == nil || r.Result.Details == nil {
		return nil
	}
	var found []string
	for _, c := range r.Result.Details.Causes {
		found = append(found, string(c.Type)+" "+c.Field)
	}
	return found
}

func TestHandle(t *testing.T) {
	editor := rightTo(grant("acme", "Editor", "finance"), grant("acme", "Editor", ""))
	refusal := field.ErrorList{field.Forbidden(field.NewPath("spec", "members"), "a role conflict")}
	exempting := rightTo(validation.Attributes{Verb: "grant", Group: validation.GrantsGroup, Resource: "systemroles", Name: "Top"})
	for name, tc := range map[string]struct {
		judgement validation.Judgement
		may       []validation.Attributes
		want      int32
		causes    []string
		warnings  []string
		message   string
		reviews   int
	}{
		"nothing to say": {want: http.StatusOK},
		"warnings":       {judgement: validation.Judgement{Warnings: []string{"a", "b"}}, want: http.StatusOK, warnings: []string{"a", "b"}},
		"errors, before anybody is asked": {
			judgement: validation.Judgement{
				Errors: field.ErrorList{
					field.Invalid(field.NewPath("spec", "a"), 1, "too much"), field.Required(field.NewPath("spec", "b"), "say it"),
				},
				Rights: []validation.Right{editor}, Warnings: []string{"w"},
			},
			want: http.StatusUnprocessableEntity, warnings: []string{"w"},
			causes:  []string{"FieldValueInvalid spec.a", "FieldValueRequired spec.b"},
			message: `AccessGroup.access.usher.dev "france" is invalid: [spec.a: Invalid value: 1: too much, spec.b: Required value: say it]`,
		},
		"a right that is held": {
			judgement: validation.Judgement{Rights: []validation.Right{editor}},
			may:       []validation.Attributes{grant("acme", "Editor", "finance")},
			want:      http.StatusOK, reviews: 1,
		},
		"a broader right that is held": {
			judgement: validation.Judgement{Rights: []validation.Right{editor}},
			may:       []validation.Attributes{grant("acme", "Editor", "")},
			want:      http.StatusOK, reviews: 2,
		},
		"a right that is missing": {
			judgement: validation.Judgement{Rights: []validation.Right{editor}},
			want:      http.StatusUnprocessableEntity, reviews: 2, causes: []string{"FieldValueForbidden spec.role"},
			message: `AccessGroup.access.usher.dev "france" is invalid: spec.role: Forbidden: amelie would be given a role: ` +
				`this requires the right to grant applicationroles.grants.access.usher.dev "Editor", subresource "finance", in namespace "acme", ` +
				`which ana lacks; check it with: kubectl auth can-i --list -n acme --as=ana --as-group=staff | grep applicationroles.grants.access.usher.dev`,
		},
		"the brake": {
			judgement: validation.Judgement{Braked: refusal, Exempting: exempting},
			may:       exempting.AnyOf, want: http.StatusUnprocessableEntity, causes: []string{"FieldValueForbidden spec.members"},
		},
		"a refusal": {
			judgement: validation.Judgement{Refusals: refusal, Exempting: exempting, Rights: []validation.Right{editor}, Warnings: []string{"w"}},
			want:      http.StatusUnprocessableEntity, reviews: 3, warnings: []string{"w"},
			causes: []string{"FieldValueForbidden spec.role", "FieldValueForbidden spec.members"},
		},
		"a refusal for who is only warned": {
			judgement: validation.Judgement{Refusals: refusal, Exempting: exempting, Warnings: []string{"w"}},
			may:       exempting.AnyOf, want: http.StatusOK, reviews: 1,
			warnings: []string{"w", "spec.members: a role conflict"},
		},
		"a refusal that nobody is exempt from": {
			judgement: validation.Judgement{Refusals: refusal},
			want:      http.StatusUnprocessableEntity, causes: []string{"FieldValueForbidden spec.members"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.says(tc.judgement)
			h.reviews.may(tc.may...)
			for _, dryRun := range []*bool{nil, new(true)} {
				h.handler.Reviewer = h.reviews.reviewer(func() time.Time { return now })
				h.reviews.asked = nil
				got := h.ask(t, creating(t, func(r *admission.Request) { r.DryRun = dryRun }))
				if got.Allowed != (tc.want == http.StatusOK) || got.Result.Code != tc.want {
					t.Errorf("allowed %t, %+v", got.Allowed, got.Result)
				}
				if diff := cmp.Diff(tc.causes, causes(got)); diff != "" {
					t.Errorf("unexpected causes (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tc.warnings, got.Warnings, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("unexpected warnings (-want +got):\n%s", diff)
				}
				if tc.message != "" && got.Result.Message != tc.message {
					t.Errorf("got  %s\nwant %s", got.Result.Message, tc.message)
				}
				if len(h.reviews.asked) != tc.reviews {
					t.Errorf("%d reviews: %v", len(h.reviews.asked), h.reviews.asked)
				}
			}
		})
	}
}

// leaving returns a group that is being deleted and has these finalizers.
func leaving(finalizers ...string) *accessv1alpha1.AccessGroup {
	at := metav1.NewTime(now)
	return newGroup(func(g *accessv1alpha1.AccessGroup) { g.DeletionTimestamp, g.Finalizers = &at, finalizers })
}

func TestWhatIsJudged(t *testing.T) {
	old := newGroup(func(g *accessv1alpha1.AccessGroup) { g.Spec.DisplayName = "Old" })
	held := newGroup(func(g *accessv1alpha1.AccessGroup) { g.Finalizers = []string{"example.com/hold"} })
	for name, tc := range map[string]struct {
		review admission.Request
		want   []*validation.Request
	}{
		"a create": {creating(t), []*validation.Request{{New: newGroup(), Now: now}}},
		"a create with a generated name": {
			creating(t, func(r *admission.Request) { r.Name = "" }), []*validation.Request{{New: newGroup(), Now: now}},
		},
		"an object without a namespace": {
			creating(t, func(r *admission.Request) {
				r.Object = raw(t, newGroup(func(g *accessv1alpha1.AccessGroup) { g.Namespace = "" }))
			}),
			[]*validation.Request{{New: newGroup(), Now: now}},
		},
		"an update": {
			creating(t, func(r *admission.Request) { r.Operation, r.OldObject = admissionv1.Update, raw(t, old) }),
			[]*validation.Request{{Old: old, New: newGroup(), Now: now}},
		},
		"a delete": {deleting(t, old, ""), []*validation.Request{{Old: old, Now: now}}},
		"in the background": {
			deleting(t, old, `{"kind":"DeleteOptions","propagationPolicy":"Background"}`), []*validation.Request{{Old: old, Now: now}},
		},
		"in the foreground": {
			deleting(t, old, `{"propagationPolicy":"Foreground"}`), []*validation.Request{{Old: old, Lingers: true, Now: now}},
		},
		"leaving orphans": {
			deleting(t, old, `{"propagationPolicy":"Orphan"}`), []*validation.Request{{Old: old, Lingers: true, Now: now}},
		},
		"leaving orphans, the old way": {
			deleting(t, old, `{"orphanDependents":true}`), []*validation.Request{{Old: old, Lingers: true, Now: now}},
		},
		"with a finalizer":      {deleting(t, held, ""), []*validation.Request{{Old: held, Lingers: true, Now: now}}},
		"what is being deleted": {deleting(t, leaving(metav1.FinalizerDeleteDependents), ""), nil},
		"what is being deleted, in the foreground again": {
			deleting(t, leaving(metav1.FinalizerDeleteDependents), `{"propagationPolicy":"Foreground"}`), nil,
		},
		"what is being deleted, in the background, and something else holds it": {
			deleting(t, leaving(metav1.FinalizerDeleteDependents, "example.com/hold"), `{"propagationPolicy":"Background"}`), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			if got := h.ask(t, tc.review); !got.Allowed {
				t.Errorf("got %+v", got.Result)
			}
			if diff := cmp.Diff(tc.want, h.requests, cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(metav1.TypeMeta{})); diff != "" {
				t.Errorf("unexpected requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhateverGoesWrongIsNoYes(t *testing.T) {
	editor := rightTo(grant("acme", "Editor", ""))
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		review func(*admission.Request)
		change func(*harness)
		want   int32
	}{
		"the roster is not complete": {
			change: func(h *harness) { h.handler.Ready = make(chan struct{}) }, want: http.StatusServiceUnavailable,
		},
		"judging fails": {
			change: func(h *harness) {
				h.first = func(*validation.Request) (*validation.Judgement, error) { return nil, broken }
			},
			want: http.StatusInternalServerError,
		},
		"judging panics": {
			change: func(h *harness) { h.first = func(*validation.Request) (*validation.Judgement, error) { panic(broken) } },
			want:   http.StatusInternalServerError,
		},
		"a review fails": {
			change: func(h *harness) { h.reviews.failure = broken }, want: http.StatusInternalServerError,
		},
		"live reads fail": {
			change: func(h *harness) { h.cluster.failure = broken }, want: http.StatusInternalServerError,
		},
		"judging again fails": {
			change: func(h *harness) {
				h.second = func(*roster.View, *validation.Request) (*validation.Judgement, error) { return nil, broken }
			},
			want: http.StatusInternalServerError,
		},
		"no object": {
			review: func(r *admission.Request) { r.Object = runtime.RawExtension{} }, want: http.StatusBadRequest,
		},
		"no old object": {
			review: func(r *admission.Request) { r.Operation = admissionv1.Update }, want: http.StatusBadRequest,
		},
		"nothing to delete": {
			review: func(r *admission.Request) { r.Operation = admissionv1.Delete }, want: http.StatusBadRequest,
		},
		"not JSON": {
			review: func(r *admission.Request) { r.Object.Raw = []byte("{") }, want: http.StatusBadRequest,
		},
		"a wrong type": {
			review: func(r *admission.Request) { r.Object.Raw = []byte(`{"spec":{"members":7}}`) }, want: http.StatusBadRequest,
		},
		"delete options of a wrong type": {
			review: func(r *admission.Request) {
				r.Operation, r.OldObject, r.Options.Raw = admissionv1.Delete, r.Object, []byte(`{"orphanDependents":"x"}`)
			},
			want: http.StatusBadRequest,
		},
		"another kind": {
			review: func(r *admission.Request) { r.Kind.Kind = "Secret" }, want: http.StatusBadRequest,
		},
		"another version": {
			review: func(r *admission.Request) { r.Kind.Version = "v1" }, want: http.StatusBadRequest,
		},
		"another operation": {
			review: func(r *admission.Request) { r.Operation = admissionv1.Connect }, want: http.StatusBadRequest,
		},
		"no operation": {
			review: func(r *admission.Request) { r.Operation = "" }, want: http.StatusBadRequest,
		},
		"an object of another namespace": {
			review: func(r *admission.Request) { r.Namespace = "other" }, want: http.StatusBadRequest,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.says(validation.Judgement{Rights: []validation.Right{editor}})
			if tc.change != nil {
				tc.change(h)
			}
			review := creating(t)
			if tc.review != nil {
				tc.review(&review)
			}
			if got := h.ask(t, review); got.Allowed || got.Result.Code != tc.want {
				t.Errorf("allowed %t, %+v", got.Allowed, got.Result)
			}
		})
	}
}

func TestARefusalIsConfirmed(t *testing.T) {
	editor := rightTo(grant("acme", "Editor", ""))
	refusing := &validation.Judgement{Rights: []validation.Right{editor}, Organizations: []string{"acme", "umbrella"}, Warnings: []string{"behind"}}
	h := newHarness(t)
	for _, namespace := range []string{"acme", "umbrella", "access-system", "other"} {
		h.cluster.has(newNamespace(namespace), newGroup(func(g *accessv1alpha1.AccessGroup) { g.Namespace = namespace }))
	}
	h.first = func(*validation.Request) (*validation.Judgement, error) { return refusing, nil }
	var namespaces []string
	h.second = func(v *roster.View, request *validation.Request) (*validation.Judgement, error) {
		namespaces = nil
		for name := range v.Index().Namespaces() {
			namespaces = append(namespaces, name)
		}
		if !request.Now.Equal(now) {
			t.Errorf("judged at %s", request.Now)
		}
		return &validation.Judgement{Warnings: []string{"live"}}, nil
	}
	got := h.ask(t, creating(t))
	if !got.Allowed {
		t.Errorf("refused although it holds no more: %+v", got.Result)
	}
	if diff := cmp.Diff([]string{"live"}, got.Warnings); diff != "" {
		t.Errorf("unexpected warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"access-system", "acme", "umbrella"}, namespaces); diff != "" {
		t.Errorf("unexpected namespaces (-want +got):\n%s", diff)
	}

	t.Run("with what was asked before", func(t *testing.T) {
		h.reviews.asked = nil
		h.second = func(*roster.View, *validation.Request) (*validation.Judgement, error) { return refusing, nil }
		if got := h.ask(t, creating(t)); got.Allowed || len(h.reviews.asked) != 1 {
			t.Errorf("allowed %t after %v", got.Allowed, h.reviews.asked)
		}
	})
	t.Run("not when the object itself is wrong", func(t *testing.T) {
		h.cluster.failure = errors.New("nobody reads here")
		h.says(validation.Judgement{Errors: field.ErrorList{field.Required(field.NewPath("spec"), "")}})
		if got := h.ask(t, creating(t)); got.Result.Code != http.StatusUnprocessableEntity {
			t.Errorf("got %+v", got.Result)
		}
	})
	t.Run("nor a yes", func(t *testing.T) {
		h.says(validation.Judgement{})
		if got := h.ask(t, creating(t)); !got.Allowed {
			t.Errorf("got %+v", got.Result)
		}
	})
	t.Run("within the time that there is", func(t *testing.T) {
		h.cluster.failure = nil
		h.says(*refusing)
		ctx, cancel := context.WithCancel(t.Context())
		h.handler.Live.busy <- struct{}{}
		h.handler.Live.busy <- struct{}{}
		h.reviews.then = cancel
		got := h.handler.Handle(ctx, creating(t))
		if got.Allowed || got.Result.Code != http.StatusInternalServerError {
			t.Errorf("got %+v", got.Result)
		}
	})
}

func TestAJudgementByWhatIsPresentStands(t *testing.T) {
	h := newHarness(t)
	h.cluster.has(newNamespace("acme"), newNamespace("access-system"), newGroup())
	follows := h.handler.Live.Roster
	for _, o := range []runtime.Object{newNamespace("acme"), newNamespace("access-system"), newGroup()} {
		if err := follows.Set(o); err != nil {
			t.Fatal(err)
		}
	}
	h.second = func(*roster.View, *validation.Request) (*validation.Judgement, error) {
		t.Error("judged once more")
		return &validation.Judgement{}, nil
	}
	judge := func() *validation.Judgement {
		return &validation.Judgement{
			Rights: []validation.Right{rightTo(grant("acme", "Editor", ""))},
			Revisions: map[string]uint64{
				"acme": follows.Objects().Namespace("acme").Revision(), "access-system": follows.Objects().Namespace("access-system").Revision(),
			},
		}
	}
	h.first = func(*validation.Request) (*validation.Judgement, error) { return judge(), nil }
	if got := h.ask(t, creating(t)); got.Allowed {
		t.Error("allowed")
	}
	for name, change := range map[string]func(j *validation.Judgement){
		"judged before a change": func(j *validation.Judgement) { j.Revisions["acme"]-- },
		"more to read":           func(j *validation.Judgement) { j.Organizations = []string{"umbrella"} },
		"another object": func(*validation.Judgement) {
			h.cluster.has(newGroup(func(g *accessv1alpha1.AccessGroup) { g.Name = "other" }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			again := false
			h.first = func(*validation.Request) (*validation.Judgement, error) {
				j := judge()
				change(j)
				return j, nil
			}
			h.second = func(*roster.View, *validation.Request) (*validation.Judgement, error) {
				again = true
				return &validation.Judgement{}, nil
			}
			if got := h.ask(t, creating(t)); !got.Allowed || !again {
				t.Errorf("allowed %t, judged again %t", got.Allowed, again)
			}
		})
	}
}

func TestLiveReads(t *testing.T) {
	objects := func(version string, names ...string) []client.Object {
		var all []client.Object
		for _, name := range names {
			all = append(all, newGroup(func(g *accessv1alpha1.AccessGroup) {
				g.Name, g.UID, g.Spec.DisplayName, g.Generation = name, "1", version, int64(len(version))
			}))
		}
		return all
	}
	h := newHarness(t)
	h.cluster.has(newNamespace("acme"))
	h.cluster.has(objects("old", "same", "changed", "gone")...)
	h.cluster.watched(t)
	h.cluster.has(objects("newer", "changed", "made")...)
	h.cluster.hasNot(objects("", "gone")...)

	var got []string
	h.handler.Live.By = func(v *roster.View) Judge {
		for o := range v.Index().Namespace("acme").Objects() {
			got = append(got, o.Name)
		}
		return func(context.Context, *validation.Request) (*validation.Judgement, error) {
			return &validation.Judgement{}, nil
		}
	}
	if _, err := h.handler.Live.Judge(t.Context(), &validation.Request{New: newGroup(), Now: now}, &validation.Judgement{}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"changed", "made", "same"}, got); diff != "" {
		t.Errorf("unexpected objects (-want +got):\n%s", diff)
	}
	slices.Sort(h.cluster.got)
	if diff := cmp.Diff([]string{"access-system", "acme", "changed", "made"}, h.cluster.got); diff != "" {
		t.Errorf("read one by one (-want +got):\n%s", diff)
	}
}

// TestAConfirmationHasABudget confirms a refusal in a namespace whose user has more windows than the budget allows to
// evaluate.
func TestAConfirmationHasABudget(t *testing.T) {
	h := newHarness(t)
	h.cluster.has(newNamespace("acme"))
	for i := range 60 {
		h.cluster.has(newGroup(func(g *accessv1alpha1.AccessGroup) {
			begin, end := metav1.NewTime(now.Add(time.Duration(i)*time.Hour)), metav1.NewTime(now.Add(time.Duration(i+1)*time.Hour))
			g.Name, g.Spec = fmt.Sprintf("hour-%d", i), accessv1alpha1.AccessGroupSpec{
				OrganizationRole: "Administrator", Members: []accessv1alpha1.Member{{User: "ana", NotBefore: &begin, NotAfter: &end}},
			}
		}))
	}
	unfinished := false
	live := h.handler.Live
	live = NewLive(live.API, live.Cached, live.Roster, roster.Options{SystemNamespace: "access-system", Evaluations: 1},
		func(v *roster.View) Judge {
			d := v.Decision("acme", "ana")
			unfinished = d != nil && d.Unfinished
			return func(context.Context, *validation.Request) (*validation.Judgement, error) {
				return &validation.Judgement{}, nil
			}
		})
	if _, err := live.Judge(t.Context(), &validation.Request{New: newGroup(), Now: now}, &validation.Judgement{}); err != nil {
		t.Fatal(err)
	}
	if !unfinished {
		t.Error("every end of ana's role was computed")
	}
}

func TestALongAnswerIsCounted(t *testing.T) {
	h := newHarness(t)
	var judgement validation.Judgement
	for i := range 25 {
		judgement.Rights = append(judgement.Rights, rightTo(grant("acme", fmt.Sprintf("Role%d", i), "")))
	}
	for range 9 {
		judgement.Warnings = append(judgement.Warnings, strings.Repeat("ü", 1000)+"\n\x1b[31m")
	}
	h.says(judgement)
	got := h.ask(t, creating(t))
	if n := len(causes(got)); n != 11 || !strings.Contains(got.Result.Message, "and 15 more rights that ana lacks") {
		t.Errorf("%d causes: %s", n, got.Result.Message)
	}
	if n := len(got.Warnings); n != 4 || got.Warnings[3] != "and 6 more warnings" || strings.ContainsAny(got.Warnings[0], "\n\x1b") {
		t.Errorf("got %d warnings: %q", n, got.Warnings)
	}

	judgement = validation.Judgement{Warnings: []string{strings.Repeat("a", 5000), "b\xffc"}}
	for range 80 {
		judgement.Errors = append(judgement.Errors, field.Required(field.NewPath("spec"), "x"))
	}
	h.says(judgement)
	got = h.ask(t, creating(t))
	if n := len(causes(got)); n != 51 || !strings.Contains(got.Result.Message, "and 30 more errors") {
		t.Errorf("%d causes: %s", n, got.Result.Message)
	}
	if len(got.Warnings) != 2 || len([]rune(got.Warnings[0])) != mostOfOne || got.Warnings[1] != "b�c" {
		t.Errorf("got warnings %q", got.Warnings)
	}
}
