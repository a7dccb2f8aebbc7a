package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
)

// group is an AccessGroup with the facts that lists show.
type group struct {
	*roster.GroupReport
	gives  string
	states []string
}

// The states of a group, as its list shows them.
const (
	stateInEffect  = "In effect"
	stateInert     = "No effect"
	stateNoRoles   = "No privileges"
	stateDue       = "Review due"
	stateConflicts = "Conflicts"
	stateUnknown   = "Unknown names"
	stateDeleting  = "Being deleted"
)

func newGroup(w *source.World, g *accessv1alpha1.AccessGroup, samples int) *group {
	report := w.Group(g.Namespace, g.Name, samples)
	if report == nil {
		report = &roster.GroupReport{Object: g}
	}
	made := &group{GroupReport: report, gives: strings.Join(query.GivenBy(g), "; ")}
	add := func(is bool, state string) {
		if is {
			made.states = append(made.states, state)
		}
	}
	add(g.DeletionTimestamp != nil, stateDeleting)
	add(report.Inert != "", stateInert)
	add(g.Spec.Privileges == accessv1alpha1.GroupPrivilegesDisabled, stateNoRoles)
	add(!report.ReviewDue.IsZero() && !report.ReviewDue.After(w.Now()), stateDue)
	add(report.Conflicts > 0, stateConflicts)
	add(len(report.Unresolved) > 0, stateUnknown)
	add(len(made.states) == 0, stateInEffect)
	return made
}

func (g *group) stateCell() cell {
	made := cell{Text: strings.Join(g.states, ", "), Mark: "warn"}
	if g.states[0] == stateInEffect {
		made.Mark = "good"
	}
	return made
}

// title returns the name of the group for people.
func (g *group) title() string { return cmp.Or(g.Object.Spec.DisplayName, g.Object.Name) }

func (s *Server) groupsPage(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	if organization == w.SystemNamespace() {
		return redirect(s.renderer.url("system")), nil
	}
	f := s.newFrame(r, "Groups of "+organization)
	f.Part = partGroups
	made := s.groupSection(f, w, organization)
	made.Empty = "There is no such group. Change the filter, or create a group with New group."
	return &page{frame: f, template: "content", data: &content{
		Lead:     "A group gives its members roles in applications. Select groups to change them together.",
		Actions:  []action{{Text: "New group", Post: s.renderer.url("o", organization, "groups", "new"), Primary: true}},
		Sections: []section{made},
	}}, nil
}

// systemPage lists the groups of the system namespace.
func (s *Server) systemPage(r *http.Request) (reply, error) {
	w := s.world()
	f := s.newFrame(r, "System groups")
	f.Part = partSystem
	made := s.groupSection(f, w, w.SystemNamespace())
	made.Empty = "There is no such group. A System group gives roles in several organizations."
	return &page{frame: f, template: "content", data: &content{
		Lead: "A System group gives its members roles in several organizations. It stands in namespace " + w.SystemNamespace() + ".",
		Actions: []action{{
			Text: "New System group", Post: s.renderer.url("o", w.SystemNamespace(), "groups", "new"), Primary: true,
		}},
		Sections: []section{made},
	}}, nil
}

