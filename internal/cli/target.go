package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/source"
)

// targetFlags select the groups that a command changes.
type targetFlags struct{ source.Target }

func (t *targetFlags) add(o *options, command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVarP(&t.Groups, "group", "g", nil, "The groups to change, as NAME or NAMESPACE/NAME")
	flags.StringVarP(&t.Selector, "selector", "l", "", "Label selector over the groups to change, in place of --group")
	command.MarkFlagsMutuallyExclusive("group", "selector")
	command.MarkFlagsOneRequired("group", "selector")
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("group", o.completeEach(completeGroup))
}

func completeGroup(w *source.World) []string {
	var names []string
	for _, each := range w.GroupObjects(w.Scope) {
		names = append(names, each.GetName())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
