package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
)

// user is a user of one organization with the facts that lists show.
type user struct {
	name, displayName, role string
	applications, groups    int
	suspended               bool
}

func newUser(w *source.World, organization, name string) user {
	made := user{name: name, groups: len(w.Groups(organization, name))}
	if ua := w.Index().Namespace(organization).Account(name).Counting(); ua != nil {
		made.displayName = ua.Spec.DisplayName
	}
	made.suspended = isSuspended(w, name, organization, w.SystemNamespace())
	if d := w.Decision(organization, name); d != nil {
		made.role = d.OrganizationRole.Role
		for i := range d.Applications {
			if d.Applications[i].GivesAccess() {
				made.applications++
			}
		}
	}
	return made
}

// isSuspended reports whether a UserAccess in one of the namespaces suspends the user.
func isSuspended(w *source.World, name string, namespaces ...string) bool {
	return slices.ContainsFunc(namespaces, func(namespace string) bool {
		return slices.ContainsFunc(w.Index().Namespace(namespace).Account(name).All(), func(ua *accessv1alpha1.UserAccess) bool {
			return ua.Spec.State == accessv1alpha1.UserStateSuspended
		})
	})
}

// The filters of the users.
const (
	usersSuspended = "suspended"
	usersWithout   = "without"
	usersWith      = "with"
)

func (s *Server) usersPage(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	f := s.newFrame(r, "Users of "+organization)
	f.Part = partUsers
	search, state := f.Value("q"), f.Value("state")
	var found []user
	all := w.Users(organization)
	for _, name := range all {
		u := newUser(w, organization, name)
		has := u.applications > 0 || u.role != noAccess
		if !matches(search, u.name, u.displayName, u.role) || (state == usersSuspended && !u.suspended) ||
			(state == usersWith && !has) || (state == usersWithout && has) {
			continue
		}
		found = append(found, u)
	}
	columns := sorted(f, found, []string{"User", "Organization role", "Applications", "Groups", "State"},
		sorter[user]{"User", func(a, b *user) int { return strings.Compare(a.name, b.name) }},
		sorter[user]{"Organization role", func(a, b *user) int { return strings.Compare(a.role, b.role) }},
		sorter[user]{"Applications", func(a, b *user) int { return cmp.Compare(a.applications, b.applications) }},
		sorter[user]{"Groups", func(a, b *user) int { return cmp.Compare(a.groups, b.groups) }},
	)
	shown, pages := cut(f, found, pageSize)
	made := &table{
		Caption: fmt.Sprintf("%d of %d users", len(found), len(all)), Columns: columns, Pages: pages,
		Select: &selecting{Action: s.renderer.url("bulk"), Name: "user",
			Buttons: []option{{Value: bulkAdd, Text: "Add to groups"}, {Value: bulkRemove, Text: "Remove from groups"}}},
	}
	for _, u := range shown {
		state := cell{Text: "Active", Mark: "good"}
		if u.suspended {
			state = cell{Text: "Suspended", Mark: "bad"}
		}
		made.Rows = append(made.Rows, row{Key: u.name, Cells: []cell{
			{Text: u.name, Link: s.userLink(u.name), Note: u.displayName}, roleCell(u.role), {Text: strconv.Itoa(u.applications)},
			{Text: strconv.Itoa(u.groups)}, state,
		}})
	}
	return &page{frame: f, template: "content", data: &content{
		Lead: "Everybody who is a member of a group here, or who has a grant or a UserAccess.",
		Sections: []section{{
			Filters: []filter{
				{Name: "q", Label: "Search", Value: search, Hint: "name or role"},
				{Name: "state", Label: "Show", Options: options(state, option{Value: "", Text: "all"}, option{Value: usersWith, Text: "with access"},
					option{Value: usersWithout, Text: "without access"}, option{Value: usersSuspended, Text: "suspended"})},
			},
			Table: made, Empty: "There is no such user. Change the filter, or add members to a group.",
		}},
	}}, nil
}

// noAccess is the role of a user without access.
const noAccess = string(accessv1alpha1.RoleNoAccess)

func roleCell(role string) cell {
	if role == "" || role == noAccess {
		return cell{Text: noAccess, Mark: "faint"}
	}
	return cell{Text: role}
}

