package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// The edits of several groups. The names are parts of addresses.
const (
	bulkAdd        = "add"
	bulkRemove     = "remove"
	bulkSetRole    = "set-role"
	bulkRemoveRole = "remove-role"
	bulkNotify     = "notify"
	bulkConfirm    = "confirm"
	bulkDelete     = "delete"
)

// bulkButtons are the buttons over a list of groups.
var bulkButtons = []option{
	{Value: bulkAdd, Text: "Add members"}, {Value: bulkRemove, Text: "Remove members"}, {Value: bulkSetRole, Text: "Set role"},
	{Value: bulkRemoveRole, Text: "Remove role"}, {Value: bulkNotify, Text: "Notify"}, {Value: bulkDelete, Text: "Delete"},
}

var bulkTitles = map[string]string{
	bulkAdd: "Add members", bulkRemove: "Remove members", bulkSetRole: "Set role", bulkRemoveRole: "Remove role",
	bulkNotify: "Notify members", bulkConfirm: "Confirm reviews", bulkDelete: "Delete groups",
}

// bulkEdit is an edit of several groups, as an address or a form says it.
type bulkEdit struct {
	do            string
	groups, users []string
}

func newBulkEdit(values url.Values) (*bulkEdit, error) {
	in := newEntered(values)
	made := &bulkEdit{do: values.Get("do")}
	if bulkTitles[made.do] == "" {
		return nil, &problem{Status: http.StatusBadRequest, Title: "No such edit", Text: "Choose one of the buttons over a list. Nothing was done."}
	}
	for _, each := range values["group"] {
		made.groups = append(made.groups, newEntered(url.Values{"group": {each}}).lines("group")...)
	}
	for _, each := range values["user"] {
		made.users = append(made.users, newEntered(url.Values{"user": {each}}).lines("user")...)
	}
	return made, in.error()
}

// error returns the errors of the input as one.
func (in *entered) error() error {
	var failures []error
	for _, name := range sortedNames(in.errors) {
		failures = append(failures, errors.New(in.errors[name]))
	}
	return errors.Join(failures...)
}

// form returns the fields that the edit needs.
func (b *bulkEdit) form(w *source.World) *form {
	groups := formField{Name: "group", Label: "Groups", Type: typeLines, Value: strings.Join(b.groups, "\n"), Suggest: suggestGroups, Required: true,
		Help: "One a line, as namespace/name."}
	about := formPart{Fields: []formField{{Name: "do", Type: typeHidden, Value: b.do}, groups}}
	if b.do == bulkAdd || b.do == bulkRemove {
		about.Fields = append(about.Fields, formField{Name: "user", Label: "Users", Type: typeLines, Value: strings.Join(b.users, "\n"),
			Suggest: suggestUsers, Required: true, Help: "One a line, or separated by commas."})
	}
	if b.do == bulkSetRole || b.do == bulkRemoveRole {
		about.Fields = append(about.Fields, formField{Name: "application", Label: "Application", Type: typeText, Suggest: suggestApplications, Required: true,
			Help: "A name, or * for all that no other entry names."})
		if b.hasSystem(w) {
			about.Fields = append(about.Fields, formField{Name: "organization", Label: "Organization", Type: typeText, Suggest: suggestOrganizations,
				Help: "Of System groups: in which organization, * for every other."})
		}
	}
	if b.do == bulkSetRole {
		about.Fields = append(about.Fields, formField{Name: "role", Label: "Role", Type: typeSelect, Required: true,
			Options: roleOptions("", append(b.roles(w), noAccess), "choose")})
	}
	if b.do == bulkAdd || b.do == bulkSetRole {
		about.Fields = append(about.Fields, windowFields("", nil, nil)...)
	}
	return &form{Parts: []formPart{about}}
}

func (b *bulkEdit) hasSystem(w *source.World) bool {
	return slices.ContainsFunc(b.groups, func(name string) bool { return strings.HasPrefix(name, w.SystemNamespace()+"/") })
}

// roles returns the application roles of the organizations of the groups.
func (b *bulkEdit) roles(w *source.World) []string {
	var all []string
	add := func(organization string) {
		roles, _ := ladder(w, organization)
		for _, each := range roles {
			if !slices.Contains(all, each) {
				all = append(all, each)
			}
		}
	}
	for _, name := range b.groups {
		if namespace, _, _ := strings.Cut(name, "/"); namespace != w.SystemNamespace() {
			add(namespace)
		}
	}
	if len(all) == 0 {
		for _, organization := range w.Asked() {
			add(organization)
		}
	}
	return all
}

// bulkPage shows the fields of an edit. Edits without fields lead to their review at once.
func (s *Server) bulkPage(r *http.Request) (reply, error) {
	asked, err := newBulkEdit(r.URL.Query())
	if err != nil {
		return nil, err
	}
	return s.bulkForm(r, asked, nil), nil
}

