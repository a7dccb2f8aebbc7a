package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// completer lists the possible values of an argument.
type completer func(w *source.World) []string

// complete completes each argument by its own completer, from the objects that the command would read.
func (o *options) complete(completers ...completer) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(completers) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return o.completions(command, completers[len(args)]), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeEach completes every argument by the same completer.
func (o *options) completeEach(c completer) cobra.CompletionFunc {
	return func(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return o.completions(command, c), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes the values of a flag.
func (o *options) completeFlag(command *cobra.Command, flag string, c completer) {
	_ = command.RegisterFlagCompletionFunc(flag, o.completeEach(c)) // the flag exists
}

// completeValues completes a flag that takes one of the values.
func completeValues(command *cobra.Command, flag string, values ...string) {
	_ = command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

func (o *options) completions(command *cobra.Command, c completer) []string {
	quiet := *o
	quiet.streams = terminal.Quiet(o.streams.In)
	w, err := quiet.load(command.Context())
	if err != nil {
		return nil
	}
	return c(w)
}

func completeUser(w *source.World) []string { return query.Users(w, w.Asked()) }

func completeApplication(w *source.World) []string { return query.Applications(w, w.Asked()) }

func completeRole(w *source.World) []string {
	var all []string
	for _, organization := range w.Asked() {
		o := w.Organization(organization)
		for _, r := range o.Rules().ApplicationRoles {
			all = append(all, r.Name)
		}
		all = append(all, o.Permissions(o.Rules().ApplicationRoles[0].Name)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
