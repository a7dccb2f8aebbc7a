package cli

import (
	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// whoCan lists all users with a role or permission in an application.
type whoCan struct {
	options *options
	output  *output
	query   query.WhoCan
}

func newWhoCan(o *options) *cobra.Command {
	c := &whoCan{options: o}
	command := &cobra.Command{
		Use:   "who-can APPLICATION [--role ROLE | --permission PERMISSION]",
		Short: "List who has access to an application",
		Long: `Lists everybody who has access to an application, with the rule and the source of each role. With --role it lists only
users with that role or a higher one, with --permission only users with that permission.`,
		Example: `  # Everybody who may edit in finance
  kubectl access who-can finance --permission edit -n analytics

  # In every organization that has an application of that name
  kubectl access who-can finance --role Editor -A`,
		Args: arguments(1, 1, "APPLICATION"),
		RunE: func(command *cobra.Command, args []string) error {
			c.query.Application = args[0]
			return o.answer(command.Context(), c.answer)
		},
		ValidArgsFunction: o.complete(completeApplication),
	}
	c.output = newOutput(command, asTable, asWide, asJSON, asCSV)
	flags := command.Flags()
	flags.StringVar(&c.query.Role, "role", "", "Only those with that role or a higher one")
	flags.StringVar(&c.query.Permission, "permission", "", "Only those with that permission")
	command.MarkFlagsMutuallyExclusive("role", "permission")
	o.completeFlag(command, "role", completeRole)
	o.completeFlag(command, "permission", completeRole)
	return command
}

func (c *whoCan) answer(w *source.World) error {
	c.options.asked(w)
	if w.Scope != "" {
		for _, organization := range w.Asked() {
			c.options.note(query.Unnamed(w, organization, c.query.Application))
		}
	}
	held, err := c.query.Find(w)
	if err != nil {
		return err
	}
	return c.write(held)
}

func (c *whoCan) write(held []query.Holding) error {
	s := &c.options.streams
	switch c.output.format {
	case asJSON:
		return print.JSON(s.Out, held)
	case asCSV:
		return print.HoldingsCSV(s.Out, held)
	}
	if len(held) == 0 {
		c.options.say("Nobody")
		return nil
	}
	return print.WhoCan(s, held, c.output.format == asWide)
}
