package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	fieldpath "k8s.io/apimachinery/pkg/util/validation/field"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
)

// answering is a cluster that answers dry runs and writes as the test says.
type answering struct {
	still

	answer func(name string) edit.Outcome
	writes int
}

func (*answering) InFiles() bool { return false }

func (a *answering) DryRun(_ context.Context, plan *edit.Plan) []edit.Outcome {
	var all []edit.Outcome
	for _, c := range plan.Changed() {
		all = append(all, a.answer(c.Name()))
	}
	return all
}

func (a *answering) Write(ctx context.Context, plan *edit.Plan) []edit.Outcome {
	a.writes++
	return a.DryRun(ctx, plan)
}

func (a *answering) Notify(_ context.Context, all []edit.Notice, _ time.Time) []edit.Outcome {
	a.writes++
	made := make([]edit.Outcome, len(all))
	for i := range all {
		made[i] = edit.Outcome{Object: objects.Name(all[i].Object), State: edit.StateApplied}
	}
	return made
}

func accepted(name string) edit.Outcome { return edit.Outcome{Object: name, State: edit.StateServer} }

func refused(err error) func(string) edit.Outcome {
	return func(name string) edit.Outcome {
		return edit.Outcome{Object: name, State: edit.StateRefused, Reason: err.Error(), Err: err, Failed: true}
	}
}

// openCluster opens a console over a cluster with two groups, of which Flux keeps one.
func openCluster(t *testing.T, answer func(string) edit.Outcome) (*site, *answering) {
	t.Helper()
	kept := groupAt("kept", 2, "ben")
	kept.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": "access", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
	told := groupAt("readers", 1, "ana")
	told.Spec.Notification.Channels = []accessv1alpha1.ChannelName{"mail"}
	backend := &answering{answer: answer}
	backend.set(settledBy(t, told, kept))
	ctx, cancel := context.WithCancel(t.Context())
	return serve(t, ctx, cancel, backend), backend
}

// TestRefusalsStandBesideTheirField checks that a refusal of the API server appears on the review and in the form, and
// that the change cannot be written.
func TestRefusalsStandBesideTheirField(t *testing.T) {
	invalid := apierrors.NewInvalid(schema.GroupKind{Group: "access.usher.dev", Kind: "AccessGroup"}, "readers", fieldpath.ErrorList{
		fieldpath.Invalid(fieldpath.NewPath("spec", "applicationAccess").Key("red").Child("role"), "Owner", "no such role"),
	})
	s, backend := openCluster(t, refused(invalid))
	step, page := s.follow(s.get("o/acme/groups/readers"), "o/acme/groups/readers/edit", url.Values{"step": {stepPrivileges}})
	review, page := s.follow(page, step, url.Values{"grant.0.application": {"red"}, "grant.0.role": {"Viewer"}, "to": {stepReview}})
	page.has(t, "spec.applicationAccess[red].role", "no such role", "Go to the field", "This cannot be written as it is.")
	if strings.Contains(page.text, "Write 1 object") {
		t.Error("the change can be confirmed")
	}
	form := s.get(step)
	form.has(t, "no such role")
	if !strings.Contains(form.text, `name="grant.0.application" value="red" data-kind="applications" autocomplete="off" aria-invalid="true"`) {
		t.Errorf("the refusal is not beside its field: %s", form.text)
	}
	if backend.writes != 0 || review == "" {
		t.Errorf("%d writes", backend.writes)
	}
}

func TestMissingRights(t *testing.T) {
	denied := apierrors.NewForbidden(schema.GroupResource{Group: "access.usher.dev", Resource: "accessgroups"}, "readers", nil)
	s, _ := openCluster(t, refused(denied))
	_, page := s.follow(s.get("bulk?do=add&group=acme/readers"), "bulk", url.Values{"do": {"add"}, "group": {"acme/readers"}, "user": {"clara"}})
	page.has(t, "is forbidden", "kubectl auth can-i --list --namespace=acme", "This cannot be written as it is.")
}

func TestObjectsThatAGitOpsToolKeeps(t *testing.T) {
	s, backend := openCluster(t, accepted)
	s.get("o/acme/groups/kept").has(t, "Kept by", "Flux")
	review, page := s.follow(s.get("bulk?do=add&group=acme/kept"), "bulk", url.Values{"do": {"add"}, "group": {"acme/kept"}, "user": {"clara"}})
	page.has(t, "is kept as git has it by Flux", "Download the manifest", "Download the patch")
	if strings.Contains(page.text, "Write 1 object") {
		t.Error("the change can be confirmed")
	}
	other := s.get("bulk?do=add&group=acme/kept")
	if a := s.post(other, strings.TrimSuffix(review, stepReview)+"confirm", nil); a.status != http.StatusForbidden {
		t.Errorf("a confirmation all the same: %d", a.status)
	}
	if backend.writes != 0 {
		t.Errorf("%d writes", backend.writes)
	}
}

