package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/query"
)

// can answers one question with its exit code.
type can struct {
	options                   *options
	user, application, wanted string
	quiet                     bool
}

func newCan(o *options) *cobra.Command {
	c := &can{options: o}
	command := &cobra.Command{
		Use:   "can USER APPLICATION ROLE|PERMISSION",
		Short: "Say whether a user may do something",
		Long: `Prints yes or no, and the reason on stderr.

A role means "that role or a higher one". If a name is both a role and a permission, it means the role.

The answer does not consider rows. If the user sees only some rows, the reason lists the filters.

Exit code: 0 yes, 1 no, 2 error.`,
		Example: `  # May amelie edit in finance?
  kubectl access can amelie@acme.example finance edit -n analytics

  # Is she an Administrator there, next year?
  kubectl access can amelie@acme.example finance Administrator -n analytics --at 2027-01-01`,
		Args:        arguments(3, 3, "USER, APPLICATION, and a ROLE or PERMISSION"),
		Annotations: map[string]string{errorCode: "true"},
		RunE: func(command *cobra.Command, args []string) error {
			c.user, c.application, c.wanted = args[0], args[1], args[2]
			return c.run(command.Context())
		},
		ValidArgsFunction: o.complete(completeUser, completeApplication, completeRole),
	}
	command.Flags().BoolVarP(&c.quiet, "quiet", "q", false, "Print nothing, and answer only by the exit code")
	return command
}

func (c *can) run(ctx context.Context) error {
	w, err := c.options.load(ctx)
	if err != nil {
		return err
	}
	organization, err := c.options.organization(w)
	if err != nil {
		return err
	}
	answer, err := query.Can(w, organization, c.user, c.application, c.wanted)
	if err != nil {
		return err
	}
	// A missing object could change the answer in either direction.
	if err := finish(w); err != nil {
		return err
	}
	c.options.note(query.Unnamed(w, organization, c.application))
	return c.answer(answer.Allowed, answer.Reason)
}

func (c *can) answer(allowed bool, reason string) error {
	answer := "no"
	if allowed {
		answer = "yes"
	}
	if !c.quiet {
		if _, err := fmt.Fprintln(c.options.streams.Out, answer); err != nil {
			return &exit{2, err}
		}
		c.options.say("%s", reason)
	}
	if allowed {
		return nil
	}
	return &exit{code: 1}
}
