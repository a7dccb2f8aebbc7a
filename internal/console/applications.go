package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// application is an application of an organization with the facts that lists show.
type application struct {
	name, title string
	users       int
	declared    bool
}

func (s *Server) applicationsPage(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	f := s.newFrame(r, "Applications of "+organization)
	f.Part = partApplications
	search := f.Value("q")
	holders := w.Holders(organization)
	var found []application
	named := w.Applications(organization)
	for _, name := range named {
		title := query.Title(w, organization, name)
		if matches(search, title) {
			found = append(found, application{
				name: name, title: title, users: holders(name), declared: w.Index().Namespace(organization).Application(name) != nil,
			})
		}
	}
	columns := sorted(f, found, []string{"Application", "Users with access", "Document"},
		sorter[application]{"Application", func(a, b *application) int { return strings.Compare(a.name, b.name) }},
		sorter[application]{"Users with access", func(a, b *application) int { return cmp.Compare(a.users, b.users) }},
	)
	shown, pages := cut(f, found, pageSize)
	made := &table{Caption: fmt.Sprintf("%d of %d applications", len(found), len(named)), Columns: columns, Pages: pages}
	for _, a := range shown {
		document := cell{Text: "published", Mark: "good"}
		if !a.declared {
			document = cell{Text: "none: only named by groups or users", Mark: "faint"}
		}
		made.Rows = append(made.Rows, row{Key: a.name, Cells: []cell{
			{Text: a.title, Link: s.renderer.url("o", organization, partApplications, a.name)}, {Text: strconv.Itoa(a.users)}, document,
		}})
	}
	return &page{frame: f, template: "content", data: &content{
		Lead:    "Every application that a group, a user or an ApplicationAccess names.",
		Actions: []action{{Text: "New application", Post: s.renderer.url("o", organization, partApplications, "edit"), Primary: true}},
		Sections: []section{{
			Filters: []filter{{Name: "q", Label: "Search", Value: search}}, Table: made,
			Empty: "There is no such application. Change the filter, or declare one with New application.",
		}},
	}}, nil
}

// applicationPage shows who has an application, and its roles and permissions.
func (s *Server) applicationPage(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if !slices.Contains(w.Applications(organization), name) {
		return nil, notFound("No such application", "Nothing names application "+name+" in "+organization+". It may have been deleted since the last page.")
	}
	f := s.newFrame(r, query.Title(w, organization, name))
	f.Part = partApplications
	holders, err := s.holderSection(f, w, organization, name)
	if err != nil {
		return nil, err
	}
	return &page{frame: f, template: "content", data: &content{
		Actions: []action{{
			Text: "Edit", Post: s.renderer.url("o", organization, partApplications, "edit"), Fields: []field{{"application", name}}, Primary: true,
		}},
		Sections: []section{*holders, ladderSection(w, organization)},
	}}, nil
}

func (s *Server) holderSection(f *frame, w *source.World, organization, name string) (*section, error) {
	role, permission, search := f.Value("role"), f.Value("permission"), f.Value("q")
	roles, permissions := ladder(w, organization)
	asked := &query.WhoCan{Application: name, Role: role, Permission: permission}
	if role != "" {
		asked.Permission = ""
	}
	held, err := asked.Find(within(w, organization))
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Title: "No such role or permission", Text: err.Error()}
	}
	held = slices.DeleteFunc(held, func(h query.Holding) bool { return !matches(search, h.User, h.Role, h.Source) })
	columns := sorted(f, held, []string{"User", "Role", "Rows", "Until", "Why"},
		sorter[query.Holding]{"User", func(a, b *query.Holding) int { return strings.Compare(a.User, b.User) }},
		sorter[query.Holding]{"Role", func(a, b *query.Holding) int {
			return cmp.Compare(slices.Index(roles, a.Role), slices.Index(roles, b.Role))
		}},
	)
	shown, pages := cut(f, held, pageSize)
	made := &table{Caption: fmt.Sprintf("%d users", len(held)), Columns: columns, Pages: pages}
	for i := range shown {
		h := &shown[i]
		made.Rows = append(made.Rows, row{Key: h.User, Cells: []cell{
			{Text: h.User, Link: s.userLink(h.User)}, roleCell(h.Role), {Text: h.Rows()}, {Text: instant(h.NotAfter)}, s.whyCell(h.Rule, h.Source),
		}})
	}
	return &section{
		ID: "users", Title: "Who has it",
		Filters: []filter{
			{Name: "q", Label: "Search", Value: search},
			{Name: "role", Label: "At least the role", Options: options(role, append([]option{{Value: "", Text: "any"}}, named(roles)...)...)},
			{Name: "permission", Label: "With the permission", Options: options(permission, append([]option{{Value: "", Text: "any"}}, named(permissions)...)...)},
		},
		Table: made, Empty: "Nobody has it. Give a group a role in this application.",
	}, nil
}

// ladder returns the application roles of the organization, highest first, and all their permissions.
func ladder(w *source.World, organization string) (roles, permissions []string) {
	o := w.Organization(organization)
	if o == nil {
		return nil, nil
	}
	for _, each := range o.Rules().ApplicationRoles {
		roles = append(roles, each.Name)
	}
	if len(roles) > 0 {
		permissions = o.Permissions(roles[0])
	}
	return roles, permissions
}

func ladderSection(w *source.World, organization string) section {
	made := section{ID: "roles", Title: "Roles and permissions", Note: "A role has the permissions of all roles below it."}
	made.Table = &table{Caption: "Roles, the most permissive first", Columns: []column{{Name: "Role"}, {Name: "Permissions"}}}
	roles, _ := ladder(w, organization)
	for _, role := range roles {
		made.Table.Rows = append(made.Table.Rows, row{Key: role, Cells: []cell{
			{Text: role}, {Text: strings.Join(w.Organization(organization).Permissions(role), ", ")},
		}})
	}
	return made
}
