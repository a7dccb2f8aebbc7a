package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// explain shows how each holding of a user came about.
type explain struct {
	options      *options
	output       *output
	user         string
	applications []string
}

func newExplain(o *options) *cobra.Command {
	e := &explain{options: o}
	command := &cobra.Command{
		Use:   "explain USER [-a APPLICATION]",
		Short: "Explain why a user has what the user has",
		Long: `Explains why a user has what the user has, and why not more: every grant with its source, scope and window; what became
of it; what each rule kept or dropped; the outcome; the rows with the groups that they come from; and what is to come.

The names of rules (R1 to R9) are those of docs/rules.md.`,
		Example: `  kubectl access explain amelie@acme.example -n analytics

  # Only what bears on one application
  kubectl access explain amelie@acme.example -n analytics -a finance`,
		Args: arguments(1, 1, "USER"),
		RunE: func(command *cobra.Command, args []string) error {
			e.user = args[0]
			return e.run(command.Context())
		},
		ValidArgsFunction: o.complete(completeUser),
	}
	e.output = newOutput(command, asText, asJSON)
	command.Flags().StringSliceVarP(&e.applications, "application", "a", nil, "Only what bears on these applications")
	// RegisterFlagCompletionFunc fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("application", o.completeEach(completeApplication))
	return command
}

func (e *explain) run(ctx context.Context) error {
	if err := e.output.validate(); err != nil {
		return err
	}
	w, err := e.options.load(ctx)
	if err != nil {
		return err
	}
	organizations := w.organizations()
	if w.scope == "" && len(e.applications) > 0 {
		naming := w.naming(organizations, e.applications)
		if len(naming) == 0 && len(organizations) > 0 {
			return w.unknownApplication(e.applications[0], organizations)
		}
		organizations = naming
	}
	explanations := []explanation{}
	for _, organization := range organizations {
		if made := w.explain(organization, e.user, e.applications); made != nil {
			explanations = append(explanations, *made)
		}
	}
	if len(explanations) == 0 && len(organizations) > 0 {
		return w.unknownUser(e.user, organizations)
	}
	if e.output.format == asJSON {
		err = writeJSON(&e.options.streams, explanations)
	} else {
		err = writeExplanations(&e.options.streams, explanations)
	}
	if err != nil {
		return err
	}
	return w.finish()
}

// naming returns the organizations that name at least one of the applications.
func (w *world) naming(organizations, applications []string) []string {
	var found []string
	for _, organization := range organizations {
		named := w.Applications(organization)
		if slices.ContainsFunc(applications, func(a string) bool { return slices.Contains(named, a) }) {
			found = append(found, organization)
		}
	}
	return found
}

// explanation is the output of explain for one organization. Its JSON is a contract.
type explanation struct {
	Organization string       `json:"organization"`
	User         string       `json:"user"`
	At           time.Time    `json:"at"`
	Policy       policy       `json:"policy"`
	Bars         []bar        `json:"bars,omitempty"`
	Memberships  []membership `json:"memberships,omitempty"`
	Ignored      []ignored    `json:"ignored,omitempty"`
	Grants       []grant      `json:"grants"`
	Roles        []derivation `json:"roles"`
	// Same lists the applications with the same role, for the same reason, as any application that nothing names.
	Same   []string `json:"same,omitempty"`
	Future []moment `json:"future,omitempty"`

	united bool // rows
}

// policy contains the parts of the policies that affect the decision.
type policy struct {
	Source             string `json:"source,omitempty"`
	ConflictResolution string `json:"conflictResolution"`
	IndividualAccess   string `json:"individualAccess"`
	Administrators     string `json:"administrators"`
	System             struct {
		Source             string `json:"source,omitempty"`
		ConflictResolution string `json:"conflictResolution"`
		Administrators     string `json:"administrators"`
	} `json:"system"`
}

// window is the JSON form of a [resolve.Window].
type window struct {
	NotBefore *time.Time `json:"notBefore,omitempty"`
	NotAfter  *time.Time `json:"notAfter,omitempty"`
}

