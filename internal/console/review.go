package console

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/usher-dev/usher/internal/cli/edit"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/roster"
	"github.com/usher-dev/usher/internal/words"
)

// draftReview is the page on which a person confirms a change, and sees afterwards what was done.
type draftReview struct {
	Steps    []stepEntry
	Sections []section
	Messages []message
	// Confirm is the text of the button; empty if the change cannot be written.
	Confirm, ConfirmLink string
	Actions              []action
	Written              bool
}

// message is a text about the change. Mark is good, warn or bad.
type message struct{ Text, Mark, Link, LinkText string }

func (p *draftReview) say(mark, format string, args ...any) {
	p.Messages = append(p.Messages, message{Text: fmt.Sprintf(format, args...), Mark: mark})
}

// sayFailed says why an object was not written, or would not be.
func (p *draftReview) sayFailed(what string, o *edit.Outcome) {
	reason := o.Reason
	if o.State == edit.StateChanged {
		reason = "somebody changed or deleted it since you began" // the reason of the outcome speaks of the command
	}
	p.say("bad", "%s. %s: %s: %s.", what, o.Object, o.State, strings.TrimSuffix(reason, "."))
}

// reviewPage shows what the change does before it is written, or what was done.
func (s *Server) reviewPage(r *http.Request, d *draft, status int) (reply, error) {
	f := s.newFrame(r, d.title)
	f.Organization, f.Part = d.namespace, d.part
	p := &draftReview{ConfirmLink: s.draftLink(d, "confirm")}
	if d.kind != "" {
		p.Steps = s.stepsOf(d, stepReview)
	}
	made := &page{frame: f, template: "review", status: status, data: p}
	if !d.written.IsZero() {
		s.reviewOutcomes(p, d)
		return made, nil
	}
	for _, note := range d.plan.Notes {
		p.say("warn", "%s", note)
	}
	for i := range d.outcomes {
		if d.outcomes[i].Failed {
			p.sayFailed("Nothing was written", &d.outcomes[i])
		}
	}
	if len(d.told) > 0 {
		s.reviewNotices(p, d)
		return made, nil
	}
	changed := d.plan.Changed()
	if len(changed) == 0 {
		p.say("warn", "Nothing changes: everything is so already.")
		return made, nil
	}
	p.Confirm = fmt.Sprintf("Write %s", words.Counted(len(changed), "object", "objects"))
	if s.backend.InFiles() {
		p.Confirm = "Write the files"
	}
	w := s.world()
	p.Sections = append(p.Sections, objectSection(changed))
	s.reviewMeanwhile(p, w, d, changed)
	found, err := edit.Effects(r.Context(), w, changed, silent)
	if err != nil {
		return nil, err
	}
	d.review = found
	for _, note := range found.Notes {
		p.say("warn", "%s", note)
	}
	p.Sections = append(p.Sections, s.effectSections(found)...)
	s.reviewServer(r, p, d)
	s.reviewRemarks(p, d, found)
	s.reviewKept(p, d, changed)
	return made, nil
}

func objectSection(changed []objects.Change) section {
	made := section{ID: "objects", Title: "What is written"}
	made.Table = &table{Caption: words.Counted(len(changed), "object", "objects"), Columns: []column{{Name: "Object"}, {Name: "What happens"}, {Name: "Fields"}}}
	for i := range changed {
		c := &changed[i]
		what := cell{Text: "is changed"}
		switch {
		case c.After == nil:
			what = cell{Text: "is deleted", Mark: "bad"}
		case c.Before == nil:
			what = cell{Text: "is created", Mark: "good"}
		}
		where := ""
		if c.Before != nil && c.Before.Origin.File != "" {
			where = c.Before.Origin.String()
		}
		var names []string
		for _, each := range changedFields(c) {
			names = append(names, each.name)
		}
		made.Table.Rows = append(made.Table.Rows, row{Key: c.Name(), Cells: []cell{{Text: c.Name(), Note: where}, what, {Text: strings.Join(names, ", ")}}})
	}
	return made
}

// changedField is a field of the spec that differs.
type changedField struct {
	name          string
	before, after any
}

func changedFields(c *objects.Change) []changedField {
	if c.Before == nil || c.After == nil {
		return nil
	}
	return differingFields(c.Before.Object, c.After.Object)
}

