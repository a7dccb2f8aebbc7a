package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// list shows all access of one user.
type list struct {
	options *options
	output  *output
	user    string
}

func newList(o *options) *cobra.Command {
	l := &list{options: o}
	command := &cobra.Command{
		Use:   "list USER",
		Short: "Show the access of a user",
		Long: `Shows the access of a user in all organizations: the organization role, the role in each application, and the role in
every application that nothing names. -o wide and -o json also show entries that give no access.

Without -n it asks in all namespaces. On a cluster that requires the right to list there.`,
		Example: `  kubectl access list amelie@acme.example

  # With sources and rows
  kubectl access list amelie@acme.example -o wide`,
		Args: arguments(1, 1, "USER"),
		RunE: func(command *cobra.Command, args []string) error {
			l.user = args[0]
			return l.run(command.Context())
		},
		ValidArgsFunction: o.complete(completeUser),
	}
	l.output = newOutput(command, asTable, asWide, asJSON, asCSV)
	return command
}

func (l *list) run(ctx context.Context) error {
	// list covers all organizations, even where kubectl would use the namespace of the context.
	if l.options.namespace() == "" {
		l.options.allNamespaces = true
	}
	return l.options.answer(ctx, func(w *source.World) error {
		l.options.asked(w)
		held, err := query.List(w, l.user)
		if err != nil {
			return err
		}
		return l.write(held)
	})
}

func (l *list) write(held []query.Holding) error {
	s := &l.options.streams
	switch l.output.format {
	case asJSON:
		return print.JSON(s.Out, held)
	case asCSV:
		return print.HoldingsCSV(s.Out, held)
	}
	wide := l.output.format == asWide
	if !wide {
		held = slices.DeleteFunc(held, func(h query.Holding) bool { return !h.Gives() })
	}
	if len(held) == 0 {
		l.options.say("%s holds nothing; explain says why", l.user)
		return nil
	}
	return print.List(s, held, wide)
}