func (s *Server) groupSection(f *frame, w *source.World, namespace string) section {
	search, state := f.Value("q"), f.Value("state")
	var found []*group
	total := 0
	for _, o := range w.GroupObjects(namespace) {
		g := newGroup(w, o.Object.(*accessv1alpha1.AccessGroup), 0)
		total++
		if matches(search, g.Object.Name, g.Object.Spec.DisplayName, g.Object.Spec.Description, g.gives) &&
			(state == "" || strings.Contains(strings.Join(g.states, "\n"), state)) {
			found = append(found, g)
		}
	}
	byName := func(a, b **group) int {
		return cmp.Or(strings.Compare(strings.ToLower((*a).title()), strings.ToLower((*b).title())), strings.Compare((*a).Object.Name, (*b).Object.Name))
	}
	slices.SortFunc(found, func(a, b *group) int { return byName(&a, &b) })
	columns := sorted(f, found, []string{"Group", "Members", "Gives", "Review due", "State"},
		sorter[*group]{"Group", byName},
		sorter[*group]{"Members", func(a, b **group) int { return cmp.Or(cmp.Compare((*a).Members, (*b).Members), byName(a, b)) }},
		sorter[*group]{"Review due", func(a, b **group) int { return cmp.Or((*a).ReviewDue.Compare((*b).ReviewDue), byName(a, b)) }},
		sorter[*group]{"State", func(a, b **group) int {
			return cmp.Or(strings.Compare((*a).stateCell().Text, (*b).stateCell().Text), byName(a, b))
		}},
	)
	shown, pages := cut(f, found, pageSize)
	made := &table{
		Caption: fmt.Sprintf("%d of %d groups", len(found), total), Columns: columns, Pages: pages,
		Select: &selecting{
			Action: s.renderer.url("bulk"), Name: "group", Buttons: bulkButtons,
		},
	}
	for _, g := range shown {
		made.Rows = append(made.Rows, row{Key: namespace + "/" + g.Object.Name, Cells: []cell{
			{Text: g.title(), Link: s.groupLink(namespace, g.Object.Name), Note: differing(g.Object.Name, g.title())},
			{Text: strconv.Itoa(g.Members)},
			{Text: cmp.Or(shortened(g.gives), "nothing"), Mark: faintIf(g.gives == "")},
			{Text: instant(dueOf(g.ReviewDue))},
			g.stateCell(),
		}})
	}
	all := []option{{Value: "", Text: "any"}}
	for _, each := range []string{stateInEffect, stateDue, stateConflicts, stateUnknown, stateNoRoles, stateInert, stateDeleting} {
		all = append(all, option{Value: each})
	}
	return section{
		Filters: []filter{
			{Name: "q", Label: "Search", Value: search, Hint: "name or role"},
			{Name: "state", Label: "State", Options: options(state, all...)},
		},
		Table: made,
	}
}

// dueOf returns the instant, or nil for one that files cannot tell.
func dueOf(t time.Time) *time.Time {
	if t.Year() < 1000 {
		return nil
	}
	return &t
}

// differing returns the text if it is not the other.
func differing(text, other string) string {
	if text == other {
		return ""
	}
	return text
}

func faintIf(is bool) string {
	if is {
		return "faint"
	}
	return ""
}

