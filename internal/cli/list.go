package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/terminal"
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
		Short: "Show everything that a user holds",
		Long: `Shows everything that a user holds, in all organizations: the role of the organization, the role in each application,
and the role in any application that nothing names. What gives no access is shown with -o wide and -o json.

Without -n it asks in all namespaces; on a cluster that takes the right to list there.`,
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
	if err := l.output.validate(); err != nil {
		return err
	}
	// list covers all organizations, even where kubectl would use the namespace of the context.
	if l.options.namespace() == "" {
		l.options.allNamespaces = true
	}
	w, err := l.options.load(ctx)
	if err != nil {
		return err
	}
	l.options.asked(w)
	held, err := query.List(w, l.user)
	if err != nil {
		return err
	}
	if err := l.write(held); err != nil {
		return err
	}
	return finish(w)
}

func (l *list) write(held []query.Holding) error {
	s := &l.options.streams
	switch l.output.format {
	case asJSON:
		return writeJSON(s, held)
	case asCSV:
		return writeCSV(s, holdingHeader, holdingRows(held))
	}
	wide := l.output.format == asWide
	table := &terminal.Table{Columns: []string{"ORGANIZATION", "APPLICATION", "ROLE", "UNTIL", "ROWS"}}
	if wide {
		table.Columns = []string{"ORGANIZATION", "APPLICATION", "ROLE", "UNTIL", "RULE", "SOURCE", "ROWS"}
	} else {
		held = slices.DeleteFunc(held, func(h query.Holding) bool { return !h.Gives() })
	}
	for i := range held {
		h := &held[i]
		cells := append(plainCells(h.Organization, h.Shown()), roleCell(h))
		if wide {
			cells = append(cells, plainCells(h.Until(), h.Rule, h.Source)...)
		} else {
			cells = append(cells, plainCells(h.Until())...)
		}
		table.Rows = append(table.Rows, append(cells, plainCells(h.ApplicationRows())...))
	}
	if len(held) == 0 {
		l.options.say("%s holds nothing; explain says why", l.user)
		return nil
	}
	return table.Write(s)
}

// holdingHeader and holdingRows are the header and the rows of the CSV of holdings.
var holdingHeader = []string{
	"organization", "user", "scope", "application", "role", "permissions", "rule", "source", "notAfter", "rows",
}

func holdingRows(held []query.Holding) [][]string {
	rows := make([][]string, 0, len(held))
	for i := range held {
		h := &held[i]
		rows = append(rows, []string{
			h.Organization, h.User, h.Scope, h.Application, h.Role, strings.Join(h.Permissions, " "), h.Rule, h.Source,
			h.Until(), h.ApplicationRows(),
		})
	}
	return rows
}
