package decision

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/usher-dev/usher/api/document"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// The resource types, and the type of every subject. The type of applications may have further names.
const (
	TypeUser        = "user"
	TypeApplication = "application"
	TypeRow         = "row"
)

// Kind is the kind of a [Resource].
type Kind int

// The kinds of resources.
const (
	// KindUnknown is any other resource. Nothing is permitted on it.
	KindUnknown Kind = iota
	KindApplication
	KindRow
)

// Resource is an application, or a row of an application.
type Resource struct {
	Kind        Kind
	Application string
	// Row contains the properties of a row, in the form that [document.Filters.Match] accepts.
	Row map[string]any
}

// Question asks whether a subject may do something with a resource.
type Question struct {
	SubjectType string
	User        string
	Permission  string
	Resource    Resource
}

// Answer is the answer to a [Question]. It has no Context if the user has no known access in the application.
type Answer struct {
	Decision bool     `json:"decision"`
	Context  *Context `json:"context,omitzero"`
}

// Context explains an answer, or describes an error in the question.
type Context struct {
	Role   string `json:"role,omitzero"`
	Rule   string `json:"rule,omitzero"`
	Source string `json:"source,omitzero"`
	// NotAfter is the latest end of the access, in RFC 3339.
	NotAfter string `json:"notAfter,omitzero"`
	// Filters are the row-level filters of an application. A permit applies only to rows that pass all of them.
	Filters []jsontext.Value `json:"filters,omitzero"`
	Error   *ItemError       `json:"error,omitzero"`
}

// ItemError explains why one question of a batch has no answer. Status is the status code that the question alone
// would have.
type ItemError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// Evaluate answers the question for the organization at the instant now. It denies every question with a part that
// is not in the view: the organization, the type of the subject or resource, the user, the application, or the
// permission.
func Evaluate(v *roster.View, organization string, q *Question, now time.Time) Answer {
	rules := v.Organization(organization)
	if rules == nil || q.SubjectType != TypeUser || q.Resource.Kind == KindUnknown ||
		!isNamed(v, organization, q.Resource.Application) {
		return Answer{}
	}
	return evaluate(rules, v.Decision(organization, q.User), q, now)
}

// evaluate answers the question about a known application from the user's decision.
func evaluate(rules *resolve.Organization, d *resolve.Decision, q *Question, now time.Time) Answer {
	can := rules.Can(d, resolve.Question{Application: q.Resource.Application, Permission: q.Permission}, now)
	return Answer{Decision: can.Allowed && isVisible(&q.Resource, can.Access.Filters), Context: contextOf(&can, q.Resource.Kind)}
}

// isPermitted reports whether evaluate permits the question.
func isPermitted(rules *resolve.Organization, d *resolve.Decision, q *Question, now time.Time) bool {
	can := rules.Can(d, resolve.Question{Application: q.Resource.Application, Permission: q.Permission}, now)
	return can.Allowed && isVisible(&q.Resource, can.Access.Filters)
}

// isVisible reports whether the row passes the filters or, for an application, whether any row can.
func isVisible(r *Resource, filters []resolve.Filter) bool {
	if resolve.ShowNoRow(filters) {
		return false
	}
	return r.Kind != KindRow || readerFilters(filters).Match(r.Row)
}

// readerFilters converts the filters to the type of the document reader.
func readerFilters(filters []resolve.Filter) document.Filters {
	made := make(document.Filters, len(filters))
	for i := range filters {
		alternatives := make([]document.Alternative, len(filters[i].AnyOf))
		for j := range alternatives {
			requirements := make([]document.Requirement, len(filters[i].AnyOf[j].AllOf))
			for k := range requirements {
				r := &filters[i].AnyOf[j].AllOf[k]
				requirements[k] = document.Requirement{Attribute: r.Attribute, Operator: r.Operator, Values: r.Values}
			}
			alternatives[j].AllOf = requirements
		}
		made[i].AnyOf = alternatives
	}
	return made
}

// contextOf returns the context of an answer. It reports expired access as NoAccess, as readers of documents do.
func contextOf(can *resolve.Answer, kind Kind) *Context {
	access := can.Access
	c := &Context{Role: access.Role, Rule: string(access.Rule), Source: access.Source}
	if !access.NotAfter.IsZero() {
		c.NotAfter = access.NotAfter.UTC().Format(time.RFC3339)
	}
	if can.Reason == resolve.ReasonEnded {
		c.Role = resolve.NoAccess
		return c
	}
	if kind == KindApplication {
		for i := range access.Filters {
			c.Filters = append(c.Filters, jsontext.Value(access.Filters[i].JSON()))
		}
	}
	return c
}

// isNamed reports whether any object names the application in the organization.
func isNamed(v *roster.View, organization, application string) bool {
	_, found := slices.BinarySearchFunc(v.Applications(organization), application, strings.Compare)
	return found
}
