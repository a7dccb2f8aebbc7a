package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/terminal"
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
		Short: "Show who would gain or lose what by a change",
		Long: `Shows who would gain, lose or change what if the given objects were applied: roles, rows, and when access ends; which
conflicts the change brings; and what admission would refuse or warn of.

It is compared with the cluster, to which the objects are added as "kubectl apply" would, or with other files. With
--prune, what the cluster has in the namespaces of the given objects and the files have not is taken for deleted; so it
always is with --against, where both sides are complete. Who has what they had for another reason is no difference.

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
		"Files or directories to compare with in place of the cluster; read like -f, or with -k a kustomization")
	flags.BoolVar(&d.prune, "prune", false, "Take what only the cluster has, in the namespaces of the objects, for deleted")
	return command
}

func (d *diff) run(ctx context.Context) error {
	if err := d.output.validate(); err != nil {
		return err
	}
	before, after, changes, err := d.load(ctx)
	if err != nil {
		return err
	}
	found := newDifferences(before, after)
	progress := terminal.NewProgress(&d.options.streams)
	found.judge(ctx, before, changes, progress.Say)
	progress.Done()
	if err := d.write(found); err != nil {
		return err
	}
	if found.isEmpty() {
		d.options.say("No difference: nobody's access would change")
		return nil
	}
	return &exit{code: 1}
}

// load returns the worlds before and after the change, and the changed objects.
func (d *diff) load(ctx context.Context) (before, after *world, changes []objectChange, err error) {
	o := d.options
	if err := o.validate(); err != nil {
		return nil, nil, nil, err
	}
	if !o.offline() {
		return nil, nil, nil, errors.New("nothing to compare: give the objects with -f or -k")
	}
	progress := terminal.NewProgress(&o.streams)
	defer progress.Done()
	made, err := o.readFiles(ctx, o.filenames, o.recursive, o.kustomize, progress.Say)
	if err != nil {
		return nil, nil, nil, err
	}
	base, err := d.readBase(ctx, made, progress.Say)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(d.against) == 0 {
		made = overlay(base, made, d.prune)
	}
	progress.Say("deciding for the users of %d and of %d objects", len(base.Objects), len(made.Objects))
	// Both sets skip the same objects, so one note is enough.
	base.Notes = nil
	if before, err = o.settle(base, o.namespace()); err != nil {
		return nil, nil, nil, err
	}
	if after, err = o.settle(made, o.namespace()); err != nil {
		return nil, nil, nil, err
	}
	// An object that could not be read would look deleted.
	if n := len(base.Problems) + len(made.Problems); n > 0 {
		return nil, nil, nil, fmt.Errorf("no difference can be told: %s could not be read", counted(n, "object or file", "objects or files"))
	}
	return before, after, changesBetween(base, made), nil
}

// readBase reads the objects to compare with.
func (d *diff) readBase(ctx context.Context, made *objects.Set, say func(string, ...any)) (*objects.Set, error) {
	o := d.options
	switch {
	case len(d.against) > 1 && o.kustomize != "":
		return nil, errors.New("--against: with -k it is one directory with a kustomization")
	case len(d.against) > 0 && d.prune:
		return nil, errors.New("--prune: with --against both sides are complete; what one has not is deleted")
	case len(d.against) > 0 && o.kustomize != "":
		return o.readFiles(ctx, nil, false, d.against[0], say)
	case len(d.against) > 0:
		return o.readFiles(ctx, d.against, o.recursive, "", say)
	}
	return o.readClusterIn(ctx, d.clusterNamespaces(made), objects.SelectsNamespaces(made), say)
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