type bar struct {
	Rule   string `json:"rule"`
	Source string `json:"source"`
	window
}

type membership struct {
	Group   string   `json:"group"`
	Active  bool     `json:"active"`
	Windows []window `json:"windows,omitempty"`
	Paths   []way    `json:"paths"`
}

type way struct {
	By     string   `json:"by"`
	Groups []string `json:"groups"`
	window
}

type ignored struct {
	Object  string `json:"object"`
	Reason  string `json:"reason"`
	Instead string `json:"instead,omitempty"`
}

type grant struct {
	Source          string   `json:"source"`
	Scope           string   `json:"scope"`
	Application     string   `json:"application,omitempty"`
	Role            string   `json:"role"`
	InApplications  string   `json:"meansInApplications,omitempty"`
	ForOrganization string   `json:"meansForOrganization,omitempty"`
	Unmapped        bool     `json:"unmapped,omitempty"`
	Protected       bool     `json:"protected,omitempty"`
	Held            []window `json:"held,omitempty"`
	window
	Fate   string     `json:"fate"`
	Begins *time.Time `json:"begins,omitempty"`
	Ends   *time.Time `json:"ends,omitempty"`
	// SelectedBy are the labels by which the source selects the application or the organization.
	SelectedBy []selection `json:"selectedBy,omitempty"`
}

// derivation is a holding with the steps that lead to it.
type derivation struct {
	holding
	Specific *choice `json:"specific,omitempty"`
	Broad    *choice `json:"broad,omitempty"`
	System   *choice `json:"system,omitempty"`
	// Local is the role that the organization gives. Combined is the result of combining it with the system role.
	Local    step  `json:"local"`
	Floor    bool  `json:"floor,omitempty"`
	Combined step  `json:"combined"`
	Excluded *step `json:"excluded,omitempty"`
	// ExcludedBy is the rule of exclusive access, and HeldIn is where the user holds its role.
	ExcludedBy     string        `json:"excludedBy,omitempty"`
	HeldIn         []string      `json:"heldIn,omitempty"`
	Rows           []contributed `json:"rows,omitempty"`
	HidesUnmatched bool          `json:"hidesUnmatched,omitempty"`
	// ExceedsBound reports that the user's combined filters exceed the limit of R7, so that no row is visible.
	ExceedsBound bool `json:"exceedsBound,omitempty"`
}

type step struct {
	Role   string `json:"role"`
	Rule   string `json:"rule"`
	Source string `json:"source,omitempty"`
}

type choice struct {
	step
	Grants []weighed `json:"grants"`
}

type weighed struct {
	Source    string `json:"source"`
	Role      string `json:"role"`
	Protected bool   `json:"protected,omitempty"`
}

type contributed struct {
	Source string         `json:"source"`
	Entry  string         `json:"entry"`
	Filter resolve.Filter `json:"filter"`
	// Attributes are the user attributes whose values are in the filter.
	Attributes []attribute `json:"attributes,omitempty"`
}

// moment describes the changes at one instant.
type moment struct {
	At      time.Time `json:"at"`
	Changes []change  `json:"changes"`
}

type change struct {
	Scope       string `json:"scope"`
	Application string `json:"application,omitempty"`
	Before      step   `json:"before"`
	After       step   `json:"after"`
	Rows        bool   `json:"rows,omitempty"`
}

