package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/words"
)

// diff shows the effects of a change of objects on users.
type diff struct {
	options *options
	output  *output
	against []string
	prune   bool
}

func newDiff(o *options) *cobra.Command {
	d := &diff{options: o}
	command := &cobra.Command{
		Use:   "diff (-f FILE|DIR|- | -k DIR) [--against FILE|DIR]",
		Short: "Show whose access a change would affect",
		Long: `Shows the effect of applying the given objects: who gains, loses or changes roles and rows, and when access ends; new
conflicts; and what admission would refuse or warn of.

The objects are compared with the cluster, and added to it as "kubectl apply" would do, or compared with other files.
With --prune, objects in the namespaces of the given objects that only the cluster has count as deleted. With --against
both sides are complete, so objects that are missing on one side always count as deleted or added. It is not a
difference if a user keeps the same access for another reason.

Exit code: 0 no difference, 1 differences, 2 error.`,
		Example: `  # What would applying this directory change?
  kubectl access diff -k deploy/access

  # What does this branch change, for the comment on a pull request?
  git worktree add /tmp/main main
  kubectl access diff -f access -R --against /tmp/main/access -o markdown`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{errorCode: "true"},
		RunE:        func(command *cobra.Command, _ []string) error { return d.run(command.Context()) },
	}
	d.output = newOutput(command, asTable, asJSON, asMarkdown)
	flags := command.Flags()
	flags.StringSliceVar(&d.against, "against", nil,
		"Files or directories to compare with instead of the cluster; read like -f, or with -k as a kustomization")
	flags.BoolVar(&d.prune, "prune", false, "Treat objects that only the cluster has, in the namespaces of the given objects, as deleted")
	return command
}

func (d *diff) run(ctx context.Context) error {
	before, after, err := d.load(ctx)
	if err != nil {
		return err
	}
	found := query.NewDifferences(before, after)
	progress := terminal.NewProgress(&d.options.streams)
	found.Judge(ctx, before, source.ChangesBetween(before.Set, after.Set), progress.Say)
	progress.Done()
	d.options.note(found.Notes...)
	if err := d.write(found); err != nil {
		return err
	}
	if found.IsEmpty() {
		d.options.say("No difference: nobody's access would change")
		return nil
	}
	return &exit{code: 1}
}

// load returns the worlds before and after the change.
func (d *diff) load(ctx context.Context) (before, after *source.World, err error) {
	o := d.options
	if err := o.validate(); err != nil {
		return nil, nil, err
	}
	if !o.offline() {
		return nil, nil, errors.New("nothing to compare: give the objects with -f or -k")
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	from := o.source(progress.Say)
	made, err := from.ReadFiles(ctx, o.filenames, o.kustomize)
	if err != nil {
		return nil, nil, err
	}
	base, err := d.readBase(ctx, from, made)
	if err != nil {
		return nil, nil, err
	}
	if len(d.against) == 0 {
		made = source.Overlay(base, made, d.prune)
	}
	progress.Say("deciding for the users of %d and of %d objects", len(base.Objects), len(made.Objects))
	// Both sets skip the same objects, so one note is enough.
	base.Notes = nil
	if before, err = o.settle(base, o.namespace()); err != nil {
		return nil, nil, err
	}
	if after, err = o.settle(made, o.namespace()); err != nil {
		return nil, nil, err
	}
	// An object that could not be read would look deleted.
	if n := len(base.Problems) + len(made.Problems); n > 0 {
		return nil, nil, fmt.Errorf("no comparison is possible: %s could not be read",
			words.Counted(n, "object or file", "objects or files"))
	}
	return before, after, nil
}

// readBase reads the objects to compare with.
func (d *diff) readBase(ctx context.Context, from *source.Source, made *objects.Set) (*objects.Set, error) {
	kustomize := d.options.kustomize
	switch {
	case len(d.against) > 1 && kustomize != "":
		return nil, errors.New("--against: with -k it is one directory with a kustomization")
	case len(d.against) > 0 && d.prune:
		return nil, errors.New("--prune: not needed with --against, where both sides are complete")
	case len(d.against) > 0 && kustomize != "":
		return from.ReadFiles(ctx, nil, d.against[0])
	case len(d.against) > 0:
		return from.ReadFiles(ctx, d.against, "")
	}
	return from.ReadCluster(ctx, d.clusterNamespaces(made), objects.SelectsNamespaces(made))
}

// clusterNamespaces returns the namespaces whose objects affect the change; nil means all.
func (d *diff) clusterNamespaces(made *objects.Set) []string {
	seen := map[string]bool{}
	var names []string
	for _, o := range made.Objects {
		namespace := o.GetNamespace()
		if namespace == d.options.systemNamespace {
			return nil // it affects all organizations
		}
		if namespace != "" && !seen[namespace] {
			seen[namespace] = true
			names = append(names, namespace)
		}
	}
	return names
}

func (d *diff) write(f *query.Differences) error {
	switch d.output.format {
	case asJSON:
		return print.JSON(d.options.streams.Out, f)
	case asMarkdown:
		_, err := io.WriteString(d.options.streams.Out, print.DifferencesMarkdown(f))
		return err
	default:
		return print.Differences(&d.options.streams, f)
	}
}
