package v1alpha1

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// readingGlobex is the right to see what the groups of globex name.
var readingGlobex = validation.Attributes{Verb: "list", Group: "access.usher.dev", Resource: "accessgroups", Namespace: "globex"}

func hintAt(field, message, otherwise string) validation.Hint {
	return validation.Hint{Field: field, Message: message, Otherwise: otherwise, Right: &validation.Right{AnyOf: []validation.Attributes{readingGlobex}}}
}

func TestWhoIsToldWhatAnotherNamespaceHolds(t *testing.T) {
	said := validation.Judgement{
		Warnings: []string{"spec.a: for everybody"},
		Hints: []validation.Hint{
			hintAt("spec.user", "did you mean amelie, whom AccessGroup/globex/france names?", "nobody is barred"),
			hintAt("spec.members[Ana]", "Ana differs only in case from ana, whom AccessGroup/globex/france names", ""),
		},
	}
	for name, tc := range map[string]struct {
		may     []validation.Attributes
		failure error
		want    []string
	}{
		"who may read it": {[]validation.Attributes{readingGlobex}, nil, []string{
			"spec.a: for everybody", "spec.user: did you mean amelie, whom AccessGroup/globex/france names?",
			"spec.members[Ana]: Ana differs only in case from ana, whom AccessGroup/globex/france names",
		}},
		"who may not":              {nil, nil, []string{"spec.a: for everybody", "spec.user: nobody is barred"}},
		"while nobody knows":       {nil, errors.New("broken"), []string{"spec.a: for everybody", "spec.user: nobody is barred"}},
		"who may read another one": {[]validation.Attributes{{Verb: "list", Group: "access.usher.dev", Resource: "accessgroups", Namespace: "acme"}}, nil, []string{"spec.a: for everybody", "spec.user: nobody is barred"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.says(said)
			h.reviews.may(tc.may...)
			h.reviews.failure = tc.failure
			got := h.ask(t, creating(t))
			if !got.Allowed {
				t.Errorf("refused: %+v", got.Result)
			}
			if diff := cmp.Diff(tc.want, got.Warnings); diff != "" {
				t.Errorf("unexpected warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWarningIsConfirmed(t *testing.T) {
	var many []string
	for range mostConfirmed + 1 {
		many = append(many, "acme")
	}
	atSystem := func(r *admission.Request) {
		r.Namespace = "access-system"
		r.Object = raw(t, newGroup(func(g *accessv1alpha1.AccessGroup) { g.Namespace = "access-system" }))
	}
	for name, tc := range map[string]struct {
		change        func(*admission.Request)
		first, second validation.Judgement
		failure       error
		want          []string
	}{
		"that holds no more": {
			first: validation.Judgement{Warnings: []string{"there is no organization role user"}},
		},
		"that has another text by now": {
			first:  validation.Judgement{Warnings: []string{"1 conflict"}},
			second: validation.Judgement{Warnings: []string{"2 conflicts"}}, want: []string{"2 conflicts"},
		},
		"in the system namespace, where only some organizations are read": {
			change: atSystem,
			first:  validation.Judgement{Warnings: []string{"gone", "stands"}},
			second: validation.Judgement{Warnings: []string{"stands", "no ladder that was read has it"}}, want: []string{"stands"},
		},
		"and never becomes a refusal": {
			first:  validation.Judgement{Warnings: []string{"a"}},
			second: validation.Judgement{Warnings: []string{"a"}, Rights: []validation.Right{rightTo(grant("acme", "Editor", ""))}},
			want:   []string{"a"},
		},
		"not where many namespaces would be read": {
			first: validation.Judgement{Warnings: []string{"a"}, Organizations: many}, want: []string{"a"},
		},
		"not where the API server does not answer": {
			first: validation.Judgement{Warnings: []string{"a"}}, failure: errors.New("broken"), want: []string{"a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.cluster.has(newNamespace("acme"), newNamespace("access-system"))
			h.cluster.failure = tc.failure
			h.first = func(*validation.Request) (*validation.Judgement, error) { return &tc.first, nil }
			h.second = func(*roster.View, *validation.Request) (*validation.Judgement, error) { return &tc.second, nil }
			change := tc.change
			if change == nil {
				change = func(*admission.Request) {}
			}
			got := h.ask(t, creating(t, change))
			if !got.Allowed {
				t.Errorf("refused: %+v", got.Result)
			}
			if diff := cmp.Diff(tc.want, got.Warnings, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unexpected warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAKindWithManyObjectsIsNotReadToConfirmWarnings has more groups in the namespace than a confirmation reads.
func TestAKindWithManyObjectsIsNotReadToConfirmWarnings(t *testing.T) {
	h := newHarness(t)
	h.cluster.has(newNamespace("acme"), newNamespace("access-system"))
	for i := range mostRead + 1 {
		h.cluster.has(newGroup(func(g *accessv1alpha1.AccessGroup) { g.Name = fmt.Sprintf("group-%d", i) }))
	}
	h.cluster.watched(t)
	h.cluster.listed = nil
	judgement := &validation.Judgement{Warnings: []string{"a"}}
	h.first = func(*validation.Request) (*validation.Judgement, error) { return judgement, nil }
	loaded := 0
	h.second = func(view *roster.View, _ *validation.Request) (*validation.Judgement, error) {
		for range view.Index().Namespace("acme").Groups() {
			loaded++
		}
		return judgement, nil
	}
	got := h.ask(t, creating(t, func(*admission.Request) {}))
	if diff := cmp.Diff([]string{"a"}, got.Warnings); diff != "" {
		t.Errorf("unexpected warnings (-want +got):\n%s", diff)
	}
	if count := len(slices.DeleteFunc(h.cluster.listed, func(kind string) bool { return kind != "AccessGroupList" })); count != 1 {
		t.Errorf("AccessGroup objects were listed %d times, want once, in the system namespace", count)
	}
	if loaded != 0 && loaded != mostRead+1 {
		t.Errorf("the warnings were confirmed with %d groups, want all %d that the watch shows", loaded, mostRead+1)
	}
}
