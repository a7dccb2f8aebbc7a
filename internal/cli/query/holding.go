package query

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
)

// Holding is one role of a user with its reason. Its JSON is a contract.
type Holding struct {
	Organization string `json:"organization"`
	User         string `json:"user"`
	// Scope is Organization, Application, or Default for every application that nothing names.
	Scope       string   `json:"scope"`
	Application string   `json:"application,omitempty"`
	Role        string   `json:"role"`
	Permissions []string `json:"permissions,omitempty"`
	Rule        string   `json:"rule"`
	Source      string   `json:"source,omitempty"`
	// NotAfter is the first instant at which the same objects give less access; absent if there is none.
	NotAfter *time.Time `json:"notAfter,omitempty"`
	// Filters are the row-level filters; absent if all rows are visible.
	Filters []resolve.Filter `json:"filters,omitempty"`

	// title is the display name of the application, or empty if people see its name.
	title string
}

// The scopes of holdings.
const (
	ScopeOrganization = "Organization"
	ScopeApplication  = "Application"
	ScopeDefault      = "Default"
)

// Gives reports whether the role gives access.
func (h *Holding) Gives() bool { return h.Role != resolve.NoAccess }

// Where returns the name of the organization or application that the role is in.
func (h *Holding) Where() string {
	switch h.Scope {
	case ScopeOrganization:
		return "(organization)"
	case ScopeDefault:
		return "(any other)"
	default:
		return h.Application
	}
}

// Shown is like Where, but adds the display name of an application.
func (h *Holding) Shown() string { return cmp.Or(h.title, h.Where()) }

// Until returns NotAfter as text, or the empty string.
func (h *Holding) Until() string { return Until(h.NotAfter) }

// Rows describes the visible rows of the application in words. It returns the empty string without access.
func (h *Holding) Rows() string {
	if !h.Gives() {
		return ""
	}
	return RowsText(h.Filters)
}

func organizationHolding(organization, user string, d *resolve.Decision) Holding {
	return outcomeHolding(organization, user, ScopeOrganization, &d.OrganizationRole)
}

func outcomeHolding(organization, user, scope string, o *resolve.Outcome) Holding {
	h := Holding{
		Organization: organization, User: user, Scope: scope,
		Role: o.Role, Rule: string(o.Rule), Source: o.Source,
	}
	if !o.NotAfter.IsZero() {
		h.NotAfter = new(o.NotAfter)
	}
	return h
}

// accessHolding returns the Holding for the access to an application. An empty name stands for every application
// that nothing names.
func accessHolding(o *resolve.Organization, user, application string, a *resolve.Access) Holding {
	scope := ScopeApplication
	if application == "" {
		scope = ScopeDefault
	}
	h := outcomeHolding(o.Rules().Organization, user, scope, &a.Outcome)
	h.Application = application
	h.Permissions = o.Permissions(a.Role)
	h.Filters = a.Filters
	return h
}

// Holdings lists all roles of the user in the organization: of the organization, of each application named there,
// and of every other application. It returns nil if there is no decision for the user.
func Holdings(w *source.World, organization, user string) []Holding {
	d := w.Decision(organization, user)
	if d == nil {
		return nil
	}
	o := w.Organization(organization)
	all := []Holding{organizationHolding(organization, user, d)}
	for _, application := range w.Applications(organization) {
		h := accessHolding(o, user, application, d.Application(application))
		h.title = Title(w, organization, application)
		all = append(all, h)
	}
	return append(all, accessHolding(o, user, "", &d.Default))
}

// List returns all roles of the user in the organizations of the scope.
func List(w *source.World, user string) ([]Holding, error) {
	held, known := []Holding{}, false
	for _, organization := range w.Asked() {
		of := Holdings(w, organization, user)
		known = known || len(of) > 0
		held = append(held, of...)
	}
	if organizations := w.Asked(); !known && len(organizations) > 0 {
		return nil, UnknownUser(w, user, organizations)
	}
	return held, nil
}

// ApplicationRows returns the visible rows of an application as text. An organization has no rows.
func (h *Holding) ApplicationRows() string {
	if h.Scope == ScopeOrganization {
		return ""
	}
	return h.Rows()
}

// Until returns the instant as text, or the empty string for none.
func Until(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return InstantText(*t)
}

// InstantText returns the instant as text, in UTC.
func InstantText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// RowsText describes in words the rows that pass the filters.
func RowsText(filters []resolve.Filter) string {
	if len(filters) == 0 {
		return "all"
	}
	parts := make([]string, len(filters))
	for i := range filters {
		parts[i] = filterText(filters[i], len(filters) > 1)
	}
	return strings.Join(parts, " and ")
}

func filterText(f resolve.Filter, inner bool) string {
	if len(f.AnyOf) == 0 {
		return "none"
	}
	parts := make([]string, len(f.AnyOf))
	for i, alternative := range f.AnyOf {
		requirements := make([]string, len(alternative.AllOf))
		for j, r := range alternative.AllOf {
			requirements[j] = requirementText(r)
		}
		parts[i] = strings.Join(requirements, " and ")
		if len(requirements) > 1 && len(f.AnyOf) > 1 {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	text := strings.Join(parts, " or ")
	if inner && len(parts) > 1 {
		return "(" + text + ")"
	}
	return text
}

func requirementText(r resolve.Requirement) string {
	values := slices.Clone(r.Values)
	const many = 8
	if len(values) > many {
		values = append(values[:many], "…")
	}
	switch r.Operator {
	case "In":
		if len(r.Values) == 1 {
			return r.Attribute + " = " + r.Values[0]
		}
		return r.Attribute + " in (" + strings.Join(values, ", ") + ")"
	case "NotIn":
		if len(r.Values) == 1 {
			return r.Attribute + " ≠ " + r.Values[0]
		}
		return r.Attribute + " not in (" + strings.Join(values, ", ") + ")"
	case "GreaterThan":
		return r.Attribute + " > " + strings.Join(values, ", ")
	case "LessThan":
		return r.Attribute + " < " + strings.Join(values, ", ")
	default:
		return r.Attribute + " " + r.Operator + " (" + strings.Join(values, ", ") + ")"
	}
}
