package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/words"
)

// tell prints the outcome of each object.
func tell(s *terminal.Streams, all []edit.Outcome) error {
	failed := 0
	for i := range all {
		each := &all[i]
		text := each.Object + ": " + string(each.State)
		if each.Reason != "" {
			text += ": " + each.Reason
		}
		if _, err := fmt.Fprintln(s.Out, terminal.Escape(text)); err != nil {
			return &exit{1, err}
		}
		if each.Failed {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	written := 0
	for i := range all {
		if all[i].State == edit.StateApplied {
			written++
		}
	}
	if written == 0 {
		return &exit{1, fmt.Errorf("no write is known to have succeeded: %s", words.Counted(failed, "object failed", "objects failed"))}
	}
	return &exit{1, fmt.Errorf("%d of %s written; see above what is not", written, words.Counted(len(all), "object", "objects"))}
}

// toCluster writes the changes to the cluster, or runs the dry run.
func (w *writing) toCluster(ctx context.Context, p *edit.Plan, changed []objects.Change) error {
	o := w.options
	w.warnOfApply(changed)
	if err := w.heedGitOps(changed); err != nil {
		return err
	}
	if w.dryRun == dryRunClient {
		return tell(&o.streams, p.ClientDryRun())
	}
	config, err := o.cluster().RESTConfig()
	if err != nil {
		return err
	}
	if w.dryRun == dryRunNone {
		question := fmt.Sprintf("Write %s to %s?", words.Counted(len(changed), "object", "objects"), config.Host)
		if err := w.confirm(ctx, question); err != nil {
			return err
		}
	}
	writer, err := objects.NewWriter(config, w.manager)
	if err != nil {
		return err
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	write := p.Write
	if w.dryRun == dryRunServer {
		write = p.DryRun
	}
	outcomes := write(ctx, writer, progress.Say)
	progress.Done()
	for i := range outcomes {
		w.heard(&outcomes[i])
	}
	return tell(&o.streams, outcomes)
}

// heard prints the warnings of the API server, and the managers that were overruled.
func (w *writing) heard(one *edit.Outcome) {
	for _, text := range one.Warnings {
		w.options.say("warning: %s: %s", one.Object, text)
	}
	if len(one.Overruled) > 0 {
		w.options.say("note: %s: what is overwritten or removed was set by %s; where that applies files, change these too, "+
			"or they bring it back", one.Object, strings.Join(one.Overruled, ", "))
	}
}

// warnOfApply warns of the fields that the next client-side apply or Helm upgrade would revert. It does not refuse
// the change, because there may never be such an apply.
func (w *writing) warnOfApply(changed []objects.Change) {
	applied, released := false, false
	for i := range changed {
		c := &changed[i]
		if c.Before == nil || edit.KeptBy(c.Before.Object) != "" {
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
		if by := edit.KeptBy(c.Before.Object); by != "" {
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
		words.Counted(kept, "object", "objects"))}
}