// explain returns the explanation, or nil if the organization has no decision for the user. Without applications, it
// covers all applications in the decision.
func (w *world) explain(organization, user string, applications []string) *explanation {
	named := w.Applications(organization)
	asked := applications
	if len(asked) == 0 {
		asked = named
	} else {
		for _, application := range asked {
			w.noteUnnamed(organization, application)
		}
	}
	x := w.Explain(organization, user, asked)
	if x == nil || (!x.Decision.Exists && len(x.Grants)+len(x.Memberships)+len(x.Bars)+len(x.Ignored) == 0) {
		return nil
	}
	o := w.Organization(organization)
	made := &explanation{
		Organization: organization, User: user, At: w.now, Policy: w.policy(organization),
		united: o.Rules().Strategy == resolve.MostPermissive,
	}
	made.addSources(w, x, applications)
	if len(applications) == 0 {
		h := organizationHolding(organization, user, &x.Decision)
		made.Roles = append(made.Roles, w.newDerivation(h, &x.Organization))
	}
	for i := range x.Applications {
		d := &x.Applications[i]
		if len(applications) == 0 && !says(x, d.Application) {
			made.Same = append(made.Same, d.Application)
			continue
		}
		h := accessHolding(o, user, d.Application, x.Decision.Application(d.Application))
		h.title = w.title(organization, d.Application)
		made.Roles = append(made.Roles, w.newDerivation(h, d))
	}
	if len(applications) == 0 {
		h := accessHolding(o, user, "", &x.Decision.Default)
		made.Roles = append(made.Roles, w.newDerivation(h, &x.Default))
	}
	made.addFuture(x, asked, len(applications) == 0)
	return made
}

// says reports whether the application has a derivation of its own.
func says(x *roster.Explanation, application string) bool {
	if slices.ContainsFunc(x.Grants, func(g resolve.ExplainedGrant) bool { return g.Application == application }) {
		return true
	}
	return slices.ContainsFunc(x.Applications, func(d resolve.Derivation) bool {
		return d.Application == application && (d.Excluded != nil || d.HidesUnmatched ||
			slices.ContainsFunc(d.Rows, func(r resolve.ContributedRows) bool { return r.Application == application }))
	})
}

func (w *world) policy(organization string) policy {
	r := w.Organization(organization).Rules()
	p := policy{
		ConflictResolution: strategyText(r.Strategy), IndividualAccess: "Fallback",
		Administrators: protectedText(r.Protected),
	}
	if r.Combined {
		p.IndividualAccess = "Combined"
	}
	p.System.ConflictResolution, p.System.Administrators = strategyText(r.SystemStrategy), protectedText(r.SystemProtected)
	if report := w.Policy(w.SystemNamespace()); report != nil {
		p.System.Source = objectName(roster.KindAccessPolicy, w.SystemNamespace(), report.Object.Name)
		p.Source = p.System.Source
	}
	if report := w.Policy(organization); report != nil {
		p.Source = objectName(roster.KindAccessPolicy, organization, report.Object.Name)
	}
	return p
}

func objectName(kind roster.Kind, namespace, name string) string {
	return roster.Object{Kind: kind, Namespace: namespace, Name: name}.String()
}

func strategyText(s resolve.Strategy) string {
	if s == resolve.MostPermissive {
		return "MostPermissive"
	}
	return "MostRestrictive"
}

func protectedText(protected bool) string {
	if protected {
		return "Protected"
	}
	return "Unprotected"
}

// addSources adds the possible sources of access. With applications, it adds only the sources that affect one of
// them.
func (e *explanation) addSources(w *world, x *roster.Explanation, applications []string) {
	for _, b := range x.Bars {
		e.Bars = append(e.Bars, bar{string(b.Rule), b.Source, newWindow(b.Window)})
	}
	for _, m := range x.Memberships {
		made := membership{Group: m.Group.String(), Active: m.Active, Windows: newWindows(m.Windows)}
		for _, p := range m.Paths {
			made.Paths = append(made.Paths, way{string(p.By), p.Groups, newWindow(p.Window)})
		}
		e.Memberships = append(e.Memberships, made)
	}
	for _, i := range x.Ignored {
		e.Ignored = append(e.Ignored, ignored{i.Object.String(), i.Reason, i.Instead})
	}
	e.Grants = []grant{}
	for i := range x.Grants {
		g := &x.Grants[i]
		if len(applications) > 0 && g.Application != "" && !slices.Contains(applications, g.Application) {
			continue
		}
		e.Grants = append(e.Grants, grant{
			Source: g.Source, Scope: string(g.Scope), Application: g.Application, Role: g.Role,
			InApplications: g.InApplications, ForOrganization: g.ForOrganization, Unmapped: g.Unmapped,
			Protected: g.Protected, Held: newWindows(g.Held), window: newWindow(g.Window), Fate: string(g.Fate),
			Begins: newInstant(g.Begins), Ends: newInstant(g.Ends), SelectedBy: w.selectedBy(e.Organization, g),
		})
	}
}

