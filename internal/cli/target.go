package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
)

// targetFlags select the groups that a command changes.
type targetFlags struct{ source.Target }

func (t *targetFlags) add(o *options, command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVarP(&t.Groups, "group", "g", nil, "The groups to change, as NAME or NAMESPACE/NAME")
	flags.StringVarP(&t.Selector, "selector", "l", "", "Label selector over the groups to change, instead of --group")
	command.MarkFlagsMutuallyExclusive("group", "selector")
	command.MarkFlagsOneRequired("group", "selector")
	o.completeFlag(command, "group", completeGroup)
}

func completeGroup(w *source.World) []string { return namesOf(w.GroupObjects(w.Scope)) }

// namesOf returns the names of the objects, sorted and without duplicates.
func namesOf(all []*objects.Object) []string {
	var names []string
	for _, each := range all {
		names = append(names, each.GetName())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
