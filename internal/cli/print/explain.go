package print

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/words"
)

// explainer writes explanations as text for people.
type explainer struct {
	*query.Explanation
	streams *terminal.Streams // writes to text
	text    *strings.Builder
}

// Explanations writes the explanations as text.
func Explanations(s *terminal.Streams, all []query.Explanation) error {
	var text strings.Builder
	to := *s
	to.Out = &text
	for i := range all {
		if i > 0 {
			text.WriteString("\n")
		}
		e := &explainer{Explanation: &all[i], streams: &to, text: &text}
		if err := e.write(); err != nil {
			return err
		}
	}
	_, err := io.WriteString(s.Out, text.String())
	return err
}

// line writes plain text after the indent, and wraps it at the width of the terminal.
func (e *explainer) line(indent, format string, args ...any) {
	text := terminal.Escape(fmt.Sprintf(format, args...))
	e.text.WriteString(indent + e.streams.Wrap(text, indent+"  ") + "\n")
}

func (e *explainer) heading(format string, args ...any) {
	e.text.WriteString("\n" + e.streams.Paint(terminal.Escape(fmt.Sprintf(format, args...)), terminal.Bold) + "\n")
}

func (e *explainer) write() error {
	title := fmt.Sprintf("%s in %s at %s", e.User, e.Organization, query.InstantText(e.At))
	e.text.WriteString(e.streams.Paint(terminal.Escape(title), terminal.Bold) + "\n")
	e.writePolicy()
	e.writeBars()
	e.writeMemberships()
	if err := e.writeGrants(); err != nil {
		return err
	}
	e.writeSelections()
	for i := range e.Roles {
		e.writeRole(&e.Roles[i])
	}
	if len(e.Same) > 0 {
		e.heading("As any other: %s", strings.Join(e.Same, ", "))
	}
	e.writeFuture()
	return nil
}

func (e *explainer) writePolicy() {
	by := func(source string) string {
		if source == "" {
			return "built in"
		}
		return source
	}
	p := &e.Policy
	e.line("", "Rules: conflictResolution %s, individualAccess %s, administrators %s (%s)",
		p.ConflictResolution, p.IndividualAccess, p.Administrators, by(p.Source))
	e.line("", "System tier: conflictResolution %s, administrators %s (%s)",
		p.System.ConflictResolution, p.System.Administrators, by(p.System.Source))
}

func (e *explainer) writeBars() {
	if len(e.Bars) == 0 {
		return
	}
	e.heading("Barred (R1): no access, whatever is granted")
	for _, b := range e.Bars {
		switch b.Rule {
		case string(resolve.RuleSuspended):
			e.line("  ", "%s: %s says so", b.Rule, b.Source)
		case string(resolve.RuleExpired):
			e.line("  ", "%s: %s ended at %s", b.Rule, b.Source, query.Until(b.NotAfter))
		default:
			e.line("  ", "%s: %s begins at %s", b.Rule, b.Source, query.Until(b.NotBefore))
		}
	}
}

func (e *explainer) writeMemberships() {
	if len(e.Memberships)+len(e.Ignored) == 0 {
		return
	}
	e.heading("Groups")
	for _, m := range e.Memberships {
		active := "member"
		if !m.Active {
			active = "not a member now"
		}
		e.line("  ", "%s: %s, %s; %s", m.Group, active, query.WindowsText(m.Windows), query.PathsText(m.Paths))
	}
	for _, i := range e.Ignored {
		e.line("  ", "%s: has no effect: %s", i.Object, i.Text())
	}
}

func (e *explainer) writeGrants() error {
	if len(e.Grants) == 0 {
		e.heading("Grants: none")
		return nil
	}
	e.heading("Grants")
	table := &terminal.Table{Columns: []string{"SCOPE", "ROLE", "SOURCE", "WHEN", "COUNTS"}}
	for i := range e.Grants {
		g := &e.Grants[i]
		style := terminal.Faint
		if g.Fate == string(resolve.FateCounts) {
			style = terminal.Plain
		}
		table.Rows = append(table.Rows, []terminal.Cell{
			{Text: g.ScopeText()}, {Text: g.RoleText()}, {Text: g.Source}, {Text: g.When()},
			{Text: g.FateText(), Style: style},
		})
	}
	return table.Write(e.streams)
}

func (e *explainer) writeRole(d *query.Derivation) {
	title := "Organization"
	switch d.Scope {
	case query.ScopeApplication:
		title = "Application " + d.Shown()
	case query.ScopeDefault:
		title = "Any other application"
	}
	e.heading("%s: %s", title, d.Role)
	because := d.Rule
	if d.Source != "" {
		because += ", by " + d.Source
	}
	if d.NotAfter != nil {
		because += ", until " + d.Until()
	}
	e.line("  ", "%s", because)
	for _, text := range d.Steps() {
		e.line("  - ", "%s", text)
	}
	e.writeRows(d)
}

func (e *explainer) writeRows(d *query.Derivation) {
	line, entries := e.RowSteps(d)
	if line == "" {
		return
	}
	e.line("  - ", "%s", line)
	for i := range entries {
		e.line("      ", "%s", entries[i].Text())
		for j := range entries[i].Attributes {
			e.line("        ", "%s", entries[i].Attributes[j].Text())
		}
	}
}

// maximumInstants is the maximum number of future instants that are shown.
const maximumInstants = 10

func (e *explainer) writeFuture() {
	if len(e.Future) == 0 {
		return
	}
	e.heading("To come")
	for i, m := range e.Future {
		if i == maximumInstants {
			e.line("  ", "and %s; -o json has them", words.Counted(len(e.Future)-i, "later change", "later changes"))
			return
		}
		parts := make([]string, len(m.Changes))
		for j := range m.Changes {
			parts[j] = m.Changes[j].Text()
		}
		e.line("  ", "%s: %s", query.InstantText(m.At), strings.Join(parts, "; "))
	}
}

// writeSelections writes the labels by which sources select applications and the organization, one line for each
// selector.
func (e *explainer) writeSelections() {
	var selectors []string // in the order of the grants
	selected := map[string][]string{}
	for i := range e.Grants {
		g := &e.Grants[i]
		for j := range g.SelectedBy {
			by := &g.SelectedBy[j]
			selector := fmt.Sprintf("%s, %s: %s selects", g.Source, by.Field, by.Selector)
			if selected[selector] == nil {
				selectors = append(selectors, selector)
			}
			object := fmt.Sprintf("%s (%s)", by.Name(), by.LabelsText())
			if !slices.Contains(selected[selector], object) {
				selected[selector] = append(selected[selector], object)
			}
		}
	}
	if len(selectors) > 0 {
		e.heading("Selected by label (R2)")
	}
	for _, selector := range selectors {
		e.line("  ", "%s %s", selector, strings.Join(selected[selector], ", "))
	}
}
