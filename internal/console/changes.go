package console

import (
	"fmt"
	"net/http"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// changesPage lists what was done in this run of the console.
func (s *Server) changesPage(r *http.Request) (reply, error) {
	f := s.newFrame(r, "Changes")
	f.Part = partChanges
	made := &table{Columns: []column{{Name: "Change"}, {Name: "When"}, {Name: "Objects"}, {Name: "Result"}}}
	all := s.changes.done()
	made.Caption = words.Counted(len(all), "change", "changes")
	for _, d := range all {
		d.mu.Lock()
		failed := 0
		for i := range d.outcomes {
			if d.outcomes[i].Failed {
				failed++
			}
		}
		result := cell{Text: "done", Mark: "good"}
		if failed > 0 {
			result = cell{Text: fmt.Sprintf("%d of %d not done", failed, len(d.outcomes)), Mark: "bad"}
		}
		made.Rows = append(made.Rows, row{Key: d.id, Cells: []cell{
			{Text: d.title, Link: s.draftLink(d, stepReview)}, {Text: instant(&d.written)}, {Text: fmt.Sprint(len(d.outcomes))}, result,
		}})
		d.mu.Unlock()
	}
	return &page{frame: f, template: "content", data: &content{
		Lead:     "What was done since the console began. A change leads to its result, where it can be undone by a new change.",
		Sections: []section{{Table: made, Empty: "Nothing was changed yet."}},
	}}, nil
}

// applied returns the changes of the draft that were written, with the objects as they were after that.
func applied(d *draft) []objects.Change {
	var found []objects.Change
	for _, c := range d.plan.Changed() {
		i := slices.IndexFunc(d.outcomes, func(o edit.Outcome) bool { return o.Object == c.Name() && !o.Failed })
		if i < 0 {
			continue
		}
		if written := d.outcomes[i].Written; written != nil { // with the defaults of the API server
			c.After = &objects.Object{Object: written}
		}
		found = append(found, c)
	}
	return found
}

func canUndo(d *draft) bool { return len(d.told) == 0 && len(applied(d)) > 0 }

// undo begins a change that restores what another one changed.
func (s *Server) undo(r *http.Request) (reply, error) {
	d, err := s.changes.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	plan, err := reverse(s.world(), applied(d))
	if err != nil {
		return nil, err
	}
	return s.begin(&draft{part: partChanges, title: "Undo: " + d.title, plan: plan}, stepReview), nil
}

// reverse returns the changes that restore the objects as they were before. An object that was changed again since
// then is left alone, and named in a note.
func reverse(w *source.World, changes []objects.Change) (*edit.Plan, error) {
	plan := &edit.Plan{}
	for i := range changes {
		c := &changes[i]
		now := w.Object(roster.ObjectOf(c.Object().Object))
		switch {
		case c.After == nil && now != nil:
			plan.Notes = append(plan.Notes, c.Name()+" exists again already.")
		case c.After == nil:
			made := c.Before.DeepCopyObject().(client.Object)
			made.SetResourceVersion("")
			made.SetUID("")
			plan.Changes = append(plan.Changes, objects.NewChange(nil, made))
		case now == nil:
			plan.Notes = append(plan.Notes, c.Name()+" does not exist any more.")
		case len(differingFields(now.Object, c.After.Object)) > 0:
			plan.Notes = append(plan.Notes, c.Name()+" was changed again since then, and is left alone. Edit it by hand.")
		case c.Before == nil:
			plan.Changes = append(plan.Changes, objects.NewChange(now, nil))
		default:
			plan.Changes = append(plan.Changes, objects.NewChange(now, restored(now, c.Before)))
		}
	}
	if len(plan.Changes) == 0 {
		return nil, &problem{Status: http.StatusConflict, Title: "There is nothing to undo",
			Text: "The objects were changed or deleted since then. Nothing was done. " + fmt.Sprint(plan.Notes)}
	}
	return plan, nil
}

// restored returns the object with the spec that another version has.
func restored(now, before *objects.Object) client.Object {
	switch made := now.DeepCopyObject().(type) {
	case *accessv1alpha1.AccessGroup:
		made.Spec = before.Object.(*accessv1alpha1.AccessGroup).Spec
		return made
	case *accessv1alpha1.UserAccess:
		made.Spec = before.Object.(*accessv1alpha1.UserAccess).Spec
		return made
	case *accessv1alpha1.ApplicationAccess:
		made.Spec = before.Object.(*accessv1alpha1.ApplicationAccess).Spec
		return made
	case *accessv1alpha1.AccessPolicy:
		made.Spec = before.Object.(*accessv1alpha1.AccessPolicy).Spec
		return made
	default:
		return now.Object
	}
}
