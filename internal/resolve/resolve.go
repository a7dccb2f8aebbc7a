package resolve

import (
	"slices"
	"time"
)

// Bar is what one UserAccess says of the user's state and window (docs/rules.md R1).
type Bar struct {
	Source    string // Kind/namespace/name
	AtSystem  bool   // in the system namespace
	Suspended bool
	Window    Window
}

// Holding is a source that the user holds: the group by membership, open in any of Windows (none: always), or the
// UserAccess that is the user's.
type Holding struct {
	Source  *Bound
	Windows []Window
}

// User is one user as an organization sees it.
type User struct {
	// Declared: the organization has a declared UserAccess for the user.
	Declared bool
	// Bars are those of every declared UserAccess of the user, in the organization and in the system namespace.
	Bars []Bar
	// Holdings are bound to the organization; a nil Source is passed over.
	Holdings []Holding
	// Named lists, sorted, the applications named in the organization. It is read only where the bound of
	// docs/rules.md R7 may take rows from the user.
	Named []string
}

// Resolve decides what the user may do at the instant now.
//
// The cost grows with the user's own grants and rows. Each entry is looked at again at the instants that bear on it,
// [MaximumInstants] at most. The cost does not grow with the number of applications that the user's sources do not name.
func (o *Organization) Resolve(u *User, now time.Time) Decision {
	return o.Resume(nil, u, now, nil)
}

// Resume decides like [Organization.Resolve] within the budget, which may be nil.
//
// Nothing but the time has changed for the user since the previous decision, which is nil where there is none, or where
// anything else may have changed. An end that it has is looked for again only where the entry is not as it was: its role
// and filters differ, or its end has come. An end that was cut off or is unfinished is looked for from where the search
// stopped.
//
// Each decision has a few evaluations of its own beside the budget. Where both are spent, the decision is as right as any
// at the instant now, but it is [Decision.Unfinished]. It has the same ends as without a budget once it has been resumed
// until it is finished. Every call goes on as long as something is left.
func (o *Organization) Resume(previous *Decision, u *User, now time.Time, b *Budget) Decision {
	return o.withEnds(o.At(u, now), previous, u, now, b)
}

// instant is the decision at one instant, without what comes after.
type instant struct {
	held         bool
	organization Outcome
	fallback     Access
	applications []*ApplicationAccess
	conflicts    []Conflict
	exclusions   []Exclusion
	hiddenRows   []string // Decision.HiddenRows
}

func (i *instant) application(name string) *Access {
	if at, found := slices.BinarySearchFunc(i.applications, name, compareApplication); found {
		return &i.applications[at].Access
	}
	return &i.fallback
}

func (i *instant) enters() bool {
	return i.organization.GivesAccess() || i.fallback.GivesAccess() ||
		slices.ContainsFunc(i.applications, func(a *ApplicationAccess) bool { return a.GivesAccess() })
}

func (o *Organization) resolveAt(u *User, t time.Time) instant {
	c := collections.Get().(*collection)
	defer collections.Put(c)
	g := c.collect(o, u, t)
	at := instant{held: g.held}
	if barred, ok := bar(u.Bars, t); ok {
		at.organization = barred
		at.fallback = Access{Outcome: barred}
		return at
	}
	at.organization = o.organizationOutcome(&g)
	broad := choose(g.broad, o.rules.Strategy)
	system := choose(g.systemApplication, o.rules.SystemStrategy)
	at.fallback.Outcome = o.applicationOutcome(choice{}, broad, system)
	if at.fallback.GivesAccess() {
		at.fallback.Filters = o.filters(&g, "")
	}
	at.applications = o.namedApplications(&g, broad, system)
	o.exclude(&at, &g)
	if g.mayExceed {
		o.boundRows(&at, &g)
	}
	at.conflicts = o.conflicts(&g, broad, system)
	return at
}

// namedApplications decides every application of which something is said for this user.
func (o *Organization) namedApplications(g *grants, broad, system choice) []*ApplicationAccess {
	others := g.otherApplications(o)
	if len(g.specific)+len(others) == 0 {
		return nil
	}
	decided := make([]*ApplicationAccess, 0, len(g.specific)+len(others))
	for i := range g.specific {
		tier := &g.specific[i]
		for len(others) > 0 && others[0] < tier.application {
			decided = append(decided, o.decideApplication(g, others[0], choice{}, broad, system))
			others = others[1:]
		}
		if len(others) > 0 && others[0] == tier.application {
			others = others[1:]
		}
		decided = append(decided, o.decideApplication(g, tier.application, tier.choice, broad, system))
	}
	for _, name := range others {
		decided = append(decided, o.decideApplication(g, name, choice{}, broad, system))
	}
	return decided
}

