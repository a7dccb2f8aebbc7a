package terminal

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

const (
	gap = "   "
	// narrowest is the minimum width to which a column shrinks.
	narrowest = 12
)

// Cell is one cell of a table.
type Cell struct {
	Text  string
	Style Style
}

// Table is a table for people. It escapes every cell.
type Table struct {
	// Columns are the column headers.
	Columns []string
	// Keep is the number of leading columns that are repeated when a table that is too wide is split into parts. With
	// 0, the table is not split, and long cells wrap.
	Keep int
	Rows [][]Cell
}

// Add adds a row of plain cells.
func (t *Table) Add(cells ...string) {
	row := make([]Cell, len(cells))
	for i, text := range cells {
		row[i].Text = text
	}
	t.Rows = append(t.Rows, row)
}

// Write writes the table so that it fits the width of the terminal.
func (t *Table) Write(s *Streams) error {
	escaped := t.escaped()
	widths := escaped.widths()
	if t.Keep > 0 && s.Width > 0 && total(widths) > s.Width {
		return escaped.writeParts(s, widths)
	}
	shrink(widths, s.Width)
	return escaped.writeRows(s, widths)
}

func (t *Table) escaped() *Table {
	made := &Table{Columns: t.Columns, Keep: t.Keep, Rows: make([][]Cell, len(t.Rows))}
	for i, row := range t.Rows {
		made.Rows[i] = make([]Cell, len(row))
		for j, cell := range row {
			cell.Text = Escape(cell.Text)
			made.Rows[i][j] = cell
		}
	}
	return made
}

func (t *Table) widths() []int {
	widths := make([]int, len(t.Columns))
	for i, name := range t.Columns {
		widths[i] = runewidth.StringWidth(name)
	}
	for _, row := range t.Rows {
		for i := range row {
			widths[i] = max(widths[i], runewidth.StringWidth(row[i].Text))
		}
	}
	return widths
}

func total(widths []int) int {
	sum := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// shrink reduces the widest columns until the table fits or no column can shrink further.
func shrink(widths []int, width int) {
	if width <= 0 {
		return
	}
	for total(widths) > width {
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= narrowest {
			return
		}
		widths[widest]--
	}
}

// writeParts splits the table into parts with as many columns as fit. Each part repeats the first columns.
func (t *Table) writeParts(s *Streams, widths []int) error {
	shrink(widths[:t.Keep], s.Width/2)
	kept := total(widths[:t.Keep])
	for first := t.Keep; first < len(t.Columns); {
		last, sum := first, kept
		for last < len(t.Columns) && (last == first || sum+len(gap)+widths[last] <= s.Width) {
			sum += len(gap) + widths[last]
			last++
		}
		if first > t.Keep {
			if _, err := io.WriteString(s.Out, "\n"); err != nil {
				return err
			}
		}
		pick := func(row []Cell) []Cell {
			return append(append([]Cell{}, row[:t.Keep]...), row[first:last]...)
		}
		part := &Table{Columns: append(append([]string{}, t.Columns[:t.Keep]...), t.Columns[first:last]...)}
		for _, row := range t.Rows {
			part.Rows = append(part.Rows, pick(row))
		}
		partWidths := append(append([]int{}, widths[:t.Keep]...), widths[first:last]...)
		shrink(partWidths, s.Width)
		if err := part.writeRows(s, partWidths); err != nil {
			return err
		}
		first = last
	}
	return nil
}

func (t *Table) writeRows(s *Streams, widths []int) error {
	var b strings.Builder
	header := make([]Cell, len(t.Columns))
	for i, name := range t.Columns {
		header[i] = Cell{name, Bold}
	}
	writeRow(&b, s, header, widths)
	for _, row := range t.Rows {
		writeRow(&b, s, row, widths)
	}
	_, err := io.WriteString(s.Out, b.String())
	return err
}

// writeRow writes one row on as many lines as its longest cell needs.
func writeRow(b *strings.Builder, s *Streams, row []Cell, widths []int) {
	lines := make([][]string, len(row))
	height := 1
	for i := range row {
		lines[i] = wrap(row[i].Text, widths[i])
		height = max(height, len(lines[i]))
	}
	for n := range height {
		var line strings.Builder
		blank := 0
		for i := range row {
			if i > 0 {
				blank += len(gap)
			}
			text := ""
			if n < len(lines[i]) {
				text = lines[i][n]
			}
			if text != "" {
				line.WriteString(strings.Repeat(" ", blank))
				line.WriteString(s.Paint(text, row[i].Style))
				blank = 0
			}
			blank += widths[i] - runewidth.StringWidth(text)
		}
		b.WriteString(line.String())
		b.WriteByte('\n')
	}
}

// wrap splits the text into lines of at most the width. It prefers to break after a space or after a punctuation
// mark of names.
func wrap(text string, width int) []string {
	var lines []string
	for runewidth.StringWidth(text) > width {
		cut, after, used := 0, 0, 0
		for i, r := range text {
			used += runewidth.RuneWidth(r)
			if used > width {
				break
			}
			cut = i + len(string(r))
			if strings.ContainsRune(" /@,.-", r) {
				after = cut
			}
		}
		if after > cut/3 {
			cut = after
		}
		if cut == 0 {
			break
		}
		lines = append(lines, strings.TrimRight(text[:cut], " "))
		text = strings.TrimLeft(text[cut:], " ")
	}
	return append(lines, text)
}

// Wrap wraps plain text at the width of the terminal. It indents every line but the first.
func (s *Streams) Wrap(text, indent string) string {
	if s.Width <= len(indent)+narrowest {
		return text
	}
	return strings.Join(wrap(text, s.Width-len(indent)), "\n"+indent)
}
