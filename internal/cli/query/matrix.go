package query

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/validation"
	"github.com/usher-dev/usher/internal/words"
)

// The sort orders of a matrix, in addition to the names of applications.
const (
	SortByUser         = "user"
	SortByOrganization = "organization"
	SortByDefault      = "default"
)

// MatrixOptions select the users and the applications of a matrix. An empty list selects all.
type MatrixOptions struct {
	// Users and Applications are patterns in which * stands for any text and ? for any character.
	Users, Applications []string
	// Groups selects the members of one of the groups: NAME in the organization, or NAMESPACE/NAME.
	Groups []string
	// Roles selects the users who hold one of the roles in the selected applications.
	Roles []string
	// Sort is a sort order, or the name of an application. Empty sorts by user.
	Sort string
}

// Matrix is a table of the users and applications of one organization.
type Matrix struct {
	Organization string
	Applications []string
	// Titles are the names of the applications for people.
	Titles []string
	Users  []MatrixUser
	// Rules are the rules of the organization.
	Rules *resolve.Organization
}

// MatrixUser is the row of one user.
type MatrixUser struct {
	User             string
	OrganizationRole Holding
	Default          Holding
	Applications     map[string]*Holding
}

// Validate returns an error for a malformed pattern.
func (m *MatrixOptions) Validate() error {
	for _, pattern := range slices.Concat(m.Users, m.Applications) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return nil
}

// Find returns the matrices of the organizations of the scope. Without a scope, it omits empty matrices. It returns an
// error for an unknown name, because an empty matrix would hide a typing error.
func (m *MatrixOptions) Find(w *source.World) ([]Matrix, error) {
	organizations := w.Asked()
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if err := m.check(w, organizations); err != nil {
		return nil, err
	}
	all := []Matrix{}
	for _, organization := range organizations {
		of := m.of(w, organization)
		isEmpty := len(of.Users) == 0 || (len(of.Applications) == 0 && len(m.Applications) > 0)
		if w.Scope != "" || !isEmpty {
			all = append(all, of)
		}
	}
	return all, nil
}

// check returns an error for unknown names, because an empty matrix would hide a typing error.
func (m *MatrixOptions) check(w *source.World, organizations []string) error {
	if len(organizations) == 0 {
		return nil
	}
	known := Users(w, organizations)
	for _, pattern := range m.Users {
		if !slices.ContainsFunc(known, func(user string) bool { return matches(pattern, user) }) {
			return UnknownUser(w, pattern, organizations)
		}
	}
	var named []string
	for _, organization := range organizations {
		named = append(named, w.Applications(organization)...)
	}
	orders := []string{"", SortByUser, SortByOrganization, SortByDefault}
	if !slices.Contains(orders, m.Sort) && !slices.Contains(named, m.Sort) {
		return fmt.Errorf("invalid value %q for --sort: use %s", m.Sort,
			words.Alternatives(append(orders[1:], "the name of an application")))
	}
	for _, pattern := range m.Applications {
		if !slices.ContainsFunc(named, func(a string) bool { return matches(pattern, a) }) {
			return UnknownApplication(w, pattern, organizations)
		}
	}
	return m.checkGroups(w, organizations)
}

func (m *MatrixOptions) checkGroups(w *source.World, organizations []string) error {
	for _, name := range m.Groups {
		var names []string
		found := false
		for _, organization := range organizations {
			key := groupKey(name, organization)
			found = found || w.Group(key.Namespace, key.Name, 0) != nil
			for _, o := range w.Concerned(organization) {
				names = append(names, o.Name)
			}
		}
		if found {
			continue
		}
		slices.Sort(names)
		text := fmt.Sprintf("--group %s: there is no such AccessGroup", name)
		if meant := words.Meant(validation.Nearest(name, slices.Compact(names))); meant != "" {
			text += "; " + meant
		}
		return errors.New(text)
	}
	for _, role := range m.Roles {
		if !slices.ContainsFunc(organizations, func(organization string) bool {
			o := w.Organization(organization)
			return o.HasApplicationRole(role) || o.HasOrganizationRole(role)
		}) {
			return unknownRole(w.Organization(organizations[0]), role)
		}
	}
	return nil
}

// groupKey parses NAME or NAMESPACE/NAME.
func groupKey(name, organization string) roster.Object {
	namespace, own, qualified := strings.Cut(name, "/")
	if !qualified {
		namespace, own = organization, name
	}
	return roster.Object{Kind: roster.KindAccessGroup, Namespace: namespace, Name: own}
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return (ok && err == nil) || pattern == name
}

