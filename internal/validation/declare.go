package validation

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// grant is one role that a source declares. Organization is "*" for all organizations. Resource is the ladder of
// the role. Application is "*" for all applications and empty for roles of the other ladders. Organizations and
// applications are the texts of the selectors that narrow "*", if there are any.
type grant struct {
	organization, resource, application, role string
	organizations, applications               string
}

// table maps the grants that a source declares to their windows. It leaves out NoAccess, which takes access away.
type table map[grant][]resolve.Window

// declare requires the rights to the grants that the objects of the namespace declare at an instant at which they
// did not declare them before (docs/admission.md, the right to grant).
func (j *judge) declare(trial *preview.Preview) {
	if trial.Object.Kind == roster.KindAccessPolicy {
		return // a policy declares no grants
	}
	d := declarer{
		judge: j, object: trial.Object, tables: map[tableKey]table{}, fresh: map[freshKey][]grant{}, selections: selections{},
		named: map[*resolve.Source][]string{},
	}
	for i := range trial.Users {
		u := &trial.Users[i]
		switch {
		case u.Namespace != trial.Object.Namespace || j.ctx.Err() != nil:
		case trial.Object.Kind == roster.KindApplicationAccess:
			d.labelled(u)
		default:
			d.user(u)
		}
	}
}

// declarer caches results that many users share: a change mostly gives all members of a group the same.
type declarer struct {
	*judge

	object     roster.Object
	tables     map[tableKey]table
	fresh      map[freshKey][]grant
	selections selections
	named      map[*resolve.Source][]string // see organizationsOf
}

type tableKey struct {
	source        *resolve.Source
	organizations string
}

type freshKey struct {
	after, before *resolve.Source
	organizations string
}

func (d *declarer) user(u *preview.Affected) {
	organizations := d.organizationsNamed(u)
	for i := range u.After.Declared {
		after := &u.After.Declared[i]
		key := freshKey{after: after.Source, organizations: strings.Join(organizations, " ")}
		if was := counterpart(u.Before.Declared, after); was != nil {
			if was.Source == after.Source {
				continue
			}
			key.before = was.Source
		}
		fresh, known := d.fresh[key]
		if !known {
			fresh = d.freshGrants(key, organizations, u.Namespace)
		}
		// A grant that is already required needs no check for the next user.
		d.fresh[key] = slices.DeleteFunc(fresh, func(g grant) bool {
			if !d.isNew(u, g, after, organizations) {
				return false
			}
			d.requireDeclared(u, g, after.Source)
			return true
		})
	}
}

// counterpart returns the declaration with the same source and the same windows that the user had before the
// change, or nil if there is none.
func counterpart(before []preview.Declaration, after *preview.Declaration) *preview.Declaration {
	for i := range before {
		was := &before[i]
		if was.Source.Name == after.Source.Name && slices.EqualFunc(was.Windows, after.Windows, sameWindow) {
			return was
		}
	}
	return nil
}

func sameWindow(a, b resolve.Window) bool {
	return a.NotBefore.Equal(b.NotBefore) && a.NotAfter.Equal(b.NotAfter)
}

// freshGrants returns the grants, sorted, that the source declares and did not declare before.
func (d *declarer) freshGrants(key freshKey, organizations []string, namespace string) []grant {
	before := table{}
	if key.before != nil {
		before = d.tableOf(key.before, organizations, namespace)
	}
	var fresh []grant
	for g, windows := range d.tableOf(key.after, organizations, namespace) {
		was := d.windowsOf(before, g)
		if slices.ContainsFunc(windows, func(w resolve.Window) bool { return !covered(w, was) }) {
			fresh = append(fresh, g)
		}
	}
	slices.SortFunc(fresh, grant.compare)
	return fresh
}

func (g grant) compare(h grant) int {
	return cmp.Or(strings.Compare(g.organization, h.organization), strings.Compare(g.organizations, h.organizations),
		strings.Compare(g.resource, h.resource), strings.Compare(g.application, h.application),
		strings.Compare(g.applications, h.applications), strings.Compare(g.role, h.role))
}

// windowsOf returns the windows in which the table gives the role wherever the grant does. The caller may modify
// the slice.
func (d *declarer) windowsOf(t table, g grant) []resolve.Window {
	windows := slices.Clone(t[g])
	if g.organizations == "" && g.applications == "" {
		return windows
	}
	for other, also := range t {
		if other != g && d.selections.covers(other, g) {
			windows = append(windows, also...)
		}
	}
	return windows
}

// isNew reports whether the grant applies at an instant at which nothing that the user had before declares it.
func (d *declarer) isNew(u *preview.Affected, g grant, after *preview.Declaration, organizations []string) bool {
	var before []resolve.Window
	for i := range u.Before.Declared {
		was := &u.Before.Declared[i]
		for _, w := range d.windowsOf(d.tableOf(was.Source, organizations, u.Namespace), g) {
			before = append(before, opened(w, was.Windows)...)
		}
	}
	for _, w := range d.tableOf(after.Source, organizations, u.Namespace)[g] {
		for _, open := range opened(w, after.Windows) {
			if !covered(open, before) {
				return true
			}
		}
	}
	return false
}

