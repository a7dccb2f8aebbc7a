package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/usher-dev/usher/internal/cli/terminal"
)

// signs mark changes by text, so that the output does not depend on colour.
var signs = map[string]struct {
	sign  string
	style terminal.Style
}{
	gains: {"+", terminal.Green}, raised: {"+", terminal.Green},
	loses: {"-", terminal.Red}, lowered: {"-", terminal.Red},
	changed: {"~", terminal.Yellow}, rows: {"~", terminal.Yellow}, ends: {"~", terminal.Yellow},
}

func (d *diff) write(f *differences) error {
	switch d.output.format {
	case asJSON:
		return writeJSON(&d.options.streams, f)
	case asMarkdown:
		_, err := io.WriteString(d.options.streams.Out, f.markdown())
		return err
	default:
		return f.writeTable(&d.options.streams)
	}
}

// text returns the counts as a sentence.
func (s *summary) text() string {
	if s.Users == 0 {
		return "Nobody's access changes."
	}
	parts := []string{}
	for _, each := range []struct {
		count int
		what  string
	}{{s.Gaining, "gain"}, {s.Losing, "lose"}, {s.Other, "see other rows or have another end"}} {
		if each.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", each.count, each.what))
		}
	}
	return fmt.Sprintf("Access changes for %s: %s.", counted(s.Users, "user", "users"), strings.Join(parts, ", "))
}

func (f *differences) writeTable(s *terminal.Streams) error {
	if f.isEmpty() && len(f.Warnings) == 0 {
		return nil
	}
	if err := f.writeChanges(s); err != nil {
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
	list("Conflicts that the change brings", conflictLines(f.Conflicts))
	list("Conflicts that it ends", conflictLines(f.Settled))
	list("Taken by exclusive access", exclusionLines(f.Exclusions))
	list("Revocation brake", revocationLines(f.Revocations))
	list("Admission would refuse", remarkLines(f.Refusals))
	list("Admission would warn", remarkLines(f.Warnings))
	b.WriteString("\n" + f.Summary.text() + "\n")
	_, err := io.WriteString(s.Out, b.String())
	return err
}

func (f *differences) writeChanges(s *terminal.Streams) error {
	if len(f.Changes) == 0 {
		return nil
	}
	table := &terminal.Table{Columns: []string{"CHANGE", "USER", "ORGANIZATION", "APPLICATION", "BEFORE", "AFTER", "BECAUSE"}}
	for _, g := range f.group() {
		sign := signs[g.Change]
		table.Rows = append(table.Rows, []terminal.Cell{
			{Text: sign.sign + " " + g.Change, Style: sign.style}, {Text: g.User}, {Text: g.Organization},
			{Text: strings.Join(g.where, ", ")}, {Text: g.Before.state()}, {Text: g.After.state()}, {Text: g.because()},
		})
	}
	return table.Write(s)
}

// because returns the reason for the new access, with its source. If it has no source, because adds the previous
// source.
func (c *userChange) because() string {
	text := c.After.Rule
	if c.After.Source != "" {
		return text + ", by " + c.After.Source
	}
	if c.Before.Source != "" {
		return text + "; was by " + c.Before.Source
	}
	return text
}

func conflictLines(conflicts []conflict) []string {
	lines := make([]string, len(conflicts))
	for i := range conflicts {
		c := &conflicts[i]
		lines[i] = fmt.Sprintf("%s in %s, %s: %s; %s wins (%s)", c.User, c.Organization, c.where(), c.grants(), c.Role, c.Rule)
	}
	return lines
}

func (c *conflict) where() string {
	if c.Application != "" {
		return c.Application
	}
	return "scope " + strings.ToLower(c.Scope)
}

func (c *conflict) grants() string {
	parts := make([]string, len(c.Grants))
	for i, g := range c.Grants {
		parts[i] = g.Role + " of " + g.Source
	}
	return strings.Join(parts, ", ")
}

func exclusionLines(exclusions []exclusion) []string {
	lines := make([]string, len(exclusions))
	for i := range exclusions {
		e := &exclusions[i]
		lines[i] = fmt.Sprintf("%s in %s: held in %s, by %s of %s", e.User, e.Organization,
			strings.Join(e.Applications, " and "), e.Name, e.Source)
	}
	return lines
}

func remarkLines(remarks []remark) []string {
	lines := make([]string, len(remarks))
	for i := range remarks {
		lines[i] = remarks[i].text()
	}
	return lines
}

// text returns the remark as file:line: object: field: message, without the parts that are empty.
func (r *remark) text() string {
	var parts []string
	if r.File != "" {
		at := r.File
		if r.Line > 0 {
			at = fmt.Sprintf("%s:%d", r.File, r.Line)
		}
		parts = append(parts, at)
	}
	if r.Object != "" {
		parts = append(parts, r.Object)
	}
	if r.Field != "" {
		parts = append(parts, r.Field)
	}
	return strings.Join(append(parts, r.Message), ": ")
}