func TestResultOfSeveralObjects(t *testing.T) {
	failing := false
	s, backend := openCluster(t, func(name string) edit.Outcome {
		if failing && strings.HasSuffix(name, "readers") {
			return edit.Outcome{Object: name, State: edit.StateUnknown, Reason: "the API server gave no answer", Failed: true}
		}
		return edit.Outcome{Object: name, State: edit.StateApplied}
	})
	w := settledBy(t, groupAt("readers", 1, "ana"), groupAt("writers", 2, "ben"))
	backend.set(w)
	review, page := s.follow(s.get("bulk?do=add&group=acme/readers"), "bulk",
		url.Values{"do": {"add"}, "group": {"acme/readers acme/writers"}, "user": {"clara"}})
	page.has(t, "Write 2 objects", "clara", "gains")
	failing = true
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "1 of 2 objects were not written", "AccessGroup/acme/readers not known the API server gave no answer", "AccessGroup/acme/writers applied")
	if backend.writes != 1 {
		t.Errorf("%d writes", backend.writes)
	}
	s.get("changes").has(t, "1 of 2 not done")
}

// TestAChangeThatWasNotWrittenStays confirms a change that the API server refuses after it has accepted the dry run.
func TestAChangeThatWasNotWrittenStays(t *testing.T) {
	denied := apierrors.NewForbidden(schema.GroupResource{Group: "access.usher.dev", Resource: "accessgroups"}, "readers", nil)
	answer := accepted
	s, backend := openCluster(t, func(name string) edit.Outcome { return answer(name) })
	general, page := s.follow(s.get("o/acme/groups/readers"), "o/acme/groups/readers/edit", nil)
	review, page := s.follow(page, general, url.Values{"displayName": {"Readers"}, "to": {stepReview}})
	confirm := strings.TrimSuffix(review, stepReview) + "confirm"
	answer = refused(denied)
	_, page = s.follow(page, confirm, nil)
	page.has(t, "Nothing was written. AccessGroup/acme/readers: refused: ", "is forbidden", "kubectl auth can-i")
	if strings.Contains(page.text, "Write 1 object") {
		t.Error("the change can be confirmed")
	}
	answer = func(name string) edit.Outcome {
		return edit.Outcome{Object: name, State: edit.StateChanged, Reason: "run the command again", Failed: true}
	}
	page = s.get(review)
	page.has(t, "changed meanwhile: somebody changed or deleted it since you began", "Begin again from the newest version")
	if strings.Contains(page.text, "the command again") {
		t.Error("the page speaks of the command")
	}
	if form := s.get(general); !strings.Contains(form.text, `value="Readers"`) {
		t.Errorf("the form has lost its text: %s", form.text)
	}
	s.get("changes").has(t, "Nothing was changed yet")
	answer = accepted
	_, page = s.follow(s.get(review), confirm, nil)
	page.has(t, "Done: 1 object.")
	if backend.writes != 2 {
		t.Errorf("%d writes", backend.writes)
	}
}

func TestNotify(t *testing.T) {
	s, backend := openCluster(t, accepted)
	review, page := s.follow(s.get("bulk?do=notify&group=acme/readers"), "bulk", url.Values{"do": {"notify"}, "group": {"acme/readers\nacme/kept"}})
	page.has(t, "Tell 1 person", "AccessGroup/acme/readers 1 mail", "AccessGroup/acme/kept 0 none: nobody is told")
	_, page = s.follow(page, strings.TrimSuffix(review, stepReview)+"confirm", nil)
	page.has(t, "Done: 2 objects.")
	if backend.writes != 1 || strings.Contains(page.text, ">Undo<") {
		t.Errorf("%d writes, %s", backend.writes, text(page.text))
	}
}

func TestUserWhoVanished(t *testing.T) {
	s, backend := openCluster(t, accepted)
	page := s.get("user?name=ana")
	backend.set(settledBy(t, &accessv1alpha1.AccessGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "readers"}}))
	a := s.post(page, "user/leave", url.Values{"user": {"ana"}})
	if a.status != http.StatusNotFound {
		t.Errorf("status %d", a.status)
	}
	a.has(t, "No group names ana", "Nothing was done")
}
