package query

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/publish"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
)

// maximumJudged is the maximum number of changed objects that are validated as admission does. The cost of a
// validation grows with the number of changes.
const maximumJudged = 1000

// Judged is the result of admission for one changed object, regardless of the requesting user.
type Judged struct {
	Change   *objects.Change
	Refused  field.ErrorList
	Warnings []string
}

// Judge runs the validation of admission on each change in turn, on top of the changes before it.
func Judge(ctx context.Context, w *source.World, changes []objects.Change, say func(string, ...any)) ([]Judged, error) {
	fork, view := w.Fork(), w.View
	validator := Validator(w)
	validator.View = func() *roster.View { return view }
	validator.ConfigMaps = publish.ConfigMaps
	judged := make([]Judged, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		say("asking what admission says: %d of %d objects", i, len(changes))
		request := &validation.Request{Now: w.Now()}
		if c.Before != nil {
			request.Old = c.Before.Object
		}
		if c.After != nil {
			request.New = c.After.Object
		}
		judgement, err := validator.Judge(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name(), err)
		}
		judged = append(judged, Judged{
			Change: c, Warnings: judgement.AllWarnings(),
			Refused: slices.Concat(judgement.Errors, judgement.Braked, judgement.Refusals),
		})
		put, object := fork.Remove, request.Old
		if request.New != nil {
			put, object = fork.Set, request.New
		}
		if err := put(object); err != nil {
			return nil, err
		}
		view = fork.Settle(w.Now()).View
	}
	return judged, nil
}

// Validator returns the validator of admission for the world. It keeps an index of the world's users.
func Validator(w *source.World) *validation.Validator {
	return &validation.Validator{View: func() *roster.View { return w.View }, Partial: w.IsPartial()}
}

// Judge adds the refusals and warnings of admission to the differences. The changes are in the order of an apply.
func (f *Differences) Judge(ctx context.Context, before *source.World, changes []objects.Change, say func(string, ...any)) {
	if len(changes) > maximumJudged {
		f.Notes = append(f.Notes,
			fmt.Sprintf("more than %d objects change; what admission would refuse is not looked for (lint does)", maximumJudged))
		return
	}
	judged, err := Judge(ctx, before, changes, say)
	if err != nil {
		f.Notes = append(f.Notes, fmt.Sprintf("what admission would say is not known: %s", err))
		return
	}
	for i := range judged {
		j := &judged[i]
		if !IsAsked(before, j.Change.Object().Object) {
			continue
		}
		for _, e := range j.Refused {
			f.Refusals = append(f.Refusals, j.remark(e.Field, e.ErrorBody()))
		}
		for _, text := range j.Warnings {
			field, message := FieldOf(text)
			f.Warnings = append(f.Warnings, j.remark(field, message))
		}
	}
}

func (j *Judged) remark(field, message string) Remark {
	if j.Change.After == nil {
		return Remark{Object: j.Change.Name(), Field: field, Message: message}
	}
	return NewRemark(j.Change.After, field, message)
}

// IsAsked reports whether the object may affect the organizations of the scope.
func IsAsked(w *source.World, o client.Object) bool {
	return w.Scope == "" || o.GetNamespace() == w.Scope || o.GetNamespace() == w.SystemNamespace()
}

// FieldOf splits a warning into the field that it starts with and the rest.
func FieldOf(text string) (field, message string) {
	field, message, found := strings.Cut(text, ": ")
	if !found || strings.Contains(field, " ") ||
		!(strings.HasPrefix(field, "spec.") || strings.HasPrefix(field, "metadata.")) {
		return "", text
	}
	return field, message
}

// NewRemark returns a message about a field of the object, with the file and line of the field.
func NewRemark(o *objects.Object, field, message string) Remark {
	made := Remark{Object: objects.Name(o.Object), Field: field, Message: message, File: o.Origin.File, Line: o.Origin.Line}
	if line := o.Line(field); line > 0 && field != "" {
		made.Line = line
	}
	return made
}
