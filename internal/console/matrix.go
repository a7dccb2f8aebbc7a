package console

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/internal/cli/print"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// matrixColumns is the number of applications that one page of the matrix shows.
const matrixColumns = 12

// matrixQuery is what the address of a matrix asks for.
type matrixQuery struct {
	search, role, group, sort string
}

func newMatrixQuery(r *http.Request) matrixQuery {
	return matrixQuery{search: r.FormValue("q"), role: r.FormValue("role"), group: r.FormValue("group"), sort: r.FormValue("sort")}
}

// options returns the question to the plugin.
func (q *matrixQuery) options() *query.MatrixOptions {
	made := &query.MatrixOptions{Sort: q.sort}
	if q.role != "" {
		made.Roles = []string{q.role}
	}
	if q.group != "" {
		made.Groups = []string{q.group}
	}
	return made
}

// find returns the whole matrix of one organization.
func (q *matrixQuery) find(w *source.World, organization string) (*query.Matrix, error) {
	return one(q.options().Find(within(w, organization)))
}

func one(all []query.Matrix, err error) (*query.Matrix, error) {
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Title: "No such matrix", Text: err.Error()}
	}
	if len(all) == 0 {
		return &query.Matrix{}, nil
	}
	return &all[0], nil
}

// users returns the users of the matrix in order. It looks only at roles, because a page shows few of the rows.
func (q *matrixQuery) users(w *source.World, organization string) []string {
	o := w.Organization(organization)
	group := roster.Object{Kind: roster.KindAccessGroup, Namespace: organization, Name: q.group}
	type ranked struct {
		name string
		rung int
	}
	var found []ranked
	for name, d := range w.Decisions(organization) {
		if !matches(q.search, name) || (q.group != "" && !w.IsMember(group, name)) || (q.role != "" && !holds(d, q.role)) {
			continue
		}
		made := ranked{name: name}
		switch q.sort {
		case "", query.SortByUser:
		case query.SortByOrganization:
			made.rung = query.OrganizationRung(o, d.OrganizationRole.Role)
		case query.SortByDefault:
			made.rung = query.Rung(o, d.Default.Role)
		default:
			made.rung = query.Rung(o, d.Application(q.sort).Role)
		}
		found = append(found, made)
	}
	slices.SortStableFunc(found, func(a, b ranked) int { return cmp.Compare(a.rung, b.rung) })
	names := make([]string, len(found))
	for i := range found {
		names[i] = found[i].name
	}
	return names
}

// holds reports whether the user has the role in the organization or in any application.
func holds(d *resolve.Decision, role string) bool {
	return d.OrganizationRole.Role == role || d.Default.Role == role ||
		slices.ContainsFunc(d.Applications, func(a *resolve.ApplicationAccess) bool { return a.Role == role })
}

