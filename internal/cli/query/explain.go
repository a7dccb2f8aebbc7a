package query

import (
	"slices"
	"strings"
	"time"

	"github.com/usher-dev/usher/internal/cli/source"
	"github.com/usher-dev/usher/internal/resolve"
	"github.com/usher-dev/usher/internal/roster"
)

// Explanation explains the access of a user in one organization. Its JSON is a contract.
type Explanation struct {
	Organization string       `json:"organization"`
	User         string       `json:"user"`
	At           time.Time    `json:"at"`
	Policy       Policy       `json:"policy"`
	Bars         []Bar        `json:"bars,omitempty"`
	Memberships  []Membership `json:"memberships,omitempty"`
	Ignored      []Ignored    `json:"ignored,omitempty"`
	Grants       []Grant      `json:"grants"`
	Roles        []Derivation `json:"roles"`
	// Same lists the applications with the same role, for the same reason, as any application that nothing names.
	Same   []string        `json:"same,omitempty"`
	Future []FutureChanges `json:"future,omitempty"`

	// United reports whether the rows of several groups are united.
	United bool `json:"-"`
}

// Policy contains the parts of the policies that affect the decision.
type Policy struct {
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

// Window is the JSON form of a [resolve.Window].
type Window struct {
	NotBefore *time.Time `json:"notBefore,omitempty"`
	NotAfter  *time.Time `json:"notAfter,omitempty"`
}

// Bar is a suspension or a window that takes all access from the user.
type Bar struct {
	Rule   string `json:"rule"`
	Source string `json:"source"`
	Window
}

// Membership is a group that the user belongs to, now or at another time.
type Membership struct {
	Group   string   `json:"group"`
	Active  bool     `json:"active"`
	Windows []Window `json:"windows,omitempty"`
	Paths   []Path   `json:"paths"`
}

// Path is one way by which a user belongs to a group. Groups begins with the group that names the user.
type Path struct {
	By     string   `json:"by"`
	Groups []string `json:"groups"`
	Window
}

// Ignored is an object that names the user or that the user names, and that does not count.
type Ignored struct {
	Object  string `json:"object"`
	Reason  string `json:"reason"`
	Instead string `json:"instead,omitempty"`
}

// Grant is a grant for the user. Fate reports whether it counts.
type Grant struct {
	Source          string   `json:"source"`
	Scope           string   `json:"scope"`
	Application     string   `json:"application,omitempty"`
	Role            string   `json:"role"`
	InApplications  string   `json:"meansInApplications,omitempty"`
	ForOrganization string   `json:"meansForOrganization,omitempty"`
	Unmapped        bool     `json:"unmapped,omitempty"`
	Protected       bool     `json:"protected,omitempty"`
	Held            []Window `json:"held,omitempty"`
	Window
	Fate   string     `json:"fate"`
	Begins *time.Time `json:"begins,omitempty"`
	Ends   *time.Time `json:"ends,omitempty"`
	// SelectedBy are the labels by which the source selects the application or the organization.
	SelectedBy []Selection `json:"selectedBy,omitempty"`
}

// Derivation is a holding with the steps that lead to it.
type Derivation struct {
	Holding
	Specific *Choice `json:"specific,omitempty"`
	Broad    *Choice `json:"broad,omitempty"`
	System   *Choice `json:"system,omitempty"`
	// Local is the role that the organization gives. Combined is the result of combining it with the system role.
	Local    Step  `json:"local"`
	Floor    bool  `json:"floor,omitempty"`
	Combined Step  `json:"combined"`
	Excluded *Step `json:"excluded,omitempty"`
	// ExcludedBy is the rule of exclusive access, and HeldIn is where the user holds its role.
	ExcludedBy     string            `json:"excludedBy,omitempty"`
	HeldIn         []string          `json:"heldIn,omitempty"`
	Rows           []ContributedRows `json:"rows,omitempty"`
	HidesUnmatched bool              `json:"hidesUnmatched,omitempty"`
	// ExceedsBound reports that the user's combined filters exceed the limit of R7, so that no row is visible.
	ExceedsBound bool `json:"exceedsBound,omitempty"`
}

// Step is the role after one rule.
type Step struct {
	Role   string `json:"role"`
	Rule   string `json:"rule"`
	Source string `json:"source,omitempty"`
}

// Choice is the result of choosing among grants of one scope.
type Choice struct {
	Step
	Grants []ChosenGrant `json:"grants"`
}

// ChosenGrant is a grant that was compared with others.
type ChosenGrant struct {
	Source    string `json:"source"`
	Role      string `json:"role"`
	Protected bool   `json:"protected,omitempty"`
}

// ContributedRows is the row entry of one group.
type ContributedRows struct {
	Source string         `json:"source"`
	Entry  string         `json:"entry"`
	Filter resolve.Filter `json:"filter"`
	// Attributes are the user attributes whose values are in the filter.
	Attributes []Attribute `json:"attributes,omitempty"`
}

// FutureChanges describes the changes at one instant.
type FutureChanges struct {
	At      time.Time    `json:"at"`
	Changes []RoleChange `json:"changes"`
}

// RoleChange is a change of the role or of the rows in one place.
type RoleChange struct {
	Scope       string `json:"scope"`
	Application string `json:"application,omitempty"`
	Before      Step   `json:"before"`
	After       Step   `json:"after"`
	Rows        bool   `json:"rows,omitempty"`
}

// Explain returns the explanation, or nil if the organization has no decision for the user. Without applications, it
// covers all applications in the decision.
func Explain(w *source.World, organization, user string, applications []string) *Explanation {
	named := w.Applications(organization)
	asked := applications
	if len(asked) == 0 {
		asked = named
	}
	x := w.Explain(organization, user, asked)
	if x == nil || (!x.Decision.Exists && len(x.Grants)+len(x.Memberships)+len(x.Bars)+len(x.Ignored) == 0) {
		return nil
	}
	o := w.Organization(organization)
	made := &Explanation{
		Organization: organization, User: user, At: w.Now(), Policy: PolicyOf(w, organization),
		United: o.Rules().Strategy == resolve.MostPermissive,
	}
	made.addSources(w, x, applications)
	if len(applications) == 0 {
		h := organizationHolding(organization, user, &x.Decision)
		made.Roles = append(made.Roles, newDerivation(w, h, &x.Organization))
	}
	for i := range x.Applications {
		d := &x.Applications[i]
		if len(applications) == 0 && !says(x, d.Application) {
			made.Same = append(made.Same, d.Application)
			continue
		}
		h := accessHolding(o, user, d.Application, x.Decision.Application(d.Application))
		h.title = Title(w, organization, d.Application)
		made.Roles = append(made.Roles, newDerivation(w, h, d))
	}
	if len(applications) == 0 {
		h := accessHolding(o, user, "", &x.Decision.Default)
		made.Roles = append(made.Roles, newDerivation(w, h, &x.Default))
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

// PolicyOf returns the policy of the organization.
func PolicyOf(w *source.World, organization string) Policy {
	r := w.Organization(organization).Rules()
	p := Policy{
		ConflictResolution: strategyText(r.Strategy), IndividualAccess: "Fallback",
		Administrators: protectedText(r.Protected),
	}
	if r.Combined {
		p.IndividualAccess = "Combined"
	}
	p.System.ConflictResolution, p.System.Administrators = strategyText(r.SystemStrategy), protectedText(r.SystemProtected)
	if report := w.Policy(w.SystemNamespace()); report != nil {
		p.System.Source = ObjectName(roster.KindAccessPolicy, w.SystemNamespace(), report.Object.Name)
		p.Source = p.System.Source
	}
	if report := w.Policy(organization); report != nil {
		p.Source = ObjectName(roster.KindAccessPolicy, organization, report.Object.Name)
	}
	return p
}

// ObjectName returns Kind/namespace/name.
func ObjectName(kind roster.Kind, namespace, name string) string {
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

// Sources returns an explanation that contains only the possible sources of the user's access.
func Sources(w *source.World, organization, user string) *Explanation {
	e := &Explanation{Organization: organization, User: user}
	e.addSources(w, w.Explain(organization, user, nil), nil)
	return e
}

// addSources adds the possible sources of access. With applications, it adds only the sources that affect one of
// them.
func (e *Explanation) addSources(w *source.World, x *roster.Explanation, applications []string) {
	for _, b := range x.Bars {
		e.Bars = append(e.Bars, Bar{string(b.Rule), b.Source, newWindow(b.Window)})
	}
	for _, m := range x.Memberships {
		made := Membership{Group: m.Group.String(), Active: m.Active, Windows: newWindows(m.Windows)}
		for _, p := range m.Paths {
			made.Paths = append(made.Paths, Path{string(p.By), p.Groups, newWindow(p.Window)})
		}
		e.Memberships = append(e.Memberships, made)
	}
	for _, i := range x.Ignored {
		e.Ignored = append(e.Ignored, Ignored{i.Object.String(), i.Reason, i.Instead})
	}
	e.Grants = []Grant{}
	for i := range x.Grants {
		g := &x.Grants[i]
		if len(applications) > 0 && g.Application != "" && !slices.Contains(applications, g.Application) {
			continue
		}
		e.Grants = append(e.Grants, Grant{
			Source: g.Source, Scope: string(g.Scope), Application: g.Application, Role: g.Role,
			InApplications: g.InApplications, ForOrganization: g.ForOrganization, Unmapped: g.Unmapped,
			Protected: g.Protected, Held: newWindows(g.Held), Window: newWindow(g.Window), Fate: string(g.Fate),
			Begins: newInstant(g.Begins), Ends: newInstant(g.Ends), SelectedBy: selectedBy(w, e.Organization, g),
		})
	}
}

func newDerivation(w *source.World, h Holding, d *resolve.Derivation) Derivation {
	made := Derivation{
		Holding: h, Specific: newChoice(&d.Specific), Broad: newChoice(&d.Broad), System: newChoice(&d.System),
		Local: newStep(&d.Local), Floor: d.Floor && d.System.Role != "", Combined: newStep(&d.Combined),
		HidesUnmatched: d.HidesUnmatched, ExceedsBound: d.ExceedsBound,
	}
	if d.Excluded != nil {
		made.Excluded = &Step{resolve.NoAccess, string(resolve.RuleExclusiveAccess), d.Excluded.Source}
		made.ExcludedBy, made.HeldIn = d.Excluded.Name, d.Excluded.Applications
	}
	for i := range d.Rows {
		r := &d.Rows[i]
		made.Rows = append(made.Rows, ContributedRows{
			r.Source, r.Application, r.Filter, attributesOf(w, h.Organization, h.User, r),
		})
	}
	return made
}

func newStep(o *resolve.Outcome) Step { return Step{o.Role, string(o.Rule), o.Source} }

func newChoice(c *resolve.Choice) *Choice {
	if c.Role == "" {
		return nil
	}
	made := &Choice{Step: Step{c.Role, string(c.Rule), c.Source}}
	for _, g := range c.Grants {
		made.Grants = append(made.Grants, ChosenGrant{g.Source, g.Role, g.Protected})
	}
	return made
}

// addFuture adds the future changes to the access that the explanation covers.
func (e *Explanation) addFuture(x *roster.Explanation, applications []string, all bool) {
	before := &x.Decision
	for i := range x.Future {
		after := &x.Future[i].Decision
		var changes []RoleChange
		note := func(scope, application string, was, is *resolve.Access) {
			rows := was.GivesAccess() && is.GivesAccess() && !slices.EqualFunc(was.Filters, is.Filters, resolve.Filter.Equal)
			if was.Role != is.Role || rows {
				changes = append(changes, RoleChange{scope, application, newStep(&was.Outcome), newStep(&is.Outcome), rows})
			}
		}
		if all {
			note(ScopeOrganization, "", &resolve.Access{Outcome: before.OrganizationRole},
				&resolve.Access{Outcome: after.OrganizationRole})
		}
		for _, name := range applications {
			note(ScopeApplication, name, before.Application(name), after.Application(name))
		}
		if all {
			note(ScopeDefault, "", &before.Default, &after.Default)
		}
		if len(changes) > 0 {
			e.Future = append(e.Future, FutureChanges{x.Future[i].At, changes})
		}
		before = after
	}
}

func newWindow(w resolve.Window) Window {
	return Window{newInstant(w.NotBefore), newInstant(w.NotAfter)}
}

func newWindows(all []resolve.Window) []Window {
	var made []Window
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

// Text describes the window in words.
func (w Window) Text() string {
	switch {
	case w.NotBefore == nil && w.NotAfter == nil:
		return "always"
	case w.NotBefore == nil:
		return "until " + Until(w.NotAfter)
	case w.NotAfter == nil:
		return "from " + Until(w.NotBefore)
	default:
		return "from " + Until(w.NotBefore) + " until " + Until(w.NotAfter)
	}
}

// WindowsText describes the windows in words.
func WindowsText(all []Window) string {
	if len(all) == 0 {
		return "always"
	}
	parts := make([]string, len(all))
	for i := range all {
		parts[i] = all[i].Text()
	}
	return strings.Join(parts, ", or ")
}