// userPage shows what a user holds in every organization, and why.
func (s *Server) userPage(r *http.Request) (reply, error) {
	w := s.world()
	name := r.FormValue("name")
	f := s.newFrame(r, name)
	f.Part = partUsers
	made := &content{}
	var known []string
	for _, organization := range w.Asked() {
		if w.Decision(organization, name) != nil {
			known = append(known, organization)
		}
	}
	system := w.Index().System().Account(name).Counting()
	if len(known) == 0 && system == nil {
		return nil, notFound("Nothing is known of "+name, "No group names this user, and there is no UserAccess. The user may have left since the last page.")
	}
	made.Lead = fmt.Sprintf("Known in %d of %d organizations: %s.", len(known), len(w.Asked()), cmp.Or(strings.Join(known, ", "), "none"))
	if len(groupsNaming(w, name)) > 0 {
		made.Actions = append(made.Actions, action{
			Text: "Remove from all groups", Post: s.renderer.url("user", "leave"), Fields: []field{{"user", name}}, Danger: true,
		})
	}
	if entries := s.entrySection(w, name); entries.Table.Rows != nil {
		made.Sections = append(made.Sections, entries)
	}
	for _, organization := range known {
		made.Sections = append(made.Sections, s.holdingSection(w, organization, name))
		made.Sections = append(made.Sections, s.derivationSections(w, organization, name)...)
	}
	made.Sections = append(made.Sections, s.everywhereSection(w, name))
	return &page{frame: f, template: "content", data: made}, nil
}

// entrySection lists the organizations that the user can enter, and leads to them.
func (s *Server) entrySection(w *source.World, name string) section {
	made := section{ID: "organizations", Title: "Organizations that the user can enter"}
	made.Table = &table{Caption: "Organizations", Columns: []column{{Name: "Organization"}, {Name: "Role"}, {Name: "Until"}}}
	for _, e := range w.Entries(name) {
		if slices.Contains(w.Asked(), e.Organization) {
			made.Table.Rows = append(made.Table.Rows, row{Key: e.Organization, Cells: []cell{
				{Text: e.Organization, Link: s.renderer.url("o", e.Organization, partGroups)}, roleCell(e.OrganizationRole), {Text: instant(&e.NotAfter)},
			}})
		}
	}
	return made
}

// groupsNaming returns the groups whose lists name the user.
func groupsNaming(w *source.World, name string) []*objects.Object {
	return slices.DeleteFunc(w.GroupObjects(""), func(o *objects.Object) bool {
		members := o.Object.(*accessv1alpha1.AccessGroup).Spec.Members
		return !slices.ContainsFunc(members, func(m accessv1alpha1.Member) bool { return string(m.User) == name })
	})
}

// everywhereSection shows the UserAccess in the system namespace, which counts in every organization.
func (s *Server) everywhereSection(w *source.World, name string) section {
	namespace := w.SystemNamespace()
	made := section{
		ID: "everywhere", Title: "In every organization", Actions: s.userActions(w, namespace, name), Facts: s.userFacts(w, namespace, name),
		Note: "A UserAccess in namespace " + namespace + " can suspend the user everywhere.",
	}
	state := cell{Text: "not suspended there", Mark: "good"}
	if isSuspended(w, name, namespace) {
		state = cell{Text: "suspended everywhere", Mark: "bad"}
	}
	made.Facts = append(made.Facts, fact{"State", []cell{state}})
	return made
}

// userActions edit the UserAccess of the user in the namespace, or create it.
func (s *Server) userActions(w *source.World, namespace, name string) []action {
	to, fields := s.renderer.url("o", namespace, "user", "edit"), []field{{"user", name}}
	state, text := accessv1alpha1.UserStateSuspended, "Suspend in "+namespace
	if isSuspended(w, name, namespace) {
		state, text = accessv1alpha1.UserStateActive, "End suspension in "+namespace
	}
	return []action{
		{Text: "Edit user in " + namespace, Post: to, Fields: fields},
		{Text: text, Post: to, Danger: state == accessv1alpha1.UserStateSuspended, Fields: append(fields, field{"state", string(state)})},
	}
}