// differingFields returns the fields of the specs that differ, sorted by name.
func differingFields(a, b client.Object) []changedField {
	before, after := specOf(a), specOf(b)
	var found []changedField
	for _, name := range sortedKeys(before, after) {
		if !reflect.DeepEqual(before[name], after[name]) {
			found = append(found, changedField{name, before[name], after[name]})
		}
	}
	return found
}

func specOf(o client.Object) map[string]any {
	fields, _ := objects.Manifest(o)["spec"].(map[string]any) // every kind has a spec
	return fields
}

func sortedKeys(a, b map[string]any) []string {
	var names []string
	for _, each := range []map[string]any{a, b} {
		for name := range each {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// textOf returns a value as YAML, at most a screen of it.
func textOf(value any) string {
	if value == nil {
		return ""
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSpace(string(text))
}

// effectSections show who gains and loses what, and which conflicts begin and end.
func (s *Server) effectSections(found *query.Differences) []section {
	effects := section{ID: "effects", Title: "Who gains and loses what", Note: found.Summary.Text()}
	effects.Table = &table{Caption: "Changes of access", Columns: []column{
		{Name: "User"}, {Name: "Change"}, {Name: "In"}, {Name: "Before"}, {Name: "After"}, {Name: "Because"},
	}}
	const most = 200
	groups := found.Groups()
	for i := range groups[:min(most, len(groups))] {
		g := &groups[i]
		effects.Table.Rows = append(effects.Table.Rows, row{Key: fmt.Sprint(i), Cells: []cell{
			{Text: g.User, Link: s.userLink(g.User)}, {Text: g.Change, Mark: changeMark(g.Change)},
			{Text: strings.Join(g.Places, ", "), Note: g.Organization}, {Text: g.Before.State()}, {Text: g.After.State()},
			s.whyCell(g.After.Rule, cmp.Or(g.After.Source, g.Before.Source)),
		}})
	}
	if len(groups) > most {
		effects.Note += fmt.Sprintf(" The first %d of %d changes are shown.", most, len(groups))
	}
	all := []section{effects}
	add := func(id, title, note string, lines []string) {
		if len(lines) == 0 {
			return
		}
		made := section{ID: id, Title: title, Note: note, Table: &table{Caption: title, Columns: []column{{Name: title}}}}
		for _, each := range lines[:min(most, len(lines))] {
			made.Table.Rows = append(made.Table.Rows, row{Key: each, Cells: []cell{{Text: each}}})
		}
		all = append(all, made)
	}
	add("conflicts", "Conflicts that begin", "Sources of access disagree. The rule decides which role counts.", conflictLines(found.Conflicts))
	add("revocations", "Limit of one revocation", "", query.RevocationLines(found.Revocations))
	add("settled", "Conflicts that end", "", conflictLines(found.Settled))
	add("exclusions", "Taken by exclusive access", "", query.ExclusionLines(found.Exclusions))
	return all
}

func conflictLines(conflicts []query.Conflict) []string {
	lines := make([]string, len(conflicts))
	for i := range conflicts {
		c := &conflicts[i]
		lines[i] = fmt.Sprintf("%s in %s, %s: %s. %s wins: %s.", c.User, c.Organization, c.Where(),
			c.GrantsText(), c.Role, ruleText(c.Rule))
	}
	return lines
}

func changeMark(change string) string {
	switch change {
	case query.ChangeGains, query.ChangeRaised:
		return "good"
	case query.ChangeLoses, query.ChangeLowered:
		return "bad"
	default:
		return "warn"
	}
}

// reviewMeanwhile shows the objects that somebody else has changed since the draft began.
func (s *Server) reviewMeanwhile(p *draftReview, w *source.World, d *draft, changed []objects.Change) {
	for i := range changed {
		c := &changed[i]
		meanwhile, now := changedMeanwhile(w, c)
		switch {
		case !meanwhile:
		case now == nil:
			p.Confirm = ""
			p.say("bad", "%s was deleted meanwhile.", c.Name())
		default:
			p.Confirm = ""
			p.say("bad", "Somebody changed %s meanwhile. Nothing is written over that.", c.Name())
			p.Sections = append(p.Sections, besideSection(c, now.Object))
		}
	}
	if p.Confirm == "" {
		s.offerAgain(p, d)
	}
}

// offerAgain offers to begin again, if a form edits an object that exists.
func (s *Server) offerAgain(p *draftReview, d *draft) {
	if d.kind != "" && !d.isNew() {
		p.Actions = append(p.Actions, action{Text: "Begin again from the newest version", Post: s.draftLink(d, "again"), Primary: true})
	}
}

// changedMeanwhile reports whether the object differs from the one that the change began with. It returns the object as
// it is now, or nil.
func changedMeanwhile(w *source.World, c *objects.Change) (meanwhile bool, now *objects.Object) {
	now = w.Object(roster.ObjectOf(c.Object().Object))
	switch {
	case c.Before == nil || now == nil:
		return (c.Before == nil) != (now == nil), now
	default:
		return !source.SameDeclaration(now.Object, c.Before.Object), now
	}
}

// besideSection shows three versions of an object side by side.
func besideSection(c *objects.Change, now client.Object) section {
	made := section{ID: "meanwhile", Title: "Changed meanwhile"}
	made.Table = &table{Caption: "Versions of " + c.Name(), Columns: []column{{Name: "Field"}, {Name: "When you began"}, {Name: "Now"}, {Name: "Yours"}}}
	before, is, yours := map[string]any{}, specOf(now), map[string]any{}
	if c.Before != nil {
		before = specOf(c.Before.Object)
	}
	if c.After != nil {
		yours = specOf(c.After.Object)
	}
	for _, name := range sortedKeys(is, yours) {
		if reflect.DeepEqual(is[name], yours[name]) {
			continue
		}
		made.Table.Rows = append(made.Table.Rows, row{Key: name, Cells: []cell{
			{Text: name}, {Text: shortened(textOf(before[name]))}, {Text: shortened(textOf(is[name]))}, {Text: shortened(textOf(yours[name]))},
		}})
	}
	return made
}

// reviewServer asks the API server and admission in a dry run.
func (s *Server) reviewServer(r *http.Request, p *draftReview, d *draft) {
	if s.backend.InFiles() || p.Confirm == "" {
		return
	}
	for _, o := range s.backend.DryRun(r.Context(), d.plan) {
		for _, text := range o.Warnings {
			p.say("warn", "%s: %s", o.Object, text)
		}
		for _, manager := range o.Overruled {
			p.say("warn", "%s: what is overwritten or removed was set by %s. Where that applies files, change these too.", o.Object, manager)
		}
		if !o.Failed {
			continue
		}
		p.Confirm = ""
		causes := o.Causes()
		for _, cause := range causes {
			remark := query.Remark{Object: o.Object, Field: cause.Field, Message: cause.Message}
			if d.review != nil && !slices.ContainsFunc(d.review.Refusals, func(each query.Remark) bool { return each.Field == remark.Field && each.Message == remark.Message }) {
				d.review.Refusals = append(d.review.Refusals, remark)
			}
		}
		if len(causes) == 0 {
			p.sayFailed("The API server does not accept this", &o)
		}
		if o.State == edit.StateChanged {
			s.offerAgain(p, d)
		}
		if apierrors.IsForbidden(o.Err) {
			p.say("bad", "A right is missing. This command shows your rights: %s", rightsCommand(o.Object))
		}
	}
}

// rightsCommand returns the command that lists the rights for the namespace of the object.
func rightsCommand(object string) string {
	if key, is := roster.ParseObject(object); is {
		return "kubectl auth can-i --list --namespace=" + key.Namespace
	}
	return "kubectl auth can-i --list"
}

// reviewRemarks shows what admission says, with a link to the field.
func (s *Server) reviewRemarks(p *draftReview, d *draft, found *query.Differences) {
	add := func(mark string, r *query.Remark) {
		text := r.Message
		if r.Field != "" {
			text = r.Field + ": " + text
		}
		made := message{Text: text, Mark: mark}
		if step := stepOf(d.kind, r.Field); step != "" {
			made.Link, made.LinkText = s.draftLink(d, step), "Go to the field"
		} else if d.kind == "" {
			made.Text = r.Object + ": " + made.Text
		}
		p.Messages = append(p.Messages, made)
	}
	for i := range found.Refusals {
		p.Confirm = ""
		add("bad", &found.Refusals[i])
	}
	for i := range found.Warnings {
		add("warn", &found.Warnings[i])
	}
}

// stepOf returns the step of the form with the field.
func stepOf(kind formKind, field string) string {
	if kind == "" || field == "" {
		return ""
	}
	if kind != formGroup {
		return stepGeneral
	}
	for prefix, step := range map[string]string{
		"spec.notification": stepNotification, "spec.privileges": stepPrivileges, "spec.organizationRole": stepPrivileges,
		"spec.applicationAccess": stepPrivileges, "spec.applicationSelectors": stepPrivileges, "spec.systemAccess": stepPrivileges,
		"spec.systemAccessSelectors": stepPrivileges, "spec.dataPermissions": stepPrivileges,
	} {
		if isAbout(field, prefix) {
			return step
		}
	}
	return stepGeneral
}

// reviewKept offers manifests instead of a write where a GitOps tool keeps an object.
func (s *Server) reviewKept(p *draftReview, d *draft, changed []objects.Change) {
	offer, patch := false, false
	for i := range changed {
		c := &changed[i]
		if c.Before == nil {
			continue
		}
		patch = patch || c.After != nil
		if isKept(*c) && !s.backend.InFiles() {
			offer = true
			p.say("warn", "%s is kept as git has it by %s. Its next sync would undo the change. Download the manifest or the patch and commit it.",
				c.Name(), edit.KeptBy(c.Before.Object))
			continue
		}
		if fields := c.UndoneByApply(); len(fields) > 0 {
			p.say("warn", "%s was applied client-side. The next kubectl apply of its manifests undoes the change of %s. Change the manifests too.",
				c.Name(), strings.Join(fields, ", "))
		}
		if release, fields := c.UndoneByHelm(); len(fields) > 0 {
			p.say("warn", "%s belongs to the Helm release %s. An upgrade undoes the change of %s.", c.Name(), release, strings.Join(fields, ", "))
		}
	}
	if offer {
		p.Confirm = ""
	}
	p.Actions = append(p.Actions, action{Text: "Download the manifest", Link: s.draftLink(d, "manifest.yaml"), Primary: offer})
	if patch {
		p.Actions = append(p.Actions, action{Text: "Download the patch", Link: s.draftLink(d, "patch.yaml")})
	}
}

// reviewNotices shows who is told.
func (s *Server) reviewNotices(p *draftReview, d *draft) {
	people := map[string]bool{}
	made := section{ID: "told", Title: "Who is told"}
	made.Table = &table{Caption: "Objects whose members are told", Columns: []column{{Name: "Object"}, {Name: "People"}, {Name: "Channels"}}}
	for i := range d.told {
		each := &d.told[i]
		for _, user := range each.Users {
			people[user] = true
		}
		made.Table.Rows = append(made.Table.Rows, row{Key: objects.Name(each.Object), Cells: []cell{
			{Text: objects.Name(each.Object)}, {Text: fmt.Sprint(len(each.Users))}, {Text: cmp.Or(strings.Join(each.Channels, ", "), "none: nobody is told")},
		}})
	}
	p.Sections = append(p.Sections, made)
	switch {
	case len(people) == 0:
		p.say("warn", "Nobody would be told: no channel, or no member. Choose channels in the step Notification of a group.")
	case s.backend.InFiles():
		p.say("warn", "From files nobody is told. Run the console over the cluster.")
	default:
		p.Confirm = "Tell " + words.Counted(len(people), "person", "people")
	}
}

// reviewOutcomes shows what was done, object by object.
func (s *Server) reviewOutcomes(p *draftReview, d *draft) {
	p.Written, p.Steps = true, nil
	made := section{ID: "outcomes", Title: "What was done", Note: "At " + instant(&d.written) + "."}
	made.Table = &table{Caption: "Objects", Columns: []column{{Name: "Object"}, {Name: "Result"}, {Name: "Reason"}}}
	failed := 0
	for i := range d.outcomes {
		o := &d.outcomes[i]
		mark := "good"
		if o.Failed {
			failed++
			mark = "bad"
		}
		made.Table.Rows = append(made.Table.Rows, row{Key: o.Object, Cells: []cell{s.sourceCell(o.Object), {Text: string(o.State), Mark: mark}, {Text: o.Reason}}})
		for _, text := range o.Warnings {
			p.say("warn", "%s: %s", o.Object, text)
		}
	}
	switch failed {
	case 0:
		p.say("good", "Done: %s.", words.Counted(len(d.outcomes), "object", "objects"))
	case len(d.outcomes):
		p.say("bad", "Nothing is known to be written. The table says why.")
	default:
		p.say("bad", "%d of %d objects were not written. The table says which, and why.", failed, len(d.outcomes))
	}
	p.Sections = append(p.Sections, made)
	if canUndo(d) {
		p.Actions = append(p.Actions, action{Text: "Undo", Post: s.renderer.url("changes", d.id, "undo")})
	}
	p.Actions = append(p.Actions, action{Text: "All changes", Link: s.renderer.url("changes")})
}
