package decision

import (
	"iter"
	"slices"
	"time"

	"github.com/usher-dev/usher/internal/roster"
)

// Page is a part of the results of a search: at most Limit results after After, in byte order. First marks the
// first page, for which After is ignored.
type Page struct {
	First bool
	After string
	Limit int
}

// Subjects returns the users who may do what the question asks, and reports whether there are more results after
// the page. It ignores the user of the question. The cost grows with the number of users of the organization after
// Page.After.
func Subjects(v *roster.View, organization string, q *Question, p Page, now time.Time) (users []string, more bool) {
	rules := v.Organization(organization)
	if rules == nil || q.SubjectType != TypeUser || q.Resource.Kind == KindUnknown ||
		!isNamed(v, organization, q.Resource.Application) {
		return nil, false
	}
	return p.of(func(yield func(string) bool) {
		for user, d := range v.DecisionsFrom(organization, p.from()) {
			if isPermitted(rules, d, q, now) && !yield(user) {
				return
			}
		}
	})
}

// Resources returns the applications in which the user has the permission, and reports whether there are more
// results after the page. It ignores the application of the question.
func Resources(v *roster.View, organization string, q *Question, p Page, now time.Time) (applications []string, more bool) {
	rules := v.Organization(organization)
	if rules == nil || q.SubjectType != TypeUser || q.Resource.Kind != KindApplication {
		return nil, false
	}
	d := v.Decision(organization, q.User)
	asked := *q
	return p.of(func(yield func(string) bool) {
		for _, application := range p.rest(v.Applications(organization)) {
			asked.Resource.Application = application
			if isPermitted(rules, d, &asked, now) && !yield(application) {
				return
			}
		}
	})
}

// Actions returns the permissions of the user on the resource, and reports whether there are more results after the
// page. It ignores the permission of the question.
func Actions(v *roster.View, organization string, q *Question, p Page, now time.Time) (permissions []string, more bool) {
	rules := v.Organization(organization)
	d := v.Decision(organization, q.User)
	if rules == nil || d == nil || q.SubjectType != TypeUser || q.Resource.Kind == KindUnknown ||
		!isNamed(v, organization, q.Resource.Application) {
		return nil, false
	}
	asked := *q
	return p.of(func(yield func(string) bool) {
		for _, permission := range p.rest(rules.Permissions(d.Application(q.Resource.Application).Role)) {
			asked.Permission = permission
			if isPermitted(rules, d, &asked, now) && !yield(permission) {
				return
			}
		}
	})
}

// from returns the smallest string, in byte order, that can be on the page.
func (p *Page) from() string {
	if p.First {
		return ""
	}
	return p.After + "\x00"
}

// rest returns the part of the sorted list that starts at the page.
func (p *Page) rest(sorted []string) []string {
	i, _ := slices.BinarySearch(sorted, p.from())
	return sorted[i:]
}

// of returns the results of the page, and reports whether there are more.
func (p *Page) of(results iter.Seq[string]) (taken []string, more bool) {
	for result := range results {
		if len(taken) == p.Limit {
			return taken, true
		}
		taken = append(taken, result)
	}
	return taken, false
}
