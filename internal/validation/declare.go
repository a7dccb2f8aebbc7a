package validation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/usher-dev/usher/internal/preview"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// grant is one role that a source gives by the letter. Organization is "*" for all of them; resource says on which
// ladder the role is, application is "*" for all and empty for roles of the other ladders.
type grant struct{ organization, resource, application, role string }

// table is what a source gives by the letter, with when it does. NoAccess is left out, since it takes.
type table map[grant][]resolve.Window

// declare requires the rights to what the objects of the namespace newly say, for any instant at which they did not say
// it before (docs/admission.md, the right to grant).
func (j *judge) declare(trial *preview.Preview) {
	if trial.Object.Kind == roster.KindAccessPolicy {
		return // it gives nothing by the letter
	}
	d := declarer{judge: j, object: trial.Object, tables: map[tableKey]table{}, fresh: map[freshKey][]grant{}}
	for i := range trial.Users {
		if u := &trial.Users[i]; u.Namespace == trial.Object.Namespace && j.ctx.Err() == nil {
			d.user(u)
		}
	}
}

// declarer keeps what is the same for many users: a change mostly gives all members of a group the same.
type declarer struct {
	*judge

	object roster.Object
	tables map[tableKey]table
	fresh  map[freshKey][]grant
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
		// What is required already need not be looked at again for the next user.
		d.fresh[key] = slices.DeleteFunc(fresh, func(g grant) bool {
			if !d.isNew(u, g, after, organizations) {
				return false
			}
			d.requireDeclared(u, g, after.Source)
			return true
		})
	}
}

// counterpart returns what the user had of the same source, at least whenever the user has it after the change.
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

// freshGrants lists, sorted, what the source says and did not say before.
func (d *declarer) freshGrants(key freshKey, organizations []string, namespace string) []grant {
	before := table{}
	if key.before != nil {
		before = d.tableOf(key.before, organizations, namespace)
	}
	var fresh []grant
	for g, windows := range d.tableOf(key.after, organizations, namespace) {
		if slices.ContainsFunc(windows, func(w resolve.Window) bool { return !covered(w, slices.Clone(before[g])) }) {
			fresh = append(fresh, g)
		}
	}
	slices.SortFunc(fresh, func(a, b grant) int {
		return cmp.Or(strings.Compare(a.organization, b.organization), strings.Compare(a.resource, b.resource),
			strings.Compare(a.application, b.application), strings.Compare(a.role, b.role))
	})
	return fresh
}

// isNew says whether the grant counts at some instant at which nothing that the user had before says the same.
func (d *declarer) isNew(u *preview.Affected, g grant, after *preview.Declaration, organizations []string) bool {
	var before []resolve.Window
	for i := range u.Before.Declared {
		was := &u.Before.Declared[i]
		for _, w := range d.tableOf(was.Source, organizations, u.Namespace)[g] {
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

// namespaceOf says where the right to the grant is asked for: of system roles in the system namespace, of others in
// their organization, of those for all organizations in all namespaces.
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
	if g.organization == resolve.AnyApplication {
		return what + " of every organization"
	}
	return what + " of organization " + g.organization
}

// tableOf returns what the source gives, in its own organization or, out of the system namespace, in those named.
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
		for given := range s.Written(organization) {
			if !gives(given.Role) {
				continue
			}
			g := grant{organization, resourceOf(given.Scope), given.Application, given.Role}
			t[g] = append(t[g], given.Window)
		}
	}
	d.tables[key] = t
	return t
}

// resourceOf returns the resource of the ladder that roles of the scope are on.
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

// organizationsNamed lists the organizations that anything the user has, or would have, in the system namespace names,
// and "*": in every other one the same is said.
func (d *declarer) organizationsNamed(u *preview.Affected) []string {
	named := []string{resolve.AnyApplication}
	if u.Namespace != d.view.SystemNamespace() {
		return nil
	}
	for _, declared := range [][]preview.Declaration{u.Before.Declared, u.After.Declared} {
		for i := range declared {
			for k := range declared[i].Source.System {
				if e := &declared[i].Source.System[k]; e.Selector == nil {
					named = append(named, e.Organization)
				}
			}
		}
	}
	slices.Sort(named)
	return slices.Compact(named)
}

// fieldOf says what in the object gives the grant.
func (d *declarer) fieldOf(u *preview.Affected, g grant, s *resolve.Source) *field.Path {
	spec := field.NewPath("spec")
	if s.Name != d.object.String() || d.changed.only("members", "memberGroups", "memberSelector", "groups") {
		return d.changed.path(u.User)
	}
	if s.Origin == resolve.SystemGroup || s.Origin == resolve.IndividualAtSystem {
		named := func(organization string) bool {
			return slices.ContainsFunc(s.System, func(e resolve.SystemGrant) bool {
				return e.Selector == nil && e.Organization == organization
			})
		}
		switch {
		case named(g.organization):
			spec = spec.Child("systemAccess").Key(g.organization)
		case named(resolve.AnyApplication):
			spec = spec.Child("systemAccess").Key(resolve.AnyApplication)
		default:
			spec = spec.Child("systemAccessSelectors")
		}
	}
	switch g.resource {
	case ResourceSystemRoles:
		return spec.Child("role")
	case ResourceOrganizationRoles:
		return spec.Child("organizationRole")
	default:
		return spec.Child("applicationAccess").Key(g.application).Child("role")
	}
}
