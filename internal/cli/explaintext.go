package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// explainer writes explanations as text for people.
type explainer struct {
	*explanation
	streams *terminal.Streams
	text    strings.Builder
}

func writeExplanations(s *terminal.Streams, all []explanation) error {
	for i := range all {
		e := &explainer{explanation: &all[i], streams: s}
		if i > 0 {
			e.line("", "")
		}
		if err := e.write(); err != nil {
			return err
		}
	}
	return nil
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
	title := fmt.Sprintf("%s in %s at %s", e.User, e.Organization, instantText(e.At))
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
	_, err := io.WriteString(e.streams.Out, e.text.String())
	e.text.Reset()
	return err
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
			e.line("  ", "%s: %s ended at %s", b.Rule, b.Source, until(b.NotAfter))
		default:
			e.line("  ", "%s: %s begins at %s", b.Rule, b.Source, until(b.NotBefore))
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
		e.line("  ", "%s: %s, %s; %s", m.Group, active, windowsText(m.Windows), pathsText(m.Paths))
	}
	for _, i := range e.Ignored {
		e.line("  ", "%s: counts for nothing: %s", i.Object, ignoredText(&i))
	}
}

func pathsText(paths []way) string {
	parts := make([]string, len(paths))
	for i, p := range paths {
		switch roster.Entrance(p.By) {
		case roster.ByAccount:
			parts[i] = "named in the UserAccess"
		case roster.BySelector:
			parts[i] = "selected by label"
		default:
			parts[i] = "listed"
		}
		if len(p.Groups) > 1 {
			parts[i] += " in " + strings.Join(p.Groups, ", which is in ")
		}
	}
	return strings.Join(parts, ", and ")
}

func ignoredText(i *ignored) string {
	switch i.Reason {
	case roster.ReasonNotFound:
		return "there is no such group"
	case "DuplicateUser":
		return "DuplicateUser: " + i.Instead + " counts for the user (but a suspension or window of either does)"
	default:
		return i.Reason + ": its type belongs elsewhere"
	}
}

func (e *explainer) writeGrants() error {
	if len(e.Grants) == 0 {
		e.heading("Grants: none")
		return nil
	}
	e.heading("Grants")
	if _, err := io.WriteString(e.streams.Out, e.text.String()); err != nil {
		return err
	}
	e.text.Reset()
	table := &terminal.Table{Columns: []string{"SCOPE", "ROLE", "SOURCE", "WHEN", "COUNTS"}}
	for i := range e.Grants {
		g := &e.Grants[i]
		style := terminal.Faint
		if g.Fate == string(resolve.FateCounts) {
			style = terminal.Plain
		}
		table.Rows = append(table.Rows, []terminal.Cell{
			{Text: grantScope(g)}, {Text: grantRole(g)}, {Text: g.Source}, {Text: grantWhen(g)},
			{Text: fateText(g), Style: style},
		})
	}
	return table.Write(e.streams)
}

func grantScope(g *grant) string {
	switch resolve.Scope(g.Scope) {
	case resolve.ScopeApplication:
		return g.Application
	case resolve.ScopeBroad:
		return "all applications"
	case resolve.ScopeOrganization:
		return "organization"
	default:
		return "system"
	}
}

func grantRole(g *grant) string {
	text := g.Role
	if means := meaningText(g); means != "" {
		text += ", meaning " + means
	}
	if g.Protected {
		text += ", protected"
	}
	return text
}

// meaningText returns the meaning of a role if it differs from the role itself.
func meaningText(g *grant) string {
	organization, applications := g.ForOrganization, g.InApplications
	var means []string
	switch {
	case organization == applications && applications != "" && applications != g.Role:
		means = append(means, applications)
	default:
		if organization != "" && organization != g.Role {
			means = append(means, organization+" of the organization")
		}
		if applications != "" && applications != g.Role {
			means = append(means, applications+" in applications")
		}
	}
	if g.Unmapped {
		means = append(means, "what no ladder here has")
	}
	return strings.Join(means, " and ")
}

func grantWhen(g *grant) string {
	held, entry := windowsText(g.Held), g.text()
	switch {
	case held == entry || entry == "always":
		return held
	case held == "always":
		return entry
	default:
		return entry + "; the membership " + held
	}
}

func fateText(g *grant) string {
	switch resolve.Fate(g.Fate) {
	case resolve.FateCounts:
		if g.Ends != nil {
			return "yes, until " + until(g.Ends)
		}
		return "yes"
	case resolve.FateNotYet:
		return "not yet: from " + until(g.Begins) + " on (R1)"
	case resolve.FateEnded:
		return "no longer (R1)"
	case resolve.FateWithoutPrivileges:
		return "no: the group gives no roles (R2)"
	case resolve.FateUnknownRole:
		return "no: the role is on no ladder (R2)"
	case resolve.FateBeingDeleted:
		return "no: being deleted (R1)"
	case resolve.FateReviewMissed:
		return "no: the review of the group was missed (R1)"
	default:
		return "no: groups take the place of individual access (R3)"
	}
}

func (e *explainer) writeRole(d *derivation) {
	title := "Organization"
	switch d.Scope {
	case scopeApplication:
		title = "Application " + d.shown()
	case scopeDefault:
		title = "Any other application"
	}
	e.heading("%s: %s", title, d.Role)
	because := d.Rule
	if d.Source != "" {
		because += ", by " + d.Source
	}
	if d.NotAfter != nil {
		because += ", until " + d.until()
	}
	e.line("  ", "%s", because)
	for _, text := range d.steps() {
		e.line("  - ", "%s", text)
	}
	e.writeRows(d)
}