// bulkFormPage is the page of an edit of several groups.
type bulkFormPage struct {
	Form   *form
	Action string
	Failed bool
	Rest   []string
}

func (s *Server) bulkForm(r *http.Request, asked *bulkEdit, in *entered) *page {
	f := s.newFrame(r, bulkTitles[asked.do])
	f.Part = partGroups
	made := &bulkFormPage{Form: asked.form(s.world()), Action: s.renderer.url("bulk")}
	p := &page{frame: f, template: "bulk", data: made}
	if in != nil {
		made.Form.refill(in)
		made.Failed, p.status = true, http.StatusUnprocessableEntity
		for _, name := range sortedNames(in.errors) {
			made.Rest = append(made.Rest, in.errors[name])
		}
	}
	return p
}

// bulkPlan takes the fields, and leads to the review of the edit.
func (s *Server) bulkPlan(r *http.Request) (reply, error) {
	asked, err := newBulkEdit(r.PostForm)
	if err != nil {
		return nil, err
	}
	w := s.world()
	in := newEntered(r.PostForm)
	groups := asked.find(w, in)
	if len(in.errors) > 0 {
		return s.bulkForm(r, asked, in), nil
	}
	d := &draft{part: partGroups, title: fmt.Sprintf("%s: %s", bulkTitles[asked.do], words.Counted(len(groups), "group", "groups")), plan: &edit.Plan{}}
	if len(groups) == 1 {
		d.title = bulkTitles[asked.do] + ": " + groups[0].GetName()
	}
	if asked.do == bulkNotify {
		d.told = edit.NoticesOfGroups(w, groups)
		return s.begin(d, stepReview), nil
	}
	plan, err := asked.plan(w, groups, in, s)
	if err != nil {
		in.fail("", err)
	}
	if len(in.errors) > 0 {
		return s.bulkForm(r, asked, in), nil
	}
	d.plan = plan
	return s.begin(d, stepReview), nil
}

// find returns the groups of the edit.
func (b *bulkEdit) find(w *source.World, in *entered) []*objects.Object {
	var found []*objects.Object
	for _, each := range b.groups {
		namespace, name, qualified := strings.Cut(each, "/")
		if !qualified {
			in.fail("group", fmt.Errorf("%s: write a group as namespace/name", each))
			continue
		}
		o := w.Object(roster.Object{Kind: roster.KindAccessGroup, Namespace: namespace, Name: name})
		switch {
		case o == nil:
			in.fail("group", fmt.Errorf("there is no group %s; somebody may have deleted it", each))
		case !slices.Contains(found, o):
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		in.fail("group", errors.New("name at least one group"))
	}
	return found
}

// plan returns the changes of the edit.
func (b *bulkEdit) plan(w *source.World, groups []*objects.Object, in *entered, s *Server) (*edit.Plan, error) {
	window := edit.Window{}
	if b.do == bulkAdd || b.do == bulkSetRole {
		window.NotBefore, window.NotAfter = in.window("")
	}
	role := &edit.Role{Application: in.text("application"), Organization: in.text("organization"), Role: in.text("role"), Window: window}
	if (b.do == bulkAdd || b.do == bulkRemove) && len(b.users) == 0 {
		in.fail("user", errors.New("name at least one user"))
		return nil, nil
	}
	switch b.do {
	case bulkAdd:
		return edit.AddMembers(w, groups, b.users, &window)
	case bulkRemove:
		return edit.RemoveMembers(w, groups, b.users)
	case bulkSetRole:
		if role.Role == "" {
			in.fail("role", errors.New("choose a role"))
			return nil, nil
		}
		return role.Set(w, groups)
	case bulkRemoveRole:
		return role.Remove(groups)
	case bulkConfirm:
		return edit.ConfirmReviews(groups, s.clock())
	default: // bulkDelete
		plan := &edit.Plan{}
		for _, o := range groups {
			plan.Changes = append(plan.Changes, objects.NewChange(o, nil))
		}
		return plan, nil
	}
}

// removeEverywhere removes a user from the lists of all groups.
func (s *Server) removeEverywhere(r *http.Request) (reply, error) {
	w, name := s.world(), r.PostForm.Get("user")
	groups := groupsNaming(w, name)
	if len(groups) == 0 {
		return nil, notFound("No group names "+name, "Nothing was done. The user may have been removed since the last page.")
	}
	plan, err := edit.RemoveMembers(w, groups, []string{name})
	if err != nil {
		return nil, err
	}
	return s.begin(&draft{part: partUsers, title: "Remove " + name + " from all groups", plan: plan}, stepReview), nil
}
