package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// outcome is the result for one object.
type outcome struct {
	object string
	state  string
	// reason explains the state to people.
	reason string
	failed bool
}

// The possible states of an object.
const (
	stateApplied   = "applied"
	stateUnchanged = "unchanged"
	stateRefused   = "refused"
	stateChanged   = "changed meanwhile"
	stateUnknown   = "not known"
	stateNotTried  = "not tried"
	stateClient    = "would be sent (client dry run)"
	stateServer    = "applied (server dry run)"
)

// attempts is the maximum number of times that an object is read again after a change to parts that the plugin does
// not write, such as its status.
const attempts = 5

// unchanged returns the outcomes of a plan without changes.
func unchanged(p *plan) []outcome {
	all := make([]outcome, len(p.changes))
	for i := range p.changes {
		all[i] = outcome{object: p.changes[i].Name(), state: stateUnchanged}
	}
	return all
}

// tell prints the outcome of each object.
func tell(s *terminal.Streams, all []outcome) error {
	failed := 0
	for i := range all {
		each := &all[i]
		text := each.object + ": " + each.state
		if each.reason != "" {
			text += ": " + each.reason
		}
		if _, err := fmt.Fprintln(s.Out, terminal.Escape(text)); err != nil {
			return &exit{1, err}
		}
		if each.failed {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	written := 0
	for i := range all {
		if all[i].state == stateApplied {
			written++
		}
	}
	if written == 0 {
		return &exit{1, fmt.Errorf("nothing is known to be written: %s", counted(failed, "object failed", "objects failed"))}
	}
	return &exit{1, fmt.Errorf("%d of %s written; see above what is not", written, counted(len(all), "object", "objects"))}
}

// toCluster writes the changes to the cluster, or runs the dry run.
func (w *writing) toCluster(ctx context.Context, p *plan, changed []objects.Change) error {
	o := w.options
	w.warnOfApply(changed)
	if err := w.heedGitOps(changed); err != nil {
		return err
	}
	if w.dryRun == dryRunClient {
		all := unchanged(p)
		for i := range p.changes {
			if p.changes[i].IsChange() {
				all[i].state = stateClient
			}
		}
		return tell(&o.streams, all)
	}
	config, err := o.config.ToRESTConfig()
	if err != nil {
		return noCluster(err)
	}
	if w.dryRun == dryRunNone {
		if err := w.confirm(ctx, fmt.Sprintf("Write %s to %s?", counted(len(changed), "object", "objects"), config.Host)); err != nil {
			return err
		}
	}
	writer, err := objects.NewWriter(config)
	if err != nil {
		return err
	}
	return tell(&o.streams, w.write(ctx, writer, p))
}

// warnOfApply warns of the fields that the next client-side apply or Helm upgrade would revert. It does not refuse
// the change, because there may never be such an apply.
func (w *writing) warnOfApply(changed []objects.Change) {
	applied, released := false, false
	for i := range changed {
		c := &changed[i]
		if c.Before == nil || keptBy(c.Before.Object) != "" {
			continue // the warning about the GitOps tool covers it
		}
		if fields := c.UndoneByApply(); len(fields) > 0 {
			applied = true
			w.options.say("warning: %s was applied client-side: the next \"kubectl apply\" of its manifests sets %s to what they say, "+
				"and undoes this edit", c.Name(), strings.Join(fields, ", "))
		}
		if release, fields := c.UndoneByHelm(); len(fields) > 0 {
			released = true
			w.options.say("warning: %s belongs to the Helm release %s: an upgrade whose chart changes %s replaces it, and undoes "+
				"this edit", c.Name(), release, strings.Join(fields, ", "))
		}
	}
	if applied {
		w.options.say("Change the manifests too: the same command with -o yaml prints them, and with -f it edits them. Or apply " +
			"them with \"kubectl apply --server-side\" from now on: it keeps entries that others have added")
	}
	if released {
		w.options.say("Change the values of the release or its chart too: the same command with -o yaml prints the manifests")
	}
}

// heedGitOps reports the objects whose changes a GitOps tool will revert to the state of git.
func (w *writing) heedGitOps(changed []objects.Change) error {
	kept := 0
	for i := range changed {
		c := &changed[i]
		if c.Before == nil {
			continue
		}
		if by := keptBy(c.Before.Object); by != "" {
			kept++
			w.options.say("warning: %s is kept as git has it by %s: its next sync undoes this edit", c.Name(), by)
		}
	}
	if kept == 0 {
		return nil
	}
	w.options.say("Commit the change instead: the same command with -o yaml prints the manifests")
	if w.dryRun != dryRunNone || w.overrule || !w.yes {
		return nil // the confirmation follows
	}
	return &exit{1, fmt.Errorf("nothing was written: a GitOps tool keeps %s (--overrule-gitops writes all the same)",
		counted(kept, "object", "objects"))}
}

// write first makes a dry run of all changes, so that a refusal of one leaves all objects unchanged. It then stops at
// the first failure, because the rest may not have the outcome that was shown.
func (w *writing) write(ctx context.Context, writer *objects.Writer, p *plan) []outcome {
	progress := terminal.NewProgress(&w.options.streams)
	defer progress.Done()
	all := unchanged(p)
	passes := []bool{true, false}
	if w.dryRun == dryRunServer {
		passes = passes[:1]
	}
	for n, dryRun := range passes {
		failed := false
		for i := range p.changes {
			c := &p.changes[i]
			if !c.IsChange() || (failed && !dryRun) {
				continue
			}
			progress.Say("writing (dry run: %t): %d of %d objects", dryRun, i, len(all))
			written, err := w.attempt(ctx, writer, c, dryRun)
			all[i] = outcomeOf(c, err, dryRun)
			failed = failed || err != nil
			if n == len(passes)-1 || err != nil {
				w.heard(c, written)
			}
		}
		if failed {
			leave(p, all, dryRun && w.dryRun == dryRunNone)
			return all
		}
		for i := range p.changes {
			if p.changes[i].IsChange() && n < len(passes)-1 {
				all[i].state = stateNotTried // until it is written
			}
		}
	}
	return all
}

// leave marks the objects that were not written because another object failed.
func leave(p *plan, all []outcome, onlyAsked bool) {
	for i := range p.changes {
		switch {
		case !p.changes[i].IsChange():
		case all[i].state == stateNotTried, onlyAsked && !all[i].failed:
			all[i] = outcome{object: all[i].object, state: stateNotTried, reason: "another object was not accepted", failed: true}
		}
	}
}

func outcomeOf(c *objects.Change, err error, dryRun bool) outcome {
	made := outcome{object: c.Name(), state: stateApplied, failed: err != nil}
	var status apierrors.APIStatus
	var meanwhile *meanwhileError
	switch {
	case err == nil && dryRun:
		made.state = stateServer
	case err == nil:
	case errors.As(err, &meanwhile):
		made.state, made.reason = stateChanged, err.Error()
	case errors.As(err, &status):
		made.state, made.reason = stateRefused, strings.TrimSpace(err.Error())
	case dryRun:
		made.state, made.reason = stateNotTried, "the API server gave no answer: "+err.Error()
	default:
		made.state = stateUnknown
		made.reason = fmt.Sprintf("the API server gave no answer, and may have written it; look before you try again: %s", err)
	}
	return made
}

// heard prints the warnings of the API server, and the managers that were overruled.
func (w *writing) heard(c *objects.Change, written *objects.Written) {
	if written == nil {
		return
	}
	for _, text := range written.Warnings {
		w.options.say("warning: %s: %s", c.Name(), text)
	}
	if len(written.Overruled) > 0 {
		w.options.say("note: %s: what is overwritten or removed was set by %s; where that applies files, change these too, "+
			"or they bring it back", c.Name(), strings.Join(written.Overruled, ", "))
	}
}

// meanwhileError reports that an object has changed since its difference was shown.
type meanwhileError struct{ what string }

func (e *meanwhileError) Error() string { return e.what }

// attempt writes one object. If the object has a new version with the same spec, attempt writes to that version.
func (w *writing) attempt(ctx context.Context, writer *objects.Writer, c *objects.Change, dryRun bool) (*objects.Written, error) {
	for range attempts {
		written, err := writer.Write(ctx, c, dryRun)
		if !apierrors.IsConflict(err) || c.Before == nil {
			return written, err
		}
		now, readErr := writer.Read(ctx, c.After)
		switch {
		case apierrors.IsNotFound(readErr):
			return nil, &meanwhileError{"it was deleted while this command ran; nothing was written to it"}
		case readErr != nil:
			return nil, fmt.Errorf("%w; and it could not be read again: %w", err, readErr)
		case now.GetUID() != c.Before.GetUID() || !sameDeclaration(now, c.Before.Object):
			return nil, &meanwhileError{fmt.Sprintf("somebody changed it while this command ran (generation %d, was %d), "+
				"and the difference above is not right any more; run the command again", now.GetGeneration(), c.Before.GetGeneration())}
		}
		c.Before.Object = now
	}
	return nil, &meanwhileError{"it is written to all the time; run the command again"}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
