package decision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
)

// The semantics of a batch.
const (
	executeAll          = "execute_all"
	denyOnFirstDeny     = "deny_on_first_deny"
	permitOnFirstPermit = "permit_on_first_permit"
)

const (
	// mostNames limits the number of applications for which one batch requests reviews.
	mostNames = 100
	// reviewsOfABatch limits the concurrent reviews of one batch.
	reviewsOfABatch = 8
)

// answers is the response to a batch.
type answers struct {
	Evaluations []Answer `json:"evaluations"`
}

// item is one question of a batch, or the error in it.
type item struct {
	question *Question
	err      error
}

// evaluations answers a batch. A body without a list is one question. An item inherits the entities that it omits
// from the batch.
func (s *Server) evaluations(ctx context.Context, a *asked) (any, error) {
	var body batch
	if err := decode(a.body, &body); err != nil {
		return nil, batchError(err)
	}
	semantic, err := semanticOf(body.Options)
	if err != nil {
		return nil, badRequest(err)
	}
	if len(body.Evaluations) == 0 {
		return s.one(ctx, a, &evaluation{body.Subject, body.Action, body.Resource, body.Context})
	}
	items := body.items(s.types)
	rights, err := s.rightsFor(ctx, a, items)
	if err != nil {
		return nil, err
	}
	v, err := s.view(a.organization)
	if err != nil {
		return nil, err
	}
	now := s.options.Now()
	made := &answers{Evaluations: make([]Answer, 0, len(items))}
	for i := range items {
		var answer Answer
		switch q := items[i].question; {
		case q == nil:
			answer = refusal(http.StatusBadRequest, items[i].err.Error())
		case !rights.has(q.Resource.rightFor()):
			answer = refusal(http.StatusForbidden, rights.why(a.organization, q.Resource.rightFor()))
		default:
			answer = Evaluate(v, a.organization, q, now)
		}
		made.Evaluations = append(made.Evaluations, answer)
		if ends(semantic, answer.Decision) {
			break
		}
	}
	return made, nil
}

// ends reports whether the decision ends the batch.
func ends(semantic string, decision bool) bool {
	return (decision && semantic == permitOnFirstPermit) || (!decision && semantic == denyOnFirstDeny)
}

func batchError(err error) error {
	if errors.Is(err, errTooMany) {
		return &failure{code: http.StatusRequestEntityTooLarge, message: err.Error()}
	}
	return badRequest(err)
}

func semanticOf(o *options) (string, error) {
	if o == nil || o.Semantic == nil {
		return executeAll, nil
	}
	switch *o.Semantic {
	case executeAll, denyOnFirstDeny, permitOnFirstPermit:
		return *o.Semantic, nil
	default:
		return "", fmt.Errorf("options.evaluations_semantic is %q: must be %s, %s or %s",
			*o.Semantic, executeAll, denyOnFirstDeny, permitOnFirstPermit)
	}
}

// items returns the questions of the batch. Entities that an item omits are taken from the batch.
func (b *batch) items(types map[string]bool) []item {
	items := make([]item, len(b.Evaluations))
	for i := range b.Evaluations {
		e := &b.Evaluations[i]
		if e.Subject == nil {
			e.Subject = b.Subject
		}
		if e.Action == nil {
			e.Action = b.Action
		}
		if e.Resource == nil {
			e.Resource = b.Resource
		}
		if len(e.Context) == 0 {
			e.Context = b.Context
		}
		items[i].question, items[i].err = e.question(types, nothing)
	}
	return items
}

func refusal(status int, message string) Answer {
	return Answer{Context: &Context{Error: &ItemError{Status: status, Message: message}}}
}

// rights are the applications that a caller may ask about.
type rights struct {
	all   bool
	names map[string]bool // true if the caller has the right; absent if it was not reviewed
}

func (r *rights) has(application string) bool { return r.all || r.names[application] }

// why returns the reason why the caller may not ask about the application.
func (r *rights) why(organization, application string) string {
	if _, reviewed := r.names[application]; !reviewed && application != "" {
		return fmt.Sprintf("a batch may name %d applications, where the caller does not have the right to all of them: "+
			"ask in several batches", mostNames)
	}
	return forbidden(VerbEvaluate, organization, application).Error()
}

// rightsFor returns the caller's rights to the applications in the items. It returns an error if the caller has
// none of them.
func (s *Server) rightsFor(ctx context.Context, a *asked, items []item) (*rights, error) {
	r := &rights{names: map[string]bool{}}
	var err error
	if r.all, err = s.options.Callers.may(ctx, a.who, VerbEvaluate, a.organization, ""); err != nil {
		return nil, unavailable(err)
	}
	if r.all {
		return r, nil
	}
	var names []string
	for i := range items {
		if items[i].question == nil {
			continue
		}
		name := items[i].question.Resource.rightFor()
		if _, known := r.names[name]; name == "" || known || len(names) == mostNames {
			continue
		}
		r.names[name] = false
		names = append(names, name)
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reviewsOfABatch)
	some := false
	for _, name := range names {
		group.Go(func() error {
			allowed, err := s.options.Callers.may(ctx, a.who, VerbEvaluate, a.organization, name)
			mu.Lock()
			defer mu.Unlock()
			r.names[name] = allowed
			some = some || allowed
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, unavailable(err)
	}
	if !some {
		return nil, forbidden(VerbEvaluate, a.organization, "")
	}
	return r, nil
}