// userFacts show what the UserAccess objects of the user in the namespace say beside roles.
func (s *Server) userFacts(w *source.World, namespace, name string) []fact {
	var facts []fact
	for _, ua := range w.Index().Namespace(namespace).Account(name).All() {
		if ua.Spec.Email != "" {
			facts = append(facts, fact{"E-mail", []cell{{Text: ua.Spec.Email}}})
		}
		for i := range ua.Spec.Attributes {
			a := &ua.Spec.Attributes[i]
			facts = append(facts, fact{"Attribute " + string(a.Name), []cell{{Text: writeValues(a.Values)}}})
		}
	}
	for _, group := range w.Groups(namespace, name) {
		facts = append(facts, fact{"Member of", []cell{{Text: group, Link: s.groupLink(namespace, group)}}})
	}
	return facts
}

func (s *Server) holdingSection(w *source.World, organization, name string) section {
	made := section{
		ID: "in-" + organization, Title: "In " + organization, Empty: "The user holds nothing here.",
		Actions: s.userActions(w, organization, name), Facts: s.userFacts(w, organization, name),
	}
	made.Table = &table{Caption: "Roles in " + organization, Columns: []column{
		{Name: "In"}, {Name: "Role"}, {Name: "Rows"}, {Name: "Until"}, {Name: "Why"},
	}}
	for _, h := range query.Holdings(w, organization, name) {
		made.Table.Rows = append(made.Table.Rows, row{Key: h.Scope + h.Application, Cells: []cell{
			s.placeCell(&h), roleCell(h.Role), {Text: h.Rows()}, {Text: instant(h.NotAfter)}, s.whyCell(h.Rule, h.Source),
		}})
	}
	return made
}

// placeCell names the place of a role: the organization, an application, or every other application.
func (s *Server) placeCell(h *query.Holding) cell {
	switch h.Scope {
	case query.ScopeOrganization:
		return cell{Text: "The organization"}
	case query.ScopeDefault:
		return cell{Text: "Any other application"}
	default:
		return cell{Text: h.Shown(), Link: s.renderer.url("o", h.Organization, partApplications, h.Application)}
	}
}

// whyCell names the rule that decided, and the source of the role.
func (s *Server) whyCell(rule, source string) cell {
	if source == "" {
		return cell{Text: ruleText(rule)}
	}
	made := s.sourceCell(source)
	made.Note = ruleText(rule)
	return made
}

// derivationSections explain how the roles of the user came about.
func (s *Server) derivationSections(w *source.World, organization, name string) []section {
	x := query.Explain(w, organization, name, nil)
	if x == nil {
		return nil
	}
	var all []section
	if len(x.Bars) > 0 {
		made := section{ID: "bars-" + organization, Title: "Barred in " + organization, Note: "The user has no access, whatever is granted."}
		for _, b := range x.Bars {
			made.Facts = append(made.Facts, fact{ruleText(b.Rule), []cell{s.sourceCell(b.Source)}})
		}
		all = append(all, made)
	}
	grants := section{ID: "grants-" + organization, Title: "Grants in " + organization, Empty: "Nothing grants the user a role here."}
	grants.Table = &table{Caption: "Every grant in " + organization + " and what became of it", Columns: []column{
		{Name: "Source"}, {Name: "Role"}, {Name: "In"}, {Name: "Window"}, {Name: "What became of it"},
	}}
	for i := range x.Grants {
		g := &x.Grants[i]
		grants.Table.Rows = append(grants.Table.Rows, row{Key: fmt.Sprint(i), Cells: []cell{
			s.sourceCell(g.Source), {Text: g.RoleText()}, {Text: g.ScopeText()},
			{Text: g.When()}, {Text: g.FateText()},
		}})
	}
	all = append(all, grants)
	if len(x.Future) > 0 {
		made := section{ID: "future-" + organization, Title: "What is to come in " + organization, Note: "If no object changes."}
		made.Table = &table{Caption: "Coming changes in " + organization, Columns: []column{{Name: "When"}, {Name: "In"}, {Name: "Before"}, {Name: "After"}}}
		for i := range x.Future {
			for j := range x.Future[i].Changes {
				c := &x.Future[i].Changes[j]
				made.Table.Rows = append(made.Table.Rows, row{Key: fmt.Sprint(i, j), Cells: []cell{
					{Text: instant(&x.Future[i].At)}, {Text: cmp.Or(c.Application, strings.ToLower(c.Scope))},
					{Text: c.Before.Role}, {Text: c.After.Role, Note: ruleText(c.After.Rule)},
				}})
			}
		}
		all = append(all, made)
	}
	return all
}
