package decision

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func application(name string) Resource { return Resource{Kind: KindApplication, Application: name} }

func rowOf(name string, row map[string]any) Resource {
	return Resource{Kind: KindRow, Application: name, Row: row}
}

func TestEvaluate(t *testing.T) {
	v := viewOf(t, acme)
	france := jsontext.Value(`{"anyOf":[{"allOf":[{"attribute":"amount","operator":"LessThan","values":["1000"]},` +
		`{"attribute":"country","operator":"In","values":["France"]}]}]}`)
	open := jsontext.Value(`{"anyOf":[{"allOf":[{"attribute":"open","operator":"In","values":["true"]}]}]}`)
	none := jsontext.Value(`{"anyOf":[]}`)
	amelie := &Context{Role: "Viewer", Rule: "OnlyGrant", Source: "AccessGroup/acme/france"}
	amelieFilters := *amelie
	amelieFilters.Filters = []jsontext.Value{france}
	ben := &Context{Role: "Editor", Rule: "OnlyGrant", Source: "AccessGroup/acme/editors"}
	dee := &Context{Role: "Administrator", Rule: "OnlyGrant", Source: "AccessGroup/acme/administrators"}
	deeSealed := *dee
	deeSealed.Filters = []jsontext.Value{open}
	eve := &Context{Role: "Viewer", Rule: "OnlyGrant", Source: "AccessGroup/acme/today", NotAfter: "2026-06-01T13:00:00Z"}
	eveEnded := *eve
	eveEnded.Role = "NoAccess"
	for name, tc := range map[string]struct {
		organization string
		question     Question
		now          time.Time
		want         Answer
	}{
		"a permission of the role": {question: Question{User: "ben", Permission: "edit", Resource: application("finance")}, want: Answer{true, ben}},
		"a permission of a lower role": {
			question: Question{User: "ben", Permission: "view", Resource: application("finance")}, want: Answer{true, ben},
		},
		"a permission of a higher role": {
			question: Question{User: "ben", Permission: "administer", Resource: application("finance")}, want: Answer{false, ben},
		},
		"filters": {
			question: Question{User: "amelie", Permission: "view", Resource: application("finance")}, want: Answer{true, &amelieFilters},
		},
		"a row that the filters show": {
			question: Question{User: "amelie", Permission: "view", Resource: rowOf("finance", map[string]any{"country": "France", "amount": 999})},
			want:     Answer{true, amelie},
		},
		"a row that the filters hide": {
			question: Question{User: "amelie", Permission: "view", Resource: rowOf("finance", map[string]any{"country": "France", "amount": 1000})},
			want:     Answer{false, amelie},
		},
		"a row without the attribute": {
			question: Question{User: "amelie", Permission: "view", Resource: rowOf("finance", map[string]any{"amount": 1})},
			want:     Answer{false, amelie},
		},
		"a row without filters": {question: Question{User: "ben", Permission: "view", Resource: rowOf("finance", nil)}, want: Answer{true, ben}},
		"filters that leave no row": {
			question: Question{User: "cy", Permission: "view", Resource: application("sealed")},
			want: Answer{false, &Context{
				Role: "Viewer", Rule: "OnlyGrant", Source: "AccessGroup/acme/sealed", Filters: []jsontext.Value{none},
			}},
		},
		"a row where filters leave none": {
			question: Question{User: "cy", Permission: "view", Resource: rowOf("sealed", map[string]any{"country": "France"})},
			want:     Answer{false, &Context{Role: "Viewer", Rule: "OnlyGrant", Source: "AccessGroup/acme/sealed"}},
		},
		"an application by default": {
			question: Question{User: "dee", Permission: "administer", Resource: application("sales")}, want: Answer{true, dee},
		},
		"an application that nothing names": {
			question: Question{User: "dee", Permission: "administer", Resource: application("other")}, want: Answer{},
		},
		"an unknown user": {
			question: Question{User: "zoe", Permission: "view", Resource: application("finance")},
			want:     Answer{false, &Context{Role: "NoAccess", Rule: "NoGrant"}},
		},
		"an unknown permission": {
			question: Question{User: "ben", Permission: "other", Resource: application("finance")}, want: Answer{false, ben},
		},
		"a permission without a name": {
			question: Question{User: "ben", Resource: application("finance")}, want: Answer{false, ben},
		},
		"a role as the permission": {
			question: Question{User: "ben", Permission: "Editor", Resource: application("finance")}, want: Answer{false, ben},
		},
		"an unknown type of resource": {question: Question{User: "ben", Permission: "view", Resource: Resource{Application: "finance"}}},
		"an unknown type of subject": {
			question: Question{SubjectType: "group", User: "ben", Permission: "view", Resource: application("finance")},
		},
		"no organization": {
			organization: "empty", question: Question{User: "ben", Permission: "view", Resource: application("finance")},
		},
		"a suspended user": {
			question: Question{User: "kim", Permission: "view", Resource: application("finance")},
			want:     Answer{false, &Context{Role: "NoAccess", Rule: "Suspended", Source: "UserAccess/acme/kim"}},
		},
		"before the end": {
			question: Question{User: "eve", Permission: "view", Resource: application("finance")}, want: Answer{true, eve},
		},
		"from the end on": {
			question: Question{User: "eve", Permission: "view", Resource: application("finance")}, now: june.Add(time.Hour),
			want: Answer{false, &eveEnded},
		},
		"an application with filters, by default": {
			question: Question{User: "dee", Permission: "view", Resource: application("sealed")}, want: Answer{true, &deeSealed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			organization, now, question := tc.organization, tc.now, tc.question
			if organization == "" {
				organization = "acme"
			}
			if now.IsZero() {
				now = june
			}
			if question.SubjectType == "" {
				question.SubjectType = TypeUser
			}
			if diff := cmp.Diff(tc.want, Evaluate(v, organization, &question, now)); diff != "" {
				t.Errorf("unexpected answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	v := viewOf(t, acme)
	all := Page{First: true, Limit: 10}
	ask := func(user, permission string, r Resource) *Question {
		return &Question{SubjectType: TypeUser, User: user, Permission: permission, Resource: r}
	}
	other := ask("ben", "view", application("finance"))
	other.SubjectType = "group"
	late := june.Add(time.Hour)
	for name, tc := range map[string]struct {
		search func(Page) ([]string, bool)
		page   Page
		want   []string
		more   bool
	}{
		"users who may view": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("finance")), p, june)
			},
			want: []string{"amelie", "ben", "dee", "eve"},
		},
		"a page of them": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("finance")), p, june)
			},
			page: Page{First: true, Limit: 2}, want: []string{"amelie", "ben"}, more: true,
		},
		"the page behind it": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("finance")), p, june)
			},
			page: Page{After: "ben", Limit: 2}, want: []string{"dee", "eve"},
		},
		"the page behind somebody who is gone": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("finance")), p, june)
			},
			page: Page{After: "c", Limit: 1}, want: []string{"dee"}, more: true,
		},
		"a page without results": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("finance")), p, june)
			},
			page: Page{First: true}, more: true,
		},
		"users whose access has not ended": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("finance")), p, late)
			},
			want: []string{"amelie", "ben", "dee"},
		},
		"users who may see a row": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", rowOf("finance", map[string]any{"country": "Spain"})), p, june)
			},
			want: []string{"ben", "dee", "eve"},
		},
		"users who see no row": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("sealed")), p, june)
			},
			want: []string{"dee"},
		},
		"users of an unknown application": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "acme", ask("", "view", application("other")), p, june)
			},
		},
		"users of no organization": {
			search: func(p Page) ([]string, bool) {
				return Subjects(v, "empty", ask("", "view", application("finance")), p, june)
			},
		},
		"subjects of another type": {
			search: func(p Page) ([]string, bool) { return Subjects(v, "acme", other, p, june) },
		},
		"applications": {
			search: func(p Page) ([]string, bool) {
				return Resources(v, "acme", ask("dee", "edit", application("")), p, june)
			},
			want: []string{"finance", "sales", "sealed"},
		},
		"applications behind one": {
			search: func(p Page) ([]string, bool) {
				return Resources(v, "acme", ask("dee", "edit", application("")), p, june)
			},
			page: Page{After: "finance", Limit: 1}, want: []string{"sales"}, more: true,
		},
		"applications in which filters leave rows": {
			search: func(p Page) ([]string, bool) {
				return Resources(v, "acme", ask("cy", "view", application("")), p, june)
			},
		},
		"applications of nobody": {
			search: func(p Page) ([]string, bool) {
				return Resources(v, "acme", ask("zoe", "view", application("")), p, june)
			},
		},
		"resources of another type": {
			search: func(p Page) ([]string, bool) { return Resources(v, "acme", ask("dee", "edit", Resource{}), p, june) },
		},
		"permissions": {
			search: func(p Page) ([]string, bool) {
				return Actions(v, "acme", ask("ben", "", application("finance")), p, june)
			},
			want: []string{"edit", "view"},
		},
		"permissions behind one": {
			search: func(p Page) ([]string, bool) {
				return Actions(v, "acme", ask("ben", "", application("finance")), p, june)
			},
			page: Page{After: "edit", Limit: 5}, want: []string{"view"},
		},
		"permissions on a hidden row": {
			search: func(p Page) ([]string, bool) {
				return Actions(v, "acme", ask("amelie", "", rowOf("finance", map[string]any{"country": "Spain"})), p, june)
			},
		},
		"permissions in an unknown application": {
			search: func(p Page) ([]string, bool) {
				return Actions(v, "acme", ask("dee", "", application("other")), p, june)
			},
		},
		"permissions of nobody": {
			search: func(p Page) ([]string, bool) {
				return Actions(v, "acme", ask("zoe", "", application("finance")), p, june)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			page := tc.page
			if page == (Page{}) {
				page = all
			}
			got, more := tc.search(page)
			if diff := cmp.Diff(tc.want, got); diff != "" || more != tc.more {
				t.Errorf("more is %t, want %t (-want +got):\n%s", more, tc.more, diff)
			}
		})
	}
}