func (d *declarer) requireDeclared(u *preview.Affected, g grant, s *resolve.Source) {
	d.require(need{g.resource, d.namespaceOf(g), g.application, g.role, ""}, d.fieldOf(u, g, s), nil, func() string {
		return fmt.Sprintf("%s would be given %s by %s", d.whom(u), describe(g), s.Name)
	})
}

// namespaceOf returns the namespace in which the right to the grant is checked: the system namespace for system
// roles, the organization for other roles, and all namespaces for roles in all organizations.
func (d *declarer) namespaceOf(g grant) string {
	switch {
	case g.resource == ResourceSystemRoles:
		return d.view.SystemNamespace()
	case g.organization == resolve.AnyApplication:
		return ""
	default:
		return g.organization
	}
}

func (d *declarer) whom(u *preview.Affected) string {
	if u.User != "" {
		return u.User
	}
	return "whoever belongs to " + roster.Object{Kind: roster.KindAccessGroup, Namespace: u.Namespace, Name: u.Through}.String()
}

// describe returns the role of the need in words.
func (n need) describe() string {
	return describe(grant{organization: n.namespace, resource: n.resource, application: n.application, role: n.role})
}

func describe(g grant) string {
	var what string
	switch {
	case g.resource == ResourceSystemRoles:
		what = "the system role " + g.role
	case g.resource == ResourceOrganizationRoles:
		what = "the organization role " + g.role
	case g.application == resolve.AnyApplication:
		what = g.role + " in every application"
	default:
		what = g.role + " in application " + g.application
	}
	if g.applications != "" {
		what += " that the selector " + g.applications + " selects"
	}
	switch {
	case g.organizations != "":
		return what + " of every organization that the selector " + g.organizations + " selects"
	case g.organization == resolve.AnyApplication:
		return what + " of every organization"
	default:
		return what + " of organization " + g.organization
	}
}

// tableOf returns the grants of the source: in its own organization or, for a source in the system namespace, in
// the named organizations.
func (d *declarer) tableOf(s *resolve.Source, organizations []string, namespace string) table {
	key := tableKey{s, ""}
	if s.Origin == resolve.SystemGroup || s.Origin == resolve.IndividualAtSystem {
		key.organizations = strings.Join(organizations, " ")
	} else {
		organizations = []string{namespace}
	}
	if t, known := d.tables[key]; known {
		return t
	}
	t := table{}
	for _, organization := range organizations {
		if organization != resolve.AnyApplication {
			d.add(t, organization, s.WrittenIn(d.placeOf(organization)), false)
		}
	}
	d.add(t, resolve.AnyApplication, s.WrittenForMany(), true)
	d.tables[key] = t
	return t
}

// add adds the grants of a source for the organization, or for the organizations that its selectors select.
func (d *declarer) add(t table, organization string, written iter.Seq[resolve.Written], bySelector bool) {
	for w := range written {
		if !gives(w.Role) {
			continue
		}
		g := grant{organization: organization, resource: resourceOf(w.Scope), application: w.Application, role: w.Role}
		selects := true
		if bySelector {
			g.organizations, selects = d.selections.textOf(w.Organizations)
		}
		var selectsToo bool
		if g.applications, selectsToo = d.selections.textOf(w.Applications); selects && selectsToo {
			t[g] = append(t[g], w.Window)
		}
	}
}

// placeOf returns the organization as selectors see it before the change. The organization need not exist.
func (j *judge) placeOf(organization string) *resolve.Place {
	if n := j.view.Index().Namespace(organization); n != nil {
		return n.Place()
	}
	return &resolve.Place{Organization: organization}
}

// resourceOf returns the resource of the ladder that has the roles of the scope.
func resourceOf(scope resolve.Scope) string {
	switch scope {
	case resolve.ScopeSystem:
		return ResourceSystemRoles
	case resolve.ScopeOrganization:
		return ResourceOrganizationRoles
	default:
		return ResourceApplicationRoles
	}
}

func gives(role string) bool { return role != "" && role != resolve.NoAccess }

// organizationsNamed returns "*" and the organizations that the user's sources in the system namespace name or
// currently select, before or after the change. These sources give the same in every other organization.
func (d *declarer) organizationsNamed(u *preview.Affected) []string {
	named := []string{resolve.AnyApplication}
	if u.Namespace != d.view.SystemNamespace() {
		return nil
	}
	for _, declared := range [][]preview.Declaration{u.Before.Declared, u.After.Declared} {
		for i := range declared {
			named = append(named, d.organizationsOf(declared[i].Source)...)
		}
	}
	slices.Sort(named)
	return slices.Compact(named)
}
