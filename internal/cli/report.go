package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/cli/objects"
	"github.com/usher-dev/usher/internal/cli/page"
	"github.com/usher-dev/usher/internal/cli/query"
	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/cli/terminal"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// report shows an audit report.
type report struct {
	options *options
	output  *output
	days    int
}

func newReport(o *options) *cobra.Command {
	r := &report{options: o}
	command := &cobra.Command{
		Use:   "report",
		Short: "Write a report for an audit",
		Long: `Writes a report for an audit, as of now or of --at: everything that is held, with the reason; protected grants, and those
of the system level; conflicts; roles that exclusive access takes; who is barred; what ends and what begins within days;
reviews that are due within days; accounts without a grant; references to what does not exist; suspensions that bar nobody, since nothing gives their users
anything; values that are probably mistakes, with what may be meant; and objects that carry the marks of a Kustomization of
Flux or an Application of Argo CD without being in an inventory of it, as far as the caller may read these.`,
		Example: `  # As a page for the browser
  kubectl access report -A -o html > report.html

  # As of the end of the year, with what ends within a quarter after it
  kubectl access report -n analytics --at 2026-12-31 --days 90`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	r.output = newOutput(command, asMarkdown, asJSON, asCSV, asHTML)
	command.Flags().IntVar(&r.days, "days", 30, "Tell what ends and what begins within so many days")
	return command
}

func (r *report) run(ctx context.Context) error {
	if err := r.output.validate(); err != nil {
		return err
	}
	if r.days < 0 {
		return fmt.Errorf("--days %d: must not be negative", r.days)
	}
	w, err := r.options.load(ctx)
	if err != nil {
		return err
	}
	a := newAudit(w, r.options.asked(w), r.days)
	if err := a.addOutside(ctx, r.options, w); err != nil {
		return err
	}
	if err := r.write(a); err != nil {
		return err
	}
	return finish(w)
}

func (r *report) write(a *audit) error {
	s := &r.options.streams
	switch r.output.format {
	case asJSON:
		return a.writeJSON(s)
	case asCSV:
		return a.writeCSV(s)
	case asHTML:
		return a.writeHTML(s)
	default:
		_, err := io.WriteString(s.Out, a.markdown())
		return err
	}
}

// audit is the content of the report. [audit.writeJSON] names its fields.
type audit struct {
	At              time.Time
	Days            int
	SystemNamespace string
	Organizations   []auditOf
	Incomplete      []string
	Holdings        []query.Holding
	Protected       []userGrant
	SystemLevel     []userGrant
	Conflicts       []query.Conflict
	Exclusions      []query.Exclusion
	Barred          []userBar
	Ending          []query.Holding
	Beginning       []userGrant
	WithoutGrant    []account
	Reviews         []query.Review // due, or due within the period
	Unresolved      []query.Remark
	BarsNobody      []query.Remark
	Hints           []query.Remark
	Outside         []outside
	NotRead         []string // why inventories could not be read
	// granted contains the users with a grant that counts.
	granted map[string]bool
}

// auditOf contains the counts of one organization.
type auditOf struct {
	Organization string       `json:"organization"`
	Policy       query.Policy `json:"policy"`
	Users        int          `json:"users"`
	WithAccess   int          `json:"usersWithAccess"`
	Applications int          `json:"applications"`
}

type userGrant struct {
	Organization string `json:"organization"`
	User         string `json:"user"`
	query.Grant
}

type userBar struct {
	Organization string `json:"organization"`
	User         string `json:"user"`
	query.Bar
}

// account is a declared UserAccess. A UserAccess in the system namespace belongs to no organization.
type account struct {
	Organization string `json:"organization,omitempty"`
	User         string `json:"user"`
	Object       string `json:"object"`
}

func newAudit(w *source.World, organizations []string, days int) *audit {
	a := &audit{
		At: w.Now(), Days: days, SystemNamespace: w.SystemNamespace(), granted: map[string]bool{},
	}
	for _, p := range w.Set.Problems {
		a.Incomplete = append(a.Incomplete, p.String())
	}
	for _, organization := range organizations {
		of := auditOf{
			Organization: organization, Policy: query.PolicyOf(w, organization),
			Applications: len(w.Applications(organization)),
		}
		for _, user := range w.Users(organization) {
			of.Users++
			if w.Decision(organization, user).Enters {
				of.WithAccess++
			}
			a.addUser(w, organization, user)
		}
		a.Organizations = append(a.Organizations, of)
		a.addUnresolved(w, organization)
	}
	if len(organizations) > 0 {
		a.addUnresolved(w, w.SystemNamespace())
	}
	asked := organizations
	// A report on one organization does not know the grants in the others.
	if w.Scope == "" {
		a.addSystemAccounts(w)
		asked = append(slices.Clone(organizations), w.SystemNamespace())
	}
	a.addReviews(w, asked)
	a.addHints(w, asked)
	return a
}

func (a *audit) addUser(w *source.World, organization, user string) {
	deadline := a.At.AddDate(0, 0, a.Days)
	d := w.Decision(organization, user)
	for _, h := range query.Holdings(w, organization, user) {
		if !h.Gives() {
			continue
		}
		a.Holdings = append(a.Holdings, h)
		if h.NotAfter != nil && !h.NotAfter.After(deadline) {
			a.Ending = append(a.Ending, h)
		}
	}
	for _, c := range d.Conflicts {
		a.Conflicts = append(a.Conflicts, query.NewConflict(organization, user, c))
	}
	for _, e := range d.Exclusions {
		a.Exclusions = append(a.Exclusions, query.NewExclusion(organization, user, e))
	}
	e := query.Sources(w, organization, user)
	for _, b := range e.Bars {
		a.Barred = append(a.Barred, userBar{organization, user, b})
	}
	counts := false
	for i := range e.Grants {
		counts = a.addGrant(organization, user, &e.Grants[i], deadline) || counts
	}
	if counts {
		a.granted[user] = true
		return
	}
	for _, ua := range w.Index().Namespace(organization).Account(user).All() {
		if !roster.IsMaterialized(ua) {
			a.WithoutGrant = append(a.WithoutGrant, account{
				organization, user, query.ObjectName(roster.KindUserAccess, organization, ua.Name),
			})
		}
	}
}

// addGrant records the special properties of a grant, and reports whether the grant counts.
func (a *audit) addGrant(organization, user string, g *query.Grant, deadline time.Time) bool {
	of := userGrant{organization, user, *g}
	if g.Fate == string(resolve.FateNotYet) && !g.Begins.After(deadline) {
		a.Beginning = append(a.Beginning, of)
	}
	if g.Fate != string(resolve.FateCounts) {
		return false
	}
	if g.Protected {
		a.Protected = append(a.Protected, of)
	}
	if source, ok := roster.ParseObject(g.Source); ok && source.Namespace == a.SystemNamespace {
		a.SystemLevel = append(a.SystemLevel, of)
	}
	return true
}

// addReviews adds the reviews of groups in the namespaces that are due, or become due within the period.
func (a *audit) addReviews(w *source.World, namespaces []string) {
	groups := slices.DeleteFunc(w.GroupObjects(""), func(o *objects.Object) bool {
		return !slices.Contains(namespaces, o.GetNamespace())
	})
	a.Reviews = query.Reviews(w, groups, a.At.AddDate(0, 0, a.Days))
	for i := range a.Reviews {
		a.Reviews[i].ChangedBy = nil // omitted, so that the same objects in files give the same report
	}
}

// addSystemAccounts adds the UserAccess objects of the system namespace whose users have no grant in any
// organization.
func (a *audit) addSystemAccounts(w *source.World) {
	system := w.Index().System()
	for o := range system.Objects() {
		if o.Kind != roster.KindUserAccess {
			continue
		}
		user := string(system.UserAccess(o.Name).Spec.User)
		if !a.granted[user] {
			a.WithoutGrant = append(a.WithoutGrant, account{User: user, Object: o.String()})
		}
	}
}

func (a *audit) addUnresolved(w *source.World, namespace string) {
	for o := range w.Index().Namespace(namespace).Objects() {
		for _, u := range unresolvedIn(w, o) {
			in := ""
			if u.Organization != "" {
				in = " in " + string(u.Organization)
			}
			a.Unresolved = append(a.Unresolved, query.Remark{
				Object: o.String(), Field: u.Field, Message: fmt.Sprintf("there is no %s %s%s", u.Kind, u.Name, in),
			})
		}
	}
}

func unresolvedIn(w *source.World, o roster.Object) []accessv1alpha1.UnresolvedReference {
	switch o.Kind {
	case roster.KindAccessGroup:
		return w.Group(o.Namespace, o.Name, 0).Unresolved
	case roster.KindUserAccess:
		return w.User(o.Namespace, o.Name, 0).Unresolved
	case roster.KindAccessPolicy:
		return w.Policy(o.Namespace).Unresolved
	default:
		return nil
	}
}

// section is a table of the report.
type section struct {
	name, title string
	columns     []string
	rows        [][]string
	// roles returns the role by which a row can be filtered; nil if rows have none.
	roles []string
}

func (a *audit) writeCSV(s *terminal.Streams) error {
	var all [][]string
	for _, each := range a.sections((*query.Holding).Where) {
		for _, row := range each.rows {
			// All sections share one header. Columns that a section lacks stay empty.
			cells := make([]string, len(auditColumns))
			cells[0] = each.name
			for i, column := range each.columns {
				cells[slices.Index(auditColumns, column)] = row[i]
			}
			all = append(all, cells)
		}
	}
	return writeCSV(s, auditColumns, all)
}

func (a *audit) writeHTML(s *terminal.Streams) error {
	p := &page.Page{Title: "Access report", SectionName: "Part", Notes: a.notes()}
	for _, each := range a.sections((*query.Holding).Shown) {
		made := &page.Section{Title: each.title, Columns: each.columns}
		if len(each.rows) == 0 {
			made.Notes = []string{"None."}
		}
		for i, row := range each.rows {
			r := page.Row{}
			if each.roles != nil {
				r.Roles = each.roles[i]
			}
			for _, text := range row {
				r.Cells = append(r.Cells, page.Cell{Text: text})
			}
			made.Rows = append(made.Rows, r)
		}
		p.Sections = append(p.Sections, made)
	}
	for i := range a.Holdings {
		p.Roles = append(p.Roles, a.Holdings[i].Role)
	}
	slices.Sort(p.Roles)
	p.Roles = slices.Compact(p.Roles)
	return page.Write(s.Out, p)
}