// rows returns the matrix of the users in the applications. No name is a pattern.
func (q *matrixQuery) rows(w *source.World, organization string, users, applications []string) (*query.Matrix, error) {
	literal := strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`)
	asked := &query.MatrixOptions{Applications: applications}
	order := map[string]int{}
	for i, name := range users {
		asked.Users = append(asked.Users, literal.Replace(name))
		order[name] = i
	}
	if len(users) == 0 {
		return &query.Matrix{}, nil
	}
	found, err := one(asked.Find(within(w, organization)))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found.Users, func(a, b query.MatrixUser) int { return cmp.Compare(order[a.User], order[b.User]) })
	return found, nil
}

// matrixPage is the table of users by applications.
type matrixPage struct {
	Table   table
	Filters []filter
	CSV     string
	// PreviousApplications and NextApplications are the addresses with other columns.
	PreviousApplications, NextApplications, ShownApplications string
}

func (s *Server) matrixPage(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	asked := newMatrixQuery(r)
	if asked.group != "" && w.Group(organization, asked.group, 0) == nil {
		return nil, notFound("No such group", "There is no group "+asked.group+" in "+organization+". Choose one from the list.")
	}
	f := s.newFrame(r, "Matrix of "+organization)
	f.Part = partMatrix
	users, applications := asked.users(w, organization), w.Applications(organization)
	made := &matrixPage{CSV: link(s.renderer.url("o", organization, "matrix.csv"), f.query, "page", "", "column", "")}
	made.Table.Caption = fmt.Sprintf("%d users by %d applications", len(users), len(applications))
	made.Filters = s.matrixFilters(w, organization, &asked)
	applications = made.cutColumns(f, applications)
	shown, pages := cut(f, users, pageSize)
	made.Table.Pages = pages
	found, err := asked.rows(w, organization, shown, applications)
	if err != nil {
		return nil, err
	}
	made.addColumn(f, "User", query.SortByUser)
	made.addColumn(f, "Organization", query.SortByOrganization)
	for _, name := range applications {
		made.addColumn(f, query.Title(w, organization, name), name)
	}
	made.addColumn(f, "Any other", query.SortByDefault)
	for i := range found.Users {
		u := &found.Users[i]
		cells := []cell{{Text: u.User, Link: s.userLink(u.User)}, matrixCell(&u.OrganizationRole)}
		for _, name := range applications {
			cells = append(cells, matrixCell(u.Applications[name]))
		}
		made.Table.Rows = append(made.Table.Rows, row{Key: u.User, Cells: append(cells, matrixCell(&u.Default))})
	}
	return &page{frame: f, template: "matrix", data: made}, nil
}

func matrixCell(h *query.Holding) cell {
	made := roleCell(h.Role)
	if h.Gives() && len(h.Filters) > 0 {
		made.Note = "some rows"
	}
	return made
}

// cutColumns returns the applications of this page.
func (m *matrixPage) cutColumns(f *frame, all []string) []string {
	if len(all) <= matrixColumns {
		return all
	}
	first, err := strconv.Atoi(f.Value("column"))
	if err != nil || first < 0 || first >= len(all) {
		first = 0
	}
	if first > 0 {
		m.PreviousApplications = f.With("column", strconv.Itoa(max(0, first-matrixColumns)))
	}
	last := min(first+matrixColumns, len(all))
	if last < len(all) {
		m.NextApplications = f.With("column", strconv.Itoa(last))
	}
	m.ShownApplications = fmt.Sprintf("Applications %d–%d of %d", first+1, last, len(all))
	return all[first:last]
}

func (m *matrixPage) addColumn(f *frame, name, sort string) {
	made := column{Name: name, Sort: f.With("sort", sort, "page", "")}
	if f.Value("sort") == sort || (f.Value("sort") == "" && sort == query.SortByUser) {
		made.Direction = "ascending"
	}
	m.Table.Columns = append(m.Table.Columns, made)
}

func (s *Server) matrixFilters(w *source.World, organization string, asked *matrixQuery) []filter {
	roles, _ := ladder(w, organization)
	groups := []option{{Value: "", Text: "all users"}}
	for _, o := range w.GroupObjects(organization) {
		groups = append(groups, option{Value: o.GetName()})
	}
	return []filter{
		{Name: "q", Label: "Search", Value: asked.search, Hint: "user"},
		{Name: "role", Label: "Who holds", Options: options(asked.role, append([]option{{Value: "", Text: "any role"}}, named(roles)...)...)},
		{Name: "group", Label: "Members of", Options: options(asked.group, groups...)},
	}
}

func (s *Server) matrixCSV(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	asked := newMatrixQuery(r)
	found, err := asked.find(w, organization)
	if err != nil {
		return nil, err
	}
	found.Users = slices.DeleteFunc(found.Users, func(u query.MatrixUser) bool { return !matches(asked.search, u.User) })
	header, rows := query.MatrixTable([]query.Matrix{*found})
	var b bytes.Buffer
	if err := print.CSV(&b, header, rows); err != nil {
		return nil, err
	}
	return &download{name: organization + "-matrix.csv", kind: "text/csv; charset=utf-8", content: b.Bytes()}, nil
}
