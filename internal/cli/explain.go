package cli

import (
	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// explain shows how each holding of a user came about.
type explain struct {
	options      *options
	output       *output
	user         string
	applications []string
}

func newExplain(o *options) *cobra.Command {
	e := &explain{options: o}
	command := &cobra.Command{
		Use:   "explain USER [-a APPLICATION]",
		Short: "Explain the access of a user",
		Long: `Explains the access of a user: every grant with its source, scope and window, and whether it counts; which grants each
rule kept or dropped; the result; the row filters with the groups that they come from; and future changes.

The names of the rules (R1 to R9) are those of docs/rules.md.`,
		Example: `  kubectl access explain amelie@acme.example -n analytics

  # Only what affects one application
  kubectl access explain amelie@acme.example -n analytics -a finance`,
		Args: arguments(1, 1, "USER"),
		RunE: func(command *cobra.Command, args []string) error {
			e.user = args[0]
			return o.answer(command.Context(), e.answer)
		},
		ValidArgsFunction: o.complete(completeUser),
	}
	e.output = newOutput(command, asText, asJSON)
	command.Flags().StringSliceVarP(&e.applications, "application", "a", nil, "Only what affects these applications")
	o.completeFlag(command, "application", completeApplication)
	return command
}

func (e *explain) answer(w *source.World) error {
	organizations := e.options.asked(w)
	if w.Scope == "" && len(e.applications) > 0 {
		naming := query.Naming(w, organizations, e.applications)
		if len(naming) == 0 && len(organizations) > 0 {
			return query.UnknownApplication(w, e.applications[0], organizations)
		}
		organizations = naming
	}
	explanations := []query.Explanation{}
	for _, organization := range organizations {
		for _, application := range e.applications {
			e.options.note(query.Unnamed(w, organization, application))
		}
		if made := query.Explain(w, organization, e.user, e.applications); made != nil {
			explanations = append(explanations, *made)
		}
	}
	if len(explanations) == 0 && len(organizations) > 0 {
		return query.UnknownUser(w, e.user, organizations)
	}
	if e.output.format == asJSON {
		return print.JSON(e.options.streams.Out, explanations)
	}
	return print.Explanations(&e.options.streams, explanations)
}
