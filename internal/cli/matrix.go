package cli

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// matrix shows a table of users and applications.
type matrix struct {
	options      *options
	output       *output
	users        []string
	groups       []string
	applications []string
	roles        []string
	sort         string
}

func newMatrix(o *options) *cobra.Command {
	m := &matrix{options: o}
	command := &cobra.Command{
		Use:   "matrix [USER...]",
		Short: "Show users by applications, with their roles",
		Long: `Shows for every organization its users by its applications, with their roles: all users, or those that match a pattern
in which * stands for any text and ? for any character.

(rows) beside a role says that it extends to some rows only; -o wide says by which rule a role is held and until when,
explain says which rows.`,
		Example: `  kubectl access matrix -n analytics

  # The members of one group, and one application
  kubectl access matrix --group france -a finance -n analytics

  # Whoever is an Administrator of something, as a page for the browser
  kubectl access matrix --role Administrator -A -o html > access.html`,
		RunE: func(command *cobra.Command, args []string) error {
			m.users = args
			return m.run(command.Context())
		},
		ValidArgsFunction: o.completeEach(completeUser),
	}
	m.output = newOutput(command, asTable, asWide, asCSV, asJSON, asHTML)
	flags := command.Flags()
	flags.StringSliceVar(&m.groups, "group", nil, "Only members of one of these groups: NAME in the organization, or NAMESPACE/NAME")
	flags.StringSliceVarP(&m.applications, "application", "a", nil, "Only these applications; patterns as for users")
	flags.StringSliceVar(&m.roles, "role", nil, "Only users who hold one of these roles in what is shown")
	flags.StringVar(&m.sort, "sort", sortByUser,
		"Sort by user, organization (its role, highest first), default, or the name of an application (the role there)")
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("application", o.completeEach(completeApplication))
	_ = command.RegisterFlagCompletionFunc("role", o.completeEach(completeRole))
	return command
}

const (
	sortByUser         = "user"
	sortByOrganization = "organization"
	sortByDefault      = "default"
)

// matrixOf is the matrix of one organization. [writeMatrixJSON] names its fields.
type matrixOf struct {
	Organization string
	Applications []string
	Users        []matrixUser

	organization *resolve.Organization
	// titles are the names of the applications for people.
	titles []string
}

type matrixUser struct {
	User             string
	OrganizationRole holding
	Default          holding
	Applications     map[string]*holding
}

func (m *matrix) run(ctx context.Context) error {
	if err := m.validate(); err != nil {
		return err
	}
	w, err := m.options.load(ctx)
	if err != nil {
		return err
	}
	organizations := w.organizations()
	if err := m.check(w, organizations); err != nil {
		return err
	}
	all := []matrixOf{}
	for _, organization := range organizations {
		of := m.of(w, organization)
		// Without a named organization, empty ones are omitted.
		something := len(of.Users) > 0 && (len(of.Applications) > 0 || len(m.applications) == 0)
		if w.scope != "" || something {
			all = append(all, of)
		}
	}
	if err := m.write(w, all); err != nil {
		return err
	}
	return w.finish()
}

func (m *matrix) validate() error {
	if err := m.output.validate(); err != nil {
		return err
	}
	for _, pattern := range slices.Concat(m.users, m.applications) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return nil
}

// check returns an error for unknown names, because an empty matrix would hide a typing error.
func (m *matrix) check(w *world, organizations []string) error {
	if len(organizations) == 0 {
		return nil
	}
	known := w.users(organizations)
	for _, pattern := range m.users {
		if !slices.ContainsFunc(known, func(user string) bool { return matches(pattern, user) }) {
			return w.unknownUser(pattern, organizations)
		}
	}
	var named []string
	for _, organization := range organizations {
		named = append(named, w.Applications(organization)...)
	}
	sorts := m.sort == sortByUser || m.sort == sortByOrganization || m.sort == sortByDefault || slices.Contains(named, m.sort)
	if !sorts {
		return invalidFlag("--sort", m.sort, sortByUser, sortByOrganization, sortByDefault, "the name of an application")
	}
	for _, pattern := range m.applications {
		if !slices.ContainsFunc(named, func(a string) bool { return matches(pattern, a) }) {
			return w.unknownApplication(pattern, organizations)
		}
	}
	return m.checkGroups(w, organizations)
}

