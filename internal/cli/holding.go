package cli

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/resolve"
)

// holding is one role of a user with its reason, as all commands show it. Its JSON is a contract.
type holding struct {
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
	scopeOrganization = "Organization"
	scopeApplication  = "Application"
	scopeDefault      = "Default"
)

func (h *holding) gives() bool { return h.Role != resolve.NoAccess }

// where returns the name of the organization or application that the role is in.
func (h *holding) where() string {
	switch h.Scope {
	case scopeOrganization:
		return "(organization)"
	case scopeDefault:
		return "(any other)"
	default:
		return h.Application
	}
}

// shown is like where, but adds the display name of an application.
func (h *holding) shown() string { return cmp.Or(h.title, h.where()) }

func (h *holding) until() string { return until(h.NotAfter) }

func (h *holding) rows() string {
	if !h.gives() {
		return ""
	}
	return rowsText(h.Filters)
}

func organizationHolding(organization, user string, d *resolve.Decision) holding {
	h := outcomeHolding(organization, user, scopeOrganization, &d.OrganizationRole)
	return h
}

func outcomeHolding(organization, user, scope string, o *resolve.Outcome) holding {
	h := holding{
		Organization: organization, User: user, Scope: scope,
		Role: o.Role, Rule: string(o.Rule), Source: o.Source,
	}
	if !o.NotAfter.IsZero() {
		h.NotAfter = new(o.NotAfter)
	}
	return h
}

// accessHolding returns the holding for the access to an application. An empty name stands for every application
// that nothing names.
func accessHolding(o *resolve.Organization, user, application string, a *resolve.Access) holding {
	scope := scopeApplication
	if application == "" {
		scope = scopeDefault
	}
	h := outcomeHolding(o.Rules().Organization, user, scope, &a.Outcome)
	h.Application = application
	h.Permissions = o.Permissions(a.Role)
	h.Filters = a.Filters
	return h
}

// holdings lists all roles of the user in the organization: of the organization, of each application named there,
// and of every other application. It returns nil if there is no decision for the user.
func (w *world) holdings(organization, user string) []holding {
	d := w.Decision(organization, user)
	if d == nil {
		return nil
	}
	o := w.Organization(organization)
	all := []holding{organizationHolding(organization, user, d)}
	for _, application := range w.Applications(organization) {
		h := accessHolding(o, user, application, d.Application(application))
		h.title = w.title(organization, application)
		all = append(all, h)
	}
	return append(all, accessHolding(o, user, "", &d.Default))
}

func until(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return instantText(*t)
}

func instantText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// rowsText describes in words the rows that pass the filters.
func rowsText(filters []resolve.Filter) string {
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