// steps returns a line for each rule, with the grants that the rule kept and dropped.
func (d *derivation) steps() []string {
	var steps []string
	if d.Specific != nil {
		steps = append(steps, "R4 specific: "+d.Specific.text())
	}
	if d.Broad != nil {
		scope := "R4 broad: "
		if d.Scope == scopeOrganization {
			scope = "R4 organization: "
		}
		text := scope + d.Broad.text()
		switch {
		case d.Specific == nil:
		case d.Local.Rule == string(resolve.RuleProtectedAdministrator) && d.Local.Role != d.Specific.Role:
			text += "; its protected grant is a floor: " + d.Local.Role + " (R5)"
		default:
			text += "; set aside, since there are grants for the application (R5)"
		}
		steps = append(steps, text)
	}
	if d.System != nil {
		steps = append(steps, "R4 system: "+d.System.text(), "R5 "+d.combination())
	}
	if d.Excluded != nil {
		steps = append(steps, fmt.Sprintf("R9 exclusive access %s of %s: held in %s, so none of its applications",
			d.ExcludedBy, d.Excluded.Source, strings.Join(d.HeldIn, " and ")))
	}
	switch before := d.Combined.Role; {
	case len(steps) == 0:
		steps = append(steps, "R5 no grant counts here")
	case d.barred() && before != resolve.NoAccess && d.Excluded == nil:
		steps = append(steps, "R1 without the bar: "+before)
	}
	return steps
}

// barred reports whether a suspension or a window of the user determines the role.
func (d *derivation) barred() bool {
	switch resolve.Rule(d.Rule) {
	case resolve.RuleSuspended, resolve.RuleExpired, resolve.RuleNotYetValid:
		return true
	default:
		return false
	}
}

// combination describes the result of combining the local role and the system role.
func (d *derivation) combination() string {
	switch resolve.Rule(d.Combined.Rule) {
	case resolve.RuleSystemBlock:
		return "the system role is NoAccess: a block, which beats all"
	case resolve.RuleSystemGrant:
		return "the organization gives nothing, so the system role holds: " + d.Combined.Role
	case resolve.RuleSystemCap:
		return "the system role caps " + d.Local.Role + ": " + d.Combined.Role
	case resolve.RuleSystemFloor:
		return "the system role is a floor under " + d.Local.Role + ": " + d.Combined.Role
	}
	if d.Floor {
		return "the system role is a floor and changes nothing: " + d.Combined.Role
	}
	return "the system role caps and changes nothing: " + d.Combined.Role
}

func (c *choice) text() string {
	parts := make([]string, len(c.Grants))
	for i, g := range c.Grants {
		parts[i] = g.Role + " of " + g.Source
		if g.Protected {
			parts[i] += " (protected)"
		}
	}
	text := strings.Join(parts, ", ")
	if len(c.Grants) == 1 {
		return text
	}
	return text + "; kept: " + c.Role + ", by " + c.Rule
}

func (e *explainer) writeRows(d *derivation) {
	if d.Scope == scopeOrganization || !d.gives() {
		return
	}
	switch {
	case len(d.Rows) == 0 && d.HidesUnmatched:
		e.line("  - ", "R7 rows: none: no group says anything of them, and the application hides those (unmatchedRows: None)")
		return
	case len(d.Rows) == 0:
		e.line("  - ", "R7 rows: all: no group says anything of them")
		return
	case d.ExceedsBound:
		e.line("  - ", "R7 rows: none: the filters of this user are larger together than %d KiB; use fewer or shorter values in:",
			resolve.MaximumFilterBytes>>10)
	case e.united:
		e.line("  - ", "R7 rows, united: %s", d.rows())
	default:
		e.line("  - ", "R7 rows, those that every group shows: %s", d.rows())
	}
	for _, r := range d.Rows {
		entry := "entry " + r.Entry
		if r.Entry == resolve.AnyApplication {
			entry = "entry for all applications"
		}
		e.line("      ", "%s, %s: %s", r.Source, entry, filterText(r.Filter, false))
		for i := range r.Attributes {
			e.line("        ", "%s", r.Attributes[i].text())
		}
	}
}

// maximumMoments is the maximum number of future instants that are shown.
const maximumMoments = 10

func (e *explainer) writeFuture() {
	if len(e.Future) == 0 {
		return
	}
	e.heading("To come")
	for i, m := range e.Future {
		if i == maximumMoments {
			e.line("  ", "and %s; -o json has them", counted(len(e.Future)-i, "later change", "later changes"))
			return
		}
		parts := make([]string, len(m.Changes))
		for j, c := range m.Changes {
			h := holding{Scope: c.Scope, Application: c.Application}
			parts[j] = fmt.Sprintf("%s %s -> %s (%s)", h.where(), c.Before.Role, c.After.Role, c.After.Rule)
			if c.Before.Role == c.After.Role {
				parts[j] = fmt.Sprintf("%s stays %s, with other rows", h.where(), c.After.Role)
			}
		}
		e.line("  ", "%s: %s", instantText(m.At), strings.Join(parts, "; "))
	}
}
