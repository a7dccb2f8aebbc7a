package print

import (
	"encoding/csv"
	"io"
	"strings"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

// CSV writes a header and rows. It escapes cells that a spreadsheet would interpret as formulas.
func CSV(out io.Writer, header []string, rows [][]string) error {
	w := csv.NewWriter(out)
	if err := w.Write(header); err != nil {
		return err
	}
	for _, row := range rows {
		if err := w.Write(mapped(row, spreadsheetText)); err != nil {
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
