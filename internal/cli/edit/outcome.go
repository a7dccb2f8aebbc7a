package edit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

// Outcome is the result of a write for one object.
type Outcome struct {
	Object string
	State  State
	// Reason explains the state to people.
	Reason string
	// Err is the error of the API server, or nil.
	Err error
	// Failed reports that the object was not written as planned.
	Failed bool
	// Warnings are the warnings of the API server and of admission. Overruled lists the field managers whose values were
	// overwritten or removed.
	Warnings, Overruled []string
	// Written is the object after the write; nil if it was not written or was deleted.
	Written client.Object
}

// State is the state of an object after a write.
type State string

// The possible states of an object.
const (
	StateApplied   State = "applied"
	StateUnchanged State = "unchanged"
	StateRefused   State = "refused"
	StateChanged   State = "changed meanwhile"
	StateUnknown   State = "not known"
	StateNotTried  State = "not tried"
	StateClient    State = "would be sent (client dry run)"
	StateServer    State = "applied (server dry run)"
)

// Cause is one error of the API server about a field.
type Cause struct{ Field, Message string }

// Causes returns the errors of the API server about fields. It returns none for an error about the object as a whole.
func (o *Outcome) Causes() []Cause {
	var status apierrors.APIStatus
	if !errors.As(o.Err, &status) || status.Status().Details == nil {
		return nil
	}
	var causes []Cause
	for _, c := range status.Status().Details.Causes {
		if c.Field != "" && c.Field != "<nil>" { // the API server adds a cause without a field to those of the schema
			causes = append(causes, Cause{c.Field, c.Message})
		}
	}
	return causes
}

// attempts is the maximum number of times that an object is read again after a change to parts that the plugin does
// not write, such as its status.
const attempts = 5

// Unchanged returns the outcomes of the plan before a write.
func (p *Plan) Unchanged() []Outcome {
	all := make([]Outcome, len(p.Changes))
	for i := range p.Changes {
		all[i] = Outcome{Object: p.Changes[i].Name(), State: StateUnchanged}
	}
	return all
}

// ClientDryRun returns the outcomes of the plan without asking the API server.
func (p *Plan) ClientDryRun() []Outcome {
	all := p.Unchanged()
	for i := range p.Changes {
		if p.Changes[i].IsChange() {
			all[i].State = StateClient
		}
	}
	return all
}

// DryRun asks the API server about all changes, and writes nothing.
func (p *Plan) DryRun(ctx context.Context, writer *objects.Writer, say func(string, ...any)) []Outcome {
	all, failed := p.pass(ctx, writer, true, say)
	if failed {
		p.leave(all, false)
	}
	return all
}

// Write first makes a dry run of all changes, so that a refusal of one leaves all objects unchanged. It then stops at
// the first failure, because the rest may not have the outcome that was shown.
func (p *Plan) Write(ctx context.Context, writer *objects.Writer, say func(string, ...any)) []Outcome {
	all, failed := p.pass(ctx, writer, true, say)
	if failed {
		p.leave(all, true)
		return all
	}
	if all, failed = p.pass(ctx, writer, false, say); failed {
		p.leave(all, false)
	}
	return all
}

// pass writes the changes, or makes a dry run of them. A dry run does not stop at a failure.
func (p *Plan) pass(ctx context.Context, writer *objects.Writer, dryRun bool, say func(string, ...any)) (all []Outcome, failed bool) {
	all = p.Unchanged()
	for i := range p.Changes {
		c := &p.Changes[i]
		switch {
		case !c.IsChange():
			continue
		case failed && !dryRun:
			all[i].State = StateNotTried
			continue
		}
		say("writing (dry run: %t): %d of %d objects", dryRun, i, len(all))
		written, err := attempt(ctx, writer, c, dryRun)
		all[i] = outcomeOf(c, err, dryRun)
		failed = failed || err != nil
		if written != nil {
			all[i].Warnings, all[i].Overruled, all[i].Written = written.Warnings, written.Overruled, written.Object
		}
	}
	return all, failed
}

// leave marks the objects that were not written because another object failed. With all, it also marks those that the
// dry run accepted.
func (p *Plan) leave(outcomes []Outcome, all bool) {
	for i := range outcomes {
		each := &outcomes[i]
		if p.Changes[i].IsChange() && !each.Failed && (all || each.State == StateNotTried) {
			*each = Outcome{Object: each.Object, State: StateNotTried, Reason: "another object was not accepted", Failed: true}
		}
	}
}

// Annotate sets an annotation of the object, regardless of other changes to the object.
func Annotate(ctx context.Context, writer *objects.Writer, o client.Object, key, value string) Outcome {
	c := objects.NewChange(nil, o)
	return outcomeOf(&c, writer.Annotate(ctx, o, key, value), false)
}

func outcomeOf(c *objects.Change, err error, dryRun bool) Outcome {
	made := Outcome{Object: c.Name(), State: StateApplied, Err: err, Failed: err != nil}
	var status apierrors.APIStatus
	var meanwhile *meanwhileError
	switch {
	case err == nil && dryRun:
		made.State = StateServer
	case err == nil:
	case errors.As(err, &meanwhile):
		made.State, made.Reason = StateChanged, err.Error()
	case errors.As(err, &status):
		made.State, made.Reason = StateRefused, strings.TrimSpace(err.Error())
	case dryRun:
		made.State, made.Reason = StateNotTried, "the API server gave no answer: "+err.Error()
	default:
		made.State = StateUnknown
		made.Reason = fmt.Sprintf("the API server gave no answer, and may have written it; look before you try again: %s", err)
	}
	return made
}

// meanwhileError reports that an object has changed since its difference was shown.
type meanwhileError struct{ what string }

func (e *meanwhileError) Error() string { return e.what }

// attempt writes one object. If the object has a new version with the same spec, attempt writes to that version.
func attempt(ctx context.Context, writer *objects.Writer, c *objects.Change, dryRun bool) (*objects.Written, error) {
	for range attempts {
		written, err := writer.Write(ctx, c, dryRun)
		if !apierrors.IsConflict(err) || c.Before == nil {
			return written, err
		}
		now, readErr := writer.Read(ctx, c.Object().Object)
		switch {
		case apierrors.IsNotFound(readErr):
			return nil, &meanwhileError{"it was deleted while this command ran; nothing was written to it"}
		case readErr != nil:
			return nil, fmt.Errorf("%w; and it could not be read again: %w", err, readErr)
		case now.GetUID() != c.Before.GetUID() || !source.SameDeclaration(now, c.Before.Object):
			return nil, &meanwhileError{fmt.Sprintf("somebody changed it while this command ran (generation %d, was %d), "+
				"and the difference above is not right any more; run the command again", now.GetGeneration(), c.Before.GetGeneration())}
		}
		before := *c.Before // the world keeps the version that it was settled with
		before.Object = now
		c.Before = &before
	}
	return nil, &meanwhileError{"it is written to all the time; run the command again"}
}
