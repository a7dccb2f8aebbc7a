package query

import (
	"fmt"
	"strings"

	"github.com/usher-dev/usher/internal/words"
)

// Text returns the counts as a sentence.
func (s *Summary) Text() string {
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
	return fmt.Sprintf("Access changes for %s: %s.", words.Counted(s.Users, "user", "users"), strings.Join(parts, ", "))
}

// Because returns the reason for the new access, with its source. If it has no source, it adds the previous
// source.
func (c *UserChange) Because() string {
	text := c.After.Rule
	if c.After.Source != "" {
		return text + ", by " + c.After.Source
	}
	if c.Before.Source != "" {
		return text + "; was by " + c.Before.Source
	}
	return text
}

// ConflictLines describes the conflicts in words, one line each.
func ConflictLines(conflicts []Conflict) []string {
	lines := make([]string, len(conflicts))
	for i := range conflicts {
		c := &conflicts[i]
		lines[i] = fmt.Sprintf("%s in %s, %s: %s; %s wins (%s)", c.User, c.Organization, c.Where(), c.GrantsText(), c.Role, c.Rule)
	}
	return lines
}

// Where returns the name of the application, or the scope.
func (c *Conflict) Where() string {
	if c.Application != "" {
		return c.Application
	}
	return "scope " + strings.ToLower(c.Scope)
}

// GrantsText lists the grants with their roles.
func (c *Conflict) GrantsText() string {
	parts := make([]string, len(c.Grants))
	for i, g := range c.Grants {
		parts[i] = g.Role + " of " + g.Source
	}
	return strings.Join(parts, ", ")
}

// ExclusionLines describes the exclusions in words, one line each.
func ExclusionLines(exclusions []Exclusion) []string {
	lines := make([]string, len(exclusions))
	for i := range exclusions {
		e := &exclusions[i]
		lines[i] = fmt.Sprintf("%s in %s: held in %s, by %s of %s", e.User, e.Organization,
			strings.Join(e.Applications, " and "), e.Name, e.Source)
	}
	return lines
}

// RemarkLines describes the remarks in words, one line each.
func RemarkLines(remarks []Remark) []string {
	lines := make([]string, len(remarks))
	for i := range remarks {
		lines[i] = remarks[i].Text()
	}
	return lines
}

// Text returns the remark as file:line: object: field: message, without the parts that are empty.
func (r *Remark) Text() string {
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
