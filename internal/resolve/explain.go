package resolve

import (
	"cmp"
	"slices"
	"time"
)

// Claim is a source that a user holds, in its written form, with the windows in which the user holds it.
type Claim struct {
	Source  *Source
	Windows []Window // none: always
}

// Person is a [User] before any source is bound. It is the input of [Organization.Explain].
type Person struct {
	Declared bool
	Bars     []Bar
	Claims   []Claim
	Named    []string // User.Named
	// Place is the organization as selectors see it. Nil stands for an organization without labels and without
	// ApplicationAccess objects.
	Place *Place
	// Own and AtSystem are the user's attributes in the organization and in the system namespace.
	Own, AtSystem Attributes
}

// Explanation is a decision with its complete derivation. It is for people to read. No decision is based on it.
type Explanation struct {
	Decision Decision
	// Bars lists the bars that hold (docs/rules.md R1). The first one is the reported one.
	Bars []HeldBar
	// Grants lists every grant of the claims, whether it counts or not, by scope, application and source.
	Grants []ExplainedGrant
	// Organization derives the organization role, Default the default role, and Applications the roles in the
	// requested applications. All of them ignore bars.
	Organization Derivation
	Default      Derivation
	Applications []Derivation
	// Future lists the decisions at the later instants at which something may change, at most [MaximumFuture].
	Future []Moment
}

// MaximumFuture is the maximum number of future instants in an explanation.
const MaximumFuture = 50

// HeldBar is a bar that holds. Rule is Suspended, Expired or NotYetValid.
type HeldBar struct {
	Bar
	Rule Rule
}

// Moment is the decision that holds from the instant At on.
type Moment struct {
	At       time.Time
	Decision Decision
}

// Explain returns the person's decision at the instant now with its derivation, in detail for the given
// applications.
func (o *Organization) Explain(p Person, applications []string, now time.Time) Explanation {
	u := User{Declared: p.Declared, Bars: p.Bars, Named: p.Named}
	if p.Place == nil {
		p.Place = &Place{Organization: o.rules.Organization}
	}
	for _, c := range p.Claims {
		if b := o.Bind(c.Source, p.Place); b != nil {
			u.Holdings = append(u.Holdings, Holding{Source: b.For(p.Own, p.AtSystem), Windows: c.Windows})
		}
	}
	e := Explanation{Decision: o.Resolve(&u, now), Bars: heldBars(p.Bars, now)}
	var c collection
	g := c.collect(o, &u, now)
	for _, c := range p.Claims {
		e.Grants = append(e.Grants, o.explainClaim(&c, p.Place, g.inGroup, now)...)
	}
	slices.SortStableFunc(e.Grants, compareGrants)
	e.derive(o, &g, applications)
	for _, t := range Transitions(&u, now) {
		if len(e.Future) == MaximumFuture {
			break
		}
		e.Future = append(e.Future, Moment{t, o.Resolve(&u, t)})
	}
	return e
}

// heldBars returns the bars that hold at t. The first one is the bar that an outcome reports.
func heldBars(bars []Bar, t time.Time) []HeldBar {
	var held []HeldBar
	for i := range bars {
		if rule := bars[i].rule(t); rule != "" {
			held = append(held, HeldBar{bars[i], rule})
		}
	}
	slices.SortFunc(held, func(a, b HeldBar) int {
		switch {
		case comesBefore(&a.Bar, a.Rule, &b.Bar, b.Rule):
			return -1
		case comesBefore(&b.Bar, b.Rule, &a.Bar, a.Rule):
			return 1
		default:
			return 0
		}
	})
	return held
}

// Derivation is the step-by-step derivation of one role (docs/rules.md R4 to R9).
type Derivation struct {
	// Application is empty for the default role, and for the organization role.
	Application string
	// Specific, Broad and System are the tiers. The organization role has no specific tier, and its Broad is the
	// organization scope.
	Specific, Broad, System Choice
	// Local is the role that the organization gives, before it is combined with the system role.
	Local Outcome
	// Floor reports whether the system role is a floor rather than a cap.
	Floor bool
	// Combined is the outcome of R5, before exclusive access.
	Combined Outcome
	// Excluded is the rule of exclusive access that took the role, or nil.
	Excluded *Exclusion
	// Rows lists the groups' row entries, in the order of the groups (R7).
	Rows []ContributedRows
	// HidesUnmatched reports whether the application shows no row to a user without such entries.
	HidesUnmatched bool
	// ExceedsBound reports whether no row is visible because the user's filters together exceed the bound of R7.
	ExceedsBound bool
}

// Choice is the result of R4 within one scope: the grants of the scope and the winner. Role is empty if the scope
// has no grant.
type Choice struct {
	Grants []WeighedGrant
	Role   string
	Source string
	Rule   Rule
}

