package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/words"
)

// The output formats.
const (
	asText     = "text"
	asTable    = "table"
	asWide     = "wide"
	asJSON     = "json"
	asCSV      = "csv"
	asHTML     = "html"
	asMarkdown = "markdown"
)

// output is the flag -o. It takes one of the formats of a command, with the first as the default.
type output struct {
	format  string
	allowed []string
}

func newOutput(command *cobra.Command, formats ...string) *output {
	o := &output{allowed: formats}
	command.Flags().StringVarP(&o.format, "output", "o", formats[0], "Output format: "+strings.Join(formats, ", "))
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return o
}

func (o *output) validate() error {
	return checkFlag("-o", o.format, o.allowed...)
}

// checkFlag returns an error unless the value of a flag is one of the allowed values.
func checkFlag(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return invalidFlag(flag, value, allowed...)
}

// invalidFlag returns the error for an invalid value of a flag. It lists the valid values.
func invalidFlag(flag, value string, use ...string) error {
	return fmt.Errorf("invalid value %q for %s: use %s", value, flag, words.Alternatives(use))
}

// writeJSON writes the value as indented JSON.
func writeJSON(s *terminal.Streams, value any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := s.Out.Write(terminal.EscapeJSON(b.Bytes()))
	return err
}

// writeCSV writes a header and rows. It escapes cells that a spreadsheet would interpret as formulas.
func writeCSV(s *terminal.Streams, header []string, rows [][]string) error {
	w := csv.NewWriter(s.Out)
	if err := w.Write(header); err != nil {
		return err
	}
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = spreadsheetText(cell)
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// spreadsheetText returns the cell as spreadsheets read it as text. It adds an apostrophe before a cell that starts
// like a formula, or with an apostrophe, so that import can tell both.
func spreadsheetText(cell string) string {
	cell = terminal.Escape(cell)
	if cell != "" && strings.ContainsRune("=+-@'", rune(cell[0])) {
		return "'" + cell
	}
	return cell
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

// arguments returns a check of the number of arguments whose error contains the usage.
func arguments(minimum, maximum int, usage string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) >= minimum && (maximum < 0 || len(args) <= maximum) {
			return nil
		}
		return fmt.Errorf("%s takes %s; got %s\nSee '%s --help'", command.Name(), usage,
			words.Counted(len(args), "argument", "arguments"), command.CommandPath())
	}
}
