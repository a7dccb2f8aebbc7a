package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/identity"
	"github.com/usher-dev/usher/internal/roster"
)

// begin keeps a draft, and leads to its first page.
func (s *Server) begin(d *draft, step string) reply {
	d.begun = s.clock()
	s.changes.add(d)
	return redirect(s.draftLink(d, step))
}

func (s *Server) draftLink(d *draft, step string) string { return s.renderer.url("drafts", d.id, step) }

// newForm returns a draft with a form for one object. Without o, the form creates the object.
func newForm(kind formKind, title string, o *objects.Object, made client.Object) *draft {
	return &draft{
		kind: kind, part: parts[kind], title: title, namespace: made.GetNamespace(), plan: &edit.Plan{Changes: []objects.Change{objects.NewChange(o, made)}},
	}
}

func (s *Server) newGroup(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	made := &accessv1alpha1.AccessGroup{}
	made.Namespace = organization
	title := "New group in " + organization
	if organization == w.SystemNamespace() {
		made.Spec.Type = accessv1alpha1.GroupTypeSystem
		title = "New System group"
	}
	return s.begin(newForm(formGroup, title, nil, made), stepGeneral), nil
}

func (s *Server) editGroup(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	o, err := lookup(w, roster.KindAccessGroup, organization, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	step := r.PostForm.Get("step")
	if !slices.Contains(steps[formGroup], step) {
		step = stepGeneral
	}
	return s.begin(newForm(formGroup, "Edit group "+o.GetName(), o, edit.Edited[*accessv1alpha1.AccessGroup](o)), step), nil
}

// userObject returns the UserAccess of the user to edit, and a copy for the edit. Without a declared one, the copy is
// new, with the name of a materialized one, which it takes over.
func userObject(w *source.World, namespace, user string) (*objects.Object, *accessv1alpha1.UserAccess, error) {
	if user == "" {
		return nil, nil, &problem{Status: http.StatusBadRequest, Title: "No user", Text: "The form names no user. Nothing was done."}
	}
	if ua := w.Index().Namespace(namespace).Account(user).Counting(); ua != nil {
		o, err := lookup(w, roster.KindUserAccess, namespace, ua.Name)
		if err != nil {
			return nil, nil, err
		}
		return o, edit.Edited[*accessv1alpha1.UserAccess](o), nil
	}
	made := &accessv1alpha1.UserAccess{}
	made.Namespace, made.Name, made.Spec.User = namespace, identity.Name(user), accessv1alpha1.UserName(user)
	if o := w.Object(roster.ObjectOf(made)); o != nil {
		return o, edit.Edited[*accessv1alpha1.UserAccess](o), nil
	}
	return nil, made, nil
}

// editUser begins a change of a UserAccess. With a state in the form, the change sets it and is ready for its review.
func (s *Server) editUser(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	name := r.PostForm.Get("user")
	o, made, err := userObject(w, organization, name)
	if err != nil {
		return nil, err
	}
	title, step := "Edit "+name, stepReview
	switch state := accessv1alpha1.UserState(r.PostForm.Get("state")); state {
	case accessv1alpha1.UserStateSuspended:
		title, made.Spec.State = "Suspend "+name, state
	case accessv1alpha1.UserStateActive:
		title, made.Spec.State = "End the suspension of "+name, state
	default:
		step = stepGeneral
	}
	return s.begin(newForm(formUser, title+" in "+organization, o, made), step), nil
}

func (s *Server) editPolicy(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	made := &accessv1alpha1.AccessPolicy{}
	made.Namespace, made.Name = organization, accessv1alpha1.AccessPolicyName
	o := w.Object(roster.ObjectOf(made))
	if o != nil {
		made = edit.Edited[*accessv1alpha1.AccessPolicy](o)
	}
	return s.begin(newForm(formPolicy, "Edit policy of "+organization, o, made), stepGeneral), nil
}

func (s *Server) editApplication(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	made := &accessv1alpha1.ApplicationAccess{}
	made.Namespace, made.Name = organization, r.PostForm.Get("application")
	o := w.Object(roster.ObjectOf(made))
	title := "New application in " + organization
	if made.Name != "" {
		title = "Edit application " + made.Name
	}
	if o != nil {
		made = edit.Edited[*accessv1alpha1.ApplicationAccess](o)
	}
	return s.begin(newForm(formApplication, title, o, made), stepGeneral), nil
}

// draftForm is the page of a step.
type draftForm struct {
	Form  *form
	Steps []stepEntry
	Next  string
	// Failed is set if the step was sent with errors.
	Failed bool
	Rest   []string
	Base   string
}

// stepEntry is a step of a draft in the list of steps.
type stepEntry struct {
	Name, Text, Link string
	Here             bool
}

func (s *Server) stepsOf(d *draft, here string) []stepEntry {
	texts := map[string]string{stepGeneral: "General", stepPrivileges: "Privileges", stepNotification: "Notification", stepReview: "Check and confirm"}
	var made []stepEntry
	for _, each := range append(slices.Clone(steps[d.kind]), stepReview) {
		made = append(made, stepEntry{Name: each, Text: texts[each], Link: s.draftLink(d, each), Here: each == here})
	}
	return made
}

func (s *Server) formOf(f *frame, w *source.World, d *draft, step string) *form {
	switch d.kind {
	case formUser:
		return userForm(w, d.object().(*accessv1alpha1.UserAccess))
	case formPolicy:
		return policyForm(w, d.object().(*accessv1alpha1.AccessPolicy))
	case formApplication:
		return applicationForm(d, d.object().(*accessv1alpha1.ApplicationAccess))
	default:
		return groupForm(f, w, d, step)
	}
}

// draftPage shows a step of a draft, or its review.
func (s *Server) draftPage(r *http.Request) (reply, error) {
	d, err := s.changes.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	step := r.PathValue("step")
	if step == stepReview || !d.written.IsZero() {
		return s.reviewPage(r, d, http.StatusOK)
	}
	if !slices.Contains(steps[d.kind], step) {
		return nil, notFound("No such step", "This change has no step "+step+".")
	}
	return s.formPage(r, d, step, nil), nil
}

// formPage shows a step. With an input, the step was sent with errors.
func (s *Server) formPage(r *http.Request, d *draft, step string, in *entered) *page {
	f := s.newFrame(r, d.title)
	f.Organization, f.Part = d.namespace, d.part
	made := &draftForm{Form: s.formOf(f, s.world(), d, step), Steps: s.stepsOf(d, step), Base: s.draftLink(d, step)}
	for i := range made.Steps {
		made.Steps[i].Link = "" // a link would lose what was entered
		if made.Steps[i].Here {
			made.Next = made.Steps[i+1].Text
		}
	}
	p := &page{frame: f, template: "form", data: made}
	if in != nil {
		made.Form.refill(in)
		made.Failed, p.status = true, http.StatusUnprocessableEntity
		for _, text := range in.errors { // fields that this page does not show
			made.Rest = append(made.Rest, text)
		}
		slices.Sort(made.Rest)
		return p
	}
	if d.review != nil {
		made.Form.annotate(d.review.Refusals, true)
		made.Form.annotate(d.review.Warnings, false)
	}
	return p
}

// parts are the entries of the menu for the forms.
var parts = map[formKind]string{formGroup: partGroups, formUser: partUsers, formPolicy: partPolicy, formApplication: partApplications}

// draftStep takes a step of a form, or confirms the change.
func (s *Server) draftStep(r *http.Request) (reply, error) {
	d, err := s.changes.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	step := r.PathValue("step")
	if !d.written.IsZero() {
		return nil, &problem{Status: http.StatusConflict, Title: "This change was written already",
			Text: "It was sent to the API server or the files at " + instant(&d.written) + ". Nothing was done now. The page Changes says what was done."}
	}
	switch {
	case step == "confirm":
		return s.confirm(r, d)
	case step == "again":
		return s.beginAgain(d)
	case !slices.Contains(steps[d.kind], step):
		return nil, notFound("No such step", "This change has no step "+step+". Nothing was done.")
	}
	in := newEntered(r.PostForm)
	takeStep(in, s.world(), d, step)
	if len(in.errors) > 0 {
		return s.formPage(r, d, step, in), nil
	}
	d.review, d.outcomes = nil, nil
	all := append(slices.Clone(steps[d.kind]), stepReview)
	to := r.PostForm.Get("to")
	if !slices.Contains(all, to) {
		to = all[slices.Index(all, step)+1]
	}
	return redirect(s.draftLink(d, to)), nil
}

// takeStep applies the step that was sent to the object.
func takeStep(in *entered, w *source.World, d *draft, step string) {
	switch d.kind {
	case formUser:
		takeUser(in, w, d.object().(*accessv1alpha1.UserAccess))
	case formPolicy:
		takePolicy(in, w, d.object().(*accessv1alpha1.AccessPolicy))
	case formApplication:
		takeApplication(in, d, d.object().(*accessv1alpha1.ApplicationAccess))
	default:
		takeGroup(in, d, step)
	}
}

// beginAgain begins the draft again from the newest version of its object.
func (s *Server) beginAgain(d *draft) (reply, error) {
	c := &d.plan.Changes[0]
	if d.kind == "" || c.Before == nil {
		return nil, &problem{Status: http.StatusConflict, Title: "This change cannot begin again",
			Text: "Nothing was done. Begin it again from the page of the object."}
	}
	o := s.world().Object(roster.ObjectOf(c.After.Object))
	if o == nil {
		return nil, notFound("It is not there any more", c.Name()+" was deleted meanwhile. Nothing was done.")
	}
	return s.begin(newForm(d.kind, d.title, o, o.DeepCopyObject().(client.Object)), stepGeneral), nil
}

// confirm writes the change, unless somebody has changed an object since the draft began. If nothing was written, the
// draft stays as it is.
func (s *Server) confirm(r *http.Request, d *draft) (reply, error) {
	w := s.world()
	for _, c := range d.plan.Changed() {
		if meanwhile, _ := changedMeanwhile(w, &c); meanwhile {
			return s.reviewPage(r, d, http.StatusConflict)
		}
	}
	switch {
	case len(d.told) > 0:
		d.outcomes = s.backend.Notify(r.Context(), d.told, s.clock())
	case slices.ContainsFunc(d.plan.Changed(), isKept) && !s.backend.InFiles():
		return nil, forbidden("A GitOps tool keeps this object", "Its next sync would undo the change. Nothing was written. Download the manifest or the patch, and commit it.")
	case len(d.plan.Changed()) == 0:
		return nil, &problem{Status: http.StatusConflict, Title: "Nothing changes", Text: "The object is as the form says already. Nothing was written."}
	default:
		d.outcomes = s.backend.Write(r.Context(), d.plan)
	}
	if slices.ContainsFunc(d.outcomes, mayBeWritten) {
		s.changes.finish(d, s.clock())
	}
	return redirect(s.draftLink(d, stepReview)), nil
}

// mayBeWritten reports whether the object was written, or whether that is not known.
func mayBeWritten(o edit.Outcome) bool {
	return o.State == edit.StateUnknown || (!o.Failed && o.State != edit.StateUnchanged)
}

// isKept reports whether a GitOps tool keeps the object as git has it.
func isKept(c objects.Change) bool { return c.Before != nil && edit.KeptBy(c.Before.Object) != "" }

// draftManifest returns the changed manifests, to commit them.
func (s *Server) draftManifest(r *http.Request) (reply, error) {
	d, err := s.changes.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	documents, err := s.backend.Manifests(d.plan.Changed())
	if err != nil {
		return nil, err
	}
	return &download{name: "access.yaml", kind: "application/yaml", content: bytes.Join(documents, []byte("---\n"))}, nil
}

// draftPatch returns the change of one object as a merge patch, for kubectl patch or for a kustomization.
func (s *Server) draftPatch(r *http.Request) (reply, error) {
	d, err := s.changes.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var documents []string
	for _, c := range d.plan.Changed() {
		text, err := patchOf(&c)
		if err != nil {
			return nil, err
		}
		documents = append(documents, string(text))
	}
	return &download{name: "access-patch.yaml", kind: "application/yaml", content: []byte(strings.Join(documents, "---\n"))}, nil
}

func patchOf(c *objects.Change) ([]byte, error) {
	if c.Before == nil || c.After == nil {
		return nil, &problem{Status: http.StatusNotFound, Title: "There is no patch", Text: "A patch changes an object that exists. Download the manifest."}
	}
	before, err := json.Marshal(objects.Manifest(c.Before.Object))
	if err != nil {
		return nil, err
	}
	manifest := objects.Manifest(c.After.Object)
	after, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(before, after, before)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: no patch can be made", c.Name()), err)
	}
	made := map[string]any{}
	if err := json.Unmarshal(patch, &made); err != nil {
		return nil, err
	}
	for _, name := range []string{"apiVersion", "kind", "metadata"} {
		made[name] = manifest[name]
	}
	return yaml.Marshal(made)
}
