package print

import (
	"io"
	"strings"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/terminal"
)

// signs mark changes by text, so that the output does not depend on colour.
var signs = map[string]struct {
	sign  string
	style terminal.Style
}{
	query.ChangeGains: {"+", terminal.Green}, query.ChangeRaised: {"+", terminal.Green},
	query.ChangeLoses: {"-", terminal.Red}, query.ChangeLowered: {"-", terminal.Red},
	query.ChangeChanged: {"~", terminal.Yellow}, query.ChangeRows: {"~", terminal.Yellow}, query.ChangeEnds: {"~", terminal.Yellow},
}

// Differences writes the differences for people.
func Differences(s *terminal.Streams, f *query.Differences) error {
	if f.IsEmpty() && len(f.Warnings) == 0 {
		return nil
	}
	if err := writeChanges(s, f); err != nil {
		return err
	}
	var b strings.Builder
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		b.WriteString("\n" + s.Paint(title, terminal.Bold) + "\n")
		for _, line := range lines {
			b.WriteString("  " + s.Wrap(terminal.Escape(line), "    ") + "\n")
		}
	}
	list("Conflicts that the change brings", query.ConflictLines(f.Conflicts))
	list("Conflicts that it ends", query.ConflictLines(f.Settled))
	list("Taken by exclusive access", query.ExclusionLines(f.Exclusions))
	list("Revocation brake", query.RevocationLines(f.Revocations))
	list("Admission would refuse", query.RemarkLines(f.Refusals))
	list("Admission would warn", query.RemarkLines(f.Warnings))
	b.WriteString("\n" + f.Summary.Text() + "\n")
	_, err := io.WriteString(s.Out, b.String())
	return err
}

func writeChanges(s *terminal.Streams, f *query.Differences) error {
	if len(f.Changes) == 0 {
		return nil
	}
	table := &terminal.Table{Columns: []string{"CHANGE", "USER", "ORGANIZATION", "APPLICATION", "BEFORE", "AFTER", "BECAUSE"}}
	for _, g := range f.Groups() {
		sign := signs[g.Change]
		table.Rows = append(table.Rows, []terminal.Cell{
			{Text: sign.sign + " " + g.Change, Style: sign.style}, {Text: g.User}, {Text: g.Organization},
			{Text: strings.Join(g.Places, ", ")}, {Text: g.Before.State()}, {Text: g.After.State()}, {Text: g.Because()},
		})
	}
	return table.Write(s)
}

// DifferencesMarkdown returns the differences as Markdown for a comment on a pull request.
func DifferencesMarkdown(f *query.Differences) string {
	m := &markdown{}
	m.line("### Access\n\n%s\n", f.Summary.Text())
	m.list("Revocation brake", query.RevocationLines(f.Revocations))
	m.list("Admission would refuse", query.RemarkLines(f.Refusals))
	if len(f.Changes) > 0 {
		var rows [][]string
		for _, g := range f.Groups() {
			rows = append(rows, []string{
				signs[g.Change].sign + " " + g.Change, code(g.User), code(g.Organization), codes(g.Places),
				code(g.Before.State()), code(g.After.State()), code(g.Because()),
			})
		}
		m.table([]string{"change", "user", "organization", "application", "before", "after", "because"}, rows)
	}
	m.list("Conflicts that the change brings", query.ConflictLines(f.Conflicts))
	m.list("Conflicts that it ends", query.ConflictLines(f.Settled))
	m.list("Taken by exclusive access", query.ExclusionLines(f.Exclusions))
	m.list("Admission would warn", query.RemarkLines(f.Warnings))
	return strings.TrimRight(m.text.String(), "\n") + "\n"
}