// shortened returns the beginning of a long text.
func shortened(text string) string {
	const most = 120
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (s *Server) groupLink(namespace, name string) string {
	return s.renderer.url("o", namespace, "groups", name)
}

func (s *Server) userLink(user string) string { return link(s.renderer.url("user"), nil, "name", user) }

// sourceCell links a source of access, which is written as Kind/namespace/name.
func (s *Server) sourceCell(source string) cell {
	key, is := roster.ParseObject(source)
	if !is || key.Kind != roster.KindAccessGroup {
		return cell{Text: source}
	}
	return cell{Text: source, Link: s.groupLink(key.Namespace, key.Name)}
}

// lookup returns the object of the world, or a problem that names it.
func lookup(w *source.World, kind roster.Kind, namespace, name string) (*objects.Object, error) {
	found := w.Object(roster.Object{Kind: kind, Namespace: namespace, Name: name})
	if found == nil {
		return nil, notFound("It is not there any more", fmt.Sprintf(
			"There is no %s %s in namespace %s. Somebody may have deleted it. Nothing was done.", kind, name, namespace))
	}
	return found, nil
}

func (s *Server) groupPage(r *http.Request) (reply, error) {
	w := s.world()
	organization, err := s.organizationOf(r, w)
	if err != nil {
		return nil, err
	}
	o, err := lookup(w, roster.KindAccessGroup, organization, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	const samples = 20
	g := newGroup(w, o.Object.(*accessv1alpha1.AccessGroup), samples)
	f := s.newFrame(r, g.title())
	f.Part = partGroups
	if organization == w.SystemNamespace() {
		f.Part = partSystem
	}
	made := &content{Lead: g.Object.Spec.Description, Actions: s.groupActions(g.Object)}
	made.Sections = append(made.Sections, s.groupFacts(g, o), s.memberSection(f, w, g.Object))
	made.Sections = append(made.Sections, s.privilegeSections(w, g)...)
	made.Sections = append(made.Sections, s.problemSections(g)...)
	return &page{frame: f, template: "content", data: made}, nil
}

func (s *Server) groupActions(g *accessv1alpha1.AccessGroup) []action {
	to := s.renderer.url("o", g.Namespace, "groups", g.Name, "edit")
	bulk := func(do string) string {
		return link(s.renderer.url("bulk"), nil, "do", do, "group", g.Namespace+"/"+g.Name)
	}
	step := func(step string) []field { return []field{{"step", step}} }
	made := []action{
		{Text: "Edit", Post: to, Fields: step(stepGeneral), Primary: true},
		{Text: "Privileges", Post: to, Fields: step(stepPrivileges)},
		{Text: "Notification", Post: to, Fields: step(stepNotification)},
		{Text: "Add members", Link: bulk(bulkAdd)},
		{Text: "Notify", Link: bulk(bulkNotify)},
	}
	if g.Spec.Review.EveryDays > 0 {
		made = append(made, action{
			Text: "Confirm review", Link: bulk(bulkConfirm),
		})
	}
	return append(made, action{Text: "Delete", Link: bulk(bulkDelete), Danger: true})
}

func (s *Server) groupFacts(g *group, o *objects.Object) section {
	spec := &g.Object.Spec
	made := section{ID: "general", Title: "General"}
	add := func(name string, cells ...cell) { made.Facts = append(made.Facts, fact{name, cells}) }
	add("Name", cell{Text: g.Object.Namespace + "/" + g.Object.Name})
	add("State", g.stateCell())
	if g.Inert != "" {
		add("Why it has no effect", cell{Text: g.Inert})
	}
	add("Type", cell{Text: string(cmp.Or(spec.Type, accessv1alpha1.GroupTypeOrganization))})
	if by := edit.KeptBy(g.Object); by != "" {
		add("Kept by", cell{Text: by, Note: "Its next sync undoes edits of the cluster. The console offers the manifest to commit."})
	}
	if o.Origin.File != "" {
		add("File", cell{Text: o.Origin.String()})
	}
	if spec.Review.EveryDays > 0 {
		add("Review", cell{Text: fmt.Sprintf("every %d days, due %s", spec.Review.EveryDays, cmp.Or(instant(dueOf(g.ReviewDue)), "now")),
			Note: missedText(spec.Review.IfMissed)})
	}
	notification := "Members are not told of changes"
	if spec.Notification.Mode == accessv1alpha1.NotificationModeOnChange {
		notification = "Members are told of changes"
	}
	var channels []string
	for _, name := range spec.Notification.Channels {
		channels = append(channels, string(name))
	}
	add("Notification", cell{Text: notification, Note: strings.Join(channels, ", ")})
	return made
}

func missedText(missed accessv1alpha1.MissedReview) string {
	if missed == accessv1alpha1.MissedReviewEnd {
		return "A missed review ends the access that the group gives."
	}
	return "A missed review changes nothing."
}

func (s *Server) memberSection(f *frame, w *source.World, g *accessv1alpha1.AccessGroup) section {
	windows := map[string]*accessv1alpha1.Member{}
	var users []string
	for i := range g.Spec.Members {
		m := &g.Spec.Members[i]
		windows[string(m.User)] = m
		users = append(users, string(m.User))
	}
	for _, user := range w.ActiveMembers(roster.ObjectOf(g)) {
		if windows[user] == nil {
			users = append(users, user)
		}
	}
	search := f.Value("member")
	var found []string
	for _, user := range users {
		if matches(search, user) {
			found = append(found, user)
		}
	}
	shown, pages := cut(f, found, pageSize)
	made := section{ID: "members", Title: "Members", Empty: "Nobody is a member. Add members with Add members."}
	for _, each := range g.Spec.MemberGroups {
		made.Facts = append(made.Facts, fact{"Members of group", []cell{{Text: string(each), Link: s.groupLink(g.Namespace, string(each))}}})
	}
	if g.Spec.MemberSelector != nil {
		made.Facts = append(made.Facts, fact{"Users with labels", []cell{{Text: selectorText(g.Spec.MemberSelector)}}})
	}
	if len(users) > pageSize || search != "" {
		made.Filters = []filter{{Name: "member", Label: "Search", Value: search}}
	}
	made.Table = &table{
		Caption: fmt.Sprintf("%d of %d members", len(found), len(users)), Columns: []column{{Name: "User"}, {Name: "Member by"}, {Name: "Window"}}, Pages: pages,
		Select: &selecting{
			Action: s.renderer.url("bulk"), Name: "user", Fields: []field{{"group", g.Namespace + "/" + g.Name}},
			Buttons: []option{{Value: bulkRemove, Text: "Remove members"}},
		},
	}
	for _, user := range shown {
		by, window := "another group, a label or the UserAccess", ""
		if m := windows[user]; m != nil {
			by, window = "the list of the group", windowText(timeOf(m.NotBefore), timeOf(m.NotAfter))
		}
		made.Table.Rows = append(made.Table.Rows, row{Key: user, Cells: []cell{
			{Text: user, Link: s.userLink(user)}, {Text: by}, {Text: cmp.Or(window, "always"), Mark: faintIf(window == "")},
		}})
	}
	return made
}

func (s *Server) privilegeSections(w *source.World, g *group) []section {
	spec := &g.Object.Spec
	given := query.GivenBy(g.Object)
	made := section{ID: "privileges", Title: "Privileges", Empty: "The group gives nothing. Give roles with Privileges."}
	made.Table = &table{Caption: "What the group gives", Columns: []column{{Name: "Gives"}}}
	for _, each := range given {
		made.Table.Rows = append(made.Table.Rows, row{Key: each, Cells: []cell{{Text: each}}})
	}
	all := []section{made}
	if len(spec.DataPermissions) > 0 {
		rows := section{ID: "rows", Title: "Rows"}
		rows.Table = &table{Caption: "Rows that members see", Columns: []column{{Name: "Application"}, {Name: "Rows"}}}
		for i := range spec.DataPermissions {
			p := &spec.DataPermissions[i]
			rows.Table.Rows = append(rows.Table.Rows, row{Key: string(p.Application), Cells: []cell{
				{Text: applicationText(string(p.Application))}, {Text: strings.Join(writeRows(p.AnyOf), "; or ")},
			}})
		}
		all = append(all, rows)
	}
	if g.Object.Namespace != w.SystemNamespace() {
		return all
	}
	organizations := section{ID: "organizations", Title: "Organizations", Empty: "The group gives nothing in any organization."}
	organizations.Table = &table{Caption: "Organizations in which the group gives something", Columns: []column{{Name: "Organization"}, {Name: "Groups there"}}}
	for _, organization := range w.Asked() {
		if w.AppliesIn(roster.ObjectOf(g.Object), organization) {
			organizations.Table.Rows = append(organizations.Table.Rows, row{Key: organization, Cells: []cell{
				{Text: organization, Link: s.renderer.url("o", organization, partUsers)},
				{Text: strconv.Itoa(len(w.GroupObjects(organization)))},
			}})
		}
	}
	return append(all, organizations)
}

func (s *Server) problemSections(g *group) []section {
	var all []section
	if len(g.Unresolved) > 0 {
		made := section{ID: "unknown", Title: "Unknown names", Note: "The group names objects or roles that do not exist. They give nothing."}
		made.Table = &table{Caption: "Unknown names", Columns: []column{{Name: "Field"}, {Name: "Name"}}}
		for i := range g.Unresolved {
			u := &g.Unresolved[i]
			made.Table.Rows = append(made.Table.Rows, row{Key: u.Field + u.Name, Cells: []cell{{Text: u.Field}, {Text: u.Name}}})
		}
		all = append(all, made)
	}
	if g.Conflicts > 0 {
		made := section{ID: "conflicts", Title: "Conflicts", Note: fmt.Sprintf("%d conflicts with other sources of access.", g.Conflicts)}
		made.Table = &table{Caption: "The first conflicts", Columns: []column{{Name: "User"}, {Name: "Organization"}, {Name: "In"}, {Name: "Wins"}}}
		for i := range g.Samples {
			c := &g.Samples[i]
			made.Table.Rows = append(made.Table.Rows, row{Key: fmt.Sprint(i), Cells: []cell{
				{Text: c.User, Link: s.userLink(c.User)}, {Text: c.Organization}, {Text: cmp.Or(c.Application, strings.ToLower(string(c.Scope)))},
				{Text: c.Role, Note: ruleText(string(c.Rule))},
			}})
		}
		all = append(all, made)
	}
	return all
}