// WeighedGrant is a grant within a scope, with the role that it gives or means there.
type WeighedGrant struct {
	SourceRole
	Protected bool
}

// ContributedRows is a row entry of a group, for the application or for [AnyApplication]. Written is its filter as
// the group declares it: with the names of user attributes instead of their values.
type ContributedRows struct {
	Source string
	Rows
	Written Filter
}

func (e *Explanation) derive(o *Organization, g *grants, applications []string) {
	system := choose(g.systemApplication, o.rules.SystemStrategy)
	broad := choose(g.broad, o.rules.Strategy)
	at := instant{fallback: Access{Outcome: o.applicationOutcome(choice{}, broad, system)}}
	at.applications = o.namedApplications(g, broad, system)
	o.exclude(&at, g)
	if g.mayExceed {
		o.boundRows(&at, g)
	}

	e.Organization = Derivation{
		Broad:    o.chosen(g.organization, o.rules.Strategy, o.organizationRole),
		System:   o.chosen(g.systemOrganization, o.rules.SystemStrategy, o.organizationRole),
		Combined: o.organizationOutcome(g),
	}
	atTop := choose(g.systemOrganization, o.rules.SystemStrategy)
	e.Organization.Floor = o.isFloor(&atTop)
	own := choose(g.organization, o.rules.Strategy)
	r, rule, source := o.combine(o.localOf(&own), choice{})
	e.Organization.Local = Outcome{Role: o.organizationRole(r), Rule: rule, Source: source, rung: r}

	e.Default = o.derivation(g, "", &at)
	for _, name := range applications {
		e.Applications = append(e.Applications, o.derivation(g, name, &at))
	}
}

// derivation applies R5, R7 and R9 to one application. An empty name stands for an application that nothing names.
func (o *Organization) derivation(g *grants, application string, at *instant) Derivation {
	var tier []*grant
	var specific choice
	for i := range g.specific {
		if application != "" && g.specific[i].application == application {
			tier, specific = g.specific[i].grants, g.specific[i].choice
		}
	}
	broad := choose(g.broad, o.rules.Strategy)
	system := choose(g.systemApplication, o.rules.SystemStrategy)
	_, hidden := slices.BinarySearch(o.hideUnmatched, application)
	d := Derivation{
		Application:    application,
		Specific:       o.chosen(tier, o.rules.Strategy, o.applicationRole),
		Broad:          o.chosen(g.broad, o.rules.Strategy, o.applicationRole),
		System:         o.chosen(g.systemApplication, o.rules.SystemStrategy, o.applicationRole),
		Local:          o.applicationOutcome(specific, broad, choice{}),
		Floor:          o.isFloor(&system),
		Combined:       o.applicationOutcome(specific, broad, system),
		HidesUnmatched: hidden,
	}
	if application != "" && at.application(application).Rule == RuleExclusiveAccess {
		d.Excluded = o.excluding(at, application)
	}
	listed := AnyApplication
	if _, named := slices.BinarySearch(g.named, application); named {
		listed = application
	}
	for _, b := range g.speaking {
		if own := b.rowsOf(application); own != nil {
			listed = application
			d.Rows = append(d.Rows, ContributedRows{b.name, Rows{application, *own}, b.written(application, own)})
		} else if b.anyRows != nil {
			written := b.written(AnyApplication, b.anyRows)
			d.Rows = append(d.Rows, ContributedRows{b.name, Rows{AnyApplication, *b.anyRows}, written})
		}
	}
	d.ExceedsBound = at.application(application).GivesAccess() && slices.Contains(at.hiddenRows, listed)
	return d
}

// excluding returns the exclusion that took the role in the application. If several did, it returns the first.
func (o *Organization) excluding(at *instant, application string) *Exclusion {
	for i := range o.exclusive {
		rule := &o.exclusive[i]
		if !slices.Contains(rule.Applications, application) {
			continue
		}
		for j := range at.exclusions {
			if e := &at.exclusions[j]; e.Name == rule.Name && e.Source == rule.Source {
				return e
			}
		}
	}
	return nil
}

func (o *Organization) chosen(scope []*grant, s Strategy, name func(rung) string) Choice {
	c := choose(scope, s)
	if !c.has {
		return Choice{Rule: RuleNoGrant}
	}
	made := Choice{Role: name(c.rung), Source: c.source(), Rule: ruleOf(&c, s)}
	for _, g := range scope {
		made.Grants = append(made.Grants, WeighedGrant{SourceRole{g.source.name, name(g.rung)}, g.protected})
	}
	slices.SortFunc(made.Grants, func(a, b WeighedGrant) int {
		return cmp.Or(compareStrings(a.Source, b.Source), compareStrings(a.Role, b.Role))
	})
	made.Grants = slices.Compact(made.Grants)
	return made
}