func (w *world) newDerivation(h holding, d *resolve.Derivation) derivation {
	made := derivation{
		holding: h, Specific: newChoice(&d.Specific), Broad: newChoice(&d.Broad), System: newChoice(&d.System),
		Local: newStep(&d.Local), Floor: d.Floor && d.System.Role != "", Combined: newStep(&d.Combined),
		HidesUnmatched: d.HidesUnmatched, ExceedsBound: d.ExceedsBound,
	}
	if d.Excluded != nil {
		made.Excluded = &step{resolve.NoAccess, string(resolve.RuleExclusiveAccess), d.Excluded.Source}
		made.ExcludedBy, made.HeldIn = d.Excluded.Name, d.Excluded.Applications
	}
	for i := range d.Rows {
		r := &d.Rows[i]
		made.Rows = append(made.Rows, contributed{
			r.Source, r.Application, r.Filter, w.attributesOf(h.Organization, h.User, r),
		})
	}
	return made
}

func newStep(o *resolve.Outcome) step { return step{o.Role, string(o.Rule), o.Source} }

func newChoice(c *resolve.Choice) *choice {
	if c.Role == "" {
		return nil
	}
	made := &choice{step: step{c.Role, string(c.Rule), c.Source}}
	for _, g := range c.Grants {
		made.Grants = append(made.Grants, weighed{g.Source, g.Role, g.Protected})
	}
	return made
}

// addFuture adds the future changes to the access that the explanation covers.
func (e *explanation) addFuture(x *roster.Explanation, applications []string, all bool) {
	before := &x.Decision
	for i := range x.Future {
		after := &x.Future[i].Decision
		var changes []change
		note := func(scope, application string, was, is *resolve.Access) {
			rows := was.GivesAccess() && is.GivesAccess() && !slices.EqualFunc(was.Filters, is.Filters, resolve.Filter.Equal)
			if was.Role != is.Role || rows {
				changes = append(changes, change{scope, application, newStep(&was.Outcome), newStep(&is.Outcome), rows})
			}
		}
		if all {
			note(scopeOrganization, "", &resolve.Access{Outcome: before.OrganizationRole},
				&resolve.Access{Outcome: after.OrganizationRole})
		}
		for _, name := range applications {
			note(scopeApplication, name, before.Application(name), after.Application(name))
		}
		if all {
			note(scopeDefault, "", &before.Default, &after.Default)
		}
		if len(changes) > 0 {
			e.Future = append(e.Future, moment{x.Future[i].At, changes})
		}
		before = after
	}
}

func newWindow(w resolve.Window) window {
	return window{newInstant(w.NotBefore), newInstant(w.NotAfter)}
}

func newWindows(all []resolve.Window) []window {
	var made []window
	for _, w := range all {
		made = append(made, newWindow(w))
	}
	return made
}

func newInstant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t)
}

func (w window) text() string {
	switch {
	case w.NotBefore == nil && w.NotAfter == nil:
		return "always"
	case w.NotBefore == nil:
		return "until " + until(w.NotAfter)
	case w.NotAfter == nil:
		return "from " + until(w.NotBefore)
	default:
		return "from " + until(w.NotBefore) + " until " + until(w.NotAfter)
	}
}

func windowsText(all []window) string {
	if len(all) == 0 {
		return "always"
	}
	parts := make([]string, len(all))
	for i := range all {
		parts[i] = all[i].text()
	}
	return strings.Join(parts, ", or ")
}
