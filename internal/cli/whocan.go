package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/resolve"
)

// whoCan lists all users with a role or permission in an application.
type whoCan struct {
	options          *options
	output           *output
	application      string
	role, permission string
}

func newWhoCan(o *options) *cobra.Command {
	c := &whoCan{options: o}
	command := &cobra.Command{
		Use:   "who-can APPLICATION [--role ROLE | --permission PERMISSION]",
		Short: "List who has access to an application",
		Long: `Lists everybody who has access to an application, or that role or a higher one, or that permission there: with the rule
and the source of the role.`,
		Example: `  # Everybody who may edit in finance
  kubectl access who-can finance --permission edit -n analytics

  # In every organization that has an application of that name
  kubectl access who-can finance --role Editor -A`,
		Args: arguments(1, 1, "APPLICATION"),
		RunE: func(command *cobra.Command, args []string) error {
			c.application = args[0]
			return c.run(command.Context())
		},
		ValidArgsFunction: o.complete(completeApplication),
	}
	c.output = newOutput(command, asTable, asWide, asJSON, asCSV)
	flags := command.Flags()
	flags.StringVar(&c.role, "role", "", "Only those with that role or a higher one")
	flags.StringVar(&c.permission, "permission", "", "Only those with that permission")
	command.MarkFlagsMutuallyExclusive("role", "permission")
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("role", o.completeEach(completeRole))
	_ = command.RegisterFlagCompletionFunc("permission", o.completeEach(completeRole))
	return command
}

func (c *whoCan) run(ctx context.Context) error {
	if err := c.output.validate(); err != nil {
		return err
	}
	w, err := c.options.load(ctx)
	if err != nil {
		return err
	}
	organizations := w.organizations()
	if w.scope == "" {
		organizations = w.naming(organizations, []string{c.application})
		if len(organizations) == 0 && len(w.Organizations()) > 0 {
			return w.unknownApplication(c.application, w.Organizations())
		}
	}
	held := []holding{}
	var unknown []error
	for _, organization := range organizations {
		if w.scope != "" {
			w.noteUnnamed(organization, c.application)
		}
		o := w.Organization(organization)
		if err := c.check(o); err != nil {
			unknown = append(unknown, err)
			continue
		}
		for _, user := range w.Users(organization) {
			d := w.Decision(organization, user)
			if c.matches(o, d, w.now) {
				held = append(held, accessHolding(o, user, c.application, d.Application(c.application)))
			}
		}
	}
	if len(unknown) > 0 && len(unknown) == len(organizations) {
		return errors.Join(unknown...)
	}
	if err := c.write(held); err != nil {
		return err
	}
	return w.finish()
}

// unknownApplication returns the error for an application that no organization names.
func (w *world) unknownApplication(application string, organizations []string) error {
	var named []string
	for _, organization := range organizations {
		named = append(named, w.Applications(organization)...)
	}
	slices.Sort(named)
	named = slices.Compact(named)
	if names := w.called(application, organizations); len(names) > 0 {
		return fmt.Errorf("no organization names application %s; it is the displayName of %s", application, some(names))
	}
	if near := nearest(application, named); len(near) > 0 {
		return fmt.Errorf("no organization names application %s; did you mean %s?", application, strings.Join(near, ", or "))
	}
	return fmt.Errorf("no organization names application %s; there is %s", application, cmp.Or(some(named), "none"))
}

// check returns an error if the organization does not know the role or permission.
func (c *whoCan) check(o *resolve.Organization) error {
	if c.role != "" && !o.HasApplicationRole(c.role) {
		return unknownRole(o, c.role)
	}
	if c.permission != "" && !o.HasPermission(c.permission) {
		return unknownRole(o, c.permission)
	}
	return nil
}

// matches reports whether the user has the role or permission at the instant t. Without either, any access matches.
func (c *whoCan) matches(o *resolve.Organization, d *resolve.Decision, t time.Time) bool {
	if c.role == "" && c.permission == "" {
		return d.Application(c.application).GivesAccess()
	}
	q := resolve.Question{Application: c.application, Permission: c.permission, Role: c.role}
	return o.Can(d, q, t).Allowed || isAnyRole(q)
}

func (c *whoCan) write(held []holding) error {
	s := &c.options.streams
	switch c.output.format {
	case asJSON:
		return writeJSON(s, held)
	case asCSV:
		return writeCSV(s, holdingHeader, holdingRows(held))
	}
	if len(held) == 0 {
		c.options.say("Nobody")
		return nil
	}
	wide := c.output.format == asWide
	several := slices.ContainsFunc(held, func(h holding) bool { return h.Organization != held[0].Organization })
	table := &terminal.Table{Columns: []string{"USER", "ROLE", "RULE", "SOURCE", "UNTIL"}}
	if several || wide {
		table.Columns = append([]string{"ORGANIZATION"}, table.Columns...)
	}
	if wide {
		table.Columns = append(table.Columns, "ROWS")
	}
	for i := range held {
		h := &held[i]
		cells := []terminal.Cell{{Text: h.User}, roleCell(h), {Text: h.Rule}, {Text: h.Source}, {Text: h.until()}}
		if several || wide {
			cells = append(plainCells(h.Organization), cells...)
		}
		if wide {
			cells = append(cells, plainCells(h.rows())...)
		}
		table.Rows = append(table.Rows, cells)
	}
	return table.Write(s)
}
