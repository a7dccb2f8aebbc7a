package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// maximumJudged is the maximum number of changed objects that are validated as admission does. The cost of a
// validation grows with the number of changes.
const maximumJudged = 1000

// judgedObject is the result of admission for one changed object, regardless of the requesting user.
type judgedObject struct {
	change   *objectChange
	refused  field.ErrorList
	warnings []string
	rights   []validation.Right
}

// judgeAll runs the validation of admission on each change in turn, on top of the changes before it. It modifies
// the roster of the world.
func judgeAll(ctx context.Context, w *world, changes []objectChange, say func(string, ...any)) ([]judgedObject, error) {
	validator := w.validator()
	validator.ConfigMaps = publish.ConfigMaps
	judged := make([]judgedObject, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		say("asking what admission says: %d of %d objects", i, len(changes))
		request := &validation.Request{Now: w.now}
		if c.before != nil {
			request.Old = c.before.Object
		}
		if c.after != nil {
			request.New = c.after.Object
		}
		judgement, err := validator.Judge(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name(), err)
		}
		one := judgedObject{change: c, warnings: judgement.AllWarnings(), rights: judgement.Rights}
		one.refused = append(one.refused, judgement.Errors...)
		one.refused = append(one.refused, judgement.Braked...)
		one.refused = append(one.refused, judgement.Refusals...)
		judged = append(judged, one)
		if err := w.take(request); err != nil {
			return nil, err
		}
	}
	return judged, nil
}

// validator returns the validator of admission for the world. It keeps an index of the world's users.
func (w *world) validator() *validation.Validator {
	return &validation.Validator{
		View: func() *roster.View { return w.View }, Partial: w.scope != "" && !w.options.offline(),
	}
}

// take applies the change to the world, so that the next change is validated on top of it.
func (w *world) take(r *validation.Request) error {
	take, object := w.roster.Remove, r.Old
	if r.New != nil {
		take, object = w.roster.Set, r.New
	}
	if err := take(object); err != nil {
		return err
	}
	w.View = w.roster.Settle(w.now).View
	return nil
}

// judge adds the refusals and warnings of admission to the differences.
func (f *differences) judge(ctx context.Context, before *world, changes []objectChange, say func(string, ...any)) {
	if len(changes) > maximumJudged {
		before.options.say("note: more than %d objects change; what admission would refuse is not looked for (lint does)", maximumJudged)
		return
	}
	judged, err := judgeAll(ctx, before, changes, say)
	if err != nil {
		before.options.say("note: what admission would say is not known: %s", err)
		return
	}
	for i := range judged {
		j := &judged[i]
		if !before.isAsked(j.change) {
			continue
		}
		for _, e := range j.refused {
			f.Refusals = append(f.Refusals, j.remark(e.Field, e.ErrorBody()))
		}
		for _, text := range j.warnings {
			field, message := fieldOf(text)
			f.Warnings = append(f.Warnings, j.remark(field, message))
		}
	}
}

// isAsked reports whether the object may affect the organizations that the command asks about.
func (w *world) isAsked(c *objectChange) bool {
	o := cmp.Or(c.after, c.before)
	return w.scope == "" || o.GetNamespace() == w.scope || o.GetNamespace() == w.options.systemNamespace
}

// fieldOf splits a warning into the field that it starts with and the rest.
func fieldOf(text string) (field, message string) {
	field, message, found := strings.Cut(text, ": ")
	if !found || strings.Contains(field, " ") ||
		!(strings.HasPrefix(field, "spec.") || strings.HasPrefix(field, "metadata.")) {
		return "", text
	}
	return field, message
}

func (j *judgedObject) remark(field, message string) remark {
	made := remark{Object: j.change.name(), Field: field, Message: message}
	if o := j.change.after; o != nil {
		made.place(o, field)
	}
	return made
}

// place sets the file and line of the remark.
func (r *remark) place(o *objects.Object, field string) {
	r.File, r.Line = o.Origin.File, o.Origin.Line
	if line := o.Line(field); line > 0 && field != "" {
		r.Line = line
	}
}
