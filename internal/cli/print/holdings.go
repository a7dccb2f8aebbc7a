package print

import (
	"io"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// List writes what one user holds.
func List(s *terminal.Streams, held []query.Holding, wide bool) error {
	table := &terminal.Table{Columns: []string{"ORGANIZATION", "APPLICATION", "ROLE", "UNTIL", "ROWS"}}
	if wide {
		table.Columns = []string{"ORGANIZATION", "APPLICATION", "ROLE", "UNTIL", "RULE", "SOURCE", "ROWS"}
	}
	for i := range held {
		h := &held[i]
		cells := append(plainCells(h.Organization, h.Shown()), roleCell(h), terminal.Cell{Text: h.Until()})
		if wide {
			cells = append(cells, plainCells(h.Rule, h.Source)...)
		}
		table.Rows = append(table.Rows, append(cells, terminal.Cell{Text: h.ApplicationRows()}))
	}
	return table.Write(s)
}

// WhoCan writes the users who hold something in one application. The list must not be empty.
func WhoCan(s *terminal.Streams, held []query.Holding, wide bool) error {
	several := wide || slices.ContainsFunc(held, func(h query.Holding) bool { return h.Organization != held[0].Organization })
	table := &terminal.Table{Columns: []string{"USER", "ROLE", "RULE", "SOURCE", "UNTIL"}}
	if several {
		table.Columns = append([]string{"ORGANIZATION"}, table.Columns...)
	}
	if wide {
		table.Columns = append(table.Columns, "ROWS")
	}
	for i := range held {
		h := &held[i]
		cells := []terminal.Cell{{Text: h.User}, roleCell(h), {Text: h.Rule}, {Text: h.Source}, {Text: h.Until()}}
		if several {
			cells = append(plainCells(h.Organization), cells...)
		}
		if wide {
			cells = append(cells, plainCells(h.Rows())...)
		}
		table.Rows = append(table.Rows, cells)
	}
	return table.Write(s)
}

// HoldingsCSV writes the holdings as CSV.
func HoldingsCSV(out io.Writer, held []query.Holding) error {
	rows := make([][]string, 0, len(held))
	for i := range held {
		h := &held[i]
		rows = append(rows, []string{
			h.Organization, h.User, h.Scope, h.Application, h.Role, strings.Join(h.Permissions, " "), h.Rule, h.Source,
			h.Until(), h.ApplicationRows(),
		})
	}
	return CSV(out, []string{
		"organization", "user", "scope", "application", "role", "permissions", "rule", "source", "notAfter", "rows",
	}, rows)
}

// roleCell returns the cell of a role. It dims the absence of a role.
func roleCell(h *query.Holding) terminal.Cell {
	if !h.Gives() {
		return terminal.Cell{Text: h.Role, Style: terminal.Faint}
	}
	return terminal.Cell{Text: h.Role}
}

func plainCells(texts ...string) []terminal.Cell {
	cells := make([]terminal.Cell, len(texts))
	for i, text := range texts {
		cells[i].Text = text
	}
	return cells
}