func (o *Organization) decideApplication(g *grants, name string, own, broad, system choice) *ApplicationAccess {
	if own.has && own.uniform && !own.raised && !broad.has && !system.has {
		alone := own.won.alone
		if !alone.GivesAccess() {
			return alone
		}
		filters := o.filters(g, name)
		if filters == nil {
			return alone
		}
		return &ApplicationAccess{name, Access{alone.Outcome, filters}}
	}
	a := &ApplicationAccess{Application: name}
	a.Outcome = o.applicationOutcome(own, broad, system)
	if a.GivesAccess() {
		a.Filters = o.filters(g, name)
	}
	return a
}

// applicationOutcome is docs/rules.md R5 for one application; without a specific tier, the default role.
func (o *Organization) applicationOutcome(specific, broad, system choice) Outcome {
	l := o.localOf(&broad)
	if specific.has {
		l = o.localOf(&specific)
		switch {
		case broad.guard != nil && broad.guard.rung < specific.rung:
			l.rung, l.source, l.rule = broad.guard.rung, broad.guard.source.name, RuleProtectedAdministrator
		case broad.has && broad.rung != specific.rung && l.rule != RuleProtectedAdministrator:
			l.rule = RuleSpecificApplication
		}
	}
	r, rule, source := o.combine(l, system)
	return Outcome{Role: o.applicationRole(r), Rule: rule, Source: source, rung: r}
}

// organizationOutcome is docs/rules.md R6.
func (o *Organization) organizationOutcome(g *grants) Outcome {
	own := choose(g.organization, o.rules.Strategy)
	system := choose(g.systemOrganization, o.rules.SystemStrategy)
	r, rule, source := o.combine(o.localOf(&own), system)
	return Outcome{Role: o.organizationRole(r), Rule: rule, Source: source, rung: r}
}

// local is what the organization gives, with its reason.
type local struct {
	has    bool
	rung   rung
	rule   Rule
	source string
}

func (o *Organization) localOf(c *choice) local {
	return local{has: c.has, rung: c.rung, rule: ruleOf(c, o.rules.Strategy), source: c.source()}
}

// combine is the combination of the organization's role with the system's (docs/rules.md R5).
func (o *Organization) combine(l local, system choice) (rung, Rule, string) {
	floor := o.isFloor(&system)
	switch {
	case !system.has && !l.has:
		return noAccess, RuleNoGrant, ""
	case !system.has:
		return l.rung, l.rule, l.source
	case system.rung == noAccess:
		return noAccess, RuleSystemBlock, system.source()
	case !l.has:
		return system.rung, RuleSystemGrant, system.source()
	case floor && system.rung < l.rung:
		return system.rung, RuleSystemFloor, system.source()
	case !floor && system.rung > l.rung:
		return system.rung, RuleSystemCap, system.source()
	default:
		return l.rung, l.rule, l.source
	}
}

// isFloor says whether the system role is a floor, not a cap.
func (o *Organization) isFloor(system *choice) bool {
	return o.rules.SystemStrategy == MostPermissive || (system.guard != nil && system.guard.rung <= system.rung)
}

// ruleOf is the reason within one scope.
func ruleOf(c *choice, strategy Strategy) Rule {
	switch {
	case !c.has:
		return RuleNoGrant
	case c.raised:
		return RuleProtectedAdministrator
	case c.uniform:
		return RuleOnlyGrant
	case strategy == MostPermissive:
		return RuleMostPermissive
	default:
		return RuleMostRestrictive
	}
}

// bar is docs/rules.md R1: Suspended before Expired before NotYetValid, the organization before the system
// namespace, the smallest source first.
func bar(bars []Bar, t time.Time) (Outcome, bool) {
	var first *Bar
	var why Rule
	for i := range bars {
		b := &bars[i]
		rule := b.rule(t)
		if rule == "" {
			continue
		}
		if first == nil || comesBefore(b, rule, first, why) {
			first, why = b, rule
		}
	}
	if first == nil {
		return Outcome{}, false
	}
	return Outcome{Role: NoAccess, Rule: why, Source: first.Source, rung: noAccess}, true
}

func (b *Bar) rule(t time.Time) Rule {
	switch {
	case b.Suspended:
		return RuleSuspended
	case !b.Window.NotAfter.IsZero() && !t.Before(b.Window.NotAfter):
		return RuleExpired
	case !b.Window.Contains(t):
		return RuleNotYetValid
	default:
		return ""
	}
}

func comesBefore(b *Bar, rule Rule, c *Bar, other Rule) bool {
	if rule != other {
		order := []Rule{RuleSuspended, RuleExpired, RuleNotYetValid}
		return slices.Index(order, rule) < slices.Index(order, other)
	}
	if b.AtSystem != c.AtSystem {
		return c.AtSystem
	}
	return b.Source < c.Source
}