func matchesAny(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// of returns the matrix of one organization.
func (m *MatrixOptions) of(w *source.World, organization string) Matrix {
	of := Matrix{
		Organization: organization, Applications: []string{}, Users: []MatrixUser{}, Rules: w.Organization(organization),
	}
	for _, application := range w.Applications(organization) {
		if matchesAny(m.Applications, application) {
			of.Applications = append(of.Applications, application)
			of.Titles = append(of.Titles, Title(w, organization, application))
		}
	}
	for _, user := range w.Users(organization) {
		if !matchesAny(m.Users, user) || !m.inGroup(w, organization, user) {
			continue
		}
		if row := newMatrixUser(w, &of, user); m.holdsRole(&row) {
			of.Users = append(of.Users, row)
		}
	}
	m.sortUsers(&of)
	return of
}

func newMatrixUser(w *source.World, of *Matrix, user string) MatrixUser {
	d := w.Decision(of.Organization, user)
	row := MatrixUser{
		User: user, OrganizationRole: organizationHolding(of.Organization, user, d),
		Default:      accessHolding(of.Rules, user, "", &d.Default),
		Applications: make(map[string]*Holding, len(of.Applications)),
	}
	for _, application := range of.Applications {
		row.Applications[application] = new(accessHolding(of.Rules, user, application, d.Application(application)))
	}
	return row
}

func (m *MatrixOptions) inGroup(w *source.World, organization, user string) bool {
	return len(m.Groups) == 0 || slices.ContainsFunc(m.Groups, func(name string) bool {
		return w.IsMember(groupKey(name, organization), user)
	})
}

// holdsRole reports whether the user has one of the roles in the columns that are shown.
func (m *MatrixOptions) holdsRole(row *MatrixUser) bool {
	if len(m.Roles) == 0 {
		return true
	}
	for _, h := range row.Applications {
		if slices.Contains(m.Roles, h.Role) {
			return true
		}
	}
	// With selected applications, roles elsewhere do not count.
	return len(m.Applications) == 0 &&
		(slices.Contains(m.Roles, row.OrganizationRole.Role) || slices.Contains(m.Roles, row.Default.Role))
}

// sortUsers sorts users by their role in the sort column, highest first. Users with the same role stay sorted by name.
func (m *MatrixOptions) sortUsers(of *Matrix) {
	var place func(row *MatrixUser) int
	switch m.Sort {
	case "", SortByUser:
		return
	case SortByOrganization:
		place = func(row *MatrixUser) int { return OrganizationRung(of.Rules, row.OrganizationRole.Role) }
	case SortByDefault:
		place = func(row *MatrixUser) int { return Rung(of.Rules, row.Default.Role) }
	default:
		if !slices.Contains(of.Applications, m.Sort) {
			return
		}
		place = func(row *MatrixUser) int { return Rung(of.Rules, row.Applications[m.Sort].Role) }
	}
	slices.SortStableFunc(of.Users, func(a, b MatrixUser) int { return place(&a) - place(&b) })
}

// OrganizationRung returns the position of a role on the organization ladder, counted from the highest. NoAccess
// comes after all others.
func OrganizationRung(o *resolve.Organization, role string) int {
	ladder := o.Rules().OrganizationRoles
	i := slices.IndexFunc(ladder, func(r resolve.OrganizationRole) bool { return r.Name == role })
	if i < 0 {
		return len(ladder)
	}
	return i
}

// MatrixTable returns the roles of all matrices as one table, with a column for each application.
func MatrixTable(all []Matrix) (header []string, rows [][]string) {
	var applications []string
	for i := range all {
		applications = append(applications, all[i].Applications...)
	}
	slices.Sort(applications)
	applications = slices.Compact(applications)
	header = append([]string{"organization", "user", "organizationRole"}, applications...)
	header = append(header, "defaultRole")
	for i := range all {
		of := &all[i]
		for j := range of.Users {
			user := &of.Users[j]
			row := []string{of.Organization, user.User, user.OrganizationRole.Role}
			for _, application := range applications {
				role := "" // the organization does not have this application
				if h := user.Applications[application]; h != nil {
					role = h.Role
				}
				row = append(row, role)
			}
			rows = append(rows, append(row, user.Default.Role))
		}
	}
	return header, rows
}
