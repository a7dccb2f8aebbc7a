package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
	organizations := w.organizations()
	held := []holding{}
	known := false
	for _, organization := range organizations {
		of := w.holdings(organization, l.user)
		known = known || len(of) > 0
		held = append(held, of...)
	}
	if !known && len(organizations) > 0 {
		return w.unknownUser(l.user, organizations)
	}
	if err := l.write(held); err != nil {
		return err
	}
	return w.finish()
}

func (l *list) write(held []holding) error {
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
		held = slices.DeleteFunc(held, func(h holding) bool { return !h.gives() })
	}
	for i := range held {
		h := &held[i]
		cells := append(plainCells(h.Organization, h.shown()), roleCell(h))
		if wide {
			cells = append(cells, plainCells(h.until(), h.Rule, h.Source)...)
		} else {
			cells = append(cells, plainCells(h.until())...)
		}
		table.Rows = append(table.Rows, append(cells, plainCells(h.applicationRows())...))
	}
	if len(held) == 0 {
		l.options.say("%s holds nothing; explain says why", l.user)
		return nil
	}
	return table.Write(s)
}

// applicationRows returns the visible rows of an application as text. An organization has no rows.
func (h *holding) applicationRows() string {
	if h.Scope == scopeOrganization {
		return ""
	}
	return h.rows()
}

// holdingHeader and holdingRows are the header and the rows of the CSV of holdings.
var holdingHeader = []string{
	"organization", "user", "scope", "application", "role", "permissions", "rule", "source", "notAfter", "rows",
}

func holdingRows(held []holding) [][]string {
	rows := make([][]string, 0, len(held))
	for i := range held {
		h := &held[i]
		rows = append(rows, []string{
			h.Organization, h.User, h.Scope, h.Application, h.Role, strings.Join(h.Permissions, " "), h.Rule, h.Source,
			h.until(), h.applicationRows(),
		})
	}
	return rows
}