func (m *matrix) checkGroups(w *world, organizations []string) error {
	for _, name := range m.groups {
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
		hint := ""
		if near := nearest(name, slices.Compact(names)); len(near) > 0 {
			hint = "; did you mean " + strings.Join(near, ", or ") + "?"
		}
		return fmt.Errorf("--group %s: there is no such AccessGroup%s", name, hint)
	}
	for _, role := range m.roles {
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
func (m *matrix) of(w *world, organization string) matrixOf {
	of := matrixOf{
		Organization: organization, Applications: []string{}, Users: []matrixUser{},
		organization: w.Organization(organization),
	}
	for _, application := range w.Applications(organization) {
		if matchesAny(m.applications, application) {
			of.Applications = append(of.Applications, application)
			of.titles = append(of.titles, w.title(organization, application))
		}
	}
	for _, user := range w.Users(organization) {
		if !matchesAny(m.users, user) || !m.inGroup(w, organization, user) {
			continue
		}
		if row := newMatrixUser(w, &of, user); m.holdsRole(&row) {
			of.Users = append(of.Users, row)
		}
	}
	m.sortUsers(&of)
	return of
}

func newMatrixUser(w *world, of *matrixOf, user string) matrixUser {
	d := w.Decision(of.Organization, user)
	row := matrixUser{
		User: user, OrganizationRole: organizationHolding(of.Organization, user, d),
		Default:      accessHolding(of.organization, user, "", &d.Default),
		Applications: make(map[string]*holding, len(of.Applications)),
	}
	for _, application := range of.Applications {
		row.Applications[application] = new(accessHolding(of.organization, user, application, d.Application(application)))
	}
	return row
}

func (m *matrix) inGroup(w *world, organization, user string) bool {
	return len(m.groups) == 0 || slices.ContainsFunc(m.groups, func(name string) bool {
		return w.IsMember(groupKey(name, organization), user)
	})
}

// holdsRole reports whether the user has one of the roles in the columns that are shown.
func (m *matrix) holdsRole(row *matrixUser) bool {
	if len(m.roles) == 0 {
		return true
	}
	for _, h := range row.Applications {
		if slices.Contains(m.roles, h.Role) {
			return true
		}
	}
	// With selected applications, roles elsewhere do not count.
	return len(m.applications) == 0 &&
		(slices.Contains(m.roles, row.OrganizationRole.Role) || slices.Contains(m.roles, row.Default.Role))
}

// sortUsers sorts users by their role in the sort column, highest first. Users with the same role stay sorted by name.
func (m *matrix) sortUsers(of *matrixOf) {
	var place func(row *matrixUser) int
	switch m.sort {
	case sortByUser:
		return
	case sortByOrganization:
		place = func(row *matrixUser) int { return organizationRung(of.organization, row.OrganizationRole.Role) }
	case sortByDefault:
		place = func(row *matrixUser) int { return rungOf(of.organization, row.Default.Role) }
	default:
		if !slices.Contains(of.Applications, m.sort) {
			return
		}
		place = func(row *matrixUser) int { return rungOf(of.organization, row.Applications[m.sort].Role) }
	}
	slices.SortStableFunc(of.Users, func(a, b matrixUser) int { return place(&a) - place(&b) })
}

// organizationRung returns the position of a role on the organization ladder, counted from the highest. NoAccess
// comes after all others.
func organizationRung(o *resolve.Organization, role string) int {
	ladder := o.Rules().OrganizationRoles
	i := slices.IndexFunc(ladder, func(r resolve.OrganizationRole) bool { return r.Name == role })
	if i < 0 {
		return len(ladder)
	}
	return i
}

func (m *matrix) write(w *world, all []matrixOf) error {
	s := &m.options.streams
	switch m.output.format {
	case asJSON:
		return writeMatrixJSON(s, all)
	case asCSV:
		return m.writeCSV(all)
	case asHTML:
		return m.writeHTML(w, all)
	}
	for i := range all {
		if i > 0 {
			if _, err := io.WriteString(s.Out, "\n"); err != nil {
				return err
			}
		}
		if err := m.writeTable(&all[i], len(all) > 1); err != nil {
			return err
		}
	}
	if len(all) == 0 && len(w.organizations()) > 0 {
		m.options.say("Nobody")
	}
	return nil
}
