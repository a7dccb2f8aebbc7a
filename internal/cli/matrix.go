package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// matrix shows a table of users and applications.
type matrix struct {
	options *options
	output  *output
	query   query.MatrixOptions
}

func newMatrix(o *options) *cobra.Command {
	m := &matrix{options: o}
	command := &cobra.Command{
		Use:   "matrix [USER...]",
		Short: "Show users by applications, with their roles",
		Long: `Shows a table for each organization, with a row for each user and a column for each application: the roles of all users,
or of those that match a pattern. In a pattern, * stands for any text and ? for any character.

(rows) beside a role means that the user sees only some rows. -o wide adds the rule and the end of each role. "kubectl
access explain" shows the row filters.`,
		Example: `  kubectl access matrix -n analytics

  # The members of one group, and one application
  kubectl access matrix --group france -a finance -n analytics

  # Everybody who is an Administrator of something, as a page for the browser
  kubectl access matrix --role Administrator -A -o html > access.html`,
		RunE: func(command *cobra.Command, args []string) error {
			m.query.Users = args
			return m.run(command.Context())
		},
		ValidArgsFunction: o.completeEach(completeUser),
	}
	m.output = newOutput(command, asTable, asWide, asCSV, asJSON, asHTML)
	flags := command.Flags()
	flags.StringSliceVar(&m.query.Groups, "group", nil, "Only members of one of these groups: NAME in the organization, or NAMESPACE/NAME")
	flags.StringSliceVarP(&m.query.Applications, "application", "a", nil, "Only these applications; patterns as for users")
	flags.StringSliceVar(&m.query.Roles, "role", nil, "Only users who hold one of these roles in what is shown")
	flags.StringVar(&m.query.Sort, "sort", query.SortByUser,
		"Sort by user, organization (its role, highest first), default, or the name of an application (the role there)")
	o.completeFlag(command, "application", completeApplication)
	o.completeFlag(command, "role", completeRole)
	return command
}

func (m *matrix) run(ctx context.Context) error {
	if err := m.query.Validate(); err != nil {
		return err
	}
	return m.options.answer(ctx, func(w *source.World) error {
		all, err := m.query.Find(w)
		if err != nil {
			return err
		}
		m.options.asked(w)
		return m.write(w, all)
	})
}

func (m *matrix) write(w *source.World, all []query.Matrix) error {
	s := &m.options.streams
	switch m.output.format {
	case asJSON:
		return print.MatrixJSON(s.Out, all)
	case asCSV:
		header, rows := query.MatrixTable(all)
		return print.CSV(s.Out, header, rows)
	case asHTML:
		return print.MatrixPage(s.Out, w.Now(), all)
	}
	for i := range all {
		if i > 0 {
			if _, err := io.WriteString(s.Out, "\n"); err != nil {
				return err
			}
		}
		if err := print.Matrix(s, &all[i], len(all) > 1, m.output.format == asWide); err != nil {
			return err
		}
		if len(all[i].Users) == 0 {
			m.options.say("Nobody in %s", all[i].Organization)
		}
	}
	if len(all) == 0 && len(w.Asked()) > 0 {
		m.options.say("Nobody")
	}
	return nil
}
