package print

import (
	"fmt"
	"strings"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

// maximumMarkdown is the maximum size of a report in Markdown. A comment on a pull request may have 64 KiB.
const maximumMarkdown = 60_000

// markdown collects Markdown up to the limit, and counts the lines that do not fit.
type markdown struct {
	text      strings.Builder
	unlimited bool
	left      int
}

// code returns the text as inline code. The text cannot create a link, a mention, other markup, or the end of a
// table cell.
func code(text string) string {
	text = strings.ReplaceAll(terminal.Escape(text), "|", `\|`)
	longest, run := 0, 0
	for _, r := range text {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	if text == "" {
		return ""
	}
	fence := strings.Repeat("`", longest+1)
	if longest > 0 {
		return fence + " " + text + " " + fence
	}
	return fence + text + fence
}

func codes(texts []string) string { return strings.Join(mapped(texts, code), ", ") }

func mapped(texts []string, each func(string) string) []string {
	made := make([]string, len(texts))
	for i := range texts {
		made[i] = each(texts[i])
	}
	return made
}

func (m *markdown) line(format string, args ...any) {
	fmt.Fprintf(&m.text, format+"\n", args...)
}

// row adds a line to a table or list if it fits.
func (m *markdown) row(line string) {
	if !m.unlimited && m.text.Len()+len(line) > maximumMarkdown {
		m.left++
		return
	}
	m.text.WriteString(line + "\n")
}

// end ends a table or list.
func (m *markdown) end() {
	if m.left > 0 {
		m.line("\n… and %d more.", m.left)
		m.left = 0
	}
	m.line("")
}

func (m *markdown) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	m.line("#### %s\n", title)
	for _, line := range lines {
		m.row("- " + code(line))
	}
	m.end()
}

// table adds a table. The cells must be Markdown.
func (m *markdown) table(header []string, rows [][]string) {
	m.line("| %s |", strings.Join(header, " | "))
	m.line("|%s", strings.Repeat("---|", len(header)))
	for _, row := range rows {
		m.row("| " + strings.Join(row, " | ") + " |")
	}
	m.end()
}
