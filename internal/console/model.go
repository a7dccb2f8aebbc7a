package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-dev/usher/internal/cli/source"
)

// frame is what every page shows around its content.
type frame struct {
	Title string
	// Part is the entry of the menu that the page belongs to.
	Part string
	// Organization is the organization of the page; empty for pages about all of them.
	Organization  string
	Organizations []string
	SystemName    string
	// Source says where the objects come from, and Caller on whose behalf they are read. CallerLink leads to the page of
	// the caller; it is empty if nothing is known of the caller.
	Source, Caller, CallerLink string
	// Notes say what the pages do not show, such as objects that could not be read.
	Notes []string
	// Version changes with every change of the objects. It is empty where nothing changes by itself.
	Version   string
	FormToken string
	// Member reports whether the browser has opened the console. Others see no data.
	Member bool

	base  string
	path  string
	query url.Values
}

// newFrame returns the frame of a page for the request.
func (s *Server) newFrame(r *http.Request, title string) *frame {
	made := &frame{Title: title, base: s.session.base, path: s.session.base + strings.TrimPrefix(r.URL.Path, "/"), query: r.URL.Query()}
	if !s.session.isMember(r) || r.Host != s.host {
		return made
	}
	w, version := s.backend.World()
	made.Member, made.FormToken, made.Version = true, s.session.newForm(), version
	made.Organizations, made.SystemName = w.Asked(), w.SystemNamespace()
	made.Source, made.Caller = s.backend.Describe()
	if slices.ContainsFunc(made.Organizations, func(name string) bool { return w.Decision(name, made.Caller) != nil }) {
		made.CallerLink = s.userLink(made.Caller)
	}
	made.Organization = r.PathValue("organization")
	made.Notes = s.backend.Notes()
	for _, each := range w.Set.Problems {
		made.Notes = append(made.Notes, "Not read: "+each.String())
	}
	return made
}

// With returns the address of the same page with parameters changed: name and value in turn.
func (f *frame) With(changes ...string) string { return link(f.path, f.query, changes...) }

// Value returns a parameter of the page.
func (f *frame) Value(name string) string { return f.query.Get(name) }

// Menu returns the entries of the menu.
func (f *frame) Menu() []entry {
	organization := f.Organization
	if organization == f.SystemName || organization == "" {
		organization = ""
		if len(f.Organizations) > 0 {
			organization = f.Organizations[0]
		}
	}
	var all []entry
	add := func(part, text, path string) {
		all = append(all, entry{Text: text, Link: f.base + path, Here: part == f.Part})
	}
	if organization != "" {
		in := "o/" + url.PathEscape(organization) + "/"
		add(partGroups, "Groups", in+"groups")
		add(partUsers, "Users", in+"users")
		add(partApplications, "Applications", in+"applications")
		add(partMatrix, "Matrix", in+"matrix")
		add(partPolicy, "Policy", in+"policy")
	}
	add(partSystem, "System groups", "system")
	add(partReviews, "Reviews", "reviews")
	add(partChanges, "Changes", "changes")
	return all
}

// The parts of the menu.
const (
	partGroups       = "groups"
	partUsers        = "users"
	partApplications = "applications"
	partMatrix       = "matrix"
	partPolicy       = "policy"
	partSystem       = "system"
	partReviews      = "reviews"
	partChanges      = "changes"
)

// entry is an entry of the menu.
type entry struct {
	Text, Link string
	Here       bool
}

// content is what most pages show: sections with facts and tables.
type content struct {
	Lead     string
	Actions  []action
	Sections []section
}

// section is a part of a page.
type section struct {
	ID, Title, Note string
	Filters         []filter
	Facts           []fact
	Table           *table
	// Empty is shown instead of a table without rows. It says what to do.
	Empty   string
	Actions []action
}

// action leads to a page, or sends a form if Post is set.
type action struct {
	Text, Link, Post string
	// Fields are the fields of the form.
	Fields  []field
	Primary bool
	Danger  bool
}

// field is a hidden field of a form.
type field struct{ Name, Value string }

// filter is a field of the form that narrows a table. Without options it is a search.
type filter struct {
	Name, Label, Value string
	Options            []option
	Hint               string
}

// option is a value that can be chosen.
type option struct {
	Value, Text string
	Selected    bool
}

