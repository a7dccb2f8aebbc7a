package decision

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/usher-dev/usher/internal/roster"
)

// evaluation answers one question.
func (s *Server) evaluation(ctx context.Context, a *asked) (any, error) {
	var body evaluation
	if err := decode(a.body, &body); err != nil {
		return nil, badRequest(err)
	}
	return s.one(ctx, a, &body)
}

func (s *Server) one(ctx context.Context, a *asked, body *evaluation) (any, error) {
	q, err := body.question(s.types, nothing)
	if err != nil {
		return nil, badRequest(err)
	}
	v, err := s.authorized(ctx, a, VerbEvaluate, q.Resource.rightFor())
	if err != nil {
		return nil, err
	}
	answer := Evaluate(v, a.organization, q, s.options.Now())
	return &answer, nil
}

// authorized returns the view if the caller has the right and the organization exists.
func (s *Server) authorized(ctx context.Context, a *asked, verb, application string) (*roster.View, error) {
	allowed, err := s.options.Callers.may(ctx, a.who, verb, a.organization, application)
	if err != nil {
		return nil, unavailable(err)
	}
	if !allowed {
		return nil, forbidden(verb, a.organization, application)
	}
	return s.view(a.organization)
}

// view returns the newest view, or an error if the organization does not exist. Only a caller with the right may
// see that error.
func (s *Server) view(organization string) (*roster.View, error) {
	v := s.options.View()
	if v.Organization(organization) == nil {
		return nil, noOrganization(organization)
	}
	return v, nil
}

// results is the response to a search.
type results struct {
	Page    pageAnswer `json:"page"`
	Results []result   `json:"results"`
}

type pageAnswer struct {
	NextToken string `json:"next_token"`
	Count     int    `json:"count"`
}

// result is a subject, a resource or an action.
type result struct {
	Type string `json:"type,omitzero"`
	ID   string `json:"id,omitzero"`
	Name string `json:"name,omitzero"`
}

// finder is [Subjects], [Resources] or [Actions].
type finder func(*roster.View, string, *Question, Page) (names []string, more bool)

func (s *Server) searchSubject(ctx context.Context, a *asked) (any, error) {
	return s.search(ctx, a, subjects, VerbSearch, func(v *roster.View, organization string, q *Question, p Page) ([]string, bool) {
		return Subjects(v, organization, q, p, s.options.Now())
	})
}

func (s *Server) searchResource(ctx context.Context, a *asked) (any, error) {
	return s.search(ctx, a, resources, VerbEvaluate, func(v *roster.View, organization string, q *Question, p Page) ([]string, bool) {
		return Resources(v, organization, q, p, s.options.Now())
	})
}

func (s *Server) searchAction(ctx context.Context, a *asked) (any, error) {
	return s.search(ctx, a, actions, VerbEvaluate, func(v *roster.View, organization string, q *Question, p Page) ([]string, bool) {
		return Actions(v, organization, q, p, s.options.Now())
	})
}

// search answers a search for the target. A search for resources requires the right to all applications.
func (s *Server) search(ctx context.Context, a *asked, searched target, verb string, find finder) (any, error) {
	var body search
	if err := decode(a.body, &body); err != nil {
		return nil, badRequest(err)
	}
	entities := evaluation{Subject: body.Subject, Action: body.Action, Resource: body.Resource, Context: body.Context}
	q, err := entities.question(s.types, searched)
	if err != nil {
		return nil, badRequest(err)
	}
	if searched == resources && *body.Resource.Type == TypeRow {
		return nil, badRequest(errors.New("resource.type is row: rows cannot be searched for, because Usher does not know them"))
	}
	question := searchDigest(a.organization, &body, searched)
	page, err := pageOf(body.Page, question)
	if err != nil {
		return nil, badRequest(err)
	}
	application := ""
	if searched != resources {
		application = q.Resource.rightFor()
	}
	v, err := s.authorized(ctx, a, verb, application)
	if err != nil {
		return nil, err
	}
	found, more := find(v, a.organization, q, page)
	answer := &results{Page: pageAnswer{Count: len(found)}, Results: make([]result, 0, len(found))}
	for _, name := range found {
		answer.Results = append(answer.Results, resultOf(&body, searched, name))
	}
	if more {
		answer.Page.NextToken = page.next(question, found)
	}
	return answer, nil
}

func resultOf(body *search, searched target, name string) result {
	switch searched {
	case subjects:
		return result{Type: *body.Subject.Type, ID: name}
	case resources:
		return result{Type: *body.Resource.Type, ID: name}
	default:
		return result{Name: name}
	}
}

// searchDigest returns the digest of a search. It leaves out the entity that is searched for.
func searchDigest(organization string, body *search, searched target) [digestBytes]byte {
	parts := []string{organization, *body.Subject.Type, *body.Resource.Type, string(body.Resource.Properties)}
	switch searched {
	case subjects:
		parts = append(parts, "subject", *body.Action.Name, *body.Resource.ID)
	case resources:
		parts = append(parts, "resource", *body.Action.Name, *body.Subject.ID)
	default:
		parts = append(parts, "action", *body.Subject.ID, *body.Resource.ID)
	}
	return digest(parts...)
}

// discovery describes the decision point of an organization. The response is the same for every valid namespace
// name, whether or not the organization exists.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	answer, err := describe(r.Host, r.PathValue("organization"))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Cache-Control", "max-age=3600")
	s.write(w, answer)
}

// description is the metadata of a decision point.
type description struct {
	PolicyDecisionPoint       string `json:"policy_decision_point"`
	AccessEvaluationEndpoint  string `json:"access_evaluation_endpoint"`
	AccessEvaluationsEndpoint string `json:"access_evaluations_endpoint"`
	SearchSubjectEndpoint     string `json:"search_subject_endpoint"`
	SearchResourceEndpoint    string `json:"search_resource_endpoint"`
	SearchActionEndpoint      string `json:"search_action_endpoint"`
}

// describe returns the metadata for the host that the client has called.
func describe(host, organization string) (*description, error) {
	if !isLabel(organization) {
		return nil, noOrganization(organization)
	}
	if !isHost(host) {
		return nil, badRequest(errors.New("the Host header names no host"))
	}
	base := "https://" + host + "/" + organization
	access := base + "/access/v1/"
	return &description{
		PolicyDecisionPoint:       base,
		AccessEvaluationEndpoint:  access + "evaluation",
		AccessEvaluationsEndpoint: access + "evaluations",
		SearchSubjectEndpoint:     access + "search/subject",
		SearchResourceEndpoint:    access + "search/resource",
		SearchActionEndpoint:      access + "search/action",
	}, nil
}

// isHost reports whether the text is a valid URL host and nothing else.
func isHost(text string) bool {
	u, err := url.Parse("https://" + text)
	return err == nil && text != "" && *u == url.URL{Scheme: "https", Host: text}
}
