package query

import (
	"fmt"
	"strings"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// PathsText describes the paths in words.
func PathsText(paths []Path) string {
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

// Text says why the object does not count.
func (i *Ignored) Text() string {
	switch i.Reason {
	case roster.ReasonNotFound:
		return "there is no such group"
	case "DuplicateUser":
		return "DuplicateUser: " + i.Instead + " counts for the user (but a suspension or window of either does)"
	default:
		return i.Reason + ": its type belongs elsewhere"
	}
}

// ScopeText describes the scope of the grant in words.
func (g *Grant) ScopeText() string {
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

// RoleText returns the role with its meaning.
func (g *Grant) RoleText() string {
	text := g.Role
	if means := g.meaning(); means != "" {
		text += ", meaning " + means
	}
	if g.Protected {
		text += ", protected"
	}
	return text
}

// meaning returns the meaning of a role if it differs from the role itself.
func (g *Grant) meaning() string {
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

// When describes the windows of the grant and of the membership in words.
func (g *Grant) When() string {
	held, entry := WindowsText(g.Held), g.Text()
	switch {
	case held == entry || entry == "always":
		return held
	case held == "always":
		return entry
	default:
		return entry + "; the membership " + held
	}
}

// FateText reports whether the grant counts, and why not.
func (g *Grant) FateText() string {
	switch resolve.Fate(g.Fate) {
	case resolve.FateCounts:
		if g.Ends != nil {
			return "yes, until " + Until(g.Ends)
		}
		return "yes"
	case resolve.FateNotYet:
		return "not yet: from " + Until(g.Begins) + " on (R1)"
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

// Steps returns a line for each rule, with the grants that the rule kept and dropped.
func (d *Derivation) Steps() []string {
	var steps []string
	if d.Specific != nil {
		steps = append(steps, "R4 specific: "+d.Specific.Text())
	}
	if d.Broad != nil {
		scope := "R4 broad: "
		if d.Scope == ScopeOrganization {
			scope = "R4 organization: "
		}
		text := scope + d.Broad.Text()
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
		steps = append(steps, "R4 system: "+d.System.Text(), "R5 "+d.combination())
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
func (d *Derivation) barred() bool {
	switch resolve.Rule(d.Rule) {
	case resolve.RuleSuspended, resolve.RuleExpired, resolve.RuleNotYetValid:
		return true
	default:
		return false
	}
}

// combination describes the result of combining the local role and the system role.
func (d *Derivation) combination() string {
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

// Text lists the grants with the role that was chosen.
func (c *Choice) Text() string {
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

// RowSteps returns a line that says which rows are visible, and the entries of groups that contribute to it. It returns
// the empty string if rows do not matter.
func (e *Explanation) RowSteps(d *Derivation) (line string, entries []ContributedRows) {
	switch {
	case d.Scope == ScopeOrganization || !d.Gives():
		return "", nil
	case len(d.Rows) == 0 && d.HidesUnmatched:
		return "R7 rows: none: no group says anything of them, and the application hides those (unmatchedRows: None)", nil
	case len(d.Rows) == 0:
		return "R7 rows: all: no group says anything of them", nil
	case d.ExceedsBound:
		return fmt.Sprintf("R7 rows: none: the filters of this user are larger together than %d KiB; use fewer or shorter values in:",
			resolve.MaximumFilterBytes>>10), d.Rows
	case e.United:
		return "R7 rows, united: " + d.Holding.Rows(), d.Rows
	default:
		return "R7 rows, those that every group shows: " + d.Holding.Rows(), d.Rows
	}
}

// Text describes the entry and its filter in words.
func (r *ContributedRows) Text() string {
	entry := "entry " + r.Entry
	if r.Entry == resolve.AnyApplication {
		entry = "entry for all applications"
	}
	return fmt.Sprintf("%s, %s: %s", r.Source, entry, filterText(r.Filter, false))
}

// Text describes the change in words.
func (c *RoleChange) Text() string {
	h := Holding{Scope: c.Scope, Application: c.Application}
	if c.Before.Role == c.After.Role {
		return fmt.Sprintf("%s stays %s, with other rows", h.Where(), c.After.Role)
	}
	return fmt.Sprintf("%s %s -> %s (%s)", h.Where(), c.Before.Role, c.After.Role, c.After.Rule)
}