// options returns the options of a field, with the value selected. A value that is not among them is added.
func options(value string, all ...option) []option {
	found := false
	for i := range all {
		all[i].Text = cmp.Or(all[i].Text, all[i].Value)
		all[i].Selected = all[i].Value == value
		found = found || all[i].Selected
	}
	if !found && value != "" {
		all = append(all, option{Value: value, Text: value, Selected: true})
	}
	return all
}

// named returns options whose text is their value.
func named(values []string) []option {
	all := make([]option, len(values))
	for i, each := range values {
		all[i] = option{Value: each, Text: each}
	}
	return all
}

// fact is a property of an object.
type fact struct {
	Name  string
	Cells []cell
}

// table is a table with one subject a row, which its first cell names.
type table struct {
	Caption string
	Columns []column
	Rows    []row
	Pages   *pages
	// Select lets people select rows for a button.
	Select *selecting
}

// column is a column. Sort is the address that sorts by it; empty if it is not sortable.
type column struct {
	Name, Sort, Direction string
}

// row is a row. Key identifies it among the rows of all versions of the page.
type row struct {
	Key   string
	Cells []cell
}

// cell is a text with a link. Note is a second text. Mark is a word that classifies the cell; the style sheet shows it
// in colour, and the text says it too.
type cell struct {
	Text, Link, Note, Mark string
}

// selecting is the toolbar of a table. The buttons send the keys of the selected rows under Name.
type selecting struct {
	Action, Name string
	Fields       []field
	Buttons      []option
}

// pages are the addresses of the pages of a long table.
type pages struct {
	First, Last, Total int
	Previous, Next     string
}

// pageSize is the number of rows of one page of a table.
const pageSize = 50

// cut returns the rows of the page that the request asks for.
func cut[T any](f *frame, all []T, size int) ([]T, *pages) {
	number, err := strconv.Atoi(f.Value("page"))
	if err != nil || number < 1 {
		number = 1
	}
	first := min((number-1)*size, len(all))
	if first == len(all) && len(all) > 0 {
		first = (len(all) - 1) / size * size // the last page
		number = first/size + 1
	}
	last := min(first+size, len(all))
	made := &pages{First: min(first+1, len(all)), Last: last, Total: len(all)}
	if number > 1 {
		made.Previous = f.With("page", strconv.Itoa(number-1))
	}
	if last < len(all) {
		made.Next = f.With("page", strconv.Itoa(number+1))
	}
	return all[first:last], made
}

// sorter sorts the elements of a table by the parameter sort: the name of a column, with a minus for descending.
type sorter[T any] struct {
	name    string
	compare func(a, b *T) int
}

// sorted sorts the elements, and returns the columns with their addresses. Elements that compare equal keep their
// order.
func sorted[T any](f *frame, all []T, columns []string, sorters ...sorter[T]) []column {
	wanted, descending := strings.CutPrefix(f.Value("sort"), "-")
	made := make([]column, len(columns))
	for i, name := range columns {
		made[i].Name = name
		at := slices.IndexFunc(sorters, func(s sorter[T]) bool { return s.name == name })
		if at < 0 {
			continue
		}
		made[i].Sort = f.With("sort", name, "page", "")
		if wanted != name {
			continue
		}
		made[i].Direction = "ascending"
		if descending {
			made[i].Direction = "descending"
		} else {
			made[i].Sort = f.With("sort", "-"+name, "page", "")
		}
		slices.SortStableFunc(all, func(a, b T) int {
			if descending {
				a, b = b, a
			}
			return sorters[at].compare(&a, &b)
		})
	}
	return made
}

// matches reports whether one of the texts contains every word of the search, regardless of case.
func matches(search string, texts ...string) bool {
	text := strings.ToLower(strings.Join(texts, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(search)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// world returns the newest objects.
func (s *Server) world() *source.World {
	w, _ := s.backend.World()
	return w
}

// organizationOf returns the organization or system namespace that the address names.
func (s *Server) organizationOf(r *http.Request, w *source.World) (string, error) {
	name := r.PathValue("organization")
	if name == w.SystemNamespace() || slices.Contains(w.Asked(), name) {
		return name, nil
	}
	return "", notFound("No such organization", "Namespace "+name+" is not an organization that the console shows. "+
		"A namespace becomes one with its first AccessGroup, UserAccess, ApplicationAccess or AccessPolicy.")
}
